//! Segments: one tunnel port, many remote hosts.

use packet::checksum::Sum;
use packet::tunnel::TunnelKind;

use super::*;
use crate::drop_reason::DropReason;
use crate::frame::{FrameMemory, FramePool, SizeClass};
use crate::l2::normal::lab::{BROADCAST, Lab, frame, host};
use crate::tunnel::encapsulate::{Ends, Outer};
use crate::tunnel::waiting::Wanted;

/// A device, the port of a segment, the carrier, and two hosts to which goes what is for all: 3 and 4.
fn lab() -> Lab {
    let mut lab = Lab::trunks(2);
    let carrier = lab.carrier();
    lab.tunnel(1, segment_config(), (carrier, None));
    let floods_to = vec![lab.remote("10.0.0.2"), lab.remote("10.0.0.3")];
    let floods_to = floods_to.into_iter().map(port).collect();
    lab.set_segment(1, Segment::Port { floods_to });
    lab.renew_tunnels(&[]);
    lab
}

fn segment_config() -> TunnelConfig {
    TunnelConfig { remote: Address::Flow, ..config(TunnelKind::Vxlan) }
}

impl Lab {
    fn set_segment(&mut self, n: u16, segment: Segment) {
        let PortKind::Tunnel(tunnel) = &mut self.port(n).kind else { panic!("{n} is no tunnel") };
        let Tunnel { config, carrier, path, state, .. } = &**tunnel;
        let (config, path, state) = (config.clone(), path.clone(), state.clone());
        *tunnel = Arc::new(Tunnel { config, carrier: *carrier, path, state, segment });
    }

    /// Gives a remote host of the segment of port 1 a number.
    fn remote(&mut self, address: &str) -> u16 {
        let n = u16::try_from(self.snapshot.ports.len()).unwrap();
        let (main, stats) = (self.port(1).clone(), Arc::default());
        self.snapshot.ports.push(Some(Arc::new(Port { no: port(n), stats, ..main })));
        let config = TunnelConfig { remote: Address::Is(ip(address)), ..segment_config() };
        self.tunnel(n, config, (2, Some(path(Way::Host))));
        self.set_segment(n, Segment::Remote { of: port(1) });
        n
    }
}

/// What comes by the carrier from a remote host.
fn from(address: &str, inner: &[u8]) -> Vec<u8> {
    let mut pool = FramePool::new(FrameMemory::new(2, 1).unwrap());
    let mut frame = pool.from_bytes(inner).unwrap();
    let ends = Ends { src: ip(address), dst: ip(LOCAL), link: None };
    let (config, state) = (segment_config(), TunnelState::default());
    Outer::new((&config, &state), None, &ends).unwrap().write(&mut frame).unwrap();
    frame.data().to_vec()
}

/// To whom outer packets went.
fn remotes(sent: &[(u16, Vec<u8>)]) -> Vec<[u8; 4]> {
    let outer = |(by, packet): &(u16, Vec<u8>)| {
        assert_eq!(*by, 2);
        packet[16..20].try_into().unwrap()
    };
    sent.iter().map(outer).collect()
}

#[test]
fn what_is_for_all_goes_to_each_host_of_the_list() {
    let mut lab = lab();
    let f = frame(BROADCAST, host(1));
    let sent = lab.receive(0, [f.clone(), f.clone()]);
    assert_eq!(remotes(&sent), [[10, 0, 0, 2], [10, 0, 0, 2], [10, 0, 0, 3], [10, 0, 0, 3]]);
    assert!(sent.iter().all(|(_, packet)| packet.ends_with(&f)));
    let copies = lab.snapshot.ports[1].as_ref().unwrap().stats.sum(|c| c.copies.get());
    assert_eq!(copies, 2);
    // One that has no way is left out; without any, the frame is lost for a reason.
    lab.port(3).up = false;
    assert_eq!(remotes(&lab.receive(0, [f.clone()])), [[10, 0, 0, 3]]);
    lab.port(4).up = false;
    assert_eq!(lab.receive(0, [f]), []);
    let stats = lab.snapshot.ports[1].as_ref().unwrap().stats.clone();
    assert_eq!(stats.sum(|c| c.tx_drops(DropReason::TunnelNoRoute)), 1);
    assert_eq!(lab.n_missing(), 0);
}

