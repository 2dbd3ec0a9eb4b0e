//! What a field is: name, width, what it needs, its numbers on the wire.
//!
//! # Design
//! Each fact about a field stands once, in its row of the [`table`](super::table). Codecs, parsers and
//! actions are written against [`FieldInfo`], not against fields: a new field is a new row.
//! Values are numbers of up to 128 bits, as the [`place`](super::place) of a field holds them. Tunnel
//! options are longer; their row gives the bit that says that the option is there, and
//! [`tunnel`](super::tunnel) the bytes.
//!
//! # References
//! ovs-fields(7) for names, widths, masks, prerequisites; OpenFlow 1.5.1 §7.2.3 for OXM.

use super::place::{Place, ones};
use super::table;

pub use super::table::FieldId;

/// Whether a match may look at some bits of a field only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Maskable {
    /// All bits or none.
    Whole,
    /// Any bits.
    Bitwise,
}

/// Whether actions may write a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// They may not.
    ReadOnly,
    /// They may.
    ReadWrite,
}

/// How a value is written in the text syntax.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A decimal number.
    Decimal,
    /// A hexadecimal number, but for zero.
    Hex,
    /// A MAC address.
    Ethernet,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A port of OpenFlow 1.0, or its name.
    Port16,
    /// A port of OpenFlow 1.1 and later, or its name.
    Port32,
    /// `no`, `yes`, `first`, `later`, `not_later`.
    Frag,
    /// Names of TCP flags.
    TcpFlags,
    /// Names of tunnel flags.
    TunnelFlags,
    /// Names of states of a connection.
    CtState,
    /// Name space and type.
    PacketType,
}

/// A name space of field numbers on the wire, and an experimenter's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OxmClass {
    /// `oxm_class`.
    pub class: u16,
    /// The experimenter that follows the header, if the class is [`OxmClass::EXPERIMENTER`].
    pub experimenter: Option<u32>,
}

impl OxmClass {
    /// `oxm_class` of fields that an experimenter defines (OpenFlow 1.5.1 §7.2.3.2).
    pub const EXPERIMENTER: u16 = 0xffff;

    /// Fields of OpenFlow 1.0, as Nicira numbers them.
    pub const OF: OxmClass = OxmClass::plain(0x0000);
    /// Nicira's own fields.
    pub const NX: OxmClass = OxmClass::plain(0x0001);
    /// Fields that OpenFlow defines.
    pub const BASIC: OxmClass = OxmClass::plain(0x8000);
    /// Registers of OpenFlow 1.5.
    pub const PKT_REG: OxmClass = OxmClass::plain(0x8001);
    /// Ericsson's fields.
    pub const ERIC: OxmClass = OxmClass::plain(0x1000);
    /// Fields of the Open Networking Foundation, ahead of the standard.
    pub const ONF: OxmClass = OxmClass::experimenter(0x4f4e_4600);
    /// Nicira's fields, numbered in its experimenter space.
    pub const ET: OxmClass = OxmClass::experimenter(0x0000_2320);
    /// The network service header.
    pub const NSH: OxmClass = OxmClass::experimenter(0x005a_d650);

    const fn plain(class: u16) -> OxmClass {
        OxmClass { class, experimenter: None }
    }

    const fn experimenter(id: u32) -> OxmClass {
        OxmClass { class: Self::EXPERIMENTER, experimenter: Some(id) }
    }
}

/// One number of a field on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OxmCode {
    /// Its name: `NXM_OF_ETH_SRC`, `OXM_OF_ETH_SRC`.
    pub name: &'static str,
    /// The name space.
    pub class: OxmClass,
    /// `oxm_field`: 7 bits.
    pub number: u8,
    /// The first wire version of OpenFlow that may say it (0x03 is OpenFlow 1.2); 0: any.
    pub since: u8,
}

/// Everything that is known of a field but its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldInfo {
    /// The field.
    pub id: FieldId,
    /// As ovs-fields(7) names it.
    pub name: &'static str,
    /// Another name that is understood.
    pub aka: Option<&'static str>,
    /// Bytes of a value on the wire; of a tunnel option, at most.
    pub n_bytes: u8,
    /// Low bits that a sub-field may name, and that are not always zero. `vlan_vid` has one more: the
    /// bit that says that there is a tag.
    pub n_bits: u16,
    /// Whether it may be masked.
    pub maskable: Maskable,
    /// How it is written.
    pub format: Format,
    /// What must be so for the field to be there.
    pub prereq: super::Prereq,
    /// Whether actions may write it.
    pub access: Access,
    /// Where it lies in a key.
    pub place: Place,
    /// Its numbers: Nicira's first, then OpenFlow's by version.
    pub codes: &'static [OxmCode],
}

