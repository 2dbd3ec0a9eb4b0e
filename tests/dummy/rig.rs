//! A switch with its ports, its clock and its configuration, in the hands of a test.

use std::path::Path;
use std::time::Duration;

use datapath::clock::Clock;
use datapath::engine::{EngineConfig, PollCpus, Workers};
use serde_json::Value;
use switch_tests::ledger::Ledger;
use vswitchd::config::store::Store;
use vswitchd::switch::dummy::DummyKernel;
use vswitchd::switch::{Parts, Switch};

/// A switch whose ports are all in memory.
pub struct Rig {
    pub switch: Switch,
    pub kernel: DummyKernel,
    clock: Clock,
}

impl Rig {
    /// A switch without configuration, which keeps none.
    pub fn new() -> Rig {
        Rig::start(Store::none(), DummyKernel::new())
    }

    /// A switch with the configuration of a file, on a kernel that may have seen others before.
    pub fn at(path: &Path, kernel: &DummyKernel) -> Rig {
        Rig::start(Store::file(path), kernel.clone())
    }

    /// A switch without configuration whose poll threads run by themselves: nothing is to be settled.
    pub fn threaded() -> Rig {
        let workers = Workers::Threads(PollCpus::One);
        Rig::with_workers(Store::none(), DummyKernel::new(), workers)
    }

    fn start(store: Store, kernel: DummyKernel) -> Rig {
        Rig::with_workers(store, kernel, Workers::Inline)
    }

    fn with_workers(store: Store, kernel: DummyKernel, workers: Workers) -> Rig {
        let clock = Clock::manual();
        let engine = EngineConfig {
            n_small: 4096,
            n_large: 16,
            clock: clock.clone(),
            workers,
            ..EngineConfig::default()
        };
        let (opener, links) = (Box::new(kernel.clone()), Box::new(kernel.clone()));
        let routes = Box::new(vswitchd::switch::routes::NoRoutes);
        let parts = Parts { store, engine, poll_cpus: None, opener, links, routes };
        let switch = Switch::new(parts).expect("the switch starts");
        Rig { switch, kernel, clock }
    }

    /// Runs commands, which must succeed; what they print.
    pub fn run(&mut self, line: &str) -> String {
        self.try_run(line).unwrap_or_else(|error| panic!("`{line}`: {error}"))
    }

    /// Runs commands.
    pub fn try_run(&mut self, line: &str) -> Result<String, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        self.switch.transact(&words)
    }

    /// Lets the switch receive a frame, and handle it.
    pub fn send(&mut self, port: &str, frame: &[u8]) {
        self.inject(port, frame);
        self.settle();
    }

    /// Lets the switch receive a frame, in its own time.
    pub fn inject(&self, port: &str, frame: &[u8]) {
        self.kernel.handle(port).expect("the port is open").inject(frame);
    }

    /// Lets the switch handle what it has received.
    pub fn settle(&mut self) {
        while self.switch.engine_mut().run_round() > 0 {}
    }

    /// What left by a port since this was asked last.
    pub fn sent(&self, port: &str) -> Vec<Vec<u8>> {
        let sent = self.kernel.handle(port).map(|handle| handle.take_sent()).unwrap_or_default();
        sent.into_iter().map(|frame| frame.bytes).collect()
    }

    /// Which of these ports frames left by since this was asked last.
    pub fn reached<'a>(&self, ports: &[&'a str]) -> Vec<&'a str> {
        ports.iter().copied().filter(|port| !self.sent(port).is_empty()).collect()
    }

    /// Lets seconds pass, with all that the switch does each second.
    pub fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            self.switch.tick();
        }
    }

    /// `show` as JSON.
    pub fn show(&self) -> Value {
        let text = self.switch.show(&["--format=json".to_owned()]).expect("show works");
        serde_json::from_str(&text).expect("show prints JSON")
    }

    /// One port of `show`.
    pub fn port(&self, name: &str) -> Value {
        let show = self.show();
        let bridges = show["bridges"].as_array().cloned().unwrap_or_default();
        let mut ports =
            bridges.iter().flat_map(|bridge| bridge["ports"].as_array().into_iter().flatten());
        ports.find(|port| port["name"] == name).cloned().unwrap_or_default()
    }

    /// Asserts that every frame that came in went out or was dropped for a reason; the sums.
    pub fn assert_conserved(&self) -> Ledger {
        let ledger = Ledger::of(&self.show());
        assert!(ledger.is_balanced() && ledger.rx > 0, "{ledger:?}");
        ledger
    }
}
