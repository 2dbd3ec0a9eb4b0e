//! From start to end: the folder, its lock, the configuration, signals, the background.

use std::path::Path;

use switch_tests::daemon::{DEADLINE, program};
use switch_tests::process::{Outcome, must, run};
use switch_tests::{Daemon, Netns, wait_for, wait_until};

use crate::raw::Raw;

/// Runs the program in a namespace to its end, with a folder and a configuration.
fn vswitchd(ns: &Netns, folder: &Path, args: &[&str]) -> Outcome {
    let program = program("vswitchd").display().to_string();
    let rundir = folder.join("run").display().to_string();
    let exec = ["ip", "netns", "exec", ns.name(), &program, "--rundir", &rundir];
    run(&[&exec[..], args].concat())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn has_link(ns: &Netns, name: &str) -> bool {
    run(&["ip", "-n", ns.name(), "link", "show", name]).code == 0
}

#[test]
fn a_second_daemon_is_refused_and_the_first_goes_on() {
    let ns = Netns::new("second");
    let mut daemon = Daemon::start(&ns, &[]);
    let folder = daemon.rundir().parent().unwrap().to_owned();
    let second = vswitchd(&ns, &folder, &["--no-config", "--log", "off"]);
    assert_eq!(second.code, 1);
    let pid = format!("(pid {}", daemon.pid());
    assert!(second.stderr.contains("another vswitchd runs here"), "{}", second.stderr);
    assert!(second.stderr.contains(&pid), "{pid}: {}", second.stderr);
    assert!(!second.stdout.contains("ready"));
    assert!(daemon.is_alive());
    assert!(Raw::connect(&daemon.rundir()).call("version", &[])["result"].is_string());
}

#[test]
fn a_killed_daemon_starts_again_with_its_configuration() {
    let ns = Netns::new("killed");
    let mut daemon = Daemon::start(&ns, &[]);
    daemon.ofctl(&["add-br", "br0", "--", "add-port", "br0", "n1", "type=null", "tag=7"]);
    daemon.kill();
    let left = ["br0.mgmt", "br0.snoop", "vswitchd.ctl", "vswitchd.pid"];
    assert_eq!(names(&daemon.rundir()), left, "a kill leaves all");
    daemon.restart();
    assert_eq!(daemon.port("n1")["tag"], 7);
    assert_eq!(names(&daemon.rundir()), left);
    let pid = std::fs::read_to_string(daemon.rundir().join("vswitchd.pid")).unwrap();
    assert_eq!(pid, format!("{}\n", daemon.pid()));
}

#[test]
fn sigterm_leaves_nothing_behind() {
    let ns = Netns::new("sigterm");
    let mut daemon = Daemon::start(&ns, &[]);
    daemon.ofctl(&["add-br", "br0", "--", "add-port", "br0", "tap0", "type=tap"]);
    assert!(has_link(&ns, "br0") && has_link(&ns, "tap0"));
    let mut client = Raw::connect(&daemon.rundir());
    assert!(client.call("version", &[])["result"].is_string());
    assert_eq!(daemon.stop(), Some(0), "{}", daemon.log());
    assert_eq!(names(&daemon.rundir()), Vec::<String>::new());
    assert!(!has_link(&ns, "br0") && !has_link(&ns, "tap0"));
    assert!(client.reply().is_none(), "the client sees the end");
}

#[test]
fn exit_replies_when_everything_is_gone() {
    let ns = Netns::new("exit");
    let mut daemon = Daemon::start(&ns, &[]);
    daemon.ofctl(&["add-br", "br0"]);
    let target = daemon.rundir().join("vswitchd.ctl").display().to_string();
    let refused = run(&["ovs-appctl", "-t", &target, "exit", "now"]);
    assert_eq!(refused.code, 2);
    assert!(daemon.is_alive());
    must(&["ovs-appctl", "-t", &target, "exit"]);
    assert_eq!(names(&daemon.rundir()), Vec::<String>::new());
    assert!(!has_link(&ns, "br0"));
    wait_until("the process to end", DEADLINE, || !daemon.is_alive());
    daemon.restart();
}

#[test]
fn a_bad_configuration_stops_the_start_and_is_not_overwritten() {
    let ns = Netns::new("badconf");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("conf.json");
    let path = config.display().to_string();
    for bad in ["{\n\"bridges\": nonsense\n}", "", "\u{0}\u{0}", "{\"bridges\": {\"br0\": 7}}"] {
        std::fs::write(&config, bad).unwrap();
        let outcome = vswitchd(&ns, folder.path(), &["--config", &path, "--log", "off"]);
        assert_eq!(outcome.code, 1, "{bad:?}: {}", outcome.stderr);
        let start = format!("vswitchd: {path}:");
        assert!(outcome.stderr.starts_with(&start), "{bad:?}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
        assert!(!outcome.stdout.contains("ready"));
        assert_eq!(std::fs::read_to_string(&config).unwrap(), bad);
        assert_eq!(names(&folder.path().join("run")), Vec::<String>::new());
    }
}

#[test]
fn what_is_not_a_socket_is_not_removed() {
    let ns = Netns::new("nosocket");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("run")).unwrap();
    let precious = folder.path().join("run/vswitchd.ctl");
    std::fs::write(&precious, "precious").unwrap();
    let outcome = vswitchd(&ns, folder.path(), &["--no-config", "--log", "off"]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("not a socket"), "{}", outcome.stderr);
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
}

#[test]
fn missing_privileges_are_named() {
    let program = program("vswitchd").display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let rundir = folder.path().join("run").display().to_string();
    let less = ["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw", &program];
    let outcome = run(&[&less[..], &["--rundir", &rundir, "--no-config"]].concat());
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("CAP_NET_RAW"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("CAP_NET_ADMIN"), "{}", outcome.stderr);
}

#[test]
fn wrong_usage_is_exit_2() {
    let program = program("vswitchd").display().to_string();
    for words in [&["--no-such"][..], &["br0"], &["--poll-cpus", "x"]] {
        let outcome = run(&[&[program.as_str()], words].concat());
        assert_eq!(outcome.code, 2, "{words:?}: {}", outcome.stderr);
    }
    let folder = tempfile::tempdir().unwrap();
    let rundir = folder.path().join("run").display().to_string();
    let words = ["--rundir", &rundir, "--no-config", "--log", "loud"];
    let outcome = run(&[&[program.as_str()], &words[..]].concat());
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("\"loud\"") && outcome.stderr.contains("dbg"));
}

