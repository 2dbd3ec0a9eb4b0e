//! What remains to be done with a packet that waits for its controller: the continuation of
//! NXT_PACKET_IN2, which NXT_RESUME gives back.
//!
//! # Design
//! To a controller these are bytes, and only the switch that wrote them knows what they mean. They are
//! written as Open vSwitch writes them, so that `ovs-ofctl monitor` can show what is in them. The switch
//! keeps nothing of a packet that waits: all that it needs comes back.
//!
//! # References
//! `lib/ofp-packet.c` of Open vSwitch, `ofputil_put_packet_in_private`; ovs-actions(7), `controller`.

use crate::action::{OfAction, decode_actions, encode_list};
use crate::error::OfpError;
use crate::prop;
use crate::version::Version;
use crate::wire::{Reader, Writer};

const PROP_BRIDGE: u16 = 0x8000;
const PROP_STACK: u16 = 0x8001;
const PROP_MIRRORS: u16 = 0x8002;
const PROP_CONNTRACKED: u16 = 0x8003;
const PROP_TABLE_ID: u16 = 0x8004;
const PROP_COOKIE: u16 = 0x8005;
const PROP_ACTIONS: u16 = 0x8006;
const PROP_ACTION_SET: u16 = 0x8007;
const PROP_ODP_PORT: u16 = 0x8008;

/// Most bytes of an item of the stack: the widest field.
pub const MAX_STACKED_LEN: usize = 128;

/// Actions of a flow that have not been run.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Rest {
    /// The flow's table.
    pub table: u8,
    /// Its cookie.
    pub cookie: u64,
    /// The actions.
    pub actions: Vec<OfAction>,
}

/// What remains to be done with a packet.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Continuation {
    /// Names the bridge, for as long as it is there.
    pub bridge: [u8; 16],
    /// The stack, its top first, each a number in big-endian bytes.
    pub stack: Vec<Vec<u8>>,
    /// Mirrors that have seen the packet.
    pub mirrors: u32,
    /// Whether connection tracking has seen the packet.
    pub is_tracked: bool,
    /// What is to be done, in order.
    pub rest: Vec<Rest>,
    /// The action set.
    pub action_set: Vec<OfAction>,
}

impl Continuation {
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<Continuation, OfpError> {
        let mut found = Continuation::default();
        let (mut table, mut cookie) = (0, 0);
        prop::each(r, |id, body| {
            let prop::Id::Standard(number) = id else { return Err(id.unknown()) };
            match number {
                PROP_BRIDGE => found.bridge = body.array()?,
                PROP_STACK => {
                    let bytes = body.rest().to_vec();
                    if bytes.is_empty() || bytes.len() > MAX_STACKED_LEN {
                        return Err(OfpError::BpBadLen);
                    }
                    found.stack.push(bytes);
                }
                PROP_MIRRORS => found.mirrors = body.u32()?,
                PROP_CONNTRACKED => found.is_tracked = true,
                PROP_TABLE_ID => table = body.u8()?,
                PROP_COOKIE => {
                    body.skip(4)?;
                    cookie = body.u64()?;
                }
                PROP_ACTIONS => {
                    let actions = decode_list(version, body)?;
                    found.rest.push(Rest { table, cookie, actions });
                }
                PROP_ACTION_SET => found.action_set = decode_list(version, body)?,
                // The port's number in the datapath, which a newer Open vSwitch adds.
                PROP_ODP_PORT => drop(body.u32()?),
                _ => return Err(id.unknown()),
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// # Errors
    /// What the version cannot say.
    pub(crate) fn encode(&self, version: Version, w: &mut Writer) -> Result<(), OfpError> {
        let mut put = |kind, value: &[u8]| {
            let at = prop::begin(w, kind);
            w.bytes(value);
            prop::end(w, at);
        };
        put(PROP_BRIDGE, &self.bridge);
        self.stack.iter().for_each(|item| put(PROP_STACK, item));
        if self.mirrors != 0 {
            put(PROP_MIRRORS, &self.mirrors.to_be_bytes());
        }
        if self.is_tracked {
            put(PROP_CONNTRACKED, &[]);
        }
        let (mut table, mut cookie) = (0, 0);
        for rest in &self.rest {
            let mut put = |kind, value: &[u8]| {
                let at = prop::begin(w, kind);
                w.bytes(value);
                prop::end(w, at);
            };
            if rest.table != table {
                table = rest.table;
                put(PROP_TABLE_ID, &[table]);
            }
            if rest.cookie != cookie {
                cookie = rest.cookie;
                put(PROP_COOKIE, &[&[0; 4][..], &cookie.to_be_bytes()].concat());
            }
            put_list(version, (PROP_ACTIONS, &rest.actions), w)?;
        }
        put_list(version, (PROP_ACTION_SET, &self.action_set), w)
    }
}

fn decode_list(version: Version, body: &mut Reader<'_>) -> Result<Vec<OfAction>, OfpError> {
    body.skip(4)?;
    let mut list = body.sub(body.len())?;
    decode_actions(version, &mut list, 0)
}

fn put_list(
    version: Version,
    (kind, actions): (u16, &[OfAction]),
    w: &mut Writer,
) -> Result<(), OfpError> {
    if actions.is_empty() {
        return Ok(());
    }
    let at = prop::begin(w, kind);
    w.zeros(4);
    encode_list(version, actions, w)?;
    prop::end(w, at);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::parse_actions;

    #[test]
    fn what_remains_comes_back() {
        let rest = |table, cookie, text: &str| Rest {
            table,
            cookie,
            actions: parse_actions(text).unwrap(),
        };
        let whole = Continuation {
            bridge: *b"0123456789abcdef",
            stack: vec![vec![0, 0, 0, 5], vec![1]],
            mirrors: 3,
            is_tracked: true,
            rest: vec![rest(5, 9, "output:2,resubmit(,3)"), rest(0, 9, "load:5->NXM_NX_REG0[]")],
            action_set: parse_actions("output:4").unwrap(),
        };
        for version in Version::SPOKEN {
            let mut w = Writer::new();
            whole.encode(version, &mut w).unwrap();
            let bytes = w.into_bytes();
            let read =
                |bytes| Continuation::decode(version, &mut Reader::new(bytes, OfpError::BrBadLen));
            let back = read(&bytes).unwrap();
            assert_eq!(back.stack, whole.stack);
            assert_eq!(back.rest.len(), 2);
            assert_eq!(back.rest[0], whole.rest[0], "{version}");
            assert_eq!((back.rest[1].table, back.rest[1].cookie), (0, 9));
            for len in 0..bytes.len() {
                let _ = read(&bytes[..len]);
            }
        }
    }
}
