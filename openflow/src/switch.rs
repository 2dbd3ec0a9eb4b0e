//! What a switch says of itself: features, configuration, description.
//!
//! # References
//! OpenFlow 1.0.2 §5.3.1–5.3.2, §5.3.5; 1.3.5 §7.3.1–7.3.2, §7.3.5.1.

use crate::error::OfpError;
use crate::flags::flags;
use crate::port::PortDesc;
use crate::version::Version;
use crate::wire::{Reader, Writer};

flags! {
    /// What a switch can do (OpenFlow 1.3.5 §7.3.1, `ofp_capabilities`). In 1.0, bit 3 means
    /// spanning tree instead of groups, and bit 7 the addresses of ARP.
    Capabilities: u32 {
        /// Statistics of flows.
        FLOW_STATS = 1 << 0, "FLOW_STATS";
        /// Statistics of tables.
        TABLE_STATS = 1 << 1, "TABLE_STATS";
        /// Statistics of ports.
        PORT_STATS = 1 << 2, "PORT_STATS";
        /// Statistics of groups.
        GROUP_STATS = 1 << 3, "GROUP_STATS";
        /// Reassembles IP fragments.
        IP_REASM = 1 << 5, "IP_REASM";
        /// Statistics of queues.
        QUEUE_STATS = 1 << 6, "QUEUE_STATS";
        /// Matches addresses in ARP.
        ARP_MATCH_IP = 1 << 7, "ARP_MATCH_IP";
        /// Blocks loops outside OpenFlow.
        PORT_BLOCKED = 1 << 8, "PORT_BLOCKED";
        /// Bundles.
        BUNDLES = 1 << 9, "BUNDLES";
        /// Flow monitors.
        FLOW_MONITORING = 1 << 10, "FLOW_MONITORING";
    }
}

impl Capabilities {
    /// The bits that a version knows.
    const fn mask(version: Version) -> u32 {
        match version {
            Version::V10 => 0xe7,
            Version::V11 | Version::V12 | Version::V13 => 0x16f,
            Version::V14 | Version::V15 => 0x76f,
        }
    }
}

/// OFPT_FEATURES_REPLY.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Features {
    /// Identity of the bridge.
    pub datapath_id: u64,
    /// Packets that it can keep.
    pub n_buffers: u32,
    /// Tables.
    pub n_tables: u8,
    /// Of an auxiliary connection; 0 is the main one. Since OpenFlow 1.3.
    pub auxiliary_id: u8,
    /// What it can do.
    pub capabilities: Capabilities,
    /// OpenFlow 1.0: action types, one bit each.
    pub actions: u32,
    /// Its ports, in OpenFlow 1.0; later they are asked for.
    pub ports: Vec<PortDesc>,
}

impl Features {
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<Features, OfpError> {
        let (datapath_id, n_buffers, n_tables) = (r.u64()?, r.u32()?, r.u8()?);
        let auxiliary_id = r.u8()?;
        r.skip(2)?;
        let capabilities = Capabilities(r.u32()? & Capabilities::mask(version));
        let actions = r.u32()?;
        let mut ports = Vec::new();
        while version < Version::V13 && !r.is_empty() {
            ports.push(PortDesc::decode(version, r)?);
        }
        let v13 = version >= Version::V13;
        Ok(Features {
            datapath_id,
            n_buffers,
            n_tables,
            auxiliary_id: if v13 { auxiliary_id } else { 0 },
            capabilities,
            actions: if version == Version::V10 { actions } else { 0 },
            ports,
        })
    }

    pub(crate) fn encode(&self, version: Version, w: &mut Writer) {
        w.u64(self.datapath_id);
        w.u32(self.n_buffers);
        w.u8(self.n_tables);
        w.u8(if version >= Version::V13 { self.auxiliary_id } else { 0 });
        w.zeros(2);
        w.u32(self.capabilities.0 & Capabilities::mask(version));
        w.u32(if version == Version::V10 { self.actions } else { 0 });
        if version < Version::V13 {
            self.ports.iter().for_each(|port| port.encode(version, w));
        }
    }
}

/// What happens to IP fragments (OpenFlow 1.3.5 §7.3.2, `ofp_config_flags`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u16)]
pub enum FragHandling {
    /// As to other packets; later fragments have no ports.
    #[default]
    Normal = 0,
    /// They are dropped.
    Drop = 1,
    /// They are put together.
    Reassemble = 2,
    /// `nx-match`: flows look at the first and later fragments apart (`nicira-ext.h`).
    NxMatch = 3,
}

/// OFPT_GET_CONFIG_REPLY and OFPT_SET_CONFIG.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SwitchConfig {
    /// What happens to fragments.
    pub frag: FragHandling,
    /// OFPC_INVALID_TTL_TO_CONTROLLER of OpenFlow 1.1 and 1.2.
    pub invalid_ttl_to_controller: bool,
    /// Bytes of a packet that a packet-in for a table miss carries.
    pub miss_send_len: u16,
}

/// OFPC_INVALID_TTL_TO_CONTROLLER.
const INVALID_TTL: u16 = 1 << 2;

impl SwitchConfig {
    /// `OFPSCFC_BAD_FLAGS` for flags that the version does not know.
    pub(crate) fn decode(version: Version, r: &mut Reader<'_>) -> Result<SwitchConfig, OfpError> {
        let flags = r.u16()?;
        let has_ttl = matches!(version, Version::V11 | Version::V12);
        if flags & !(3 | if has_ttl { INVALID_TTL } else { 0 }) != 0 {
            return Err(OfpError::ScfBadFlags);
        }
        let frag = match flags & 3 {
            0 => FragHandling::Normal,
            1 => FragHandling::Drop,
            2 => FragHandling::Reassemble,
            _ => FragHandling::NxMatch,
        };
        let invalid_ttl_to_controller = flags & INVALID_TTL != 0;
        Ok(SwitchConfig { frag, invalid_ttl_to_controller, miss_send_len: r.u16()? })
    }

    pub(crate) fn encode(&self, version: Version, w: &mut Writer) {
        let has_ttl = matches!(version, Version::V11 | Version::V12);
        let ttl = if self.invalid_ttl_to_controller && has_ttl { INVALID_TTL } else { 0 };
        w.u16(self.frag as u16 | ttl);
        w.u16(self.miss_send_len);
    }
}

/// OFPMP_DESC reply: five texts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SwitchDesc {
    /// Who made it; 255 bytes are carried.
    pub manufacturer: String,
    /// What it runs on.
    pub hardware: String,
    /// Which version.
    pub software: String,
    /// Its number; 31 bytes are carried.
    pub serial: String,
    /// Its name for people.
    pub datapath: String,
}

/// DESC_STR_LEN and SERIAL_NUM_LEN.
const DESC_LEN: usize = 256;
const SERIAL_LEN: usize = 32;

impl SwitchDesc {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<SwitchDesc, OfpError> {
        Ok(SwitchDesc {
            manufacturer: r.name::<DESC_LEN>()?,
            hardware: r.name::<DESC_LEN>()?,
            software: r.name::<DESC_LEN>()?,
            serial: r.name::<SERIAL_LEN>()?,
            datapath: r.name::<DESC_LEN>()?,
        })
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        w.name(&self.manufacturer, DESC_LEN);
        w.name(&self.hardware, DESC_LEN);
        w.name(&self.software, DESC_LEN);
        w.name(&self.serial, SERIAL_LEN);
        w.name(&self.datapath, DESC_LEN);
    }
}
