//! Workers: poll threads, or poll state that the caller drives.

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, bounded};

use super::{EngineError, PollCpus};
use crate::action::UserspaceQueue;
use crate::clock::Clock;
use crate::frame::FrameMemory;
use crate::pipeline::flows::FlowParts;
use crate::pipeline::{FlowConfig, Flows};
use crate::poll::PollThread;
use crate::poll::cpu;
use crate::poll::mailbox::{Command, Mailbox, mailbox};
use crate::poll::rx::RxSlot;
use crate::poll::stats::ThreadStats;
use crate::poll::thread::{EventSender, Parts};
use crate::snapshot::Publisher;
use crate::upcall::HandlerFactory;
use crate::view::{MAX_POLL_THREADS, Snapshot};

/// What every worker is made from.
pub(super) struct Seed {
    pub clock: Clock,
    pub memory: Arc<FrameMemory>,
    pub publisher: Publisher<Snapshot>,
    pub events: EventSender,
    pub handlers: Option<HandlerFactory>,
    pub flows: FlowConfig,
    pub userspace: UserspaceQueue,
    /// Random: of hashes and of the names of flows.
    pub hash_seed: u64,
}

enum Link {
    Inline(Box<PollThread>),
    Thread(Mailbox, Option<JoinHandle<()>>),
}

/// Bytes of a poll thread's stack, of which only what is touched takes memory: a translation goes as
/// deep as tables, groups and clones nest.
const STACK_LEN: usize = 8 << 20;

/// One worker, seen from the control thread.
pub(super) struct Worker {
    pub id: usize,
    pub cpu: Option<usize>,
    pub stats: Arc<ThreadStats>,
    link: Link,
}

impl Worker {
    /// A worker that the caller drives.
    pub fn inline(seed: &Seed) -> Result<Worker, EngineError> {
        let stats = Arc::<ThreadStats>::default();
        let (_, thread) = build(seed, 0, stats.clone())?;
        Ok(Worker { id: 0, cpu: None, stats, link: Link::Inline(Box::new(thread)) })
    }

    /// A running thread, bound to `cpu` if one is given.
    fn spawn(seed: &Seed, id: usize, cpu: Option<usize>) -> Result<Worker, EngineError> {
        let stats = Arc::<ThreadStats>::default();
        let (mailbox, thread) = build(seed, id, stats.clone())?;
        let (report, pinned) = bounded(1);
        let thread_of = std::thread::Builder::new().name(format!("poll{id}"));
        let handle = thread_of.stack_size(STACK_LEN).spawn(move || {
            let outcome = cpu.map_or(Ok(()), cpu::pin);
            let start = outcome.is_ok();
            let _ = report.send(outcome);
            if start {
                thread.run();
            }
        })?;
        let outcome = pinned.recv().unwrap_or_else(|_| Err(std::io::ErrorKind::BrokenPipe.into()));
        if let (Err(source), Some(cpu)) = (outcome, cpu) {
            return Err(EngineError::Cpu { cpu, source });
        }
        Ok(Worker { id, cpu, stats, link: Link::Thread(mailbox, Some(handle)) })
    }

    /// Posts a command that has no answer.
    pub fn post(&mut self, command: Command) {
        match &mut self.link {
            Link::Inline(thread) => thread.serve_now(command),
            Link::Thread(mailbox, _) => {
                mailbox.post(command);
            }
        }
    }

    /// Posts a command and waits for its answer; `None` if the thread has ended.
    pub fn ask<T>(&mut self, command: impl FnOnce(Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = bounded(1);
        self.post(command(reply));
        answer.recv().ok()
    }

    /// One round, if the caller drives this worker; frames received.
    pub fn round(&mut self) -> usize {
        match &mut self.link {
            Link::Inline(thread) => thread.round(),
            Link::Thread(..) => 0,
        }
    }

    /// Ends the worker and returns its receive queues.
    pub fn stop(&mut self) -> Vec<RxSlot> {
        let slots = self.ask(Command::Stop).unwrap_or_default();
        if let Link::Thread(_, handle) = &mut self.link
            && let Some(handle) = handle.take()
        {
            let _ = handle.join();
        }
        slots
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if matches!(self.link, Link::Thread(_, Some(_))) {
            self.stop();
        }
    }
}

fn build(
    seed: &Seed,
    id: usize,
    stats: Arc<ThreadStats>,
) -> Result<(Mailbox, PollThread), EngineError> {
    let (mailbox, inbox) = mailbox()?;
    let flows = Flows::new(FlowParts {
        handler: seed.handlers.as_ref().map(|handlers| handlers(id)),
        config: seed.flows,
        userspace: seed.userspace.clone(),
        stats: stats.flows.clone(),
        seed: seed.hash_seed,
    });
    let thread = PollThread::new(Parts {
        id,
        clock: seed.clock.clone(),
        memory: seed.memory.clone(),
        view: seed.publisher.subscribe(),
        inbox,
        events: seed.events.clone(),
        stats,
        flows,
    })?;
    Ok((mailbox, thread))
}

/// Starts the threads that `cpus` asks for, with numbers that are not among `used`.
pub(super) fn start(
    seed: &Seed,
    cpus: &PollCpus,
    used: &[usize],
) -> Result<Vec<Worker>, EngineError> {
    let places: Vec<Option<usize>> = match cpus {
        PollCpus::One => vec![None],
        PollCpus::Pinned(cpus) => {
            check_list(cpus)?;
            cpus.iter().copied().map(Some).collect()
        }
    };
    let ids = (0..MAX_POLL_THREADS).filter(|id| !used.contains(id));
    let free = MAX_POLL_THREADS - used.len();
    if places.len() > free {
        return Err(EngineError::CpuList(format!("{} CPUs, {free} threads free", places.len())));
    }
    places.into_iter().zip(ids).map(|(cpu, id)| Worker::spawn(seed, id, cpu)).collect()
}

fn check_list(cpus: &[usize]) -> Result<(), EngineError> {
    let twice = cpus.iter().enumerate().find(|(i, cpu)| cpus[..*i].contains(cpu));
    if let Some((_, cpu)) = twice {
        return Err(EngineError::CpuList(format!("CPU {cpu} is named twice")));
    }
    if cpus.is_empty() {
        return Err(EngineError::CpuList("no CPU is named".into()));
    }
    Ok(())
}
