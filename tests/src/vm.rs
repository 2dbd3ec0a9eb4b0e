//! A virtual machine in QEMU, emulated in software: Debian's cloud kernel, and busybox for the rest.
//!
//! # Design
//! The guest's whole file system is an archive that is made once per test program: busybox, `ip` with its
//! libraries, the kernel's network modules, and a script that runs the lines that the test writes to the serial console.
//! Nothing is installed in a guest, and nothing of it stays.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::process::{mortal, must};

/// How long a guest may take to boot, or to run a line: it is emulated, beside others.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a guest has, and what can be added while it runs.
const MEMORY: &str = "192M,slots=1,maxmem=512M";

/// Modules of the kernel in the order in which they are loaded, below `kernel/`.
const MODULES: &[&str] = &[
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci",
    "drivers/net/virtio_net",
    "net/llc/llc",
    "net/802/stp",
    "net/802/mrp",
    "net/802/garp",
    "net/8021q/8021q",
];

/// Modules that a test loads itself: `insmod /modules/NAME.ko`.
const MORE_MODULES: &[&str] =
    &["net/core/pktgen", "net/ipv4/ip_tunnel", "net/ipv4/gre", "net/ipv4/ip_gre"];

const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /etc /sbin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo -onlcr
for module in $(cat /modules/order); do insmod "/modules/$module" || echo "guest: no $module"; done
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 2>/dev/null
ip link set lo up
echo "guest: ready"
while read -r line; do
  eval "$line" </dev/null
  echo "guest: done $?"
done
"#;

/// What busybox's DHCP client calls: takes the address that it was given.
const LEASE: &str = r#"#!/bin/sh
case $1 in
  bound|renew) ip addr flush dev "$interface"; ip addr add "$ip/${mask:-24}" dev "$interface" ;;
esac
"#;

/// A network card of a guest.
#[derive(Clone, Debug)]
pub enum Card {
    /// By vhost-user; the VMM listens at the path, and waits for nobody.
    Listening(PathBuf),
    /// The same, with packed rings.
    Packed(PathBuf),
    /// By vhost-user; the VMM connects to the path, and comes back every second.
    Connecting(PathBuf),
    /// By a TAP that is there.
    Tap(String),
}

/// A running guest, killed when dropped.
pub struct Vm {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    /// Everything that it has said, for a test that fails.
    said: Vec<String>,
    /// Where its monitor listens.
    folder: tempfile::TempDir,
}

struct System {
    _folder: tempfile::TempDir,
    kernel: PathBuf,
    archive: PathBuf,
}

/// The kernel, and the archive made for it.
fn system() -> &'static System {
    static SYSTEM: OnceLock<System> = OnceLock::new();
    SYSTEM.get_or_init(|| {
        let mut kernels: Vec<PathBuf> = fs::read_dir("/boot")
            .expect("/boot")
            .filter_map(|file| Some(file.ok()?.path()))
            .filter(|path| path.to_string_lossy().contains("/vmlinuz-"))
            .filter(|path| path.to_string_lossy().contains("-cloud-"))
            .collect();
        kernels.sort();
        let kernel = kernels.pop().expect("no cloud kernel in /boot: dist/install-deps test");
        let name = kernel.file_name().expect("a name").to_string_lossy().into_owned();
        let modules = Path::new("/lib/modules").join(name.trim_start_matches("vmlinuz-"));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let archive = folder.path().join("initramfs");
        make_archive(&folder.path().join("root"), &modules.join("kernel"), &archive);
        System { _folder: folder, kernel, archive }
    })
}

