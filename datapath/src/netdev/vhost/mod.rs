//! `vhost-user`: the network card of a virtual machine, whose memory the switch shares.
//!
//! # Design
//! A VMM (QEMU, Cloud Hypervisor, a DPDK program) hands over its guest's memory and the places of
//! the card's rings by messages over a Unix socket; frames then pass by the rings alone, without a
//! system call. So a port has two sides:
//!
//! - **the protocol**, on a thread of the port's own: [`runner`] waits for the front end, [`door`] takes
//!   its messages without ever waiting for the rest of one, the `vhost` crate takes them apart, and
//!   [`session`] keeps what they say;
//! - **the rings**, in the poll threads: [`ring`] walks chains of buffers, in rings of either layout,
//!   over [`vring`] and [`memory`]; [`rxq`] and [`txq`] move frames.
//!
//! They meet in [`shared`]: a ring is put into its place, or taken out of it, under a lock that poll
//! threads hold for a batch.
//!
//! Rings are split or packed, as the guest wants; frames for it may be spread over several buffers;
//! descriptors may be indirect; both sides say when they want to be notified. While a queue is polled the guest is asked
//! not to notify; it is asked to when the queue turns idle. The virtio-net header carries unfinished
//! checksums and whole segments both ways, if the guest takes them.
//!
//! # Invariants
//! Whatever a front end or a guest says, it can lose no more than its own port: every index, address
//! and length is checked before use, what is copied out is checked as a copy, nothing waits for it,
//! and its files may be cut at any time (see `sys.rs`).
//!
//! # Thread-safety
//! [`Vhost`] belongs to the control thread. Dropping it ends the port's thread.
//!
//! # References
//! virtio 1.2 §2.7, §2.8, §5.1; QEMU's `docs/interop/vhost-user.rst`.

mod door;
mod feature;
mod memory;
mod ring;
mod runner;
mod rxq;
mod session;
mod shared;
mod sys;
mod txq;
mod vring;

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, eventfd};

pub use door::{Connection, Ended};

use self::runner::{Runner, Source};
use self::rxq::VhostRxq;
use self::shared::Shared;
use self::txq::VhostTxq;
use super::{LinkChanged, Netdev, NetdevError, Rxq, Txq};

/// Most pairs of queues.
pub const MAX_PAIRS: usize = 16;
/// Longest path of a socket, bytes (`sun_path` less its final zero, unix(7)).
pub const MAX_PATH_LEN: usize = 107;
/// Bytes of the stack of a port's thread.
const STACK_LEN: usize = 256 << 10;

/// Who listens at the socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The VMM; the switch connects.
    Client,
    /// The switch; the VMM connects.
    Server,
}

impl Mode {
    const fn word(self) -> &'static str {
        match self {
            Mode::Client => "client",
            Mode::Server => "server",
        }
    }
}

/// What a port shall be.
#[derive(Clone, Debug)]
pub struct VhostConfig {
    /// Path of the socket, at most [`MAX_PATH_LEN`] bytes.
    pub path: PathBuf,
    /// Who listens there.
    pub mode: Mode,
    /// Most pairs of queues that the guest may use, 1 to [`MAX_PAIRS`].
    pub n_pairs: usize,
}

