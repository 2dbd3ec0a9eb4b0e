//! The objects of the configuration and the tables of their keys.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use packet::{MacAddr, Vid};

use super::account::Account;
use super::flow_tables::{GroupFields, OverflowPolicy, PerTable, PrefixFields, TableName};
use super::group::Group;
use super::keys::settings;
use super::mirror::MirrorSettings;
use super::patch::PeerName;
use super::segment::RemoteList;
use super::tunnel::{ExtsName, OrFlow, Tos, Ttl};
use super::value::{
    CpuList, DatapathId, DeviceMac, FilePath, Int, Protocol, RxqAffinity, Several, SocketPath,
    Target, VidList, words,
};

/// An OpenFlow port number of a bridge (OpenFlow 1.3.5 §7.2.1), as users see it.
///
/// # Legal values
/// 1 to [`OfPort::MAX`], and [`OfPort::LOCAL`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OfPort(u16);

impl OfPort {
    /// The bridge's own port (`OFPP_LOCAL` of OpenFlow 1.0).
    pub const LOCAL: OfPort = OfPort(65534);
    /// The highest number that a user may ask for; those above have a meaning of their own.
    pub const MAX: u16 = 65279;

    /// `None` for a number that is neither a port's nor LOCAL.
    #[must_use]
    pub const fn new(number: u16) -> Option<OfPort> {
        match number {
            1..=Self::MAX | 65534 => Some(OfPort(number)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for OfPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == OfPort::LOCAL { f.pad("LOCAL") } else { fmt::Display::fmt(&self.0, f) }
    }
}

words! {
    /// What a bridge does without a controller.
    FailMode, "fail mode" {
        /// Forward as a learning switch.
        Standalone = "standalone",
        /// Forward nothing until flows exist.
        Secure = "secure",
    } later [] hidden []
}

words! {
    /// What a port attaches to.
    PortType, "port type" {
        /// An existing interface.
        System = "system",
        /// An existing interface, by AF_XDP.
        AfXdp = "afxdp",
        /// A TAP that the switch creates, or an existing persistent one.
        Tap = "tap",
        /// A TAP that belongs to the host.
        Internal = "internal",
        /// Frames of a capture file; what is sent to it is counted and dropped.
        Pcap = "pcap",
        /// Nothing received; what is sent to it is counted and dropped.
        Null = "null",
        /// A patch port of another bridge.
        Patch = "patch",
        /// A VXLAN tunnel.
        Vxlan = "vxlan",
        /// A tunnel of Ethernet over GRE.
        Gre = "gre",
        /// A Geneve tunnel.
        Geneve = "geneve",
        /// The network card of a virtual machine, whose memory is shared.
        VhostUser = "vhost-user",
        /// In memory, for tests inside one process.
        Dummy = "dummy",
    } later [] hidden ["dummy"]
}

words! {
    /// A port's VLAN mode, as configured.
    VlanModeName, "VLAN mode" {
        /// One VLAN, untagged on the wire.
        Access = "access",
        /// Tagged frames of several VLANs.
        Trunk = "trunk",
        /// A trunk whose native VLAN leaves tagged.
        NativeTagged = "native-tagged",
        /// A trunk whose native VLAN leaves untagged.
        NativeUntagged = "native-untagged",
        /// All that a customer sends, in one service VLAN.
        Dot1qTunnel = "dot1q-tunnel",
    } later [] hidden []
}

words! {
    /// The kind of tag that a `dot1q-tunnel` port's frames get.
    QinqEthertypeName, "EtherType" {
        /// 0x88a8, a service tag.
        Dot1ad = "802.1ad",
        /// 0x8100.
        Dot1q = "802.1q",
    } later [] hidden []
}

words! {
    /// When a frame that leaves without a VLAN keeps its tag, with VID 0.
    PriorityTagsName, "choice" {
        /// Never.
        Never = "never",
        /// If the priority is not 0.
        IfNonzero = "if-nonzero",
        /// Always.
        Always = "always",
    } later [] hidden []
}

words! {
    /// The driver of a `system` port.
    DriverName, "driver" {
        /// The best that the interface takes.
        Auto = "auto",
        /// AF_PACKET.
        Packet = "packet",
        /// AF_XDP.
        AfXdp = "afxdp",
    } later [] hidden []
}

words! {
    /// How AF_XDP attaches to an interface.
    XdpModeName, "XDP mode" {
        /// The best of the others that works.
        BestEffort = "best-effort",
        /// In the interface's driver, without copies in the kernel.
        NativeWithZerocopy = "native-with-zerocopy",
        /// In the interface's driver, with a copy.
        Native = "native",
        /// In the stack.
        Generic = "generic",
    } later [] hidden []
}

words! {
    /// Who listens at the socket of a `vhost-user` port.
    VhostModeName, "mode" {
        /// The VMM: the switch connects.
        Client = "client",
        /// The switch: the VMM connects.
        Server = "server",
    } later [] hidden []
}

settings! {
    /// Settings of the switch.
    SwitchSettings {
        /// The processors that poll, one thread pinned to each; not set: one thread, not pinned.
        "poll-cpus" => poll_cpus: CpuList;
        /// How many tags of a frame are looked at.
        "vlan-limit" => vlan_limit: Int<1, 2> = "1";
    } later []
}

settings! {
    /// Settings of a bridge.
    BridgeSettings {
        /// What the bridge does without a controller.
        "fail_mode" => fail_mode: FailMode = "standalone";
        /// The OpenFlow datapath id; not set: the bridge's MAC address.
        "datapath_id" => datapath_id: DatapathId;
        /// MAC address of the local port; not set: the lowest of the `system` ports.
        "hwaddr" => hwaddr: DeviceMac;
        /// How long a learned address stays without being seen, seconds.
        "mac-aging-time" => mac_aging_time: Int<15, 3600> = "300";
        /// How many addresses the bridge remembers.
        "mac-table-size" => mac_table_size: Int<10, 1_000_000> = "8192";
        /// VLANs in which nothing is learned, and everything floods.
        "flood_vlans" => flood_vlans: VidList;
        /// Whether reserved multicast addresses are forwarded.
        "forward-bpdu" => forward_bpdu: bool = "false";
        /// Versions of OpenFlow that the bridge speaks; not set: all.
        "protocols" => protocols: Several<Protocol>;
        /// The controllers.
        "controller" => controller: Several<Target>;
        /// Packets that a controller gets in a second, of each sort; not set: all.
        "controller_rate_limit" => controller_rate_limit: Int<100, 1_000_000>;
        /// How many of them at once; not set: a quarter of the rate.
        "controller_burst_limit" => controller_burst_limit: Int<25, 1_000_000>;
        /// Names of OpenFlow tables.
        "table-name" => table_name: PerTable<TableName>;
        /// How many flows a table holds; not set: as many as the bridge.
        "table-flow-limit" => table_flow_limit: PerTable<Int<0, 1_000_000>>;
        /// What becomes of a flow that does not fit into its table; not set: it is refused.
        "table-overflow-policy" => table_overflow_policy: PerTable<OverflowPolicy>;
        /// Fields by which flows are grouped that make place for others.
        "table-groups" => table_groups: PerTable<GroupFields>;
        /// Fields whose prefixes spare flows of the datapath the rest of an address.
        "table-prefixes" => table_prefixes: PerTable<PrefixFields>;
    } later ["stp_enable", "rstp_enable", "mcast_snooping_enable", "netflow", "sflow", "ipfix"]
}

settings! {
    /// Settings of a port.
    PortSettings {
        /// What the port attaches to.
        "type" => kind: PortType = "system";
        /// The OpenFlow port number asked for; not set: the next free one.
        "ofport_request" => ofport_request: Int<1, 65279>;
        /// VLAN mode; not set: `access` with a tag, else `trunk`.
        "vlan_mode" => vlan_mode: VlanModeName;
        /// The access or native VLAN.
        "tag" => tag: Vid;
        /// VLANs that a trunk carries; not set: all.
        "trunks" => trunks: VidList;
        /// Customer VLANs that a `dot1q-tunnel` carries; not set: all.
        "cvlans" => cvlans: VidList;
        /// The kind of tag that a `dot1q-tunnel` port's frames get.
        "qinq-ethtype" => qinq_ethtype: QinqEthertypeName = "802.1ad";
        /// When a frame that leaves without a VLAN keeps its tag, with VID 0.
        "priority-tags" => priority_tags: PriorityTagsName = "never";
        /// Whether no frame passes between this port and others that are protected.
        "protected" => protected: bool = "false";
        /// MTU to give to the device, bytes of Ethernet payload.
        "mtu_request" => mtu_request: Int<68, 65535>;
        /// MAC address to give to a `tap` or `internal` device.
        "mac" => mac: DeviceMac;
        /// How many receive queues.
        "n_rxq" => n_rxq: Int<1, 16> = "1";
        /// Which processor serves which receive queue.
        "rxq-affinity" => rxq_affinity: RxqAffinity;
        /// The driver of a `system` port.
        "driver" => driver: DriverName = "auto";
        /// How AF_XDP attaches to the interface.
        "xdp-mode" => xdp_mode: XdpModeName = "best-effort";
        /// Whether AF_XDP looks for unfinished checksums in what it receives; not set: on virtual
        /// interfaces.
        "rx-csum-recover" => rx_csum_recover: bool;
        /// Whether the host's own stack hears what packet sockets receive; not set: where it may be
        /// waiting for it.
        "host-copy" => host_copy: bool;
        /// Whether a TAP outlives the switch.
        "persist" => persist: bool = "false";
        /// The user who may open a TAP without rights; not set: root alone.
        "user" => user: Account;
        /// The group whose members may; of a tunnel, the multicast group of its segment, to which goes
        /// what is for all.
        "group" => group: Group;
        /// The capture file of a `pcap` port.
        "file" => file: FilePath;
        /// Whether a `pcap` port starts again at the end of its file.
        "loop" => repeat: bool = "true";
        /// Frames per second that a `pcap` port gives; not set: as many as are taken.
        "rate" => rate: Int<1, 1_000_000_000>;
        /// Broadcast frames per second that the port may make the bridge flood; 0: as many as come.
        "storm-broadcast" => storm_broadcast: Int<0, 10_000_000> = "0";
        /// Unicast frames to unknown addresses, likewise.
        "storm-unknown" => storm_unknown: Int<0, 10_000_000> = "0";
        /// Multicast frames, likewise.
        "storm-multicast" => storm_multicast: Int<0, 10_000_000> = "0";
        /// The other end of a `patch` port.
        "peer" => peer: PeerName;
        /// The host at the other end of a tunnel.
        "remote_ip" => remote_ip: OrFlow<IpAddr>;
        /// The hosts of a segment to which goes what is for all.
        "flood_remotes" => flood_remotes: RemoteList;
        /// This host's address in a tunnel; not set: the one that the route to the other end gives.
        "local_ip" => local_ip: OrFlow<IpAddr>;
        /// The virtual network of a tunnel, in both directions.
        "key" => key: OrFlow<u32>;
        /// That of what is received, if it is another.
        "in_key" => in_key: OrFlow<u32>;
        /// That of what is sent, if it is another.
        "out_key" => out_key: OrFlow<u32>;
        /// UDP port of a tunnel; not set: that of the protocol.
        "dst_port" => dst_port: Int<1, 65535>;
        /// Type of service of a tunnel's outer packets.
        "tos" => tos: Tos = "0";
        /// Time to live of a tunnel's outer packets.
        "ttl" => ttl: Ttl = "64";
        /// Whether routers may not fragment a tunnel's outer packets.
        "df_default" => df_default: bool = "true";
        /// Whether a tunnel's outer packets have a checksum.
        "csum" => csum: bool = "false";
        /// Whether packets of a GRE tunnel are numbered.
        "seq" => seq: bool = "false";
        /// Extensions of a VXLAN tunnel.
        "exts" => exts: ExtsName;
        /// The socket of a `vhost-user` port.
        "path" => path: SocketPath;
        /// Who listens at the socket of a `vhost-user` port: the VMM, whose client the switch is, or the
        /// switch.
        "mode" => vhost_mode: VhostModeName = "client";
    } later []
}

/// Every key that fits only some types of port, and those types.
pub(super) const KEYS_OF_TYPES: &[(&str, &[PortType])] = {
    use PortType::{
        AfXdp, Dummy, Geneve, Gre, Internal, Patch, Pcap, System, Tap, VhostUser, Vxlan,
    };
    &[
        ("mtu_request", &[System, AfXdp, Tap, Internal, VhostUser, Dummy]),
        ("mac", &[Tap, Internal, Dummy]),
        ("n_rxq", &[System, AfXdp, Tap, Internal, VhostUser, Dummy]),
        ("rxq-affinity", &[System, AfXdp, Tap, Internal, Pcap, VhostUser, Dummy]),
        ("driver", &[System]),
        ("xdp-mode", &[System, AfXdp]),
        ("rx-csum-recover", &[System, AfXdp]),
        ("host-copy", &[System]),
        ("persist", &[Tap]),
        ("user", &[Tap]),
        ("group", &[Tap, Vxlan, Geneve]),
        ("file", &[Pcap]),
        ("loop", &[Pcap]),
        ("rate", &[Pcap]),
        ("peer", &[Patch]),
        ("remote_ip", &[Vxlan, Gre, Geneve]),
        ("flood_remotes", &[Vxlan, Gre, Geneve]),
        ("local_ip", &[Vxlan, Gre, Geneve]),
        ("key", &[Vxlan, Gre, Geneve]),
        ("in_key", &[Vxlan, Gre, Geneve]),
        ("out_key", &[Vxlan, Gre, Geneve]),
        ("dst_port", &[Vxlan, Geneve]),
        ("tos", &[Vxlan, Gre, Geneve]),
        ("ttl", &[Vxlan, Gre, Geneve]),
        ("df_default", &[Vxlan, Gre, Geneve]),
        ("csum", &[Vxlan, Gre, Geneve]),
        ("seq", &[Gre]),
        ("exts", &[Vxlan]),
        ("path", &[VhostUser]),
        ("mode", &[VhostUser]),
    ]
};

impl PortType {
    /// Whether a kernel device bears the port's name.
    #[must_use]
    pub const fn is_kernel_device(self) -> bool {
        self.is_existing_interface() || matches!(self, PortType::Tap | PortType::Internal)
    }

    /// Whether it attaches to an interface that somebody else made.
    #[must_use]
    pub const fn is_existing_interface(self) -> bool {
        matches!(self, PortType::System | PortType::AfXdp)
    }
}

impl PortSettings {
    /// The type, given or not.
    #[must_use]
    pub fn port_type(&self) -> PortType {
        self.kind.unwrap_or(PortType::System)
    }

    /// The VLAN mode, given or not.
    #[must_use]
    pub fn mode(&self) -> VlanModeName {
        let natural = match self.tag {
            Some(_) => VlanModeName::Access,
            None => VlanModeName::Trunk,
        };
        self.vlan_mode.unwrap_or(natural)
    }

    /// How many receive queues.
    #[must_use]
    pub fn n_rxq(&self) -> usize {
        self.n_rxq.map_or(1, |n| usize::try_from(n.get()).unwrap_or(1))
    }
}

impl BridgeSettings {
    /// Seconds that a learned address stays without being seen.
    #[must_use]
    pub fn aging_s(&self) -> u32 {
        self.mac_aging_time.map_or(300, Int::get)
    }

    /// How many addresses the bridge remembers.
    #[must_use]
    pub fn table_size(&self) -> usize {
        usize::try_from(self.mac_table_size.map_or(8192, Int::get)).unwrap_or(8192)
    }
}

/// A port of a bridge.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Port {
    /// The OpenFlow number that it was given, and keeps; `None` until the switch has chosen one.
    pub ofport: Option<OfPort>,
    /// What the user set.
    pub settings: PortSettings,
}

/// A bridge.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Bridge {
    /// What the user set.
    pub settings: BridgeSettings,
    /// MAC address made up for the bridge, used where nothing else gives one; `None` until the switch
    /// has chosen one.
    pub random_mac: Option<MacAddr>,
    /// The ports by name; the bridge's own, of the same name as the bridge, among them.
    pub ports: BTreeMap<String, Port>,
    /// The mirrors by name.
    pub mirrors: BTreeMap<String, MirrorSettings>,
}

