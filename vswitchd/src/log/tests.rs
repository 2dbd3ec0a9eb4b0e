//! Levels, their words, and what the file holds.

use super::*;

fn levels(log: &Log, module: &str) -> [Level; 3] {
    log.row(MODULES.iter().position(|m| *m == module).unwrap())
}

#[test]
fn modules_are_sorted_and_found_from_targets() {
    assert!(MODULES.is_sorted());
    for (target, module) in [
        ("vswitchd::netlink", "netlink"),
        ("vswitchd::rpc::conn", "unixctl"),
        ("vswitchd::switch::links", "switch"),
        ("bridge", "bridge"),
        ("vswitchd", "vswitchd"),
        ("mio::poll2", "vswitchd"),
    ] {
        assert_eq!(MODULES[module_of(target)], module, "{target}");
    }
}

#[test]
fn specifications_in_any_order() {
    let log = Log::default();
    log.set_spec("netlink:file:dbg").unwrap();
    assert_eq!(levels(&log, "netlink"), [Level::Info, Level::Off, Level::Dbg]);
    log.set_spec("warn,console ANY").unwrap();
    assert_eq!(levels(&log, "netlink"), [Level::Warn, Level::Off, Level::Dbg]);
    log.set_spec("bridge").unwrap();
    assert_eq!(levels(&log, "bridge"), [Level::Dbg, Level::Off, Level::Dbg]);
    log.set_spec("syslog:off").unwrap();
}

#[test]
fn a_bad_specification_sets_nothing() {
    let log = Log::default();
    let error = log.set_spec("bridge:filx:dbg").unwrap_err();
    assert_eq!(error.to_string(), "no destination, level, or module \"filx\"");
    assert_eq!(log.set_spec("bridge:syslog:dbg"), Err(SpecError::NoSyslog));
    assert_eq!(log.set_spec("PATTERN:file:x"), Err(SpecError::Pattern));
    assert_eq!(levels(&log, "bridge"), [Level::Info, Level::Off, Level::Info]);
}

#[test]
fn options() {
    let log = Log::default();
    log.set_option("warn,netlink=dbg").unwrap();
    assert_eq!(levels(&log, "bridge"), [Level::Warn, Level::Off, Level::Warn]);
    assert_eq!(levels(&log, "netlink"), [Level::Dbg, Level::Off, Level::Dbg]);
    for bad in ["", "loud", "nowhere=dbg", "netlink=", "warn,,"] {
        assert!(log.set_option(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_list_is_aligned_as_that_of_open_vswitch() {
    let log = Log::default();
    log.log_to(&tempfile::tempdir().unwrap().path().join("log")).unwrap();
    log.console_off();
    let list = log.list();
    let lines: Vec<&str> = list.lines().take(3).collect();
    assert_eq!(lines[0], "                 console    syslog    file");
    assert_eq!(lines[1], "                 -------    ------    ------");
    assert_eq!(lines[2], "bridge             OFF        OFF       INFO");
}

#[test]
fn lines_of_the_file_survive_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
    let log = Arc::new(Log::default());
    log.log_to(&path).unwrap();
    log.console_off();
    let subscriber = tracing_subscriber::registry().with(LogLayer(log.clone()));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(target: "bridge", port = 7, "first\nline");
        tracing::debug!(target: "bridge", "not wanted");
        std::fs::rename(&path, &old).unwrap();
        tracing::warn!(target: "bridge", "second");
        log.reopen().unwrap();
        tracing::error!(target: "netlink", "third");
        log.close();
        tracing::error!(target: "netlink", "lost");
    });
    let lines = |path: &Path| -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        // Without the time.
        text.lines().map(|line| line.split_once("Z|").unwrap().1.to_owned()).collect()
    };
    assert_eq!(lines(&old), ["00001|bridge|INFO|first\\nline port=7", "00002|bridge|WARN|second"]);
    assert_eq!(lines(&path), ["00003|netlink|ERR|third"]);
}
