//! Flow monitors: a controller is told of flows as they come, change and go.
//!
//! # References
//! OpenFlow 1.4.1 §7.3.5.17; `nicira-ext.h`, NXST_FLOW_MONITOR; the ONF's extension 187, which gives
//! OpenFlow 1.3 what Nicira's gives 1.0.

use packet::flow::FlowMatch;

use super::GROUP_ANY;
use super::stats::{decode_nxm_match, tag};
use crate::action::{OfAction, decode_actions, decode_instructions, encode_told};
use crate::error::OfpError;
use crate::flags::flags;
use crate::kind::Form;
use crate::oxm::{self, Cookie, Numbers};
use crate::port::OfPort;
use crate::version::Version;
use crate::wire::{Reader, Writer};

flags! {
    /// What a monitor wants to know, in the numbers of OpenFlow 1.4.
    MonitorFlags: u16 {
        /// The flows that are there already.
        INITIAL = 1 << 0, "initial";
        /// New ones.
        ADD = 1 << 1, "add";
        /// Deleted ones.
        DELETE = 1 << 2, "delete";
        /// Changed ones.
        MODIFY = 1 << 3, "modify";
        /// With their actions.
        ACTIONS = 1 << 4, "actions";
        /// The connection's own changes in full.
        NO_ABBREV = 1 << 5, "no-abbrev";
        /// The connection's own changes only.
        ONLY_OWN = 1 << 6, "only-own";
    }
}

/// NXFMF_OWN: the same as [`MonitorFlags::NO_ABBREV`].
const NX_FLAGS: u16 = 0x3f;

/// What to do with a monitor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum MonitorCommand {
    /// A new one.
    Add = 0,
    /// Another in its place.
    Modify = 1,
    /// No more.
    Delete = 2,
}

/// A monitor that is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MonitorRequest {
    /// Its number.
    pub id: u32,
    /// What to do.
    pub command: MonitorCommand,
    /// What it wants to know.
    pub flags: MonitorFlags,
    /// Of flows that send to this port; [`OfPort::NONE`].
    pub out_port: OfPort,
    /// Of flows that send to this group; [`GROUP_ANY`].
    pub out_group: u32,
    /// In this table; [`super::TABLE_ALL`].
    pub table: u8,
    /// That match this, or more.
    pub matching: FlowMatch,
}

impl MonitorRequest {
    pub(crate) fn decode(form: Form, r: &mut Reader<'_>) -> Result<Self, OfpError> {
        if form != Form::Stats {
            let (id, flags) = (r.u32()?, MonitorFlags(r.u16()?));
            // The ONF's form has a wide port, and the rest is Nicira's.
            let (len, out_port, n_zeros) = if form == Form::OnfStats {
                (usize::from(r.u16()?), OfPort::from_wide(r.u32()?)?, 3)
            } else {
                let port = OfPort(r.u16()?);
                (usize::from(r.u16()?), port, 5)
            };
            let table = r.u8()?;
            if r.bytes(n_zeros)?.iter().any(|byte| *byte != 0) {
                return Err(OfpError::NxbrMustBeZero);
            }
            if flags.0 & 0xf == 0 || flags.0 & !NX_FLAGS != 0 {
                return Err(OfpError::MofBadFlags);
            }
            let matching = read_match((form, len), r)?;
            let (command, out_group) = (MonitorCommand::Add, GROUP_ANY);
            return Ok(MonitorRequest { id, command, flags, out_port, out_group, table, matching });
        }
        let (id, out_port, out_group) = (r.u32()?, OfPort::from_wide(r.u32()?)?, r.u32()?);
        let (flags, table) = (MonitorFlags(r.u16()?), r.u8()?);
        let command = match r.u8()? {
            0 => MonitorCommand::Add,
            1 => MonitorCommand::Modify,
            2 => MonitorCommand::Delete,
            _ => return Err(OfpError::MofBadCommand),
        };
        if flags.0 & !0x7f != 0 || flags.0 & 0xf == 0 && command != MonitorCommand::Delete {
            return Err(OfpError::MofBadFlags);
        }
        let matching = oxm::decode_match(r)?;
        Ok(MonitorRequest { id, command, flags, out_port, out_group, table, matching })
    }

    pub(crate) fn encode(&self, version: Version, form: Form, w: &mut Writer) {
        w.u32(self.id);
        if form == Form::NiciraStats {
            w.u16(self.flags.0 & NX_FLAGS);
            w.u16(self.out_port.0);
            let at = w.len();
            w.u16(0);
            w.u8(self.table);
            w.zeros(5);
            return put_entries(w, &self.matching, at);
        }
        if form == Form::OnfStats {
            w.u16(self.flags.0 & NX_FLAGS);
            let at = w.len();
            w.u16(0);
            w.u32(self.out_port.to_wide());
            w.u8(self.table);
            w.zeros(3);
            return put_match(w, &self.matching, (at, version));
        }
        w.u32(self.out_port.to_wide());
        w.u32(self.out_group);
        w.u16(self.flags.0);
        w.u8(self.table);
        w.u8(self.command as u8);
        oxm::encode_match(w, &self.matching, Numbers::Oxm(version));
    }
}

