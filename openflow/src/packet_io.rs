//! Packets on their way to a controller and from it.
//!
//! # References
//! OpenFlow 1.0.2 §5.4.1, §5.3.6; 1.3.5 §7.4.1, §7.3.7; 1.5.1 §7.3.6; `nicira-ext.h`,
//! NXT_PACKET_IN, NXT_PACKET_IN2, NXT_RESUME.

use packet::flow::{FieldId, FlowMatch};

use crate::action::{ControllerReason, OfAction, check_list, decode_actions, encode_list};
use crate::continuation::Continuation;
use crate::error::OfpError;
use crate::flow::NO_BUFFER;
use crate::kind::Kind;
use crate::oxm::{self, Cookie, Numbers};
use crate::port::OfPort;
use crate::prop;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// PACKET_IN, PACKET_IN2, and NXT_RESUME, which gives one back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PacketIn {
    /// The packet, or its first bytes.
    pub packet: Vec<u8>,
    /// How long it was.
    pub total_len: u32,
    /// Where it waits; [`NO_BUFFER`].
    pub buffer_id: u32,
    /// Why it was sent.
    pub reason: ControllerReason,
    /// The table of the flow that sent it; not in OpenFlow 1.0.
    pub table: u8,
    /// The flow's cookie; all ones if none.
    pub cookie: u64,
    /// `in_port`, registers, tunnel: what the packet does not carry itself. OpenFlow 1.0 carries
    /// `in_port` only.
    pub metadata: FlowMatch,
    /// The bytes of the `controller` action; PACKET_IN2 only.
    pub userdata: Vec<u8>,
    /// What the switch needs to go on where it paused; PACKET_IN2 only.
    pub continuation: Option<Box<Continuation>>,
}

impl PacketIn {
    /// The port that the packet came by.
    #[must_use]
    pub fn in_port(&self) -> OfPort {
        let port = self.metadata.key().get(FieldId::InPort);
        OfPort(u16::try_from(port).unwrap_or(OfPort::NONE.0))
    }

    pub(crate) fn decode(
        version: Version,
        kind: Kind,
        r: &mut Reader<'_>,
    ) -> Result<PacketIn, OfpError> {
        match kind {
            Kind::PacketIn => {}
            Kind::PacketInNxt => return decode_nxt(r),
            _ => return decode2(version, r),
        }
        let mut packet_in = PacketIn { buffer_id: r.u32()?, ..EMPTY };
        packet_in.total_len = r.u16()?.into();
        if version == Version::V10 {
            packet_in.metadata.set(FieldId::InPort, r.u16()?.into());
            packet_in.reason = reason(r.u8()?)?;
            r.skip(1)?;
        } else {
            packet_in.reason = reason(r.u8()?)?;
            packet_in.table = r.u8()?;
            packet_in.cookie = r.u64()?;
            packet_in.metadata = oxm::decode_match(r)?;
            r.skip(2)?;
        }
        packet_in.packet = r.rest().to_vec();
        Ok(packet_in)
    }

    /// # Errors
    /// What the version cannot say.
    pub(crate) fn encode(
        &self,
        version: Version,
        kind: Kind,
        w: &mut Writer,
    ) -> Result<(), OfpError> {
        match kind {
            Kind::PacketIn => {}
            Kind::PacketInNxt => {
                self.encode_nxt(version, w);
                return Ok(());
            }
            _ => return self.encode2(version, w),
        }
        w.u32(self.buffer_id);
        w.u16(u16::try_from(self.total_len).unwrap_or(u16::MAX));
        let reason = self.reason.for_version(version) as u8;
        if version == Version::V10 {
            w.u16(self.in_port().0);
            w.u8(reason);
            w.zeros(1);
        } else {
            w.u8(reason);
            w.u8(self.table);
            w.u64(self.cookie);
            oxm::encode_match(w, &self.metadata, Numbers::Oxm(version));
            w.zeros(2);
        }
        w.bytes(&self.packet);
        Ok(())
    }

