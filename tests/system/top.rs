//! `ofctl top` beside real traffic, on a terminal and off one.

use serde_json::Value;
use switch_tests::daemon::{DEADLINE, program};
use switch_tests::lab::BRIDGE;
use switch_tests::ledger::assert_conserved;
use switch_tests::process::run;
use switch_tests::traffic::wait_reachable;
use switch_tests::{Host, Lab, Watch, wait_until};

use super::PortKind;

scenarios!(rates_of_traffic);

/// A ping that goes on until it is dropped.
struct Pings(std::process::Child);

impl Pings {
    fn start(from: &Host, to: &Host) -> Pings {
        let mut command = from.ns.command("ping");
        command.args(["-q", "-i", "0.01", &to.ip.to_string()]).stdout(std::process::Stdio::null());
        Pings(command.spawn().expect("ping starts"))
    }
}

impl Drop for Pings {
    fn drop(&mut self) {
        // It may have ended with its namespace.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The documents of `top --json` so far.
fn documents(text: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(text);
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).expect("a document per line")).collect()
}

/// A port in a document; null if it is not there.
fn port<'a>(document: &'a Value, name: &str) -> &'a Value {
    let ports = document["ports"].as_array().expect("it has ports");
    ports.iter().find(|port| port["name"] == name).unwrap_or(&Value::Null)
}

