//! One poll thread: its state, and a round of its work.

use std::sync::Arc;

use crossbeam_channel::Sender;

use super::cpu::cycles;
use super::mailbox::{Command, Inbox, Injected};
use super::rx::RxSet;
use super::stats::ThreadStats;
use super::tx::TxBuffers;
use super::{idle, wake::Wake};
use crate::batch::Batch;
use crate::capture::Round;
use crate::clock::Clock;
use crate::drop_reason::DropReason;
use crate::engine::Event;
use crate::frame::{FrameMemory, FramePool};
use crate::l2::normal::{Hops, Stage};
use crate::netdev::RecvStatus;
use crate::pipeline::{self, Flows};
use crate::snapshot::Subscriber;
use crate::tunnel::waiting::Wanted;
use crate::view::Snapshot;

/// Commands served between two rounds at most.
const COMMANDS_PER_ROUND: usize = 8;

/// How long a thread sleeps at most while it has flows or waiting frames to look after.
const TEND_NS: u64 = 1_000_000_000;

/// Where a thread reports what the control thread must know.
#[derive(Clone)]
pub struct EventSender {
    /// The queue of events.
    pub sender: Sender<Event>,
    /// Made readable with each event.
    pub wake: Arc<Wake>,
}

impl EventSender {
    /// Reports an event.
    pub fn send(&self, event: Event) {
        if self.sender.send(event).is_ok() {
            self.wake.wake();
        }
    }
}

/// What a poll thread is made of.
pub struct Parts {
    /// Its number, below [`MAX_POLL_THREADS`](crate::view::MAX_POLL_THREADS).
    pub id: usize,
    /// The clock.
    pub clock: Clock,
    /// Where its frames come from.
    pub memory: Arc<FrameMemory>,
    /// The published configuration.
    pub view: Subscriber<Snapshot>,
    /// Its end of the mailbox.
    pub inbox: Inbox,
    /// Where it reports.
    pub events: EventSender,
    /// What it counts.
    pub stats: Arc<ThreadStats>,
    /// Its flow stage.
    pub flows: Flows,
}

/// Whether a thread goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoOn,
    Stop,
}

/// A poll thread's state. [`PollThread::run`] is the thread; a test drives [`PollThread::round`].
pub struct PollThread {
    id: usize,
    clock: Clock,
    view: Subscriber<Snapshot>,
    inbox: Inbox,
    events: EventSender,
    stats: Arc<ThreadStats>,
    pool: FramePool,
    rx: RxSet,
    tx: TxBuffers,
    batch: Batch,
    hops: Hops,
    flows: Flows,
}

impl PollThread {
    /// A thread without queues.
    ///
    /// # Errors
    /// The process has too many descriptors.
    pub fn new(parts: Parts) -> std::io::Result<PollThread> {
        let tx = TxBuffers::new(parts.id, parts.stats.clone(), parts.view.value().clone());
        Ok(PollThread {
            id: parts.id,
            clock: parts.clock,
            rx: RxSet::new(parts.inbox.wake.clone())?,
            pool: FramePool::new(parts.memory),
            view: parts.view,
            inbox: parts.inbox,
            events: parts.events,
            stats: parts.stats,
            tx,
            batch: Batch::new(),
            hops: Hops::default(),
            flows: parts.flows,
        })
    }

    /// Polls until told to stop.
    pub fn run(mut self) {
        let spin_ns = u64::try_from(idle::SPIN.as_nanos()).unwrap_or(u64::MAX);
        let (mut rounds, mut last_busy_ns, mut since) = (0u32, self.clock.now_ns(), cycles());
        loop {
            let now_ns = self.clock.now_ns();
            let n = self.forward_all(now_ns);
            if self.quiesce(now_ns) == Flow::Stop {
                return;
            }
            since = self.account(n, since);
            rounds = rounds.wrapping_add(1);
            if n > 0 {
                last_busy_ns = now_ns;
            }
            if !self.rx.any_active() && now_ns.saturating_sub(last_busy_ns) >= spin_ns {
                self.stats.sleeps.add(1);
                self.rx.look(self.sleep_ns(), now_ns);
                last_busy_ns = self.clock.now_ns();
                let woken = cycles();
                self.stats.idle_cycles.add(woken.wrapping_sub(since));
                self.tx.give_captures_time(Round::Idle, woken.wrapping_sub(since));
                since = woken;
            } else if rounds.is_multiple_of(idle::LOOK_EVERY) {
                self.rx.look(Some(0), now_ns);
            }
        }
    }

