//! A trial: traffic at one load for a while, and what became of it.
//!
//! # Design
//! A [`Station`] holds the open ports. For a trial its senders and receivers are spread over threads,
//! which turn from one to the other and never sleep; on a small machine one thread does both, so that
//! the switch has the other CPU. When the senders are done, receivers go on until nothing has arrived
//! for a while. Stamps are of the process's own clock: a frame's latency runs from before the call
//! that sends its batch to after the call that receives it.
//!
//! # Invariants
//! Offered = sent + refused by the sender's own device; sent = received + lost. A frame of an earlier
//! trial is known by its epoch and counts for neither.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use datapath::{FrameMemory, FramePool, PortCounters, poll::cpu::pin};

use super::clock::Ticks;
use super::flows::{Flows, Schedule, Traffic};
use super::pace::Load;
use super::port::Port;
use super::receiver::{Received, Receiver, Role};
use super::result::{Before, StreamResult};
use super::sender::{Sender, Sent, Span};
use super::stamp::{N_EPOCHS, Stamp};

/// Between two looks at the threads of a trial.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Which ways frames go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ways {
    /// From the first port to the second.
    One,
    /// And back.
    Both,
}

/// How trials are run.
#[derive(Clone, Debug)]
pub struct Running {
    /// Which ways.
    pub ways: Ways,
    /// Threads that senders and receivers are spread over, 1 or more.
    pub n_threads: usize,
    /// CPUs of the threads; those beyond its end are bound to none.
    pub cpus: Vec<usize>,
    /// For how long nothing must arrive before a trial is over.
    pub drain: Duration,
}

/// Open ports and the frames that go between them.
pub struct Station {
    /// Sends stream 0; receives stream 1, if there is one.
    pub near: Port,
    /// Receives stream 0; sends stream 1, if there is one.
    pub far: Port,
    /// Where nothing should arrive.
    pub watched: Vec<Port>,
    /// The frames.
    pub traffic: Traffic,
    /// How trials are run.
    pub running: Running,
    memory: Arc<FrameMemory>,
    ticks: Ticks,
    epoch: u8,
    /// As sent, and as they should arrive, of each stream.
    flows: Vec<[Flows; 2]>,
}

/// What the threads of a trial share.
#[derive(Default)]
struct Shared {
    n_sending: AtomicUsize,
    /// When the last sender was done.
    ended_ns: AtomicU64,
    abort: AtomicBool,
}

