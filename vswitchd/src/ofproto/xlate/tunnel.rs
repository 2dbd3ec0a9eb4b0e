//! Output by tunnel ports.
//!
//! # Design
//! What a tunnel port does not fix is the flow's: the tunnel fields of the key as they are at the output,
//! looked at. What it fixes does not change the key, so that later outputs see what the flow has set
//! (Open vSwitch: `tnl_port_send` and its caller). What is inherited from the packet inside, type of
//! service, time to live and congestion mark, is read by the datapath for each packet, and costs no look.
//!
//! A packet that came through a tunnel has all of its tunnel's identity in the mask from the start
//! (Open vSwitch: `tnl_wc_init`): whatever is kept of it, in a frozen walk for example, holds for all
//! packets of the flow.
//!
//! # References
//! `ofproto/tunnel.c`, `compose_output_action__` in `ofproto/ofproto-dpif-xlate.c` of Open vSwitch.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use datapath::tunnel::{Address, Byte, Key, Switch, TunnelConfig, TunnelKey, TunnelKind};
use datapath::{Action, DropReason};
use packet::flow::{FieldId, Subfield, WordSet, place};
use packet::{FlowKey, FlowMask};

use super::report::Kind;
use super::state::Xlate;
use crate::ofproto::view::XPort;

/// Of the outer flags, TOS and TTL: what identifies a tunnel.
const IDENTITY: u64 =
    place::TUN_OAM | place::TUN_DF | place::TUN_CSUM | place::TUN_KEY | 0xff << 40;

/// Words that speak of tunnels.
pub(super) const TUNNEL_WORDS: WordSet = WordSet::range(place::TUN_ID, place::METADATA)
    .or(WordSet::range(place::TUN_PRESENT, place::N_WORDS));

/// The outer destination of a packet that came through a tunnel, or is to go through one.
fn outer_dst(key: &FlowKey) -> Option<IpAddr> {
    let v4 = u32::try_from(key.get(FieldId::TunDst)).unwrap_or(0);
    match (v4, key.get(FieldId::TunIpv6Dst)) {
        (0, 0) => None,
        (0, v6) => Some(IpAddr::V6(Ipv6Addr::from_bits(v6))),
        (v4, _) => Some(IpAddr::V4(Ipv4Addr::from_bits(v4))),
    }
}

/// What is looked at of a packet that has just come, whatever is done with it.
pub(super) fn identity_of(key: &FlowKey) -> FlowMask {
    let mut mask = FlowMask::EMPTY;
    if outer_dst(key).is_some() {
        mask.add_words(WordSet::range(place::TUN_ID, place::TUN_FLAGS));
        mask.or_word(place::TUN_FLAGS, IDENTITY);
    }
    mask
}

/// What a tunnel port fixes; the rest is zero.
#[must_use]
pub fn fixed_key(config: &TunnelConfig) -> TunnelKey {
    let (id, has_key) = match config.out_key {
        Key::None => (0, config.kind != TunnelKind::Gre),
        Key::Is(id) => (id, true),
        Key::Flow => (0, true),
    };
    let given = |address| match address {
        Address::Is(address) => address,
        Address::Any | Address::Flow => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    let byte = |byte, inherited| match byte {
        Byte::Is(byte) => byte,
        Byte::Inherit => inherited,
    };
    TunnelKey {
        id,
        has_key,
        src: given(config.local),
        dst: given(config.remote),
        tos: byte(config.tos, 0),
        ttl: byte(config.ttl, 0),
        tp_dst: config.dst_port,
        df: config.df == Switch::On,
        csum: config.csum == Switch::On,
        ..TunnelKey::new()
    }
}

impl Xlate<'_> {
    /// Sends by a tunnel port.
    pub(super) fn leave_by_tunnel(
        &mut self,
        port: &XPort,
        config: &TunnelConfig,
        max_len: Option<u32>,
    ) {
        let Some(key) = self.tunnel_key(config) else {
            if port.is_segment {
                self.report.say(Kind::Detail, || "to all hosts of the segment".to_owned());
                self.commit();
                return self.list.push(Action::Output { port: port.no, max_len });
            }
            self.report.say(Kind::Detail, || "tun_dst is not set, and remote_ip=flow".to_owned());
            return self.refuse("Tunneling decided against output");
        };
        // Where the packet came to is this host.
        if outer_dst(self.input.key) == Some(key.dst) {
            return self.refuse("Not tunneling to our own address");
        }
        self.commit();
        let no = port.no;
        self.list.push(if key == fixed_key(config) {
            Action::Output { port: no, max_len }
        } else {
            Action::Tunnel { port: no, max_len, key: Arc::new(key) }
        });
    }

    fn refuse(&mut self, why: &str) {
        self.report.say(Kind::Warning, || why.to_owned());
        self.end = DropReason::TunnelNoRoute;
    }

    /// What a packet gets that leaves by a tunnel port; `None`: nobody says where to.
    fn tunnel_key(&mut self, config: &TunnelConfig) -> Option<TunnelKey> {
        let mut key = fixed_key(config);
        if config.out_key == Key::Flow {
            key.id = u64::try_from(self.read(Subfield::whole(FieldId::TunId))).unwrap_or(0);
        }
        match config.remote {
            Address::Is(_) => {}
            Address::Flow => key.dst = self.tunnel_address(FieldId::TunDst, FieldId::TunIpv6Dst)?,
            Address::Any => return None,
        }
        if config.local == Address::Flow
            && let Some(src) = self.tunnel_address(FieldId::TunSrc, FieldId::TunIpv6Src)
        {
            key.src = src;
        }
        if config.kind == TunnelKind::Vxlan && config.gbp == Switch::On {
            let id = self.read(Subfield::whole(FieldId::TunGbpId));
            let flags = self.read(Subfield::whole(FieldId::TunGbpFlags));
            key.gbp_id = u16::try_from(id).unwrap_or(0);
            key.gbp_flags = u8::try_from(flags).unwrap_or(0);
        }
        if config.kind == TunnelKind::Geneve {
            key.oam = self.read(Subfield::whole(FieldId::TunFlags)) != 0;
            self.add_options(&mut key);
        }
        Some(key)
    }

    /// An address of the tunnel, in the one or the other version, looked at.
    fn tunnel_address(&mut self, v4: FieldId, v6: FieldId) -> Option<IpAddr> {
        let v4 = u32::try_from(self.read(Subfield::whole(v4))).unwrap_or(0);
        if v4 != 0 {
            return Some(IpAddr::V4(Ipv4Addr::from_bits(v4)));
        }
        let v6 = self.read(Subfield::whole(v6));
        (v6 != 0).then(|| IpAddr::V6(Ipv6Addr::from_bits(v6)))
    }

    /// Forgets what is known of tunnels: the packet is in another bridge now.
    pub(super) fn forget_tunnel(&mut self) {
        for at in TUNNEL_WORDS {
            self.key.put_word(at, 0);
        }
        self.written.add_words(TUNNEL_WORDS);
    }

    /// What is kept of a tunnel's fields is looked at.
    pub(super) fn look_at_tunnel(&mut self) {
        let mut bits = FlowMask::EMPTY;
        bits.add_words(TUNNEL_WORDS.and(self.key.nonzero()));
        if outer_dst(self.input.key).is_some() {
            // What is not there is kept, too.
            bits.add_words(WordSet::range(place::TUN_FLAGS, place::TUN_FLAGS + 1));
            if !self.bridge.options.is_empty() {
                bits.add_words(WordSet::range(place::TUN_PRESENT, place::N_WORDS));
            }
        }
        self.look(&bits);
    }
}