impl VhostConfig {
    fn os(&self, action: &'static str) -> impl Fn(io::Error) -> NetdevError + use<'_> {
        move |source| NetdevError::Os { device: self.path.display().to_string(), action, source }
    }

    fn check(&self) -> Result<(), NetdevError> {
        let device = self.path.display().to_string();
        let invalid = |what, value: usize, allowed: String| {
            let (device, value) = (device.clone(), value.to_string());
            Err(NetdevError::Invalid { device, what, value, allowed })
        };
        let len = self.path.as_os_str().len();
        if !(1..=MAX_PATH_LEN).contains(&len) {
            let allowed = format!("1-{MAX_PATH_LEN} bytes");
            return invalid("length of the socket's path", len, allowed);
        }
        if !(1..=MAX_PAIRS).contains(&self.n_pairs) {
            return invalid("number of queue pairs", self.n_pairs, format!("1-{MAX_PAIRS}"));
        }
        Ok(())
    }
}

/// A socket of this port's own; it vanishes with it.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A vhost-user port.
pub struct Vhost {
    path: PathBuf,
    mode: Mode,
    shared: Arc<Shared>,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    next_txq: AtomicUsize,
    rxqs: Vec<Box<dyn Rxq>>,
    _socket: Option<SocketFile>,
}

impl Vhost {
    /// Listens at the socket, or begins to connect to it.
    ///
    /// # Errors
    /// The path is too long, taken or not writable, or the system refuses a thread or a descriptor.
    pub fn open(config: &VhostConfig) -> Result<Vhost, NetdevError> {
        config.check()?;
        let shared = Arc::new(Shared::new(config.n_pairs).map_err(config.os("eventfd"))?);
        let (source, socket) = match config.mode {
            Mode::Client => (Source::Connect(config.path.clone()), None),
            Mode::Server => {
                let listener = listen(config)?;
                (Source::Listen(listener), Some(SocketFile(config.path.clone())))
            }
        };
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let stop = Arc::new(stop.map_err(|errno| config.os("eventfd")(errno.into()))?);
        let runner = Runner { source, shared: Arc::clone(&shared), stop: Arc::clone(&stop) };
        let thread = std::thread::Builder::new().name("vhost".into()).stack_size(STACK_LEN);
        let thread = thread.spawn(move || runner.run()).map_err(config.os("start a thread"))?;
        let rxq = |pair| -> Box<dyn Rxq> { Box::new(VhostRxq::new(Arc::clone(&shared), pair)) };
        let rxqs = (0..config.n_pairs).map(rxq).collect();
        Ok(Vhost {
            path: config.path.clone(),
            mode: config.mode,
            shared,
            stop,
            thread: Some(thread),
            next_txq: AtomicUsize::new(0),
            rxqs,
            _socket: socket,
        })
    }
}

/// A port whose front end is at the other end of a stream, and whose protocol the caller drives by
/// [`Connection::turn`]: what a thread does otherwise.
///
/// # Errors
/// The system refuses a descriptor.
pub fn by_hand(stream: UnixStream, n_pairs: usize) -> io::Result<(Connection, Queues)> {
    let shared = Arc::new(Shared::new(n_pairs)?);
    let rxq = |pair| -> Box<dyn Rxq> { Box::new(VhostRxq::new(Arc::clone(&shared), pair)) };
    let queues = Queues {
        rxqs: (0..n_pairs).map(rxq).collect(),
        txq: Box::new(VhostTxq::new(Arc::clone(&shared), 0)),
    };
    Ok((Connection::new(stream, shared)?, queues))
}

/// The queues of a port that is driven by hand.
pub struct Queues {
    /// One for each pair.
    pub rxqs: Vec<Box<dyn Rxq>>,
    /// One poll thread's.
    pub txq: Box<dyn Txq>,
}

/// Listens at the configured path. What a switch left behind that was killed is removed: a socket
/// that nobody listens at.
fn listen(config: &VhostConfig) -> Result<UnixListener, NetdevError> {
    let bound = match UnixListener::bind(&config.path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_stale(&config.path) => {
            std::fs::remove_file(&config.path).map_err(config.os("remove the stale socket"))?;
            UnixListener::bind(&config.path)
        }
        other => other,
    };
    let listener = bound.map_err(|error| {
        let action = match error.kind() {
            ErrorKind::AddrInUse => "listen: another program does, or it is no socket",
            _ => "listen",
        };
        config.os(action)(error)
    })?;
    listener.set_nonblocking(true).map_err(config.os("listen"))?;
    Ok(listener)
}

fn is_stale(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    is_socket && runner::connect_now(path).is_err_and(refused)
}

impl Netdev for Vhost {
    fn driver(&self) -> &'static str {
        "vhost-user"
    }

    fn take_rxqs(&mut self) -> Vec<Box<dyn Rxq>> {
        std::mem::take(&mut self.rxqs)
    }

    fn open_txq(&self) -> Result<Box<dyn Txq>, NetdevError> {
        let number = self.next_txq.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(VhostTxq::new(Arc::clone(&self.shared), number)))
    }

    fn watch_link(&mut self, changed: LinkChanged) {
        self.shared.watch(changed);
    }

    fn is_link_up(&self) -> bool {
        // Rings break while they are used, by those who cannot look at all of them.
        self.shared.settle();
        self.shared.is_link_up()
    }

    fn status(&self) -> Vec<(&'static str, String)> {
        let report = self.shared.report().clone();
        let connected = if report.connected { "connected" } else { "disconnected" };
        let mut facts = vec![
            ("mode", self.mode.word().to_owned()),
            ("status", connected.to_owned()),
            ("socket", self.path.display().to_string()),
            ("num_of_vrings", report.sizes.len().to_string()),
        ];
        facts.extend(report.numa.map(|node| ("numa", node.to_string())));
        let names = RING_SIZE_NAMES.iter();
        let size = |ring: usize| report.sizes.iter().find(|(number, _)| *number == ring);
        facts.extend(names.enumerate().filter_map(|(ring, name)| {
            let (_, size) = size(ring)?;
            Some((*name, size.to_string()))
        }));
        facts.push(("features", format!("{:#018x}", report.features)));
        facts.push(("n_connections", report.n_connections.to_string()));
        // Why it cannot be reached now says more than why the last one went.
        let error = report.waiting.or(report.error);
        facts.extend(error.map(|error| ("error", error)));
        facts
    }
}

/// Open vSwitch's names of the sizes of rings.
const RING_SIZE_NAMES: [&str; 2 * MAX_PAIRS] = [
    "vring_0_size",
    "vring_1_size",
    "vring_2_size",
    "vring_3_size",
    "vring_4_size",
    "vring_5_size",
    "vring_6_size",
    "vring_7_size",
    "vring_8_size",
    "vring_9_size",
    "vring_10_size",
    "vring_11_size",
    "vring_12_size",
    "vring_13_size",
    "vring_14_size",
    "vring_15_size",
    "vring_16_size",
    "vring_17_size",
    "vring_18_size",
    "vring_19_size",
    "vring_20_size",
    "vring_21_size",
    "vring_22_size",
    "vring_23_size",
    "vring_24_size",
    "vring_25_size",
    "vring_26_size",
    "vring_27_size",
    "vring_28_size",
    "vring_29_size",
    "vring_30_size",
    "vring_31_size",
];

impl Drop for Vhost {
    fn drop(&mut self) {
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
