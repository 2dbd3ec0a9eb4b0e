//! The `vhost-user` driver, with a guest of the tests' own at the other end.

mod hostile;
mod sane;

use std::path::PathBuf;

use datapath::netdev::Netdev;
use datapath::netdev::vhost::{Mode, Vhost, VhostConfig};
use switch_tests::front_end::Layout;
use switch_tests::{FrontEnd, wait_until};
use tempfile::TempDir;

use crate::rig::{Memory, PATIENCE, Side};

/// A port that listens, in a folder of its own.
struct Port {
    side: Side,
    path: PathBuf,
    _folder: TempDir,
}

fn config(path: PathBuf, mode: Mode, n_pairs: usize) -> VhostConfig {
    VhostConfig { path, mode, n_pairs }
}

impl Port {
    fn new(memory: &Memory, n_pairs: usize) -> Port {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vm.sock");
        let netdev = Vhost::open(&config(path.clone(), Mode::Server, n_pairs)).unwrap();
        Port { side: Side::new(netdev, memory), path, _folder: folder }
    }

    /// A guest that everything was agreed on with.
    fn guest(&self, n_pairs: usize) -> FrontEnd {
        self.guest_by(Layout::Split, n_pairs)
    }

    fn guest_by(&self, layout: Layout, n_pairs: usize) -> FrontEnd {
        let mut guest = FrontEnd::connect(&self.path, n_pairs);
        guest.layout = layout;
        guest.set_up(0).expect("the switch agrees");
        guest
    }

    fn status(&self, key: &str) -> Option<String> {
        status(&*self.side.netdev, key)
    }

    fn wait_status(&self, key: &str, wanted: &str) {
        wait_until(&format!("{key} to be {wanted}"), PATIENCE, || {
            self.status(key).is_some_and(|value| value.contains(wanted))
        });
    }

    fn wait_link(&self, up: bool) {
        let what = format!("the link to be up: {up}");
        wait_until(&what, PATIENCE, || self.side.netdev.is_link_up() == up);
    }

    /// Frames pass both ways.
    fn assert_works(&mut self, guest: &mut FrontEnd) {
        let frame = crate::rig::frame(70, 9);
        guest.transmit(0, &frame);
        let got = self.side.recv_n(1);
        assert_eq!(crate::rig::bytes(&got), std::slice::from_ref(&frame));
        self.side.pool.put_all(got);
        guest.post(0, 8);
        self.side.send(std::slice::from_ref(&frame));
        assert_eq!(guest.receive(0), frame);
    }

    fn close(self, memory: &Memory) {
        self.side.close();
        assert!(!self.path.exists(), "the socket stays behind");
        memory.assert_complete();
    }
}

fn status(netdev: &dyn Netdev, key: &str) -> Option<String> {
    netdev.status().into_iter().find(|(name, _)| *name == key).map(|(_, value)| value)
}