/// What one thread does.
#[derive(Default)]
struct Hands<'a> {
    senders: Vec<(usize, Sender<'a>)>,
    receivers: Vec<(usize, Receiver<'a>)>,
}

/// What one thread did, by stream and by port.
type Done = (Vec<(usize, Sent)>, Vec<(usize, Received)>);

impl Station {
    /// A station.
    #[must_use]
    pub fn new(
        ports: (Port, Port, Vec<Port>),
        traffic: Traffic,
        running: Running,
        memory: Arc<FrameMemory>,
    ) -> Station {
        let (near, far, watched) = ports;
        let (here, there) = (traffic.vlans.clone(), traffic.rx_vlans.clone());
        let mut flows = vec![[Flows::new(&traffic, 0, &here), Flows::new(&traffic, 0, &there)]];
        if running.ways == Ways::Both {
            flows.push([Flows::new(&traffic, 1, &there), Flows::new(&traffic, 1, &here)]);
        }
        let ticks = Ticks::start();
        Station { near, far, watched, traffic, running, memory, ticks, epoch: 0, flows }
    }

    /// A pool of frames.
    #[must_use]
    pub fn pool(&self) -> FramePool {
        FramePool::new(self.memory.clone())
    }

    /// The clock of stamps.
    #[must_use]
    pub fn ticks(&self) -> Ticks {
        self.ticks
    }

    /// Runs a trial; results by stream. `tell` hears again and again what all ports have sent and
    /// received since they were opened.
    ///
    /// # Errors
    /// A port has vanished, or a thread cannot be bound to its CPU.
    pub fn trial(
        &mut self,
        load: Load,
        span: Span,
        tell: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<StreamResult>> {
        self.epoch = self.epoch % (N_EPOCHS - 1) + 1;
        let before: Vec<_> = (0..self.flows.len()).map(|stream| self.before(stream)).collect();
        let shared = Shared::default();
        shared.n_sending.store(self.flows.len(), Ordering::Relaxed);
        let counters = [&self.near, &self.far]
            .map(|port| (Arc::clone(&port.tx.counters), Arc::clone(&port.rx.counters)));
        let (ticks, memory, running) = (self.ticks, self.memory.clone(), self.running.clone());
        let (drain, cpus) = (running.drain, &running.cpus);
        let hands = self.hands(load, span)?;
        let done = std::thread::scope(|scope| -> Result<Vec<Done>> {
            let start = |(at, hands)| {
                let (shared, pool) = (&shared, FramePool::new(memory.clone()));
                let cpu = cpus.get(at).copied();
                scope.spawn(move || Worker { ticks, drain, shared, pool }.work(hands, cpu))
            };
            let threads: Vec<_> = hands.into_iter().enumerate().map(start).collect();
            while threads.iter().any(|thread| !thread.is_finished()) {
                std::thread::park_timeout(LOOK_EVERY);
                tell_totals(&counters, tell);
            }
            let ended = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| Err(anyhow!("a thread of the trial has died")))
            });
            ended.collect()
        })?;
        self.results(before, done)
    }

    /// Senders and receivers, by thread.
    fn hands(&mut self, load: Load, span: Span) -> Result<Vec<Hands<'_>>> {
        let Station { near, far, watched, flows, traffic, epoch, running, .. } = self;
        let n = running.n_threads.max(1);
        let mut hands: Vec<_> = (0..n).map(|_| Hands::default()).collect();
        let mut places = (0..n).cycle();
        let mut place = || places.next().unwrap_or(0);
        let (near_tx, far_tx) = (&mut near.tx, &mut far.tx);
        for (stream, half) in [near_tx, far_tx].into_iter().enumerate().take(flows.len()) {
            let number = u8::try_from(stream)?;
            let stamp = Stamp { epoch: *epoch, stream: number, flow: 0, sequence: 0, time_ns: 0 };
            let sender = Sender::new(half, &flows[stream][0], Schedule::new(traffic), stamp);
            hands[place()].senders.push((stream, sender.paced(load, span)));
        }
        let near_role = if flows.len() > 1 { Role::Sink } else { Role::Watch };
        let ports = [(&mut far.rx, 0, Role::Sink), (&mut near.rx, flows.len() - 1, near_role)];
        let watched = watched.iter_mut().map(|port| (&mut port.rx, 0, Role::Watch));
        for (port, (half, stream, role)) in ports.into_iter().chain(watched).enumerate() {
            let receiver = Receiver::new(half, &flows[stream][1], role, *epoch)?;
            hands[place()].receivers.push((port, receiver));
        }
        Ok(hands)
    }

    /// Counters of a stream's ports.
    fn before(&self, stream: usize) -> Before {
        let (from, to) =
            if stream == 0 { (&self.near, &self.far) } else { (&self.far, &self.near) };
        Before::of(&from.tx.counters, &to.rx.counters)
    }

    fn results(&self, before: Vec<Before>, done: Vec<Done>) -> Result<Vec<StreamResult>> {
        let (mut sent, mut received): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
        for (senders, receivers) in done {
            sent.extend(senders);
            received.extend(receivers);
        }
        sent.sort_by_key(|(stream, _)| *stream);
        received.sort_by_key(|(port, _)| *port);
        let mut results = Vec::new();
        for ((stream, sent), before) in sent.iter().zip(before) {
            let (_, sink) = received.get(*stream).context("a receiver is missing")?;
            let device = self.before(*stream).since(&before);
            let mut result = StreamResult::new(sent, sink, device);
            result.name = match stream {
                0 => format!("{} → {}", self.near.spec, self.far.spec),
                _ => format!("{} → {}", self.far.spec, self.near.spec),
            };
            let astray = received.iter().map(|(_, received)| received.n_elsewhere[*stream]);
            result.misdelivered = astray.sum();
            result.mean_size = self.traffic.sizes.mean();
            results.push(result);
        }
        // Of ports that sink nothing no stream is to blame: the first one tells.
        let others = received.iter().skip(results.len()).map(|(_, received)| received.n_corrupt);
        if let Some(first) = results.first_mut() {
            first.corrupted += others.sum::<u64>();
        }
        Ok(results)
    }
}

