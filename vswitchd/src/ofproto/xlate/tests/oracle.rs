//! The oracle: any two packets that are equal under a mask get the same list; and the list does to a
//! packet what a naive walk does, that knows neither masks nor caches nor lists.
//!
//! # Design
//! Tables are random, made of few values so that packets often match; [`naive`](super::naive) compares.

use packet::FlowKey;
use packet::flow::{FieldId, KeyVlan, Subfield};
use proptest::prelude::*;

use super::naive::{ACTIONS, MATCHES, check, write_option};

/// A flow: table, priority, match, actions, and where it goes to.
fn flow() -> impl Strategy<Value = String> {
    let matching = prop::sample::select(MATCHES);
    let actions = prop::collection::vec(prop::sample::select(ACTIONS), 0..5);
    let set = prop::option::weighted(
        0.15,
        prop::sample::select(
            &["output:1", "output:3", "mod_dl_src:02:00:00:00:00:05,output:2"][..],
        ),
    );
    (0..4_u8, 0..6_u16, matching, actions, set, any::<bool>()).prop_map(
        |(table, priority, matching, actions, set, goes)| {
            let mut actions: Vec<String> = actions.into_iter().map(str::to_owned).collect();
            // One resubmission each: the number of walks grows with their product.
            let mut seen = false;
            actions.retain(|action| {
                !action.starts_with("resubmit") || !std::mem::replace(&mut seen, true)
            });
            actions.extend(set.map(|set| format!("write_actions({set})")));
            if goes && table < 3 {
                actions.push(format!("goto_table:{}", table + 1));
            }
            let actions = if actions.is_empty() { "drop".to_owned() } else { actions.join(",") };
            let comma = if matching.is_empty() { "" } else { "," };
            format!("table={table},priority={priority}{comma}{matching},actions={actions}")
        },
    )
}

/// Writes two options; 9: it is not there.
fn put_options(key: &mut FlowKey, options: (u128, u128)) {
    for (index, value) in [(0, options.0), (1, options.1)] {
        if value != 9 {
            let field = Subfield::whole(FieldId::tun_metadata(index).unwrap());
            write_option(key, field, value);
        }
    }
}

/// A packet's headers, of few values.
fn key() -> impl Strategy<Value = FlowKey> {
    let pick = |values: &'static [u128]| prop::sample::select(values);
    let link = (
        pick(&[1, 2]),
        pick(&[0x0200_0000_0001, 0x0200_0000_0002, 0xffff_ffff_ffff]),
        pick(&[0x0200_0000_0001, 0x0200_0000_0004]),
        pick(&[0, 0x1007, 0x7007, 0x1008]),
        pick(&[0, 0x1009]),
    );
    let net = (
        pick(&[0x800, 0x86dd, 0x806, 0x1234]),
        pick(&[6, 17, 1, 58]),
        pick(&[0x0a00_0001, 0x0a00_0003, 0x0b00_0001]),
        pick(&[0x0a00_0002, 0x0a00_0009]),
    );
    let more = (
        pick(&[0, 4, 8]),
        pick(&[1, 2, 3, 64]),
        pick(&[0, 0, 0, 1, 3]),
        pick(&[1000, 1001, 5]),
        pick(&[80, 53, 81]),
        pick(&[2, 0x12, 0x10]),
    );
    let options = (pick(&[9, 9, 0, 5]), pick(&[9, 9, 0x10, 0x15]));
    (link, net, more, options).prop_map(|(link, net, more, options)| {
        let mut key = FlowKey::EMPTY;
        put_options(&mut key, options);
        let ((port, dst, src, tci, inner), (ethertype, proto, from, to)) = (link, net);
        let (tos, ttl, frag, sport, dport, flags) = more;
        let tag = |tci: u128, tpid| {
            let tci = u16::try_from(tci).unwrap();
            if tci == 0 { KeyVlan::default() } else { KeyVlan { tpid, tci } }
        };
        key.set_outer_vlan(tag(tci, 0x8100));
        key.set_inner_vlan(tag(if tci == 0 { 0 } else { inner }, 0x8100));
        let mut put = |field, value| key.set(field, value);
        put(FieldId::InPortOxm, port);
        put(FieldId::EthDst, dst);
        put(FieldId::EthSrc, src);
        put(FieldId::EthType, ethertype);
        match ethertype {
            0x800 => {
                put(FieldId::Ipv4Src, from);
                put(FieldId::Ipv4Dst, to);
            }
            0x86dd => {
                put(FieldId::Ipv6Src, from << 64 | 7);
                put(FieldId::Ipv6Dst, to);
            }
            0x806 => {
                put(FieldId::ArpOp, 1 + (ttl & 1));
                put(FieldId::ArpSpa, from);
                put(FieldId::ArpTpa, to);
                return key;
            }
            _ => return key,
        }
        put(FieldId::IpProto, proto);
        put(FieldId::IpTos, tos);
        put(FieldId::IpTtl, ttl);
        put(FieldId::IpFrag, frag);
        if frag & 2 == 0 {
            match proto {
                6 => {
                    put(FieldId::TcpSrc, sport);
                    put(FieldId::TcpDst, dport);
                    put(FieldId::TcpFlags, flags);
                }
                17 => {
                    put(FieldId::UdpSrc, sport);
                    put(FieldId::UdpDst, dport);
                }
                _ => {
                    put(FieldId::Icmpv4Type, 8);
                }
            }
        }
        key
    })
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn the_cached_path_does_what_a_naive_walk_does(
        flows in prop::collection::vec(flow(), 1..14),
        keys in prop::collection::vec(key(), 8),
    ) {
        check(&flows, &keys);
    }
}