    fn encode_nxt(&self, version: Version, w: &mut Writer) {
        w.u32(self.buffer_id);
        w.u16(u16::try_from(self.total_len).unwrap_or(u16::MAX));
        w.u8(self.reason.for_version(version) as u8);
        w.u8(self.table);
        w.u64(self.cookie);
        let at = w.len();
        w.u16(0);
        w.zeros(6);
        let start = w.len();
        oxm::encode_entries(w, &self.metadata, Numbers::Nxm, Cookie::default());
        w.patch_len(at, start);
        w.pad8(start);
        w.zeros(2);
        w.bytes(&self.packet);
    }

    fn encode2(&self, version: Version, w: &mut Writer) -> Result<(), OfpError> {
        let mut put = |kind, body: &dyn Fn(&mut Writer)| {
            let at = prop::begin(w, kind);
            body(w);
            prop::end(w, at);
        };
        put(PROP_PACKET, &|w| w.bytes(&self.packet));
        if usize::try_from(self.total_len).is_ok_and(|len| len != self.packet.len()) {
            put(PROP_FULL_LEN, &|w| w.u32(self.total_len));
        }
        if self.buffer_id != NO_BUFFER {
            put(PROP_BUFFER_ID, &|w| w.u32(self.buffer_id));
        }
        put(PROP_TABLE_ID, &|w| w.u8(self.table));
        if self.cookie != u64::MAX {
            put(PROP_COOKIE, &|w| {
                w.zeros(4);
                w.u64(self.cookie);
            });
        }
        put(PROP_REASON, &|w| w.u8(self.reason.for_version(version) as u8));
        let numbers = if version == Version::V10 { Numbers::Nxm } else { Numbers::Oxm(version) };
        put(PROP_METADATA, &|w| {
            oxm::encode_entries(w, &self.metadata, numbers, Cookie::default());
        });
        if !self.userdata.is_empty() {
            put(PROP_USERDATA, &|w| w.bytes(&self.userdata));
        }
        if let Some(continuation) = &self.continuation {
            let at = prop::begin(w, PROP_CONTINUATION);
            w.zeros(4);
            continuation.encode(version, w)?;
            prop::end(w, at);
        }
        Ok(())
    }
}

const PROP_PACKET: u16 = 0;
const PROP_FULL_LEN: u16 = 1;
const PROP_BUFFER_ID: u16 = 2;
const PROP_TABLE_ID: u16 = 3;
const PROP_COOKIE: u16 = 4;
const PROP_REASON: u16 = 5;
const PROP_METADATA: u16 = 6;
const PROP_USERDATA: u16 = 7;
const PROP_CONTINUATION: u16 = 8;

const EMPTY: PacketIn = PacketIn {
    packet: Vec::new(),
    total_len: 0,
    buffer_id: NO_BUFFER,
    reason: ControllerReason::NoMatch,
    table: 0,
    cookie: u64::MAX,
    metadata: FlowMatch::ANY,
    userdata: Vec::new(),
    continuation: None,
};

fn reason(number: u8) -> Result<ControllerReason, OfpError> {
    ControllerReason::from_number(number).ok_or(OfpError::NxbrBadReason)
}

fn decode_nxt(r: &mut Reader<'_>) -> Result<PacketIn, OfpError> {
    let mut packet_in = PacketIn { buffer_id: r.u32()?, ..EMPTY };
    packet_in.total_len = r.u16()?.into();
    packet_in.reason = reason(r.u8()?)?;
    packet_in.table = r.u8()?;
    packet_in.cookie = r.u64()?;
    let len = usize::from(r.u16()?);
    r.skip(6)?;
    let whole = r.bytes(len.next_multiple_of(8))?;
    let mut entries = Reader::new(&whole[..len], OfpError::BmBadLen);
    packet_in.metadata = oxm::decode_entries(&mut entries, None)?;
    r.skip(2)?;
    packet_in.packet = r.rest().to_vec();
    Ok(packet_in)
}

