//! The engine: poll threads, devices and the published configuration, as the control thread holds them.
//!
//! # Design
//! The control thread owns the [`Engine`]; its methods return when their effect is complete in every
//! poll thread, which takes a round of each: microseconds, since poll threads never block. So a port
//! can be attached (queues opened, then published) and detached (unpublished, then queues closed)
//! without a frame of another port being touched.
//!
//! Workers are threads, or, for tests with a clock turned by hand, state that the caller drives with
//! [`Engine::run_round`].
//!
//! # Invariants
//! - A port's transmit queues are open in every worker before a snapshot names the port, and its
//!   receive queues are asked only after: no frame arrives at a port that nobody knows yet.
//! - A queue is in exactly one worker, except for the moment in which it moves; what arrives then
//!   waits in the device.
//!
//! # Thread-safety
//! All methods are for the control thread.

mod report;
mod workers;

use core::hash::BuildHasher;
use core::net::IpAddr;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use crossbeam_channel::{Receiver, unbounded};
use foldhash::fast::RandomState;
use packet::MacAddr;

pub use report::{RxqReport, ThreadReport};

use crate::action::{Handed, USERSPACE_CAP, UserspaceQueue};
use crate::cache::Sweep;
use crate::capture::{Capture, CaptureSpec, MAX_CAPTURES, Reader};
use crate::clock::Clock;
use crate::frame::{FrameMemory, MemoryError};
use crate::ids::PortNo;
use crate::netdev::{Netdev, NetdevError, Rxq};
use crate::pipeline::{FlowConfig, FlowDump};
use crate::poll::mailbox::Command;
pub use crate::poll::mailbox::Injected;
use crate::poll::rx::RxSlot;
use crate::poll::stats::RxqStats;
use crate::poll::thread::EventSender;
use crate::poll::wake::Wake;
use crate::snapshot::{Publisher, Version};
use crate::upcall::HandlerFactory;
use crate::view::{PortStats, Snapshot};
use report::Usage;
use workers::{Seed, Worker};

/// How an engine is made.
pub struct EngineConfig {
    /// Small frames; each takes 2 KiB once used.
    pub n_small: usize,
    /// Large frames; each takes 68 KiB once used.
    pub n_large: usize,
    /// The clock.
    pub clock: Clock,
    /// Who polls.
    pub workers: Workers,
    /// Who translates packets that no cached flow matches; `None`: nobody.
    pub handlers: Option<HandlerFactory>,
    /// Bounds of the flow caches.
    pub flows: FlowConfig,
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            n_small: 32 * 1024,
            n_large: 2 * 1024,
            clock: Clock::real(),
            workers: Workers::Threads(PollCpus::One),
            handlers: None,
            flows: FlowConfig::default(),
        }
    }
}

/// Who polls.
#[derive(Clone, Debug)]
pub enum Workers {
    /// The caller, by [`Engine::run_round`].
    Inline,
    /// Threads.
    Threads(PollCpus),
}

/// How many poll threads, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PollCpus {
    /// One thread, on whatever CPU.
    One,
    /// A thread bound to each CPU named.
    Pinned(Vec<usize>),
}

/// What a poll thread reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A queue of this port found its device gone.
    DeviceGone(PortNo),
    /// A flow sends to a remote host to which no way is known.
    PathWanted {
        /// The remote host.
        remote: IpAddr,
        /// This host's address, if the flow says which.
        local: Option<IpAddr>,
    },
    /// A next hop on the link of an uplink has told its MAC address, and the kernel did not hear it.
    NeighbourHeard {
        /// The port.
        port: PortNo,
        /// The next hop.
        ip: IpAddr,
        /// Its MAC address.
        mac: MacAddr,
    },
    /// A packet came by the port of a segment from a remote host that has no number there.
    RemoteWanted {
        /// The port.
        port: PortNo,
        /// The remote host.
        remote: IpAddr,
        /// The virtual network.
        id: u64,
    },
    /// The link of this port's device, or what it tells, may have changed.
    LinkChanged(PortNo),
}

