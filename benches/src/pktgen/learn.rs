//! Tells a learning switch where the addresses are, before the first trial.
//!
//! # Design
//! The second port sends a frame from each of its addresses, in each VLAN in which it occurs; the
//! switch floods them, having not learned the other ends. Then the first port does, and now the switch
//! need not flood. What has not arrived is sent again, a few times: then the switch has lost it for a
//! reason that the trials will show.

use std::time::Duration;

use datapath::{Batch, MAX_BURST};

use super::flows::{Flows, MIN_FRAME_LEN, Traffic, Verdict};
use super::port::Port;
use super::stamp::{LEARN, Stamp};
use super::trial::Station;

/// How often a frame is sent before it is given up.
const N_ROUNDS: usize = 5;
/// For how long nothing arrives before the rest is given up, for a round.
const QUIET: Duration = Duration::from_millis(200);

/// How many of the addresses' frames arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Learned {
    /// Frames that should, from both ends.
    pub n_hosts: usize,
    /// Frames that did.
    pub n_arrived: usize,
}

impl Station {
    /// Lets both ends be heard.
    pub fn learn(&mut self) -> Learned {
        let traffic = Traffic { n_flows: self.traffic.n_hosts(), ..self.traffic.clone() };
        let (here, there) = (&self.traffic.vlans, &self.traffic.rx_vlans);
        let back = [Flows::new(&traffic, 1, there), Flows::new(&traffic, 1, here)];
        let forth = [Flows::new(&traffic, 0, here), Flows::new(&traffic, 0, there)];
        let mut pool = self.pool();
        let ticks = self.ticks();
        let mut n_arrived = 0;
        for (stream, flows) in [(1, &back), (0, &forth)] {
            let (from, to) = if stream == 0 {
                (&mut self.near, &mut self.far)
            } else {
                (&mut self.far, &mut self.near)
            };
            let mut way = Way { stream, flows, from, to, arrived: vec![false; flows[0].n()] };
            for _ in 0..N_ROUNDS {
                if way.arrived.iter().all(|arrived| *arrived) {
                    break;
                }
                way.round(&mut pool, &|| Duration::from_nanos(ticks.now_ns()));
            }
            n_arrived += way.arrived.iter().filter(|arrived| **arrived).count();
        }
        Learned { n_hosts: 2 * back[0].n(), n_arrived }
    }
}

/// One way between the ends.
struct Way<'a> {
    stream: u8,
    flows: &'a [Flows; 2],
    from: &'a mut Port,
    to: &'a mut Port,
    arrived: Vec<bool>,
}

impl Way<'_> {
    /// Sends what has not arrived, and receives until all has or nothing more comes.
    fn round(&mut self, pool: &mut datapath::FramePool, now: &dyn Fn() -> Duration) {
        let missing = (0..).zip(&self.arrived).filter(|(_, arrived)| !**arrived);
        let missing: Vec<u32> = missing.map(|(flow, _)| flow).collect();
        for burst in missing.chunks(MAX_BURST) {
            let mut batch = Batch::new();
            for &flow in burst {
                let len = MIN_FRAME_LEN + self.flows[0].tag_len();
                let Some(mut frame) = pool.get_for(len) else { break };
                let fits = frame.set_len(len);
                debug_assert!(fits, "get_for gave too small a frame");
                let stamp =
                    Stamp { epoch: LEARN, stream: self.stream, flow, sequence: 0, time_ns: 0 };
                self.flows[0].write(stamp, frame.data_mut());
                batch.push(frame);
            }
            self.from.tx.txq.send(pool, &mut batch, &self.from.tx.counters);
            self.receive(pool);
        }
        let mut last = now();
        while now() - last < QUIET && !self.arrived.iter().all(|arrived| *arrived) {
            if self.receive(pool) {
                last = now();
            }
        }
        self.to.rx.rxqs.iter_mut().for_each(|rxq| rxq.park(pool));
    }

    /// Whether anything new was there.
    fn receive(&mut self, pool: &mut datapath::FramePool) -> bool {
        let mut new = false;
        for rxq in &mut self.to.rx.rxqs {
            let mut batch = Batch::new();
            let _ = rxq.recv(pool, &mut batch, &self.to.rx.counters);
            for frame in &batch {
                if let Verdict::Ours(Stamp { epoch: LEARN, flow, .. }) =
                    self.flows[1].judge(frame.data())
                    && let Some(arrived) = self.arrived.get_mut(flow as usize)
                {
                    new |= !std::mem::replace(arrived, true);
                }
            }
            pool.put_all(batch);
        }
        new
    }
}
