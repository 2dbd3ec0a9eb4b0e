//! Actions and instructions: what a flow was asked to do.
//!
//! # Design
//! One list holds both, as in Open vSwitch: the actions that are applied at once, then what OpenFlow
//! 1.1 and later call instructions. So a text, a dump and a comparison are the same in all versions.
//! Where two versions say a thing in two ways, there is one variant if it means the same, and two if
//! it does not (the VLAN actions of 1.0 push a tag, `set_field` does not).
//! Codecs are by topic: [`of`] for the specification's actions, [`nicira`] for Nicira's,
//! [`set`] for all that write fields, [`instruction`] for what is around them.
//!
//! # References
//! OpenFlow 1.0.2 §5.2.4; 1.3.5 §7.2.4–7.2.5; 1.5.1 §7.2.5–7.2.6; `nicira-ext.h`; ovs-actions(7).

mod bundle;
mod check;
mod codec;
mod controller;
mod instruction;
mod learn;
mod nicira;
mod of;
mod set;

pub use bundle::{Bundle, HashFields, MemberAlgorithm, Multipath, MultipathAlgorithm};
pub use check::check;
pub(crate) use codec::decode_actions;
pub use controller::{ControllerReason, ToController};
pub(crate) use instruction::{
    Tag, check_list, decode_instructions, encode_instructions, encode_list, encode_told,
};
pub use learn::{Learn, LearnDst, LearnFlags, LearnSpec, LearnSrc, LearnValue};

use core::net::Ipv4Addr;

use packet::MacAddr;
use packet::flow::{FieldId, OptionMatch, Subfield};

use crate::error::OfpError;
use crate::port::OfPort;

/// Writes bits of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetField {
    /// The field.
    pub field: FieldId,
    /// New values of the bits in `mask`; zero elsewhere.
    pub value: u128,
    /// The bits to write.
    pub mask: u128,
}

/// Takes samples of packets (`nicira-ext.h`, NXAST_SAMPLE).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// How often, of 65535.
    pub probability: u16,
    /// Who collects.
    pub collector_set_id: u32,
    /// Observation domain.
    pub obs_domain_id: u32,
    /// Observation point.
    pub obs_point_id: u32,
    /// The port that is sampled; [`OfPort::NONE`]: none.
    pub sampling_port: OfPort,
    /// On the way in, out, or not said.
    pub direction: SampleDirection,
}

/// Which way a sampled packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum SampleDirection {
    /// Not said.
    Default = 0,
    /// In.
    Ingress = 1,
    /// Out.
    Egress = 2,
}