impl Bridge {
    /// A bridge that has its local port alone.
    #[must_use]
    pub fn new(name: &str) -> Bridge {
        Bridge { ports: BTreeMap::from([(name.to_owned(), Port::local())]), ..Bridge::default() }
    }
}

impl Port {
    /// The port that a bridge has from the start.
    #[must_use]
    pub fn local() -> Port {
        let settings = PortSettings { kind: Some(PortType::Internal), ..PortSettings::default() };
        Port { ofport: Some(OfPort::LOCAL), settings }
    }
}

/// The whole configuration.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Config {
    /// Settings of the switch.
    pub switch: SwitchSettings,
    /// The bridges by name.
    pub bridges: BTreeMap<String, Bridge>,
}

impl Config {
    /// The port of that name, and the name of its bridge.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<(&str, &Port)> {
        self.bridges
            .iter()
            .find_map(|(bridge, b)| b.ports.get(name).map(|port| (bridge.as_str(), port)))
    }

    /// The port of that name, to be changed.
    pub fn port_mut(&mut self, name: &str) -> Option<&mut Port> {
        self.bridges.values_mut().find_map(|bridge| bridge.ports.get_mut(name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::{Settings, find};
    use super::super::value::Value;
    use super::super::{ConfigError, ObjectRef};
    use super::*;

    fn defaults_parse<S: Settings>() {
        for key in S::KEYS {
            let mut settings = S::default();
            assert!((key.get)(&settings).is_none());
            if let Some(default) = key.default {
                (key.set)(&mut settings, default).unwrap();
                assert_eq!((key.get)(&settings).map(|v| v.text).as_deref(), Some(default));
                (key.clear)(&mut settings);
                assert!((key.get)(&settings).is_none());
            }
            assert!(!S::LATER.contains(&key.name), "{}", key.name);
        }
    }

    #[test]
    fn tables_agree_with_themselves() {
        defaults_parse::<SwitchSettings>();
        defaults_parse::<BridgeSettings>();
        defaults_parse::<PortSettings>();
        for (name, _) in KEYS_OF_TYPES {
            assert!(PortSettings::KEYS.iter().any(|key| key.name == *name), "{name}");
        }
    }

    fn undocumented<S: Settings>(page: &str) -> Vec<&'static str> {
        let names = S::KEYS.iter().map(|key| key.name);
        names.filter(|name| !page.contains(&format!("| `{name}` |"))).collect()
    }

    #[test]
    fn the_page_on_configuration_has_every_key() {
        let page = include_str!("../../../docs/configuration.md");
        assert_eq!(undocumented::<SwitchSettings>(page), [""; 0]);
        assert_eq!(undocumented::<BridgeSettings>(page), [""; 0]);
        assert_eq!(undocumented::<PortSettings>(page), [""; 0]);
    }

    #[test]
    fn defaults_in_code_are_those_of_the_table() {
        let default = |name: &str| {
            let key = find::<BridgeSettings>(&ObjectRef::Bridge("br0".into()), name).unwrap();
            key.default.unwrap().parse::<u32>().unwrap()
        };
        let settings = BridgeSettings::default();
        assert_eq!(settings.aging_s(), default("mac-aging-time"));
        assert_eq!(u32::try_from(settings.table_size()).unwrap(), default("mac-table-size"));
        assert_eq!(PortSettings::default().port_type().word(), "system");
    }

    #[test]
    fn what_is_not_known_is_refused_and_what_later_versions_add_is_refused_as_such() {
        let refused = PortType::parse("token-ring").unwrap_err();
        assert_eq!(refused.why, "no such port type");
        assert_eq!(
            refused.allowed,
            "system, afxdp, tap, internal, pcap, null, patch, vxlan, gre, geneve, vhost-user"
        );
        let object = ObjectRef::Bridge("br0".into());
        let error = find::<BridgeSettings>(&object, "stp_enable").err().map(|e| e.to_string());
        assert_eq!(
            error.as_deref(),
            Some("bridge br0: stp_enable is not supported by this version")
        );
        let object = ObjectRef::Port("p1".into());
        let error = find::<PortSettings>(&object, "tags").err().unwrap();
        assert!(
            matches!(&error, ConfigError::UnknownKey { hint, .. } if hint == "did you mean tag?")
        );
    }
}