    /// One round on the caller's thread: looks, forwards, quiesces; frames received.
    pub fn round(&mut self) -> usize {
        let now_ns = self.clock.now_ns();
        let since = cycles();
        self.rx.look(Some(0), now_ns);
        let n = self.forward_all(now_ns);
        self.quiesce(now_ns);
        self.account(n, since);
        n
    }

    /// Serves a command on the caller's thread.
    pub fn serve_now(&mut self, command: Command) {
        self.serve(command, self.clock.now_ns());
    }

    /// Adds a round to the statistics; the time stamp at its end.
    fn account(&mut self, n: usize, since: u64) -> u64 {
        let now = cycles();
        let spent = now.wrapping_sub(since);
        if n > 0 {
            self.stats.packets.add(n as u64);
            self.stats.busy_rounds.add(1);
            self.stats.busy_cycles.add(spent);
            self.tx.give_captures_time(Round::Busy, spent);
        } else {
            self.stats.idle_rounds.add(1);
            self.stats.idle_cycles.add(spent);
            self.tx.give_captures_time(Round::Idle, spent);
        }
        now
    }

    /// A batch from each active queue, forwarded and sent; frames received. Each is sent before the
    /// next queue is asked: a system call that finds nothing would add its time to every answer.
    fn forward_all(&mut self, now_ns: u64) -> usize {
        let mut total = 0;
        for at in 0..self.rx.slots_mut().len() {
            let n = self.forward_queue(at, now_ns);
            if n > 0 {
                self.tx.flush(&mut self.pool);
            }
            total += n;
        }
        total
    }

    fn forward_queue(&mut self, at: usize, now_ns: u64) -> usize {
        let slot = &mut self.rx.slots_mut()[at];
        if !slot.is_active() {
            return 0;
        }
        let counters = slot.stats.of(self.id);
        let received = counters.rx_packets.get();
        let status = slot.rxq.recv(&mut self.pool, &mut self.batch, counters);
        let n = counters.rx_packets.get().wrapping_sub(received);
        if n > 0 {
            let since = cycles();
            self.tx.capture_received(slot.port, &self.batch);
            let snapshot = self.view.value();
            if let Some(port) = snapshot.port(slot.port) {
                let now_s = u32::try_from(now_ns / 1_000_000_000).unwrap_or(u32::MAX);
                let (pool, hops) = (&mut self.pool, &mut self.hops);
                let thread = self.id;
                let mut stage = Stage { snapshot, thread, now_ns, now_s, pool, hops };
                let (flows, batch) = (&mut self.flows, &mut self.batch);
                pipeline::forward(&mut stage, flows, port, batch, &mut self.tx);
            } else {
                counters.drop_rx(DropReason::RxPortDown, self.batch.len() as u64);
                self.pool.put_all(self.batch.drain(..));
            }
            slot.rxq_stats.packets.add(n);
            slot.rxq_stats.busy_cycles.add(cycles().wrapping_sub(since));
            slot.mark_busy(now_ns);
        }
        match status {
            RecvStatus::More => {}
            RecvStatus::Drained => self.rx.mark_drained(at, now_ns, &mut self.pool),
            RecvStatus::Gone => {
                let port = slot.port;
                self.rx.mark_gone(at, &mut self.pool);
                self.events.send(Event::DeviceGone(port));
            }
        }
        usize::try_from(n).unwrap_or(usize::MAX)
    }

    /// How long it may sleep: for ever, if there are no flows to look after, and no frames that wait.
    fn sleep_ns(&self) -> Option<u64> {
        (!self.flows.is_empty() || !self.hops.waiting.is_empty()).then_some(TEND_NS)
    }

