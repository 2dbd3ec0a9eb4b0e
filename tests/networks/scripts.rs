//! The scripts themselves: they leave nothing, whenever they are stopped.

use std::process::{Child, Stdio};

use switch_tests::daemon::DEADLINE;
use switch_tests::example::{command, left_of};
use switch_tests::netns::unique_name;
use switch_tests::process::run;
use switch_tests::{wait_for, wait_until};

/// Interrupts a script once it printed a text; its exit code.
fn interrupt(mut child: Child, printed: &std::path::Path, text: &str) -> Option<i32> {
    wait_until(&format!("{text:?} to be printed"), DEADLINE, || {
        std::fs::read_to_string(printed).unwrap_or_default().contains(text)
    });
    run(&["kill", "-INT", &child.id().to_string()]);
    wait_for("the script to end", DEADLINE, || child.try_wait().ok().flatten()).code()
}

#[test]
fn an_interrupted_script_leaves_nothing() {
    for (verb, text) in [("up", "sw$ vswitchd"), ("run", "reaches")] {
        let id = unique_name("stop");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let printed = folder.path().join("stdout");
        let file = std::fs::File::create(&printed).expect("a file");
        let mut script = command("local", &id, verb);
        let child = script.stdout(file).stderr(Stdio::null()).spawn().expect("bash starts");
        assert_eq!(interrupt(child, &printed, text), Some(130), "{verb}");
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