/// The match of Nicira's form is a list of fields; that of the ONF's is whole, with a length of its own.
fn read_match((form, len): (Form, usize), r: &mut Reader<'_>) -> Result<FlowMatch, OfpError> {
    match form {
        Form::OnfStats => oxm::decode_match(r),
        _ => Ok(decode_nxm_match(r, len)?.0),
    }
}

fn put_match(w: &mut Writer, matching: &FlowMatch, (len_at, version): (usize, Version)) {
    let start = w.len();
    oxm::encode_match(w, matching, Numbers::Oxm(version));
    if let Some([high, low]) = w.as_bytes().get(start + 2..start + 4) {
        let len = u16::from_be_bytes([*high, *low]);
        w.patch_u16(len_at, len);
    }
}

fn put_entries(w: &mut Writer, matching: &FlowMatch, len_at: usize) {
    let start = w.len();
    oxm::encode_entries(w, matching, Numbers::Nxm, Cookie::default());
    w.patch_len(len_at, start);
    w.pad8(start);
}

/// What happened to a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MonitorEvent {
    /// It was there already; Nicira's form calls it added.
    Initial,
    /// It is new.
    Added,
    /// It went, for a number of [`super::RemovedReason`].
    Removed(u8),
    /// It changed.
    Modified,
}

/// A flow that a monitor tells of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateFlow {
    /// What happened.
    pub event: MonitorEvent,
    /// Its table.
    pub table: u8,
    /// Its priority.
    pub priority: u16,
    /// Idle timeout in seconds.
    pub idle_s: u16,
    /// Hard timeout in seconds.
    pub hard_s: u16,
    /// Its cookie.
    pub cookie: u64,
    /// What packets must have.
    pub matching: FlowMatch,
    /// What is done with packets, if that was asked for.
    pub actions: Vec<OfAction>,
}

/// One item of what a monitor tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FlowUpdate {
    /// Something happened to a flow.
    Flow(Box<UpdateFlow>),
    /// The connection's own change, by its transaction id.
    Abbreviated(u32),
    /// Too much happens; some is lost from here.
    Paused,
    /// All is told again from here.
    Resumed,
}

const NX_EVENTS: [u16; 4] = [0, 1, 2, 3];
const OF_EVENTS: [u16; 7] = [0, 1, 2, 3, 4, 5, 6];

impl FlowUpdate {
    pub(crate) fn decode(
        version: Version,
        form: Form,
        r: &mut Reader<'_>,
    ) -> Result<Self, OfpError> {
        let len = usize::from(r.u16()?);
        let mut r = r.sub(len.checked_sub(2).ok_or(OfpError::BrBadLen)?)?;
        let event = r.u16()?;
        if form != Form::Stats {
            return decode_nxm((version, form), event, &mut r);
        }
        if !OF_EVENTS.contains(&event) {
            return Err(OfpError::NxbrFmBadEvent);
        }
        let update = match event {
            4 => FlowUpdate::Abbreviated(r.u32()?),
            5 | 6 => {
                r.skip(4)?;
                if event == 5 { FlowUpdate::Paused } else { FlowUpdate::Resumed }
            }
            _ => {
                let (table, reason, idle_s, hard_s) = (r.u8()?, r.u8()?, r.u16()?, r.u16()?);
                let priority = r.u16()?;
                r.skip(4)?;
                let cookie = r.u64()?;
                let matching = oxm::decode_match(&mut r)?;
                let actions = decode_instructions(version, &mut r)?;
                let event = match event {
                    0 => MonitorEvent::Initial,
                    1 => MonitorEvent::Added,
                    2 => MonitorEvent::Removed(reason),
                    _ => MonitorEvent::Modified,
                };
                FlowUpdate::Flow(Box::new(UpdateFlow {
                    event,
                    table,
                    priority,
                    idle_s,
                    hard_s,
                    cookie,
                    matching,
                    actions,
                }))
            }
        };
        if r.is_empty() { Ok(update) } else { Err(OfpError::BrBadLen) }
    }