fn make_archive(root: &Path, modules: &Path, archive: &Path) {
    let program = |path: &str, text: &str| {
        let path = root.join(path);
        fs::write(&path, text).expect("a file of the guest");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    };
    for folder in ["bin", "modules"] {
        fs::create_dir_all(root.join(folder)).expect("a folder of the guest");
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox: dist/install-deps test");
    program("init", INIT);
    program("lease", LEASE);
    add_iproute2(root);
    let mut order = String::new();
    for module in MODULES.iter().chain(MORE_MODULES) {
        let name = module.rsplit('/').next().unwrap_or_default();
        let (from, to) = (modules.join(module), root.join("modules").join(name));
        // Later kernels keep their modules compressed.
        let (plain, packed) = (from.with_extension("ko"), from.with_extension("ko.xz"));
        if plain.exists() {
            fs::copy(plain, to.with_extension("ko")).expect("a module");
        } else {
            let to = to.with_extension("ko");
            must(&["sh", "-c", &format!("xz -dc {} > {}", packed.display(), to.display())]);
        }
        if MODULES.contains(module) {
            order.push_str(&format!("{name}.ko\n"));
        }
    }
    fs::write(root.join("modules/order"), order).expect("the modules' order");
    let line = format!(
        "cd {} && find . | busybox cpio -o -H newc > {}",
        root.display(),
        archive.display()
    );
    must(&["sh", "-c", &line]);
}

/// Gives the guest the `ip` of this machine as `/ip`, which knows more kinds of devices than busybox's.
fn add_iproute2(root: &Path) {
    let ip = ["/bin/ip", "/sbin/ip"].into_iter().find(|path| Path::new(path).exists());
    let ip = ip.expect("iproute2: dist/install-deps test");
    fs::copy(ip, root.join("ip")).expect("iproute2");
    for word in must(&["ldd", ip]).split_whitespace().filter(|word| word.starts_with('/')) {
        let library = root.join(word.trim_start_matches('/'));
        let folder = library.parent().expect("a folder");
        fs::create_dir_all(folder).expect("a folder of libraries");
        fs::copy(word, &library).expect("a library");
    }
}

/// Arguments for a card, the `n`th of its guest.
fn card_args(n: usize, card: &Card, mac: &str, n_pairs: usize) -> Vec<String> {
    let mut args = Vec::new();
    let socket = |path: &Path, more: &str| {
        ["-chardev".to_owned(), format!("socket,id=c{n},path={}{more}", path.display())]
    };
    match card {
        Card::Listening(path) | Card::Packed(path) => {
            args.extend(socket(path, ",server=on,wait=off"))
        }
        Card::Connecting(path) => args.extend(socket(path, ",reconnect=1")),
        Card::Tap(_) => {}
    }
    let netdev = match card {
        Card::Tap(name) => format!("tap,id=n{n},ifname={name},script=no,downscript=no,vhost=off"),
        _ => format!("vhost-user,id=n{n},chardev=c{n},queues={n_pairs}"),
    };
    // QEMU 7.2 dies of message-signalled interrupts of a vhost-user card where there is no KVM.
    let mut device = format!("virtio-net-pci,netdev=n{n},mac={mac},romfile=,vectors=0");
    if n_pairs > 1 {
        device.push_str(",mq=on");
    }
    if matches!(card, Card::Packed(_)) {
        device.push_str(",packed=on");
    }
    args.extend(["-netdev".to_owned(), netdev, "-device".to_owned(), device]);
    args
}

impl Vm {
    /// Boots a guest with one card of that MAC address, in a network namespace if one is named, and
    /// waits until it takes commands.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn boot(netns: Option<&str>, card: &Card, mac: &str, n_pairs: usize) -> Vm {
        let mut vm = Vm::start(netns, card, mac, n_pairs);
        vm.wait_ready();
        vm
    }

    /// Starts a guest, without waiting for it.
    ///
    /// # Panics
    /// If QEMU cannot be started.
    #[must_use]
    pub fn start(netns: Option<&str>, card: &Card, mac: &str, n_pairs: usize) -> Vm {
        let system = system();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let qmp = folder.path().join("qmp");
        let mut command = match netns {
            Some(name) => {
                let mut command = mortal("ip");
                command.args(["netns", "exec", name, "qemu-system-x86_64"]);
                command
            }
            None => mortal("qemu-system-x86_64"),
        };
        let memory = "memory-backend-memfd,id=memory,size=192M,share=on";
        command
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"])
            .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-m", MEMORY])
            .args(["-qmp", &format!("unix:{},server=on,wait=off", qmp.display())])
            .args(["-smp", &n_pairs.to_string()])
            .args(["-object", memory, "-machine", "pc,memory-backend=memory"])
            .arg("-kernel")
            .arg(&system.kernel)
            .arg("-initrd")
            .arg(&system.archive)
            .args([
                "-append",
                "console=ttyS0 quiet loglevel=1 panic=-1 reboot=t memhp_default_state=online",
            ])
            .args(card_args(0, card, mac, n_pairs))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("QEMU: dist/install-deps test");
        let input = child.stdin.take().expect("its input");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(text).is_err() {
                    break;
                }
            }
        });
        Vm { child, input, lines, said: Vec::new(), folder }
    }

    /// Lines up to one that begins with `mark`, which comes last.
    fn wait_line(&mut self, mark: &str) -> Vec<String> {
        let (deadline, mut lines) = (Instant::now() + PATIENCE, Vec::new());
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.said.push(line.clone());
                    // The firmware and the kernel leave traces in front of a line.
                    let found = line.contains(mark);
                    lines.push(line);
                    if found {
                        return lines;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("the guest does not say {mark}"),
                Err(RecvTimeoutError::Disconnected) => panic!("QEMU has ended"),
            }
        }
    }

    /// Waits until the guest has booted.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_ready(&mut self) {
        self.wait_line("guest: ready");
    }

    /// Runs a line of shell; its exit code, and what it printed.
    ///
    /// # Panics
    /// If it takes too long.
    pub fn run(&mut self, line: &str) -> (i32, String) {
        writeln!(self.input, "{line}").expect("the guest's console");
        let mut lines = self.wait_line("guest: done ");
        let last = lines.pop().unwrap_or_default();
        let code = last.rsplit(' ').next().and_then(|code| code.parse().ok());
        (code.unwrap_or(-1), lines.join("\n"))
    }

    /// Runs a line that must succeed; what it printed.
    ///
    /// # Panics
    /// If it fails.
    pub fn must(&mut self, line: &str) -> String {
        let (code, said) = self.run(line);
        assert!(code == 0, "`{line}` ended with {code} in the guest\n{said}");
        said
    }

    /// Addresses its card and sets it up.
    pub fn set_up(&mut self, address: &str) {
        self.must(&format!("ip addr add {address} dev eth0 && ip link set eth0 up"));
    }

    /// Sends `n` small frames to that MAC address by the kernel's own generator, as fast as it can.
    ///
    /// # Panics
    /// If the guest's kernel does not take the order, or does not send all of them.
    pub fn flood(&mut self, n: usize, mac: &str) {
        self.must("test -e /proc/net/pktgen || insmod /modules/pktgen.ko");
        let card = [
            format!("count {n}"),
            "pkt_size 60".to_owned(),
            format!("dst_mac {mac}"),
            "dst 10.0.0.254".to_owned(),
        ];
        self.must("echo rem_device_all > /proc/net/pktgen/kpktgend_0");
        self.must("echo add_device eth0 > /proc/net/pktgen/kpktgend_0");
        for order in card {
            self.must(&format!("echo {order} > /proc/net/pktgen/eth0"));
        }
        self.must("echo start > /proc/net/pktgen/pgctrl");
        let told = self.must("cat /proc/net/pktgen/eth0");
        assert!(told.contains(&format!("pkts-sofar: {n}")), "{told}");
    }

    /// Whether its card has a link.
    pub fn has_link(&mut self) -> bool {
        self.run("cat /sys/class/net/eth0/carrier").1.trim() == "1"
    }

    /// Whether one ping is answered within a second.
    pub fn can_ping(&mut self, address: &str) -> bool {
        self.run(&format!("ping -c 1 -W 1 {address} >/dev/null")).0 == 0
    }

    /// Plugs so many MiB of memory into it, while it runs.
    ///
    /// # Panics
    /// If QEMU refuses.
    pub fn plug_memory(&self, mib: u64) {
        let object = json!({
            "qom-type": "memory-backend-memfd", "id": "more", "size": mib << 20, "share": true
        });
        let device = json!({ "driver": "pc-dimm", "id": "dimm", "memdev": "more" });
        let monitor = UnixStream::connect(self.folder.path().join("qmp")).expect("QEMU's monitor");
        let mut lines = BufReader::new(&monitor).lines();
        let nothing = json!({});
        // It greets first.
        lines.next().expect("a greeting").expect("a line");
        for (order, arguments) in
            [("qmp_capabilities", &nothing), ("object-add", &object), ("device_add", &device)]
        {
            writeln!(&monitor, "{}", json!({ "execute": order, "arguments": arguments }))
                .expect("the monitor takes orders");
            let mut answers = lines.by_ref().map(|line| line.expect("a line"));
            // Events come in between.
            let answer =
                answers.find(|line| line.contains("\"return\"") || line.contains("\"error\""));
            let answer = answer.expect("an answer");
            assert!(answer.contains("\"return\""), "{order}: {answer}");
        }
    }

    /// Boots it again, from within, and waits until it takes commands.
    ///
    /// # Panics
    /// If it does not.
    pub fn reboot(&mut self) {
        writeln!(self.input, "reboot -f").expect("the guest's console");
        self.wait_ready();
    }

    /// QEMU's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("── the guest said ──\n{}", self.said.join("\n"));
        }
    }
}
