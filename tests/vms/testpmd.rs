//! DPDK's testpmd as a guest with two cards: frames go round for ever.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use switch_tests::front_end::{IN_ORDER, RING_PACKED};
use switch_tests::process::mortal;
use switch_tests::wait_until;

use crate::Site;

const PATIENCE: Duration = Duration::from_secs(30);

struct Testpmd(Child);

impl Testpmd {
    /// Moves frames between two cards whose VMM it is; the first ones it makes itself.
    fn start(sockets: [&Path; 2], packed: u8, more: &[&str]) -> Testpmd {
        let mut command = mortal("dpdk-testpmd");
        command.args(["-l", "0,1", "--no-pci", "--no-huge", "--no-shconf", "-m", "256"]);
        for (n, path) in sockets.iter().enumerate() {
            command.arg(format!(
                "--vdev=net_virtio_user{n},path={},server=1,packed_vq={packed},mac=02:00:00:00:02:0{n}",
                path.display()
            ));
        }
        command.args([
            "--",
            "--nb-cores=1",
            "--forward-mode=io",
            "--tx-first",
            "--stats-period",
            "1",
        ]);
        command.args(["--total-num-mbufs=16384", "--no-mlockall"]).args(more);
        command.stdout(Stdio::null());
        Testpmd(command.spawn().expect("testpmd"))
    }
}

impl Drop for Testpmd {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn frames_go_round_and_another_testpmd_takes_over() {
    let site = Site::new();
    let names = ["vm1", "vm2"];
    names.iter().for_each(|name| site.add(name, "client", &[]));
    let sockets = names.map(|name| site.socket(name));
    let count = |name: &str| site.lab.daemon.count(name, "tx_packets");
    // With split rings and packed ones by turns.
    for (packed, size) in [(0, 64), (1, 1500), (1, 64), (0, 1500)] {
        let size = format!("--txpkts={size}");
        let testpmd = Testpmd::start([&sockets[0], &sockets[1]], packed, &[&size]);
        names.iter().for_each(|name| site.lab.wait_up(name));
        assert_eq!(site.features("vm1") & RING_PACKED != 0, packed == 1);
        assert!(site.features("vm1") & IN_ORDER != 0);
        let before = names.map(count);
        // Two bursts are under way: so many come only by going round.
        wait_until("frames to go round", PATIENCE, || {
            names.iter().zip(before).all(|(name, before)| count(name) >= before + 20_000)
        });
        assert_eq!(site.status("vm1", "num_of_vrings"), "2");
        drop(testpmd);
        names.iter().for_each(|name| site.lab.wait_link(name, "down"));
        sockets.iter().for_each(|socket| drop(std::fs::remove_file(socket)));
    }
}