fn rates_of_traffic(kind: PortKind) {
    let lab = Lab::new();
    let (a, b) = (lab.host(kind, &[]), lab.host(kind, &[]));
    wait_reachable(&a, &b);
    lab.daemon.ofctl(&["add-br", "br9"]);
    let pings = Pings::start(&a, &b);
    let before = lab.daemon.count(&b.name, "rx_packets");
    wait_until("the pings", DEADLINE, || lab.daemon.count(&b.name, "rx_packets") > before + 5);

    let text = lab.daemon.ofctl(&["top", "-n", "2", "-i", "0.2"]);
    let blocks: Vec<&str> = text.split("\n\n").collect();
    assert_eq!(blocks.len(), 2, "{text}");
    for host in [&a, &b] {
        let cells = |block: &str| -> Vec<String> {
            let mut rows = block.lines().map(|row| row.split_whitespace().map(str::to_owned));
            let row = rows.find_map(|mut row| (row.nth(1)? == host.name).then(|| row.collect()));
            row.unwrap_or_default()
        };
        let rows: Vec<Vec<String>> = blocks.iter().map(|block| cells(block)).collect();
        assert!(rows.iter().all(|row| row.len() == 8 && row[0] == "up"), "{text}");
        for column in 1..=4 {
            let is_moving = rows.iter().any(|row| row[column] != "0" && row[column] != "-");
            assert!(is_moving, "column {column} of {}: {text}", host.name);
        }
    }

    let json = lab.daemon.ofctl(&["--json", "top", "-n", "2", "-i", "0.5", BRIDGE]);
    let documents = documents(json.as_bytes());
    assert_eq!(documents.len(), 2, "{json}");
    for document in &documents {
        assert!(document["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.3), "{json}");
        let rates = &port(document, &a.name)["rates"];
        let rate = |key: &str| rates[key].as_f64().expect("a number");
        // Pings of 98 bytes, and hardly anything else.
        let (packets, bits) = (rate("rx_packets"), rate("rx_bits"));
        assert!(packets > 0.0 && rate("tx_packets") > 0.0, "{json}");
        assert!((60.0..2000.0).contains(&(bits / packets / 8.0)), "{json}");
        assert_eq!(rates["rx_errors"], 0.0);
        assert!(rates["drops"].is_object(), "{json}");
    }
    let other = lab.daemon.ofctl(&["--json", "top", "-n", "1", "-i", "0.1", "br9"]);
    let other = self::documents(other.as_bytes());
    assert!(port(&other[0], &a.name).is_null(), "a bridge shows its ports alone: {other:?}");
    assert!(port(&other[0], "br9")["rates"].is_object(), "the bridge's own port: {other:?}");
    drop(pings);
    assert_conserved(&lab.daemon);
}

#[test]
fn ports_come_and_go_and_so_does_the_daemon() {
    let mut lab = Lab::new();
    let (a, b) = (lab.host(PortKind::Packet, &[]), lab.host(PortKind::Packet, &[]));
    wait_reachable(&a, &b);
    let watch = Watch::spawn(&lab.daemon, &["--json", "top", "-i", "0.1"]);
    let wait_last = |what: &str, cond: &dyn Fn(&Value) -> bool| {
        wait_until(what, DEADLINE, || documents(&watch.stdout()).last().is_some_and(cond));
    };
    wait_last("the first table", &|last| port(last, &b.name)["rates"].is_object());
    lab.daemon.ofctl(&["del-port", &b.name]);
    wait_last("the port to go", &|last| port(last, &b.name).is_null());
    lab.daemon.ofctl(&["add-port", BRIDGE, &b.name]);
    wait_last("the port to come", &|last| port(last, &b.name)["rates"].is_object());
    let all = documents(&watch.stdout());
    let back = all.iter().rposition(|one| port(one, &b.name).is_null()).expect("it was gone") + 1;
    assert!(port(&all[back], &b.name)["rates"].is_null(), "no rates from one sample: {all:?}");
    let negative = |rates: &Value| {
        let mut rates = rates.as_object().into_iter().flatten();
        rates.any(|(_, rate)| rate.as_f64().is_some_and(|rate| rate < 0.0))
    };
    assert!(!all.iter().any(|one| negative(&port(one, &b.name)["rates"])), "{all:?}");

    lab.daemon.kill();
    wait_until("the loss to be told", DEADLINE, || watch.stderr().ends_with('\n'));
    let said = watch.stderr();
    assert_eq!(watch.wait().0, Some(3));
    assert!(said.starts_with("ofctl: ") && said.contains("vswitchd"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn ctrl_c_ends_it_well() {
    let lab = Lab::new();
    let watch = Watch::spawn(&lab.daemon, &["top", "-i", "0.1"]);
    wait_until("a table", DEADLINE, || !watch.stdout().is_empty());
    let (code, printed) = watch.interrupt();
    assert_eq!(code, Some(0));
    assert!(printed.starts_with(b"1 port, "), "{}", String::from_utf8_lossy(&printed));
}

/// Runs a program on a terminal of six lines, types Ctrl-C when it has drawn twice, and prints what
/// the terminal got.
const ON_TERMINAL: &str = "
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('4H', 6, 40, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
seen, is_typed = b'', False
while True:
    try:
        data = os.read(terminal, 65536)
    except OSError:
        break
    seen += data
    if not is_typed and seen.count(b'\\x1b[H') >= 2:
        os.write(terminal, b'\\x03')
        is_typed = True
sys.stdout.buffer.write(seen)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[test]
fn a_terminal_is_drawn_in_place_and_left_as_it_was() {
    let lab = Lab::new();
    for n in 0..5 {
        lab.daemon.ofctl(&["add-br", &format!("q{n}")]);
    }
    let (ofctl, rundir) = (program("ofctl"), lab.daemon.rundir());
    let (ofctl, rundir) = (ofctl.display().to_string(), rundir.display().to_string());
    let words = ["timeout", "60", "python3", "-c", ON_TERMINAL, &ofctl, "--rundir", &rundir];
    let outcome = run(&[&words[..], &["top", "-i", "0.1"]].concat());
    let drawn = outcome.stdout;
    assert_eq!(outcome.code, 0, "{drawn:?} {}", outcome.stderr);
    assert!(drawn.starts_with("\x1b[2J\x1b[?7l\x1b[H6 ports, "), "{drawn:?}");
    assert_eq!(drawn.matches("\x1b[2J").count(), 1, "cleared once: {drawn:?}");
    assert!(drawn.contains("q0") && !drawn.contains("q2"), "as many as fit: {drawn:?}");
    assert!(drawn.contains("and 4 more: enlarge the window"), "{drawn:?}");
    assert_eq!(drawn.matches("\x1b[?7l").count(), drawn.matches("\x1b[?7h").count());
}

#[test]
fn what_is_wrong_is_told() {
    let lab = Lab::new();
    for (words, code, said) in [
        (&["-i", "0"][..], 2, "--interval=0: (allowed: 0.1 to 3600 seconds)"),
        (&["-i", "x"], 2, "--interval=x: (allowed: 0.1 to 3600 seconds)"),
        (&["-n", "0"], 2, "--count=0: (allowed: 1 or more)"),
        (&["-n"], 2, "a value is required"),
        (&[BRIDGE, "br9"], 2, "top takes at most 1 argument, not 2"),
        (&["--if-exists"], 2, "top does not take --if-exists"),
        (&["br9"], 1, "br9"),
    ] {
        let outcome = lab.daemon.try_ofctl(&[&["top"], words].concat());
        assert_eq!((outcome.code, outcome.stdout.as_str()), (code, ""), "{words:?}");
        assert!(outcome.stderr.contains(said), "{words:?}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    }
}
