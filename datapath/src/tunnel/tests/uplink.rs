//! Neighbours on the link of an uplink: who is heard, and who is answered.

use packet::checksum::Sum;
use packet::{IpProto, MacAddr};

use super::super::uplink::{answer, heard};
use super::*;
use crate::frame::{Checksum, Frame, FrameMemory, FramePool, Offload};

const THEIR_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x77]);
const OUR_LAST: u8 = 1;

fn pool() -> FramePool {
    FramePool::new(FrameMemory::new(1024, 0).unwrap())
}

fn frame_of(pool: &mut FramePool, bytes: &[u8]) -> Frame {
    let mut frame = pool.get_for(bytes.len()).unwrap();
    assert!(frame.set_len(bytes.len()));
    frame.data_mut().copy_from_slice(bytes);
    frame
}

fn ethernet(dst: [u8; 6], ethertype: u16) -> Vec<u8> {
    [&dst[..], &THEIR_MAC.0, &ethertype.to_be_bytes()].concat()
}

/// From 10.0.0.2, about 10.0.0.`target`.
fn arp(operation: u8, target: u8) -> Vec<u8> {
    let mut bytes = ethernet([0xff; 6], 0x0806);
    bytes.extend([0, 1, 8, 0, 6, 4, 0, operation]);
    bytes.extend(THEIR_MAC.0.into_iter().chain([10, 0, 0, 2]));
    bytes.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, target]);
    bytes
}

/// From fc00::2, about fc00::`target`, with an option.
fn discovery(kind: u8, target: u8, option: u8, hop_limit: u8) -> Vec<u8> {
    let (src, dst): (std::net::Ipv6Addr, std::net::Ipv6Addr) =
        ("fc00::2".parse().unwrap(), "ff02::1:ff00:1".parse().unwrap());
    let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 0, 0xfc];
    message.extend([0; 14]);
    message.extend([target, option, 1]);
    message.extend(THEIR_MAC.0);
    let len = u32::try_from(message.len()).unwrap();
    let sum = Sum::pseudo_v6(src, dst, IpProto::ICMPV6, len).add_bytes(&message).finish();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut bytes = ethernet([0x33, 0x33, 0xff, 0, 0, 1], 0x86dd);
    bytes.extend([0x60, 0, 0, 0, 0, 32, 58, hop_limit]);
    bytes.extend(src.octets().into_iter().chain(dst.octets()).chain(message));
    bytes
}

#[test]
fn who_tells_its_address_is_heard() {
    let mut pool = pool();
    let mut hear = |bytes: &[u8]| heard(&frame_of(&mut pool, bytes));
    assert_eq!(hear(&arp(1, OUR_LAST)), Some((ip("10.0.0.2"), THEIR_MAC)));
    assert_eq!(hear(&arp(2, OUR_LAST)), Some((ip("10.0.0.2"), THEIR_MAC)));
    assert_eq!(hear(&discovery(136, 9, 2, 255)), Some((ip("fc00::9"), THEIR_MAC)));
    assert_eq!(hear(&discovery(135, 1, 1, 255)), Some((ip("fc00::2"), THEIR_MAC)));
    // Passed on by a router; without the option; another message.
    assert_eq!(hear(&discovery(136, 9, 2, 254)), None);
    assert_eq!(hear(&discovery(136, 9, 1, 255)), None);
    assert_eq!(hear(&discovery(134, 9, 2, 255)), None);
    let mut wrong = discovery(136, 9, 2, 255);
    wrong[60] ^= 1;
    assert_eq!(hear(&wrong), None);
    // An address of many, and none at all.
    let mut of_many = arp(2, OUR_LAST);
    of_many[22] |= 1;
    assert_eq!(hear(&of_many), None);
    let mut of_none = arp(2, OUR_LAST);
    of_none[28..32].fill(0);
    assert_eq!(hear(&of_none), None);
}

#[test]
fn every_truncation_is_heard_of_nobody_and_answered_by_nobody() {
    let mut pool = pool();
    for whole in [arp(1, OUR_LAST), discovery(135, OUR_LAST, 1, 255), discovery(136, 1, 2, 255)] {
        for len in 14..whole.len() {
            let frame = frame_of(&mut pool, &whole[..len]);
            assert_eq!(heard(&frame), None, "{len}");
            assert!(answer(&frame, &terminator(), &mut pool).is_none());
        }
        // Any byte may lie: nothing panics.
        for at in 14..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut lie = whole.clone();
                lie[at] = value;
                let mut frame = frame_of(&mut pool, &lie);
                frame.set_offload(Offload { checksum: Checksum::Valid, gso: None });
                let _ = heard(&frame);
                if let Some(answer) = answer(&frame, &terminator(), &mut pool) {
                    pool.put(answer);
                }
                pool.put(frame);
            }
        }
    }
}

#[test]
fn who_asks_for_our_address_is_answered() {
    let (mut pool, ours) = (pool(), terminator());
    let mut ask = |bytes: &[u8]| {
        let frame = frame_of(&mut pool, bytes);
        answer(&frame, &ours, &mut pool).map(|answer| answer.data().to_vec())
    };
    let mut reply = [&THEIR_MAC.0[..], &ours.mac.0, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2]].concat();
    reply.extend(ours.mac.0.into_iter().chain([10, 0, 0, OUR_LAST]));
    reply.extend(THEIR_MAC.0.into_iter().chain([10, 0, 0, 2]));
    assert_eq!(ask(&arp(1, OUR_LAST)), Some(reply));
    assert_eq!(ask(&arp(2, OUR_LAST)), None);
    assert_eq!(ask(&arp(1, 9)), None);
    assert_eq!(ask(&discovery(135, 9, 1, 255)), None);
    assert_eq!(ask(&discovery(136, OUR_LAST, 2, 255)), None);
    let told = ask(&discovery(135, OUR_LAST, 1, 255)).unwrap();
    assert_eq!((&told[..6], &told[6..12]), (&THEIR_MAC.0[..], &ours.mac.0[..]));
    let frame = frame_of(&mut pool, &told);
    assert_eq!(heard(&frame), Some((ip("fc00::1"), ours.mac)));
}
