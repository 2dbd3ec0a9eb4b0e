//! How tables are configured: TABLE_MOD, and limits that the administrator sets.
//!
//! # Design
//! A table tells that it has less place than its lower threshold once, and that again only after it has
//! had more than its upper one; and the other way round.
//!
//! # References
//! OpenFlow 1.4.1 §7.3.4.1, §7.3.5.16; `ofproto/ofproto.c`, `table_mod__`.

use openflow::OfpError;
use openflow::flow::TABLE_ALL;
use openflow::table::{TableMod, TableStatus};
use packet::flow::FieldId;

use super::journal::Undo;
use super::{Cx, Ofproto};
use crate::ofproto::notice::Event;
use crate::ofproto::tables::N_TABLES;

/// OFPTC_EVICTION: a full table makes place.
const EVICTION: u32 = 1 << 2;
/// OFPTC_VACANCY_EVENTS: it says how full it is.
const VACANCY_EVENTS: u32 = 1 << 3;
/// What eviction goes by: other things, importance, lifetime.
const EVICTION_FLAGS: u32 = 7;

/// What a table tells of the place that is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum VacancyEvent {
    /// Less than the lower threshold (OFPTR_VACANCY_DOWN).
    Down = 3,
    /// More than the upper one (OFPTR_VACANCY_UP).
    Up = 4,
}

/// How a table is configured.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct TableConfig {
    /// Of `ofp_table_config`, as OpenFlow 1.4 knows it.
    config: u32,
    /// Thresholds of vacancy events, percent.
    vacancy: (u8, u8),
    /// The event that is told next; `None`: none is.
    next_event: Option<VacancyEvent>,
    /// Flows at most.
    pub max_flows: Option<usize>,
    /// Whether the administrator lets it evict, whatever TABLE_MOD says.
    always_evicts: bool,
}

impl TableConfig {
    /// Whether flows make place for others when it is full.
    pub(super) const fn evicts(&self) -> bool {
        self.always_evicts || self.config & EVICTION != 0
    }

    fn change(&mut self, to: &TableMod, n_flows: usize) {
        // Before 1.4 the bits say what becomes of packets that match nothing, and are deprecated.
        self.config = to.config & (EVICTION | VACANCY_EVENTS);
        if let Some((down, up, _)) = to.vacancy {
            self.vacancy = (down, up);
        }
        self.next_event = if self.config & VACANCY_EVENTS == 0 {
            None
        } else if self.vacancy_percent(n_flows) < self.vacancy.1 {
            Some(self.next_event.unwrap_or(VacancyEvent::Up))
        } else {
            Some(self.next_event.unwrap_or(VacancyEvent::Down))
        };
    }

    /// Whether what is told next has come to pass; then the other is next.
    fn take_event(&mut self, n_flows: usize) -> Option<VacancyEvent> {
        let (now, (down, up)) = (self.vacancy_percent(n_flows), self.vacancy);
        let (event, next) = match self.next_event? {
            VacancyEvent::Down if now < down => (VacancyEvent::Down, VacancyEvent::Up),
            VacancyEvent::Up if now > up => (VacancyEvent::Up, VacancyEvent::Down),
            VacancyEvent::Down | VacancyEvent::Up => return None,
        };
        self.next_event = Some(next);
        Some(event)
    }

    /// Percent of it that is free.
    fn vacancy_percent(&self, n_flows: usize) -> u8 {
        // A table without a limit is as large as can be said.
        let limit = self.max_flows.unwrap_or(u32::MAX as usize);
        let free = limit.saturating_sub(n_flows) * 100;
        u8::try_from(free.checked_div(limit).unwrap_or(0)).unwrap_or(100)
    }
}

/// What becomes of a flow that does not fit in.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Overflow {
    /// It is refused.
    #[default]
    Refuse,
    /// It takes another's place.
    Evict,
}

/// What the administrator says of a table (Open vSwitch's `Flow_Table`).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TableSettings {
    /// Its name, before any that a controller gives.
    pub name: Option<String>,
    /// Flows at most; `None`: no limit of its own.
    pub max_flows: Option<usize>,
    /// What becomes of one that does not fit in.
    pub overflow: Overflow,
    /// Fields by which flows are grouped; the largest group makes place first.
    pub groups: Vec<FieldId>,
    /// Fields whose prefixes look-ups ask for; `None`: as they do by themselves.
    pub prefixes: Option<Vec<FieldId>>,
}

impl Ofproto {
    pub(super) fn table_mod(&mut self, to: &TableMod) -> Result<(), OfpError> {
        let tables = match to.table {
            TABLE_ALL => 0..N_TABLES,
            table if table < N_TABLES => table..table + 1,
            _ => return Err(OfpError::TmfEperm),
        };
        for table in tables {
            let before = self.config(table);
            let mut after = before;
            after.change(to, self.store.n_flows(table));
            self.set_config(table, after);
            self.journal.push(Undo::Table(table, before));
        }
        Ok(())
    }

    /// Configures a table. Of flows that are too many now, those go that may be evicted.
    pub fn set_table(&mut self, cx: &mut Cx<'_>, table: u8, settings: TableSettings) {
        if self.settings.get(&table).unwrap_or(&TableSettings::default()) == &settings {
            return;
        }
        let always_evicts = settings.overflow == Overflow::Evict;
        let max_flows = settings.max_flows;
        self.set_config(table, TableConfig { max_flows, always_evicts, ..self.config(table) });
        if let Some(flows) = self.store.tables().get(table) {
            flows.write().ask_prefixes(settings.prefixes.as_deref());
        }
        if settings == TableSettings::default() {
            self.settings.remove(&table);
        } else {
            self.settings.insert(table, settings);
        }
        self.always(cx, |this, cx| this.shrink(cx, table));
    }

    pub(super) fn config(&self, table: u8) -> TableConfig {
        self.configs.get(usize::from(table)).copied().unwrap_or_default()
    }

    pub(super) fn set_config(&mut self, table: u8, config: TableConfig) {
        if let Some(entry) = self.configs.get_mut(usize::from(table)) {
            *entry = config;
        }
    }

    /// Tells that a table whose flows have changed has little place left, or enough again.
    pub(super) fn tell_vacancy(&mut self, cx: &mut Cx<'_>, table: u8) {
        let mut config = self.config(table);
        let Some(event) = config.take_event(self.store.n_flows(table)) else { return };
        self.set_config(table, config);
        let status = TableStatus { reason: event as u8, desc: self.table_desc(table) };
        cx.events.push(Event::TableStatus(Box::new(status)));
    }

    /// OFPMP_TABLE_DESC.
    pub(super) fn table_descs(&self) -> Vec<TableMod> {
        (0..N_TABLES).map(|table| self.table_desc(table)).collect()
    }

    fn table_desc(&self, table: u8) -> TableMod {
        let config = self.config(table);
        let now = config.vacancy_percent(self.store.n_flows(table));
        let (down, up) = config.vacancy;
        let has_vacancy = config.config & VACANCY_EVENTS != 0;
        TableMod {
            table,
            config: config.config,
            eviction: Some(EVICTION_FLAGS),
            vacancy: has_vacancy.then_some((down, up, now)),
        }
    }
}