impl FieldInfo {
    /// The bits that a value may have: the mask of an exact match, as [`Words::get`] gives it. `arp_op`
    /// has 8 of its 16.
    ///
    /// [`Words::get`]: super::Words::get
    #[must_use]
    pub const fn ones(&self) -> u128 {
        match self.id {
            FieldId::IpTos => 0xfc,
            _ => self.place.ones(),
        }
    }

    /// Whether this is one of the 64 tunnel options, whose value is bytes.
    #[must_use]
    pub const fn is_option(&self) -> bool {
        self.id.option().is_some()
    }
}

/// Tunnel options that can be named.
pub const N_OPTIONS: usize = 64;
/// Registers of 32 bits.
pub const N_REGS: usize = 16;
/// Registers of 64 bits, over the same bits.
pub const N_XREGS: usize = N_REGS / 2;
/// Registers of 128 bits, over the same bits.
pub const N_XXREGS: usize = N_REGS / 4;

impl FieldId {
    /// Every field, in the order of the table.
    pub fn all() -> impl Iterator<Item = FieldId> {
        table::FIELDS.iter().map(|info| info.id)
    }

    /// How many fields there are.
    pub const COUNT: usize = table::FIELDS.len();

    /// What is known of it.
    #[must_use]
    pub const fn info(self) -> &'static FieldInfo {
        &table::FIELDS[self.index()]
    }

    /// Its row, for tables of [`FieldId::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The field of a name: `eth_src`, `dl_src`, or `NXM_OF_ETH_SRC`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<FieldId> {
        let named = |info: &&FieldInfo| {
            info.name == name
                || info.aka == Some(name)
                || info.codes.iter().any(|code| code.name == name)
        };
        table::FIELDS.iter().find(named).map(|info| info.id)
    }

    /// `reg0` to `reg15`.
    #[must_use]
    pub const fn reg(n: usize) -> Option<FieldId> {
        Self::nth(FieldId::Reg0, n, N_REGS)
    }

    /// `xreg0` to `xreg7`.
    #[must_use]
    pub const fn xreg(n: usize) -> Option<FieldId> {
        Self::nth(FieldId::Xreg0, n, N_XREGS)
    }

    /// `xxreg0` to `xxreg3`.
    #[must_use]
    pub const fn xxreg(n: usize) -> Option<FieldId> {
        Self::nth(FieldId::Xxreg0, n, N_XXREGS)
    }

    /// `tun_metadata0` to `tun_metadata63`.
    #[must_use]
    pub const fn tun_metadata(n: usize) -> Option<FieldId> {
        Self::nth(FieldId::TunMetadata0, n, N_OPTIONS)
    }

    const fn nth(first: FieldId, n: usize, count: usize) -> Option<FieldId> {
        if n < count { Some(table::FIELDS[first.index() + n].id) } else { None }
    }

    /// Which tunnel option it is, if it is one.
    #[must_use]
    pub const fn option(self) -> Option<usize> {
        let n = self.index().wrapping_sub(FieldId::TunMetadata0.index());
        if n < N_OPTIONS { Some(n) } else { None }
    }

    /// Whether it is a register, of whatever width.
    #[must_use]
    pub const fn is_register(self) -> bool {
        let n = self.index().wrapping_sub(FieldId::Reg0.index());
        n < N_REGS + N_XREGS + N_XXREGS
    }
}

/// Some adjacent bits of a field: `reg0[8..15]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Subfield {
    /// The field.
    pub field: FieldId,
    /// Bits below.
    pub offset: u16,
    /// How many, at least one.
    pub n_bits: u16,
}

impl Subfield {
    /// All of a field.
    #[must_use]
    pub const fn whole(field: FieldId) -> Subfield {
        Subfield { field, offset: 0, n_bits: field.info().n_bits }
    }

    /// `None` if it has no bits, or some that the field has not.
    #[must_use]
    pub const fn new(field: FieldId, offset: u16, n_bits: u16) -> Option<Subfield> {
        let width = field.info().n_bits;
        if n_bits == 0 || n_bits > width || offset > width - n_bits {
            return None;
        }
        Some(Subfield { field, offset, n_bits })
    }

    /// Ones where it lies in its field; of a tunnel option, nothing.
    #[must_use]
    pub const fn mask(self) -> u128 {
        if self.field.info().is_option() {
            return 0;
        }
        ones(self.n_bits as u32) << self.offset
    }
}

#[cfg(test)]
mod tests;