type Counters = (Arc<PortCounters>, Arc<PortCounters>);

fn tell_totals(counters: &[Counters; 2], tell: &mut dyn FnMut(u64, u64)) {
    let sent = counters.iter().map(|(tx, _)| tx.tx_packets.get()).sum();
    let received = counters.iter().map(|(_, rx)| rx.rx_packets.get()).sum();
    tell(sent, received);
}

/// A thread of a trial.
struct Worker<'a> {
    ticks: Ticks,
    drain: Duration,
    shared: &'a Shared,
    pool: FramePool,
}

/// Ends the trial of the other threads, unless it has come to its end.
struct Abort<'a>(&'a Shared);

impl Drop for Abort<'_> {
    fn drop(&mut self) {
        self.0.abort.store(true, Ordering::Relaxed);
    }
}

impl Worker<'_> {
    fn work(mut self, mut hands: Hands<'_>, cpu: Option<usize>) -> Result<Done> {
        let abort = Abort(self.shared);
        self.turn(&mut hands, cpu)?;
        std::mem::forget(abort);
        let Hands { senders, receivers } = hands;
        let sent = senders.into_iter().map(|(stream, sender)| (stream, sender.finish()));
        let received =
            receivers.into_iter().map(|(port, receiver)| (port, receiver.finish(&mut self.pool)));
        Ok((sent.collect(), received.collect()))
    }

    /// Turns from one task to the next until the trial is over.
    fn turn(&mut self, hands: &mut Hands<'_>, cpu: Option<usize>) -> Result<()> {
        if let Some(cpu) = cpu {
            pin(cpu).with_context(|| format!("cannot run on CPU {cpu}"))?;
        }
        let drain_ns = u64::try_from(self.drain.as_nanos()).unwrap_or(u64::MAX);
        let mut n_sending = hands.senders.len();
        while !self.shared.abort.load(Ordering::Relaxed) {
            if n_sending > 0 {
                let step = |(_, sender): &mut (_, Sender<'_>)| {
                    usize::from(sender.step(&mut self.pool, self.ticks))
                };
                let still: usize = hands.senders.iter_mut().map(step).sum();
                if still < n_sending {
                    self.shared.ended_ns.fetch_max(self.ticks.now_ns(), Ordering::Relaxed);
                    self.shared.n_sending.fetch_sub(n_sending - still, Ordering::Release);
                    n_sending = still;
                }
            }
            for (_, receiver) in &mut hands.receivers {
                receiver.poll(&mut self.pool, self.ticks);
                if receiver.is_gone() {
                    bail!("a port has vanished");
                }
            }
            if self.shared.n_sending.load(Ordering::Acquire) == 0 {
                let last = hands.receivers.iter().map(|(_, receiver)| receiver.last_ns()).max();
                let last = last.unwrap_or(0).max(self.shared.ended_ns.load(Ordering::Relaxed));
                if self.ticks.now_ns() >= last.saturating_add(drain_ns) {
                    return Ok(());
                }
            }
        }
        // Whoever failed says why.
        Ok(())
    }
}

#[cfg(test)]
mod tests;
