//! The scripts themselves: they leave nothing, whenever they are stopped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use switch_tests::example::{command, left_of};
use switch_tests::netns::unique_name;

/// Interrupts the script that calls it, which leads the process group, and goes on.
const INTERRUPTING: &str = "#!/bin/sh
kill -INT \"$(cut -d ' ' -f 5 /proc/self/stat)\"
PATH=${PATH#*:}
exec \"${0##*/}\" \"$@\"
";

#[test]
fn an_interrupted_script_leaves_nothing() {
    for (verb, program) in [("up", "vswitchd"), ("run", "ping")] {
        let id = unique_name("stop");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let wrapper = folder.path().join(program);
        fs::write(&wrapper, INTERRUPTING).expect("a script");
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("its mode");
        let mut script = command("local", &id, verb);
        let bin = script.get_envs().find_map(|(key, value)| value.filter(|_| key == "BIN"));
        let bin = bin.expect("the folder of the programs").to_string_lossy();
        let bin = format!("{}:{bin}", folder.path().display());
        let output = script.env("BIN", bin).process_group(0).stderr(Stdio::null()).output();
        let output = output.expect("bash starts");
        assert_eq!(output.status.code(), Some(130), "{verb}: {output:?}");
        assert_eq!(left_of(&id), Vec::<std::path::PathBuf>::new(), "{verb}");
    }
}

#[test]
fn a_script_runs_whole_and_leaves_nothing() {
    let id = unique_name("whole");
    let output = command("local", &id, "run").output().expect("bash starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains('✓') && !said.contains('✗'), "{output:?}");
    assert!(left_of(&id).is_empty(), "{:?}", left_of(&id));
}

#[test]
fn a_network_that_does_not_work_is_told() {
    let net = switch_tests::Example::up("local");
    let bridged = "add-port br0 p0 type=patch peer=p1 -- add-port br1 p1 type=patch peer=p0";
    net.switch("sw").ofctl(&bridged.split(' ').collect::<Vec<_>>());
    let output = command("local", net.id(), "check").output().expect("bash starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("✗ h1 reaches 10.0.0.3, and must not"), "{said}");
    assert!(said.contains("sw$ ofctl drop/show"), "{said}");
    // And it is not built twice under one name.
    let output = command("local", net.id(), "up").output().expect("bash starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is up already"), "{output:?}");
}