/// Why the engine refused.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No memory for packet buffers.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The device refused a queue.
    #[error(transparent)]
    Netdev(#[from] NetdevError),
    /// The system refused a thread or a descriptor.
    #[error("cannot start a poll thread: {0}")]
    Thread(#[from] std::io::Error),
    /// A CPU that a thread cannot be bound to.
    #[error("poll-cpus: CPU {cpu}: {source}")]
    Cpu {
        /// The CPU.
        cpu: usize,
        /// What the system said.
        source: std::io::Error,
    },
    /// A list that names a CPU twice, none, or too many.
    #[error("poll-cpus: {0} (allowed: 1 to 64 different CPUs)")]
    CpuList(String),
    /// Too many watch already.
    #[error("{MAX_CAPTURES} captures are running (allowed: {MAX_CAPTURES} at the same time)")]
    TooManyCaptures,
    /// The port number is taken.
    #[error("datapath {0} is in use")]
    PortInUse(PortNo),
}

/// A device with its place in the engine.
struct Device {
    netdev: Box<dyn Netdev>,
    stats: Arc<PortStats>,
    /// Receive queues, in order, until a snapshot names the port.
    waiting: Vec<Box<dyn Rxq>>,
    queues: Vec<Queue>,
    affinity: Vec<(usize, usize)>,
}

/// Where a receive queue is.
struct Queue {
    no: usize,
    worker: usize,
    stats: Arc<RxqStats>,
    usage: Usage,
}

/// Poll threads, devices and the published configuration.
pub struct Engine {
    seed: Seed,
    workers: Vec<Worker>,
    devices: BTreeMap<PortNo, Device>,
    events: Receiver<Event>,
    event_wake: Arc<Wake>,
    captures: Vec<Capture>,
    handed: Receiver<Handed>,
}

impl Engine {
    /// An engine without ports.
    ///
    /// # Errors
    /// No memory, no thread, or a CPU that is not there.
    pub fn new(config: EngineConfig) -> Result<Engine, EngineError> {
        let (sender, events) = unbounded();
        let event_wake = Arc::new(Wake::new()?);
        let (userspace, handed) = UserspaceQueue::new(event_wake.clone());
        let seed = Seed {
            clock: config.clock,
            memory: FrameMemory::new(config.n_small, config.n_large)?,
            publisher: Publisher::new(Snapshot::default()),
            events: EventSender { sender, wake: event_wake.clone() },
            handlers: config.handlers,
            flows: config.flows,
            userspace,
            hash_seed: RandomState::default().hash_one(std::process::id()),
        };
        let workers = match config.workers {
            Workers::Inline => vec![Worker::inline(&seed)?],
            Workers::Threads(cpus) => workers::start(&seed, &cpus, &[])?,
        };
        let captures = Vec::new();
        let devices = BTreeMap::new();
        Ok(Engine { seed, workers, devices, events, event_wake, captures, handed })
    }

    /// The engine's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.seed.clock
    }

    /// The memory of all frames.
    #[must_use]
    pub fn memory(&self) -> &Arc<FrameMemory> {
        &self.seed.memory
    }

    /// What poll threads report, in order.
    #[must_use]
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// Packets that flows hand to the control plane, in order; no more than may wait, so that a flood of
    /// them leaves time for others. If more have come by then, [`Engine::event_fd`] is readable again.
    #[must_use]
    pub fn take_handed(&self) -> Vec<Handed> {
        let taken = self.handed.try_iter().take(USERSPACE_CAP).collect();
        if !self.handed.is_empty() {
            self.event_wake.wake();
        }
        taken
    }

    /// Makes [`Engine::event_fd`] unreadable. What is to be done is looked for after this, all of it: a
    /// full queue of packets wakes nobody again.
    pub fn clear_events(&self) {
        self.event_wake.clear();
    }

    /// Readable when events or packets for the control plane wait.
    #[must_use]
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.event_wake.as_fd()
    }

    /// The device of a port.
    #[must_use]
    pub fn netdev(&self, no: PortNo) -> Option<&dyn Netdev> {
        self.devices.get(&no).map(|device| &*device.netdev)
    }

    /// The device of a port, to be changed.
    pub fn netdev_mut(&mut self, no: PortNo) -> Option<&mut (dyn Netdev + 'static)> {
        self.devices.get_mut(&no).map(|device| &mut *device.netdev)
    }

    /// Opens a transmit queue in every worker. The receive queues are handed out once a snapshot names
    /// the port; what arrives before waits in the device.
    ///
    /// `affinity` pairs queue numbers with CPUs; a queue without one, or whose CPU has no poll thread,
    /// goes to the thread with the fewest queues.
    ///
    /// # Errors
    /// The number is taken, or the device refuses a queue; nothing is kept then.
    pub fn attach(
        &mut self,
        no: PortNo,
        mut netdev: Box<dyn Netdev>,
        stats: Arc<PortStats>,
        affinity: &[(usize, usize)],
    ) -> Result<(), EngineError> {
        if self.devices.contains_key(&no) {
            return Err(EngineError::PortInUse(no));
        }
        let txqs: Result<Vec<_>, _> = self.workers.iter().map(|_| netdev.open_txq()).collect();
        for (worker, txq) in self.workers.iter_mut().zip(txqs?) {
            worker.post(Command::AddTxq(no, txq, stats.clone()));
        }
        let events = self.seed.events.clone();
        netdev.watch_link(Arc::new(move || events.send(Event::LinkChanged(no))));
        let (waiting, queues) = (netdev.take_rxqs(), Vec::new());
        let device = Device { netdev, stats, waiting, queues, affinity: affinity.into() };
        self.devices.insert(no, device);
        self.hand_out();
        Ok(())
    }

    /// Gives the receive queues of ports that the snapshot names to workers.
    fn hand_out(&mut self) {
        let snapshot = self.snapshot();
        let named = self.devices.iter_mut().filter(|(no, _)| snapshot.port(**no).is_some());
        let slots = named.flat_map(|(no, device)| {
            let waiting = device.waiting.drain(..).enumerate();
            waiting.map(|(queue, rxq)| RxSlot::new(*no, queue, rxq, device.stats.clone()))
        });
        for slot in slots.collect::<Vec<_>>() {
            self.place(slot);
        }
    }

    /// Gives a receive queue to the worker that it should be in.
    fn place(&mut self, slot: RxSlot) {
        let (no, queue, stats) = (slot.port, slot.queue, slot.rxq_stats.clone());
        let at = self.worker_for(no, queue);
        self.workers[at].post(Command::AddRxq(slot));
        let worker = self.workers[at].id;
        if let Some(device) = self.devices.get_mut(&no) {
            device.queues.retain(|q| q.no != queue);
            device.queues.push(Queue { no: queue, worker, stats, usage: Usage::default() });
            device.queues.sort_by_key(|q| q.no);
        }
    }

    /// The index of the worker for a queue.
    fn worker_for(&self, no: PortNo, queue: usize) -> usize {
        let affinity = self.devices.get(&no).map_or(&[][..], |device| &device.affinity);
        let wanted = affinity.iter().find(|(q, _)| *q == queue).map(|(_, cpu)| *cpu);
        let pinned = wanted.and_then(|cpu| self.workers.iter().position(|w| w.cpu == Some(cpu)));
        pinned.unwrap_or_else(|| {
            let load = |worker: &Worker| {
                let queues = self.devices.values().flat_map(|device| &device.queues);
                queues.filter(|q| q.worker == worker.id).count()
            };
            (0..self.workers.len()).min_by_key(|at| load(&self.workers[*at])).unwrap_or(0)
        })
    }

    /// Closes the port's queues in every worker and returns its device; `None` if there is none.
    /// The caller has published a snapshot without the port, or accepts the loss of its frames.
    pub fn detach(&mut self, no: PortNo) -> Option<Box<dyn Netdev>> {
        let device = self.devices.remove(&no)?;
        for worker in &mut self.workers {
            worker.ask(|reply| Command::RemovePort(no, reply));
        }
        Some(device.netdev)
    }

    /// Publishes a snapshot; when it returns, every worker acts by it.
    pub fn publish(&mut self, snapshot: Snapshot) -> Version {
        let version = self.seed.publisher.publish(snapshot);
        self.sync();
        self.hand_out();
        version
    }

    /// Returns when every worker acts by the newest snapshot and the newest tables of its handler, and
    /// has sent what it handled by older ones.
    pub fn sync(&mut self) {
        for worker in &mut self.workers {
            worker.ask(Command::Sync);
        }
    }

    /// Forwards a packet as if a port had received it; when it returns, what came of it is sent.
    pub fn inject(&mut self, packet: Injected) {
        if let Some(worker) = self.workers.first_mut() {
            worker.ask(|reply| Command::Inject(Box::new(packet), reply));
        }
    }

    /// Shows the cached flows of every worker, with the worker's number.
    pub fn dump_flows(&mut self, mut show: impl FnMut(usize, FlowDump)) {
        for worker in &mut self.workers {
            let mut cursor = Some(Sweep::default());
            while let Some(at) = cursor {
                let (flows, next) =
                    worker.ask(|reply| Command::DumpFlows(at, reply)).unwrap_or_default();
                flows.into_iter().for_each(|flow| show(worker.id, flow));
                cursor = next;
            }
        }
    }

    /// The snapshot published last.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.seed.publisher.current()
    }

    /// Replaces the poll threads; queues move without loss.
    ///
    /// # Errors
    /// A CPU that is not there, or a queue or thread that the system refuses: the old threads go on.
    pub fn set_poll_cpus(&mut self, cpus: &PollCpus) -> Result<(), EngineError> {
        let used: Vec<usize> = self.workers.iter().map(|worker| worker.id).collect();
        let mut fresh = workers::start(&self.seed, cpus, &used)?;
        for (no, device) in &self.devices {
            for worker in &mut fresh {
                let txq = device.netdev.open_txq()?;
                worker.post(Command::AddTxq(*no, txq, device.stats.clone()));
            }
        }
        self.captures.retain(|capture| !capture.is_ended());
        for worker in &mut fresh {
            for capture in &self.captures {
                worker.ask(|reply| Command::AddTap(Box::new(capture.tap()), reply));
            }
        }
        let old = std::mem::replace(&mut self.workers, fresh);
        self.devices.values_mut().for_each(|device| device.queues.clear());
        for mut worker in old {
            for slot in worker.stop() {
                self.place(slot);
            }
        }
        Ok(())
    }

    /// Changes where a port's receive queues are polled; queues move without loss.
    pub fn set_affinity(&mut self, no: PortNo, affinity: &[(usize, usize)]) {
        let Some(device) = self.devices.get_mut(&no) else { return };
        device.affinity = affinity.into();
        let queues: Vec<_> = device.queues.drain(..).map(|q| (q.no, q.worker)).collect();
        for (queue, id) in queues {
            let worker = self.workers.iter_mut().find(|worker| worker.id == id);
            let taken = worker.and_then(|w| w.ask(|reply| Command::TakeRxq(no, queue, reply)));
            if let Some(Some(slot)) = taken {
                self.place(slot);
            }
        }
    }

    /// Copies frames for a reader from now on, until that is dropped.
    ///
    /// # Errors
    /// [`MAX_CAPTURES`] run already.
    pub fn capture(&mut self, spec: CaptureSpec) -> Result<Reader, EngineError> {
        self.captures.retain(|capture| !capture.is_ended());
        if self.captures.len() >= MAX_CAPTURES {
            return Err(EngineError::TooManyCaptures);
        }
        let (capture, reader) = Capture::new(spec);
        for worker in &mut self.workers {
            worker.ask(|reply| Command::AddTap(Box::new(capture.tap()), reply));
        }
        self.captures.push(capture);
        Ok(reader)
    }

    /// One round of each inline worker; frames received. Threads run by themselves.
    pub fn run_round(&mut self) -> usize {
        self.workers.iter_mut().map(Worker::round).sum()
    }

    /// Takes a sample of each queue's usage: to be called every five seconds.
    pub fn sample(&mut self) {
        let queues = self.devices.values_mut().flat_map(|device| &mut device.queues);
        queues.for_each(|queue| queue.usage.sample(&queue.stats));
    }

    /// What each poll thread did, and its queues.
    #[must_use]
    pub fn threads(&self) -> Vec<ThreadReport> {
        self.workers.iter().map(|worker| report::thread(worker, &self.devices)).collect()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