#[test]
fn detached_it_returns_when_ready_and_logs_to_its_file() {
    let ns = Netns::new("detach");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (log, second_pidfile) = (path("log"), path("second.pid"));
    let args = ["--no-config", "--detach", "--log-file", &log, "--pidfile", &second_pidfile];
    // `run` waits for the end of the output: a daemon that kept it open would hang this test.
    let outcome = vswitchd(&ns, folder.path(), &args);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, "vswitchd: ready\n"));
    let rundir = folder.path().join("run");
    let pid = std::fs::read_to_string(rundir.join("vswitchd.pid")).unwrap();
    assert_eq!(std::fs::read_to_string(&second_pidfile).unwrap(), pid);

    // The log is rotated under its feet.
    std::fs::rename(&log, path("log.1")).unwrap();
    must(&["kill", "-HUP", pid.trim()]);
    wait_for("the new log", DEADLINE, || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.contains("|vlog|INFO|log reopened").then_some(())
    });
    assert!(std::fs::read_to_string(path("log.1")).unwrap().contains("|daemon|INFO|ready"));

    let reply = Raw::connect(&rundir).call("exit", &[]);
    assert_eq!(reply["result"], "");
    assert_eq!(names(&rundir), Vec::<String>::new());
    assert!(!Path::new(&second_pidfile).exists());

    // One that cannot start says so, and so does its parent's exit code.
    let config = path("conf.json");
    std::fs::write(&config, "nonsense").unwrap();
    let outcome = vswitchd(&ns, folder.path(), &["--config", &config, "--detach"]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains(&config), "{}", outcome.stderr);
}