/// What was asked to be done with a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OfAction {
    /// Send it to a port; to the controller at most so many bytes of it.
    Output {
        /// Where to.
        port: OfPort,
        /// For [`OfPort::CONTROLLER`]; 0 otherwise.
        max_len: u16,
    },
    /// Send it to the port whose number some bits hold.
    OutputReg {
        /// The bits.
        src: Subfield,
        /// See [`OfAction::Output`].
        max_len: u16,
    },
    /// Send the first bytes of it to a port.
    OutputTrunc {
        /// Where to.
        port: OfPort,
        /// How many bytes, at least 14.
        max_len: u32,
    },
    /// Send it to the controller, with more said about how.
    Controller(Box<ToController>),
    /// Do as a group says.
    Group(u32),
    /// Send it to a port by a queue.
    Enqueue {
        /// Where to.
        port: OfPort,
        /// The queue.
        queue: u32,
    },
    /// Use a queue from now on.
    SetQueue(u32),
    /// Use the queue from before [`OfAction::SetQueue`].
    PopQueue,
    /// Choose among ports by a hash.
    Bundle(Box<Bundle>),
    /// Choose a number by a hash.
    Multipath(Box<Multipath>),
    /// Set the VLAN; push a tag if there is none.
    SetVlanVid(u16),
    /// Set the VLAN priority; push a tag if there is none.
    SetVlanPcp(u8),
    /// Take the outer tag off.
    StripVlan,
    /// Push a tag with this TPID.
    PushVlan(u16),
    /// Set the Ethernet source.
    SetEthSrc(MacAddr),
    /// Set the Ethernet destination.
    SetEthDst(MacAddr),
    /// Set the IPv4 source.
    SetIpv4Src(Ipv4Addr),
    /// Set the IPv4 destination.
    SetIpv4Dst(Ipv4Addr),
    /// Set the upper six bits of the TOS byte, in their place.
    SetIpTos(u8),
    /// Set the lower two bits of the TOS byte.
    SetIpEcn(u8),
    /// Set the time to live, or the hop limit.
    SetIpTtl(u8),
    /// Set the source port of TCP, UDP or SCTP.
    SetTpSrc(u16),
    /// Set the destination port of TCP, UDP or SCTP.
    SetTpDst(u16),
    /// Push a label stack entry with this EtherType.
    PushMpls(u16),
    /// Take the outer label stack entry off; this EtherType remains.
    PopMpls(u16),
    /// Set the outer label.
    SetMplsLabel(u32),
    /// Set the outer traffic class.
    SetMplsTc(u8),
    /// Set the outer MPLS time to live.
    SetMplsTtl(u8),
    /// Count the outer MPLS time to live down.
    DecMplsTtl,
    /// Count the time to live down; tell these controllers if it is over. Empty: the one with
    /// identifier 0.
    DecTtl(Vec<u16>),
    /// Write bits of a field; does nothing where the field is not.
    SetField(SetField),
    /// Write bits of a tunnel option, which is there from then on.
    SetOption(Box<OptionMatch>),
    /// Write a part of a field, in Nicira's words.
    Load {
        /// The part.
        dst: Subfield,
        /// The value.
        value: u64,
    },
    /// Copy bits.
    Move {
        /// From.
        src: Subfield,
        /// To; as many bits.
        dst: Subfield,
    },
    /// Put bits on the stack.
    Push(Subfield),
    /// Take bits off the stack.
    Pop(Subfield),
    /// Set the tunnel key, 32 bits of it.
    SetTunnel(u32),
    /// Set the tunnel key.
    SetTunnel64(u64),
    /// Look the packet up in a table, as if it came in by a port.
    Resubmit {
        /// [`OfPort::IN_PORT`]: the one that it came by.
        in_port: OfPort,
        /// `None`: the table that this flow is in.
        table: Option<u8>,
        /// With the addresses of the connection's original direction.
        original: bool,
    },
    /// Add a flow made of this packet.
    Learn(Box<Learn>),
    /// One dimension of a conjunctive match.
    Conjunction {
        /// Which conjunction.
        id: u32,
        /// Which dimension, from 0.
        clause: u8,
        /// How many there are.
        n_clauses: u8,
    },
    /// Do this to a copy.
    Clone(Vec<OfAction>),
    /// Nothing; bytes for whoever reads the flow.
    Note(Vec<u8>),
    /// Do no more.
    Exit,
    /// Shorten the flow's timeouts when the TCP connection ends.
    FinTimeout {
        /// New idle timeout in seconds; 0: as it is.
        idle_s: u16,
        /// New hard timeout in seconds; 0: as it is.
        hard_s: u16,
    },
    /// Take samples.
    Sample(Sample),
    /// Say in a bit whether the packet is larger than a length.
    CheckPktLarger {
        /// Bytes.
        len: u16,
        /// The bit.
        dst: Subfield,
    },
    /// Instruction, from 1.5 an action: let a meter decide.
    Meter(u32),
    /// Instruction: empty the action set.
    ClearActions,
    /// Instruction: add to the action set.
    WriteActions(Vec<OfAction>),
    /// Instruction: write bits of the metadata.
    WriteMetadata {
        /// New values.
        value: u64,
        /// The bits to write.
        mask: u64,
    },
    /// Instruction: go on in a table.
    GotoTable(u8),
}

/// The order of instructions (OpenFlow 1.3.5 §5.9).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Stage {
    Meter,
    Apply,
    Clear,
    Write,
    Metadata,
    Goto,
}

impl OfAction {
    /// Which instruction it belongs to.
    pub(crate) const fn stage(&self) -> Stage {
        match self {
            OfAction::Meter(_) => Stage::Meter,
            OfAction::ClearActions => Stage::Clear,
            OfAction::WriteActions(_) => Stage::Write,
            OfAction::WriteMetadata { .. } => Stage::Metadata,
            OfAction::GotoTable(_) => Stage::Goto,
            _ => Stage::Apply,
        }
    }

    /// Output to a port, to the controller whole.
    #[must_use]
    pub const fn output(port: OfPort) -> OfAction {
        let max_len = if port.0 == OfPort::CONTROLLER.0 { u16::MAX } else { 0 };
        OfAction::Output { port, max_len }
    }
}

/// Offset and length of a part in one number: 10 bits and 6 (`nicira-ext.h`, `ofs_nbits`).
pub(crate) fn pack_bits(part: Subfield) -> u16 {
    part.offset << 6 | (part.n_bits - 1)
}

/// See [`pack_bits`].
///
/// # Errors
/// `OFPBAC_BAD_SET_LEN` if the field has no such bits.
pub(crate) fn unpack_bits(field: FieldId, packed: u16) -> Result<Subfield, OfpError> {
    Subfield::new(field, packed >> 6, (packed & 0x3f) + 1).ok_or(OfpError::BaBadSetLen)
}
