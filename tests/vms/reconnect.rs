//! Front ends that come and go a thousand times: nothing of them stays.

use std::fs;
use std::time::Duration;

use switch_tests::front_end::EVENT_IDX;
use switch_tests::lab::PortKind;
use switch_tests::{FrontEnd, wait_until};

use crate::Site;

const PATIENCE: Duration = Duration::from_secs(20);
/// How long the host may take to answer a frame that was not lost.
const SHORT: Duration = Duration::from_millis(5);

/// Descriptors, mappings and threads of a process.
fn owned(pid: u32) -> [usize; 3] {
    let entries = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).unwrap().count();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    [entries("fd"), maps.lines().filter(|line| line.contains("memfd")).count(), entries("task")]
}

#[test]
fn a_thousand_front_ends_leave_nothing_behind() {
    let site = Site::new();
    site.add("vm1", "server", &[]);
    // Load: what the guests send goes to a host, whose answers go to them.
    let host = site.lab.host(PortKind::Packet, &[]);
    let path = site.socket("vm1");
    let mut broadcast = vec![0xff; 6];
    broadcast.extend([2, 0, 0, 0, 1, 1, 8, 6]);
    broadcast.extend([0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 1, 1, 10, 0, 0, 99]);
    broadcast.extend([0; 6]);
    broadcast.extend(host.ip.octets());
    broadcast.resize(60, 0);
    let turn = |n_asked: u8| {
        let mut guest = FrontEnd::connect(&path, 1);
        guest.set_up(EVENT_IDX).expect("the switch agrees");
        guest.post(0, 64);
        // What comes before the switch has heard of the link is lost, as on any wire. The host's answer
        // came through both ports; some are under way still.
        wait_until("an answer", PATIENCE, || {
            for _ in 0..n_asked {
                guest.transmit(0, &broadcast);
            }
            let _ = guest.is_told(0, SHORT);
            let answers = std::iter::from_fn(|| guest.try_receive(0));
            answers.map(|(_, frame)| frame).any(|frame| frame[..6] == [2, 0, 0, 0, 1, 1])
        });
    };
    turn(4);
    site.wait_gone("vm1");
    let before = owned(site.lab.daemon.pid());
    assert_eq!(before[1], 0, "mappings of a guest that is gone");
    (0..1000).for_each(|_| turn(8));
    site.wait_gone("vm1");
    // The descriptor of whoever asked may be among them for a moment: before, and now.
    wait_until("no more descriptors, mappings and threads than before", PATIENCE, || {
        let now = owned(site.lab.daemon.pid());
        now.iter().zip(&before).all(|(now, before)| now <= before)
    });
    assert_eq!(site.status("vm1", "n_connections"), "1001");
    turn(4);
}