    /// Forwards a packet of the control plane, as if a port had received it.
    fn inject(&mut self, packet: &Injected, now_ns: u64) {
        let snapshot = self.view.value();
        let Some(port) = snapshot.port(packet.in_port) else { return };
        let counters = port.stats.of(self.id);
        counters.injected.add(1);
        let Some(frame) = self.pool.from_bytes(&packet.bytes) else {
            return counters.drop_rx(DropReason::NoFrame, 1);
        };
        let mut batch = Batch::from_iter([frame]);
        let now_s = u32::try_from(now_ns / 1_000_000_000).unwrap_or(u32::MAX);
        let (thread, pool, hops) = (self.id, &mut self.pool, &mut self.hops);
        let mut stage = Stage { snapshot, thread, now_ns, now_s, pool, hops };
        let (flows, tx) = (&mut self.flows, &mut self.tx);
        match &packet.actions {
            Some(actions) => {
                pipeline::execute(&mut stage, flows, (port, actions), &mut batch, tx);
            }
            None => pipeline::forward(&mut stage, flows, port, &mut batch, tx),
        }
        self.tx.flush(&mut self.pool);
    }

    /// Takes the newest snapshot and serves commands.
    fn quiesce(&mut self, now_ns: u64) -> Flow {
        self.refresh(now_ns);
        self.flows.tend(now_ns);
        while let Some(wanted) = self.hops.waiting.next_wanted() {
            self.events.send(match wanted {
                Wanted::Neighbour(port, (ip, mac)) => Event::NeighbourHeard { port, ip, mac },
                Wanted::Path(remote, local) => Event::PathWanted { remote, local },
                Wanted::Remote { port, remote, id } => Event::RemoteWanted { port, remote, id },
            });
        }
        if !self.hops.waiting.is_empty() {
            self.with_stage(now_ns, |stage, _, _| pipeline::expire(stage));
        }
        self.tx.forget_ended_captures();
        for _ in 0..COMMANDS_PER_ROUND {
            match self.inbox.receiver.try_recv() {
                Ok(command) => {
                    if self.serve(command, now_ns) == Flow::Stop {
                        return Flow::Stop;
                    }
                }
                Err(_) => break,
            }
        }
        Flow::GoOn
    }

    fn refresh(&mut self, now_ns: u64) {
        let is_newer = self.view.refresh();
        if is_newer {
            self.tx.apply(self.view.value());
        }
        self.flows.refresh();
        if is_newer && !self.hops.waiting.is_empty() {
            self.with_stage(now_ns, pipeline::retry);
            self.tx.flush(&mut self.pool);
        }
    }

    /// Does something outside of a received batch.
    fn with_stage(
        &mut self,
        now_ns: u64,
        run: impl FnOnce(&mut Stage<'_>, &mut Flows, &mut TxBuffers),
    ) {
        let now_s = u32::try_from(now_ns / 1_000_000_000).unwrap_or(u32::MAX);
        let (thread, snapshot) = (self.id, self.view.value());
        let (pool, hops) = (&mut self.pool, &mut self.hops);
        let mut stage = Stage { snapshot, thread, now_ns, now_s, pool, hops };
        run(&mut stage, &mut self.flows, &mut self.tx);
    }

    /// Answers go to a channel whose reader may have given up: then nobody is interested.
    fn serve(&mut self, command: Command, now_ns: u64) -> Flow {
        match command {
            Command::AddRxq(slot) => self.rx.add(slot, now_ns),
            Command::TakeRxq(port, queue, reply) => {
                let _ = reply.send(self.rx.take(port, queue, &mut self.pool));
            }
            Command::AddTxq(port, txq, stats) => self.tx.add(port, txq, stats),
            Command::RemovePort(port, reply) => {
                self.rx.take_all(&mut self.pool, |slot| slot.port == port);
                self.tx.remove(port);
                self.flows.forget_port(port);
                let _ = reply.send(());
            }
            Command::AddTap(tap, reply) => {
                self.tx.add_tap(*tap);
                let _ = reply.send(());
            }
            Command::Sync(reply) => {
                self.refresh(now_ns);
                let _ = reply.send(());
            }
            Command::Inject(packet, reply) => {
                self.inject(&packet, now_ns);
                let _ = reply.send(());
            }
            Command::DumpFlows(cursor, reply) => {
                let mut flows = Vec::new();
                let next = self.flows.dump(cursor, &mut flows);
                let _ = reply.send((flows, next));
            }
            Command::Stop(reply) => {
                self.with_stage(now_ns, |stage, _, _| pipeline::give_up(stage));
                let _ = reply.send(self.rx.take_all(&mut self.pool, |_| true));
                return Flow::Stop;
            }
        }
        Flow::GoOn
    }
}
