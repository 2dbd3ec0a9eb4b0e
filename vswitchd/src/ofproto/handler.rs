//! What each poll thread has of the control plane: it translates the packets that no cached flow
//! matches.
//!
//! # Design
//! A [`Handler`] takes the newest [`View`] once a round, and translates with it. What a translation
//! leaves behind goes to the thread's [`Ledger`]; what it teaches goes to the control thread by a queue
//! ([`Lessons`]). If that is full, the translation is not cached, so that the next packet teaches again.
//!
//! # Thread-safety
//! One handler belongs to one thread. What threads share is in [`Shared`].

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use datapath::action::RecircId;
use datapath::poll::wake::Wake;
use datapath::snapshot::{Publisher, Subscriber, Version};
use datapath::upcall::{Caching, Dependencies, FlowCounts, HandlerFactory};
use datapath::{Actions, DropReason, Upcall, UpcallHandler, UpcallOutcome};
use packet::flow::FieldId;
use packet::{FlowKey, FlowMask};

use super::ledger::{Credit, Entry, Ledger, Source};
use super::view::View;
use super::xlate::depends::Depends;
use super::xlate::keep::Keeper;
use super::xlate::{Learned, Start, Told, XlateIn, XlateOut, translate};

/// Lessons that wait for the control thread at most.
const N_LESSONS: usize = 4096;

/// What all handlers and the control thread share.
pub struct Shared {
    /// Where views are published.
    pub publisher: Publisher<View>,
    /// Where frozen walks and the like are found.
    pub keeper: Keeper,
    /// Flows that packets have taught.
    pub lessons: Lessons,
    ledgers: Mutex<Vec<Arc<Ledger>>>,
}

/// The way of lessons to the control thread.
pub struct Lessons {
    sender: SyncSender<Arc<Learned>>,
    receiver: Mutex<Receiver<Arc<Learned>>>,
    wake: Wake,
}

impl Lessons {
    fn teach(&self, learned: Arc<Learned>) -> bool {
        let is_sent = self.sender.try_send(learned).is_ok();
        self.wake.wake();
        is_sent
    }

    /// What was taught since this was last asked.
    #[must_use]
    pub fn take(&self) -> Vec<Arc<Learned>> {
        self.wake.clear();
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        receiver.try_iter().collect()
    }

    /// Readable when lessons wait.
    #[must_use]
    pub fn wake(&self) -> &Wake {
        &self.wake
    }
}

impl Shared {
    /// Without bridges.
    ///
    /// # Errors
    /// The process has too many descriptors.
    pub fn new() -> std::io::Result<Arc<Shared>> {
        let (sender, receiver) = sync_channel(N_LESSONS);
        let (receiver, wake) = (Mutex::new(receiver), Wake::new()?);
        Ok(Arc::new(Shared {
            publisher: Publisher::new(View::default()),
            keeper: Keeper::default(),
            lessons: Lessons { sender, receiver, wake },
            ledgers: Mutex::default(),
        }))
    }

    /// Makes a handler for each poll thread.
    #[must_use]
    pub fn factory(self: &Arc<Shared>) -> HandlerFactory {
        let shared = Arc::clone(self);
        Arc::new(move |_| Box::new(Handler::new(Arc::clone(&shared))))
    }

    /// A ledger of its own for a thread.
    #[must_use]
    pub fn ledger(&self) -> Arc<Ledger> {
        let ledger = Arc::<Ledger>::default();
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&ledger));
        ledger
    }

    /// Credits everything that was counted up to now; the flows that packets have taught again.
    pub fn settle(&self, now_ns: u64) -> Vec<Arc<Learned>> {
        let mut taught = Vec::new();
        let mut ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        for ledger in ledgers.iter() {
            ledger.settle(now_ns, &mut taught);
        }
        ledgers.retain(|ledger| Arc::strong_count(ledger) > 1 || !ledger.is_empty());
        taught
    }
}

/// A poll thread's.
pub struct Handler {
    shared: Arc<Shared>,
    view: Subscriber<View>,
    ledger: Arc<Ledger>,
}

impl Handler {
    fn new(shared: Arc<Shared>) -> Handler {
        let (view, ledger) = (shared.publisher.subscribe(), shared.ledger());
        Handler { shared, view, ledger }
    }

    fn translate(&self, upcall: &Upcall<'_>) -> Option<XlateOut> {
        let view = self.view.value();
        let (bridge, port) = view.port(upcall.port)?;
        let mut key: FlowKey = upcall.key.clone();
        let id = u32::try_from(key.get(FieldId::RecircId)).unwrap_or(0);
        key.set(FieldId::RecircId, 0);
        key.set(FieldId::InPortOxm, port.ofport.to_wide().into());
        let frozen = match id {
            0 => None,
            id => Some(self.shared.keeper.frozen(RecircId(id))?),
        };
        Some(translate(&XlateIn {
            view,
            version: self.view.version(),
            bridge,
            key: &key,
            start: frozen.as_deref().map_or(Start::Table, Start::Frozen),
            keeper: &self.shared.keeper,
            told: Told::No,
        }))
    }
}

impl UpcallHandler for Handler {
    fn refresh(&mut self) -> Version {
        self.view.refresh();
        self.view.version()
    }

    fn upcall(&mut self, upcall: &Upcall<'_>) -> UpcallOutcome {
        match self.translate(upcall) {
            Some(out) => settle_in(&self.ledger, &self.shared.lessons, out),
            None => UpcallOutcome {
                actions: Actions::drop(DropReason::NoRecircContext),
                mask: FlowMask::EMPTY,
                depends: Arc::new(Depends::default()),
                counts: None,
                caching: Caching::Once,
            },
        }
    }

    fn is_current(&self, depends: &Dependencies, version: Version) -> bool {
        let depends = depends.downcast_ref::<Depends>();
        depends.is_some_and(|depends| depends.is_unchanged(self.view.value(), version))
    }
}

/// Enters a translation in a ledger, teaches what it teaches, and gives what the datapath keeps of it.
pub fn settle_in(ledger: &Ledger, lessons: &Lessons, out: XlateOut) -> UpcallOutcome {
    let counts = Arc::<FlowCounts>::default();
    let (mut credits, mut caching) = (out.credits, out.caching);
    for learned in out.lessons {
        if !lessons.teach(Arc::clone(&learned)) {
            caching = Caching::Once;
        }
        credits.push(Credit::Learned(learned));
    }
    for (tally, credits) in out.tallies {
        let (source, credits) = (Source::Tally(tally), credits.into());
        ledger.enter(Entry { source, credits, kept: Box::default() });
    }
    let source = Source::Flow(Arc::clone(&counts));
    ledger.enter(Entry { source, credits: credits.into(), kept: out.kept.into() });
    UpcallOutcome {
        actions: out.actions,
        mask: out.mask,
        depends: Arc::new(out.depends),
        counts: Some(counts),
        caching,
    }
}