/// A copy that finds no buffer is a copy and a drop, so that the sums agree.
#[test]
fn a_copy_without_a_buffer_is_counted_and_the_last_host_gets_the_frame() {
    let mut lab = lab();
    let f = frame(BROADCAST, host(1));
    let only = lab.pool.from_bytes(&f).unwrap();
    let hoard: Vec<_> = std::iter::from_fn(|| lab.pool.get(SizeClass::Small)).collect();
    // `receive_frames` checks that the sums agree.
    assert_eq!(remotes(&lab.receive_frames(0, vec![only])), [[10, 0, 0, 3]]);
    let stats = lab.snapshot.ports[1].as_ref().unwrap().stats.clone();
    let counted = (stats.sum(|c| c.copies.get()), stats.sum(|c| c.tx_drops(DropReason::NoFrame)));
    assert_eq!(counted, (1, 1));
    lab.pool.put_all(hoard);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn an_address_is_learned_behind_its_host_and_nothing_goes_from_host_to_host() {
    let mut lab = lab();
    let hello = frame(BROADCAST, host(5));
    assert_eq!(lab.receive(2, [from("10.0.0.2", &hello)]), [(0, hello)]);
    let far = frame(BROADCAST, host(6));
    assert_eq!(lab.receive(2, [from("10.0.0.3", &far)]), [(0, far)]);
    let sent = lab.receive(0, [frame(host(5), host(1)), frame(host(6), host(1))]);
    assert_eq!(remotes(&sent), [[10, 0, 0, 2], [10, 0, 0, 3]]);
    // The hosts reach each other without this one.
    assert_eq!(lab.receive(2, [from("10.0.0.2", &frame(host(6), host(5)))]), []);
    assert_eq!(lab.receive(2, [from("10.0.0.2", &frame(host(9), host(5)))]).len(), 1);
    // An address that moves is followed.
    let moved = frame(host(1), host(5));
    assert_eq!(lab.receive(2, [from("10.0.0.3", &moved)]), [(0, moved)]);
    assert_eq!(remotes(&lab.receive(0, [frame(host(5), host(1))])), [[10, 0, 0, 3]]);
    assert_eq!(lab.n_missing(), 0);
}

#[test]
fn a_frame_from_a_host_without_a_number_waits_until_it_has_one() {
    let mut lab = lab();
    let hello = frame(host(1), host(7));
    assert_eq!(lab.receive(2, [from("10.0.0.9", &hello), from("10.0.0.9", &hello)]), []);
    let wanted = Wanted::Remote { port: port(1), remote: ip("10.0.0.9"), id: 7 };
    assert_eq!(lab.hops.waiting.next_wanted(), Some(wanted));
    assert_eq!(lab.hops.waiting.next_wanted(), None);
    // Another snapshot without the host changes nothing.
    assert_eq!(lab.retry(), []);
    let n = lab.remote("10.0.0.9");
    lab.renew_tunnels(&[]);
    assert_eq!(lab.retry(), [(0, hello.clone()), (0, hello.clone())]);
    assert_eq!(lab.fdb().lookup(packet::Vid::NONE, MacAddr(host(7))), Some(port(n)));
    assert_eq!(remotes(&lab.receive(0, [frame(host(7), host(1))])), [[10, 0, 0, 9]]);
    // One that never gets a number is lost after a while.
    assert_eq!(lab.receive(2, [from("10.0.0.8", &hello)]), []);
    lab.now_s += 3;
    lab.expire();
    let stats = lab.snapshot.ports[1].as_ref().unwrap().stats.clone();
    assert_eq!(stats.sum(|c| c.rx_drops(DropReason::TunnelNoRoute)), 1);
    assert_eq!(stats.sum(|c| c.rx_packets.get()), 3);
    assert_eq!(lab.n_missing(), 0);
}

/// The way to the group leads into a bridge of the datapath, whose port of the host has joined it.
#[test]
fn a_group_is_sent_to_and_opened_within_the_datapath() {
    let group = ip("239.1.1.1");
    let wire = |n| Link { dst: group_mac(group), ..link(n) };
    // 0: a host's device; 1: the segment; 2: the carrier; 3: the group; 0 of the other lab: the uplink.
    let mut lab = Lab::trunks(2);
    let carrier = lab.carrier();
    lab.tunnel(1, segment_config(), (carrier, None));
    let n = lab.remote("239.1.1.1");
    lab.set_segment(1, Segment::Port { floods_to: vec![port(n)] });
    let uplink = lab.carrier();
    lab.port(uplink).kind = PortKind::Device;
    let PortKind::Tunnel(tunnel) = lab.port(n).kind.clone() else { panic!("a tunnel") };
    let leaves = Some(Arc::new(path(Way::Port(wire(uplink)))));
    lab.port(n).kind = PortKind::Tunnel(Arc::new(Tunnel {
        config: tunnel.config.clone(),
        carrier: tunnel.carrier,
        path: leaves,
        state: tunnel.state.clone(),
        segment: tunnel.segment.clone(),
    }));
    lab.renew_tunnels(&[]);
    let hello = frame(BROADCAST, host(1));
    let sent = lab.receive(0, [hello.clone()]);
    let [(by, outer)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((*by, &outer[..6]), (uplink, &[0x01, 0, 0x5e, 1, 1, 1][..]));
    assert_eq!(outer[30..34], [239, 1, 1, 1]);
    // The same from another host, to a port that has joined the group, and to one that has not.
    let mut theirs = outer.clone();
    theirs[26..30].copy_from_slice(&[10, 0, 0, 9]);
    let sum = Sum::default().add_bytes(&theirs[14..24]).add_bytes(&theirs[26..34]).finish();
    theirs[24..26].copy_from_slice(&sum.to_be_bytes());
    let joined = Terminator { groups: vec![group], ..Terminator::clone(&terminator()) };
    lab.port(uplink).terminator = Some(terminator());
    assert_eq!(lab.receive(uplink, [theirs.clone()]), []);
    assert_eq!(lab.hops.waiting.next_wanted(), None);
    lab.port(uplink).terminator = Some(Arc::new(joined));
    assert_eq!(lab.receive(uplink, [theirs]), []);
    let wanted = Wanted::Remote { port: port(1), remote: ip("10.0.0.9"), id: 7 };
    assert_eq!(lab.hops.waiting.next_wanted(), Some(wanted));
    lab.remote("10.0.0.9");
    lab.renew_tunnels(&[]);
    assert_eq!(lab.retry(), [(0, hello)]);
    assert_eq!(lab.n_missing(), 0);
}