fn decode2(version: Version, r: &mut Reader<'_>) -> Result<PacketIn, OfpError> {
    let mut packet_in = EMPTY;
    let mut total_len = None;
    while !r.is_empty() {
        let (id, mut body) = prop::next(r)?;
        match id {
            prop::Id::Standard(PROP_PACKET) => packet_in.packet = body.rest().to_vec(),
            prop::Id::Standard(PROP_FULL_LEN) => total_len = Some(body.u32()?),
            prop::Id::Standard(PROP_BUFFER_ID) => packet_in.buffer_id = body.u32()?,
            prop::Id::Standard(PROP_TABLE_ID) => packet_in.table = body.u8()?,
            prop::Id::Standard(PROP_COOKIE) => {
                body.skip(4)?;
                packet_in.cookie = body.u64()?;
            }
            prop::Id::Standard(PROP_REASON) => packet_in.reason = reason(body.u8()?)?,
            prop::Id::Standard(PROP_METADATA) => {
                packet_in.metadata = oxm::decode_entries(&mut body, None)?;
            }
            prop::Id::Standard(PROP_USERDATA) => packet_in.userdata = body.rest().to_vec(),
            prop::Id::Standard(PROP_CONTINUATION) => {
                body.skip(4)?;
                let continuation = Continuation::decode(version, &mut body)?;
                packet_in.continuation = Some(Box::new(continuation));
            }
            id => return Err(id.unknown()),
        }
    }
    let len = u32::try_from(packet_in.packet.len()).unwrap_or(u32::MAX);
    packet_in.total_len = total_len.unwrap_or(len);
    if packet_in.total_len < len { Err(OfpError::BrBadLen) } else { Ok(packet_in) }
}

/// PACKET_OUT: actions for a packet that the controller sends, or for one that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PacketOut {
    /// The packet that waits; [`NO_BUFFER`]: the one in the message.
    pub buffer_id: u32,
    /// `in_port`, and since OpenFlow 1.5 registers and the like.
    pub metadata: FlowMatch,
    /// What is done.
    pub actions: Vec<OfAction>,
    /// The packet.
    pub packet: Vec<u8>,
}

impl PacketOut {
    /// The port that the packet seems to have come by.
    #[must_use]
    pub fn in_port(&self) -> OfPort {
        let port = self.metadata.key().get(FieldId::InPort);
        OfPort(u16::try_from(port).unwrap_or(OfPort::NONE.0))
    }

    /// `OFPBRC_BAD_PORT` for a port that no packet comes by.
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<PacketOut, OfpError> {
        let buffer_id = r.u32()?;
        let mut metadata = FlowMatch::ANY;
        let actions_len;
        if version >= Version::V15 {
            actions_len = r.u16()?;
            r.skip(2)?;
            metadata = oxm::decode_match(r)?;
        } else {
            let port = OfPort::decode(version, r).map_err(|_| OfpError::BrBadPort)?;
            metadata.set(FieldId::InPort, port.0.into());
            actions_len = r.u16()?;
            r.skip(if version == Version::V10 { 0 } else { 6 })?;
        }
        let mut list = r.sub(actions_len.into())?;
        let actions = decode_actions(version, &mut list, 0)?;
        let packet_out = PacketOut { buffer_id, metadata, actions, packet: r.rest().to_vec() };
        let port = packet_out.in_port();
        let usable =
            port < OfPort::MAX || matches!(port, OfPort::LOCAL | OfPort::NONE | OfPort::CONTROLLER);
        if usable { Ok(packet_out) } else { Err(OfpError::BrBadPort) }
    }

    /// # Errors
    /// What the version cannot say.
    pub(crate) fn encode(&self, version: Version, w: &mut Writer) -> Result<(), OfpError> {
        w.u32(self.buffer_id);
        let at = if version >= Version::V15 {
            let at = w.len();
            w.zeros(4);
            oxm::encode_match(w, &self.metadata, Numbers::Oxm(version));
            at
        } else {
            self.in_port().encode(version, w);
            let at = w.len();
            w.zeros(if version == Version::V10 { 2 } else { 8 });
            at
        };
        let start = w.len();
        check_list(version, &self.actions)?;
        encode_list(version, &self.actions, w)?;
        w.patch_len(at, start);
        w.bytes(&self.packet);
        Ok(())
    }
}