    pub(crate) fn encode(
        &self,
        version: Version,
        form: Form,
        w: &mut Writer,
    ) -> Result<(), OfpError> {
        let start = w.len();
        w.u16(0);
        match self {
            FlowUpdate::Flow(flow) if form != Form::Stats => encode_nxm(flow, (version, form), w)?,
            FlowUpdate::Flow(flow) => encode_of(flow, version, w)?,
            FlowUpdate::Abbreviated(xid) => {
                w.u16(if form == Form::Stats { 4 } else { 3 });
                w.u32(*xid);
            }
            FlowUpdate::Paused | FlowUpdate::Resumed if form != Form::Stats => {
                // There, these are messages of their own.
                return Err(OfpError::NxbrFmBadEvent);
            }
            FlowUpdate::Paused | FlowUpdate::Resumed => {
                w.u16(if *self == FlowUpdate::Paused { 5 } else { 6 });
                w.zeros(4);
            }
        }
        w.patch_len(start, start);
        if w.len() - start > usize::from(u16::MAX) { Err(OfpError::BrBadLen) } else { Ok(()) }
    }
}

/// Nicira's form, and the ONF's, which has instructions in the place of actions.
fn decode_nxm(
    (version, form): (Version, Form),
    event: u16,
    r: &mut Reader<'_>,
) -> Result<FlowUpdate, OfpError> {
    if !NX_EVENTS.contains(&event) {
        return Err(OfpError::NxbrFmBadEvent);
    }
    let update = if event == 3 {
        FlowUpdate::Abbreviated(r.u32()?)
    } else {
        let (reason, priority, idle_s, hard_s) = (r.u16()?, r.u16()?, r.u16()?, r.u16()?);
        let (len, table) = (usize::from(r.u16()?), r.u8()?);
        r.skip(1)?;
        let cookie = r.u64()?;
        let matching = read_match((form, len), r)?;
        let actions = if form == Form::OnfStats {
            decode_instructions(version, r)?
        } else {
            decode_actions(version, r, 0)?
        };
        let reason = u8::try_from(reason).map_err(|_| OfpError::NxbrBadReason)?;
        let event = match event {
            0 => MonitorEvent::Added,
            1 => MonitorEvent::Removed(reason),
            _ => MonitorEvent::Modified,
        };
        FlowUpdate::Flow(Box::new(UpdateFlow {
            event,
            table,
            priority,
            idle_s,
            hard_s,
            cookie,
            matching,
            actions,
        }))
    };
    if r.is_empty() { Ok(update) } else { Err(OfpError::BrBadLen) }
}

fn encode_nxm(
    flow: &UpdateFlow,
    (version, form): (Version, Form),
    w: &mut Writer,
) -> Result<(), OfpError> {
    let (event, reason) = match flow.event {
        MonitorEvent::Initial | MonitorEvent::Added => (0, 0),
        MonitorEvent::Removed(reason) => (1, reason),
        MonitorEvent::Modified => (2, 0),
    };
    w.u16(event);
    w.u16(reason.into());
    w.u16(flow.priority);
    w.u16(flow.idle_s);
    w.u16(flow.hard_s);
    let at = w.len();
    w.u16(0);
    w.u8(flow.table);
    w.u8(0);
    w.u64(flow.cookie);
    if form == Form::OnfStats {
        put_match(w, &flow.matching, (at, version));
        return encode_told(version, &flow.actions, tag(&flow.matching), w);
    }
    put_entries(w, &flow.matching, at);
    encode_told(version, &flow.actions, tag(&flow.matching), w)
}

fn encode_of(flow: &UpdateFlow, version: Version, w: &mut Writer) -> Result<(), OfpError> {
    let (event, reason) = match flow.event {
        MonitorEvent::Initial => (0, 0),
        MonitorEvent::Added => (1, 0),
        MonitorEvent::Removed(reason) => (2, reason),
        MonitorEvent::Modified => (3, 0),
    };
    w.u16(event);
    w.u8(flow.table);
    w.u8(reason);
    w.u16(flow.idle_s);
    w.u16(flow.hard_s);
    w.u16(flow.priority);
    w.zeros(4);
    w.u64(flow.cookie);
    oxm::encode_match(w, &flow.matching, Numbers::Oxm(version));
    encode_told(version, &flow.actions, tag(&flow.matching), w)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{actions_text, parse_actions};

    #[test]
    fn the_older_form_says_what_dumps_say() {
        let text = "meter:1,output:2,write_metadata:0x5,goto_table:7";
        let flow = UpdateFlow {
            event: MonitorEvent::Added,
            table: 1,
            priority: 2,
            idle_s: 0,
            hard_s: 0,
            cookie: 3,
            matching: FlowMatch::ANY,
            actions: parse_actions(text).unwrap(),
        };
        let (version, form) = (Version::V10, Form::NiciraStats);
        let mut w = Writer::new();
        FlowUpdate::Flow(Box::new(flow)).encode(version, form, &mut w).unwrap();
        let bytes = w.into_bytes();
        let mut r = Reader::new(&bytes, OfpError::BrBadLen);
        let FlowUpdate::Flow(back) = FlowUpdate::decode(version, form, &mut r).unwrap() else {
            panic!("another update");
        };
        let back = actions_text(version, &back.actions);
        assert_eq!(back, "output:2,write_metadata:0x5,resubmit(,7)");
    }
}
