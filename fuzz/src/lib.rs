//! What each fuzz target does with its input.
//!
//! The test `corpora` compiles this file too and replays the committed seeds on the stable toolchain,
//! so a target cannot rot unseen. Each function panics when a promise of the code is broken.

mod translation;

use std::cell::RefCell;
use std::io::{IoSlice, Read as _};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use datapath::cache::{self, Claim, FlowCache, Installed};
use datapath::frame::{Checksum, Frame, FrameMemory, FramePool, Offload};
use datapath::netdev::TxCaps;
use datapath::netdev::vhost::{self, Connection, Queues};
use datapath::offload::{self, Limits, vnet};
use datapath::snapshot;
use datapath::tunnel::encapsulate::{Ends, Outer, Unwritten};
use datapath::tunnel::open::{Opened, Source, open};
use datapath::tunnel::uplink::{answer, heard};
use datapath::tunnel::{
    Address, Byte, Key, Switch, Terminator, TunnelConfig, TunnelKey, TunnelKind, TunnelState,
    Tunnels,
};
use datapath::{Batch, DropReason, PortCounters, PortNo, SizeClass};
use openflow::flow::FlowCommand;
use openflow::group::GroupCommand;
use openflow::meter::MeterCommand;
use openflow::text::{Detail, Names, TextError, actions_text, match_text, message_text};
use openflow::text::{parse_actions, parse_flow, parse_group, parse_match, parse_meter};
use openflow::text::{parse_monitor, parse_packet_out};
use openflow::{Codec, Message, Version};
use packet::arp::ArpMessage;
use packet::ethernet::EthernetHeader;
use packet::flow::extract::{self, Depth, VlanLimit};
use packet::flow::{FieldId, place};
use packet::icmp::IcmpHeader;
use packet::ipv4::Ipv4Header;
use packet::ipv6::Ipv6Header;
use packet::layers::{Layers, MAX_TAGS};
use packet::tcp::TcpHeader;
use packet::tunnel::geneve::{self, Geneve};
use packet::tunnel::gre::Gre;
use packet::tunnel::vxlan::{Extension, Vxlan};
use packet::udp::UdpHeader;
use packet::{FlowKey, FlowMask, MacAddr};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// A fuzz target: its name, which is also the folder of its seeds, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("flow", flow),
    ("layers", layers),
    ("offload", offload),
    ("openflow_decode", openflow_decode),
    ("openflow_oxm", openflow_oxm),
    ("openflow_text", openflow_text),
    ("translate", translate),
    ("tunnel_header", tunnel_header),
    ("tunnel_open", tunnel_open),
    ("uplink", uplink),
    ("vhost_messages", vhost_messages),
    ("vhost_ring", vhost_ring),
];

/// The input is a frame. Offsets are within it, in order, and name headers that parse.
pub fn layers(frame: &[u8]) {
    let Some(layers) = Layers::parse(frame) else {
        assert!(frame.len() < 14 + 4 * MAX_TAGS, "only a short frame has no layers");
        return;
    };
    assert_eq!(layers.l3, 14 + 4 * layers.n_tags);
    let packet = &frame[layers.l3..];
    let _ = ArpMessage::parse(packet).map(|arp| arp.is_gratuitous(arp.sender_mac));
    let Some(ip) = layers.ip else { return };
    assert!(Ipv4Header::parse(packet).is_some() != Ipv6Header::parse(packet).is_some());
    assert!(layers.l3 + 20 <= ip.l4);
    let upper = &frame[ip.l4..];
    if let Some(tcp) = TcpHeader::parse(upper) {
        assert!((20..=upper.len()).contains(&tcp.header_len()));
    }
    assert_eq!(UdpHeader::parse(upper).is_some(), upper.len() >= 8);
    assert_eq!(IcmpHeader::parse(upper).is_some(), upper.len() >= 4);
}

/// The input is a choice of words and a frame. A frame that is read less deep gives part of the key;
/// what a megaflow claims under a mask holds for the frame itself and for all that look the same.
pub fn flow(input: &[u8]) {
    let Some((choice, frame)) = input.split_first_chunk() else { return };
    let choice = u64::from_be_bytes(*choice);
    let [shallow, middle, key] = [Depth::L2, Depth::L3, Depth::L4].map(|depth| {
        let mut key = FlowKey::EMPTY;
        let offsets = extract::headers(frame, depth, VlanLimit::Two, &mut key);
        let found = [offsets.mpls, offsets.l3, offsets.l4].into_iter().flatten();
        assert!(found.clone().is_sorted() && found.max().is_none_or(|at| at <= frame.len()));
        key
    });
    for part in [shallow, middle] {
        assert!(part.iter().all(|(at, word)| key.word(at) == word));
    }
    let mut mask = FlowMask::EMPTY;
    mask.add_words((0..place::N_WORDS).filter(|at| choice >> (at % 64) & 1 != 0).collect());
    let mut flows = FlowCache::new(cache::Limits::default(), choice);
    let claim = Claim { key: &key, mask: &mask, version: snapshot::Version(1), now_ns: 0 };
    let installed = flows.megaflows.insert(claim, ()).map(Installed::id);
    let mut other = key.clone();
    for at in 0..place::N_WORDS {
        other.put_word(at, key.word(at) & mask.word(at) | choice & !mask.word(at));
    }
    other.set(FieldId::InPortOxm, key.in_port().into());
    for same in [&key, &other] {
        assert_eq!(flows.lookup(same), installed.ok());
    }
    let at = usize::try_from(choice % 64).unwrap_or(0);
    let flipped = !other.word(at);
    other.put_word(at, flipped);
    let differs = !mask.equal(&key, &other) || other.in_port() != key.in_port();
    assert_eq!(flows.lookup(&other).is_none(), differs);
}

thread_local! {
    static POOL: RefCell<Option<FramePool>> = const { RefCell::new(None) };
}

/// The input is a virtio-net header and a frame. What is accepted survives a round trip, and an
/// output that can do nothing itself gets finished frames with all of the payload.
pub fn offload(input: &[u8]) {
    let Some((header, bytes)) = input.split_first_chunk() else { return };
    let Ok(work) = vnet::parse(header, bytes) else { return };
    POOL.with_borrow_mut(|pool| {
        let pool = pool.get_or_insert_with(|| {
            FramePool::new(FrameMemory::new(4, 4).unwrap_or_else(|e| panic!("{e}")))
        });
        let Some(mut frame) = pool.from_bytes(bytes) else { return };
        frame.set_offload(work);
        assert_eq!(vnet::parse(&vnet::emit(&frame), bytes), Ok(work));
        finish(frame, pool);
    });
}

fn finish(frame: Frame, pool: &mut FramePool) {
    let limits = Limits { caps: TxCaps::default(), mtu: u32::MAX };
    let counters = PortCounters::default();
    let (len, work) = (frame.len(), *frame.offload());
    let (mut n_sent, mut n_bytes) = (0, 0);
    offload::fit(frame, &limits, pool, &counters, &mut |pool, frame| {
        assert!(offload::fits(&frame, &limits) && frame.offload().is_done());
        n_sent += 1;
        n_bytes += frame.len();
        pool.put(frame);
    });
    let drops: u64 = DropReason::ALL.iter().map(|reason| counters.tx_drops(*reason)).sum();
    assert_eq!(1 + counters.segments.get(), n_sent + drops);
    assert_eq!(drops, counters.tx_drops(DropReason::SegmentFailed), "no other reason is left");
    match work.gso {
        Some(_) => assert!(drops == 1 || n_sent > 1 && n_bytes > len),
        None => assert_eq!((n_sent, n_bytes), (1, len)),
    }
}

/// The input is a message, whose length is made right. What is understood can be written, unless it
/// has become too long, and is then understood the same.
pub fn openflow_decode(input: &[u8]) {
    let mut message = input.to_vec();
    let Ok(len) = u16::try_from(message.len()) else { return };
    let Some(field) = message.get_mut(2..4) else { return };
    field.copy_from_slice(&len.to_be_bytes());
    let Some(version) = Version::from_wire(message[0]) else { return };
    let codec = Codec::new(version);
    // Whatever it is, it can be shown.
    assert!(message_text(&codec, &message, Names::NONE, Detail::More).ends_with('\n'));
    let Ok(decoded) = codec.decode(&message) else { return };
    let Ok(bytes) = codec.encode(decoded.xid, &decoded.message) else { return };
    if let Ok(again) = codec.decode(&bytes) {
        assert_eq!(codec.encode(again.xid, &again.message).as_ref(), Ok(&bytes));
    }
}

/// The input is the fields of a match, in a FLOW_MOD of OpenFlow 1.3.
pub fn openflow_oxm(input: &[u8]) {
    let Ok(match_len) = u16::try_from(input.len() + 4) else { return };
    let mut message = vec![4, 14, 0, 0, 0, 0, 0, 1];
    message.resize(48, 0);
    message.extend([0, 1]);
    message.extend(match_len.to_be_bytes());
    message.extend(input);
    message.resize(message.len().next_multiple_of(8), 0);
    openflow_decode(&message);
}

/// The input is a flow as `ovs-ofctl` takes it. What is understood is printed so that it is
/// understood the same, and can be written in any version that can say it.
pub fn openflow_text(input: &[u8]) {
    let Ok(text) = core::str::from_utf8(input) else { return };
    let check = |error: &TextError| {
        assert!((1..=text.len() + 1).contains(&error.column), "{error}");
    };
    let _ = parse_group(GroupCommand::Add, text, Names::NONE).inspect_err(check);
    let _ = parse_meter(MeterCommand::Add, text).inspect_err(check);
    let _ = parse_monitor(text, Names::NONE).inspect_err(check);
    let _ = parse_packet_out(text, Names::NONE).inspect_err(check);
    let flow = match parse_flow(FlowCommand::Add, text) {
        Ok(flow) => flow,
        Err(error) => return check(&error),
    };
    let matching = match_text(&flow.matching, 0x8000);
    assert_eq!(parse_match(&matching).as_ref(), Ok(&flow.matching), "{matching}");
    let actions = actions_text(Version::V10, &flow.actions);
    assert_eq!(parse_actions(&actions).as_ref(), Ok(&flow.actions), "{actions}");
    let message = Message::FlowMod(Box::new(flow));
    for version in Version::SPOKEN {
        if let Ok(bytes) = Codec::new(version).encode(1, &message) {
            openflow_decode(&bytes);
        }
    }
}

/// The input is a table of flows and frames ([`translation`]). The flow cache gives each what a walk
/// over the list of flows gives it.
pub fn translate(input: &[u8]) {
    let _ = n_sent_by_flows(input);
}

/// The same; how many copies of frames left.
pub fn n_sent_by_flows(input: &[u8]) -> usize {
    let (flows, keys) = translation::read(input);
    translation::naive::check(&flows, &keys)
}

/// The input is a choice of protocol and a header. What is read of it is within it, and is read again
/// from what is written.
pub fn tunnel_header(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    match choice % 4 {
        0 | 1 => {
            let extension = if choice % 4 == 0 { Extension::None } else { Extension::GroupPolicy };
            let Some(header) = Vxlan::parse(bytes, extension) else { return };
            assert!(extension == Extension::GroupPolicy || header.policy.is_none());
            assert_eq!(header.emit()[..], bytes[..8]);
        }
        2 => {
            let Some((header, len)) = Gre::parse(bytes) else { return };
            assert!(len <= bytes.len() && len == header.header_len());
            assert_eq!(Gre::parse(&header.emit()), Some((header, len)));
        }
        _ => {
            let Some((header, len)) = Geneve::parse(bytes) else { return };
            assert!(len <= bytes.len() && geneve::are_whole(header.options));
            let again = header.emit();
            assert_eq!(Geneve::parse(&again), Some((header, len)));
        }
    }
}

/// A tunnel port that takes packets from anywhere.
#[must_use]
pub fn from_anywhere(kind: TunnelKind) -> TunnelConfig {
    TunnelConfig {
        kind,
        dst_port: kind.default_port().unwrap_or(0),
        remote: Address::Flow,
        local: Address::Flow,
        in_key: Key::Flow,
        out_key: Key::Flow,
        tos: Byte::Is(0),
        ttl: Byte::Is(64),
        df: Switch::On,
        csum: Switch::On,
        seq: Switch::Off,
        gbp: Switch::On,
    }
}

/// A port with addresses.
fn terminator() -> Terminator {
    let v6 = Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 1);
    let addresses = vec![Ipv4Addr::new(10, 0, 0, 1).into(), v6.into()];
    Terminator::new(MacAddr([2, 0, 0, 0, 0, 1]), addresses)
}

/// The input is a choice of where it arrives, and an outer packet. What is opened can be closed again,
/// and then opens to the same.
pub fn tunnel_open(input: &[u8]) {
    const KINDS: [TunnelKind; 3] = [TunnelKind::Vxlan, TunnelKind::Gre, TunnelKind::Geneve];
    let Some((choice, bytes)) = input.split_first() else { return };
    let mut tunnels = Tunnels::default();
    for (no, kind) in (0..).filter_map(PortNo::new).zip(KINDS) {
        tunnels.add_port(&from_anywhere(kind), no);
    }
    let mut terminator = terminator();
    if choice & 2 != 0 {
        terminator.groups = vec![Ipv4Addr::new(239, 1, 1, 1).into()];
        terminator.recovers = Switch::On;
    }
    let source = if choice % 2 == 0 { Source::Carrier } else { Source::Port(&terminator) };
    POOL.with_borrow_mut(|pool| {
        let pool = pool.get_or_insert_with(|| {
            FramePool::new(FrameMemory::new(4, 4).unwrap_or_else(|e| panic!("{e}")))
        });
        let Some(mut frame) = pool.from_bytes(bytes) else { return };
        let mut key = TunnelKey::new();
        match open(&mut frame, source, &tunnels, &mut key) {
            Opened::By(port) => close_again(&frame, (port, &key), &tunnels, pool),
            Opened::Again => unreachable!("nothing was opened before"),
            Opened::No => assert_eq!(frame.data(), bytes),
            Opened::Lost(_) => {}
        }
        pool.put(frame);
    });
}

fn close_again(
    frame: &Frame,
    (port, key): (PortNo, &TunnelKey),
    tunnels: &Tunnels,
    pool: &mut FramePool,
) {
    let kinds = [TunnelKind::Vxlan, TunnelKind::Gre, TunnelKind::Geneve];
    let (config, state) = (from_anywhere(kinds[port.index()]), TunnelState::default());
    let ends = Ends { src: key.src, dst: key.dst, link: None };
    let Some(outer) = Outer::new((&config, &state), Some(key), &ends) else {
        panic!("both addresses came from one packet");
    };
    let Some(mut again) = pool.move_back(frame, outer.len()) else { return };
    match outer.write(&mut again) {
        Ok(()) => {
            let mut found = TunnelKey::new();
            let opened = open(&mut again, Source::Carrier, tunnels, &mut found);
            assert_eq!((opened, again.data()), (Opened::By(port), frame.data()));
            assert_eq!((found.id, found.oam, &found.options), (key.id, key.oam, &key.options));
            assert_eq!((found.gbp_id, found.gbp_flags), (key.gbp_id, key.gbp_flags));
        }
        Err(Unwritten::BadOffload) => {}
        Err(error) => panic!("{error:?}"),
    }
    pool.put(again);
}

/// The input says whether the device has looked at the checksum, and is a frame from the link of an uplink.
/// Who is heard is one host; who is answered is told where the port is, by a frame that nobody answers.
pub fn uplink(input: &[u8]) {
    with_answer(input, |asked, answered| {
        if let Some((ip, mac)) = heard(asked) {
            assert!(!ip.is_multicast() && !ip.is_unspecified() && !mac.is_multicast());
        }
        let Some((frame, again)) = answered else { return };
        let port = terminator();
        let (header, _) = EthernetHeader::parse(frame.data()).unwrap_or_else(|| panic!("a frame"));
        assert!(header.src == port.mac && !header.dst.is_multicast());
        let told = heard(frame).unwrap_or_else(|| panic!("an answer that says nothing"));
        assert!(port.addresses.contains(&told.0) && told.1 == port.mac);
        assert!(again.is_none(), "an answer is answered");
    });
}

/// What is told by a frame from the link of an uplink: whether somebody is heard, and is answered.
#[must_use]
pub fn told_by_uplink(input: &[u8]) -> (bool, bool) {
    with_answer(input, |asked, answered| (heard(asked).is_some(), answered.is_some()))
}

/// Hands over the frame, and the answer to it with the answer to that.
fn with_answer<T: Default>(
    input: &[u8],
    then: impl FnOnce(&Frame, Option<(&Frame, Option<&Frame>)>) -> T,
) -> T {
    let Some((choice, bytes)) = input.split_first() else { return T::default() };
    let mut pool = FramePool::new(FrameMemory::new(4, 4).unwrap_or_else(|e| panic!("{e}")));
    let Some(mut asked) = pool.from_bytes(bytes) else { return T::default() };
    if choice % 2 != 0 {
        asked.set_offload(Offload { checksum: Checksum::Valid, gso: None });
    }
    let port = terminator();
    let answered = answer(&asked, &port, &mut pool);
    let again = answered.as_ref().and_then(|frame| answer(frame, &port, &mut pool));
    let told = then(&asked, answered.as_ref().map(|frame| (frame, again.as_ref())));
    pool.put_all([Some(asked), answered, again].into_iter().flatten());
    told
}

/// Bytes of a guest's memory.
const GUEST_LEN: u64 = 0x10000;
/// Where it is in the guest, and in the front end.
const GUEST_AT: u64 = 0x10000;
const USER_AT: u64 = 0x7000_0000;

/// A front end whose protocol is driven by hand.
struct FrontEnd {
    stream: UnixStream,
    connection: Connection,
    queues: Queues,
    memory: OwnedFd,
    event: OwnedFd,
}

impl FrontEnd {
    fn new() -> FrontEnd {
        let (stream, other) = UnixStream::pair().unwrap_or_else(|e| panic!("{e}"));
        stream.set_nonblocking(true).unwrap_or_else(|e| panic!("{e}"));
        let (connection, queues) = vhost::by_hand(other, 2).unwrap_or_else(|e| panic!("{e}"));
        let memory = memfd_create("guest", MemfdFlags::CLOEXEC).unwrap_or_else(|e| panic!("{e}"));
        ftruncate(&memory, GUEST_LEN).unwrap_or_else(|e| panic!("{e}"));
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let event = eventfd(0, flags).unwrap_or_else(|e| panic!("{e}"));
        FrontEnd { stream, connection, queues, memory, event }
    }

    /// Sends a message, and lets it be handled; whether the connection goes on.
    fn say(&mut self, request: u32, body: &[u8], files: &[BorrowedFd<'_>]) -> bool {
        let len = u32::try_from(body.len()).unwrap_or(0);
        let head = [request, 9, len].map(u32::to_le_bytes).concat();
        let mut space = [core::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(40))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(files));
        }
        let parts = [IoSlice::new(&head), IoSlice::new(body)];
        let sent = sendmsg(&self.stream, &parts, &mut ancillary, SendFlags::NOSIGNAL);
        let goes_on = sent.is_ok() && self.connection.turn(Instant::now()).is_ok();
        // Its answers are of no interest.
        let _ = self.stream.read(&mut [0; 8192]);
        goes_on
    }

    /// Receives and sends a little; what is taken is in the batch or counted as dropped. How many frames
    /// the guest sent.
    fn move_frames(&mut self, pool: &mut FramePool) -> u64 {
        let counters = PortCounters::default();
        let (mut n_received, mut n_sent) = (0, 0);
        for rxq in &mut self.queues.rxqs {
            let mut batch = Batch::new();
            rxq.recv(pool, &mut batch, &counters);
            n_received += batch.len() as u64;
            for frame in batch.iter() {
                // What the header asks for fits the bytes.
                assert_eq!(vnet::parse(&vnet::emit(frame), frame.data()), Ok(*frame.offload()));
            }
            n_sent += batch.len() as u64;
            self.queues.txq.send(pool, &mut batch, &counters);
            rxq.park(pool);
        }
        let lost = |drops: fn(&PortCounters, DropReason) -> u64| -> u64 {
            DropReason::ALL.iter().map(|reason| drops(&counters, *reason)).sum()
        };
        assert_eq!(counters.rx_packets.get(), n_received + lost(PortCounters::rx_drops));
        assert_eq!(n_sent, counters.tx_packets.get() + lost(PortCounters::tx_drops));
        n_received
    }

    /// A whole set-up; the rings lie at the beginning of the memory, as the fuzzer fills it.
    fn set_up(&mut self, features: u64) -> bool {
        let (memory, event) = (dup(&self.memory), dup(&self.event));
        let table = [1, GUEST_AT, GUEST_LEN, USER_AT, 0].map(u64::to_le_bytes).concat();
        let mut goes_on =
            self.say(2, &features.to_le_bytes(), &[]) && self.say(5, &table, &[memory.as_fd()]);
        for ring in 0..2u32 {
            let at = USER_AT + u64::from(ring) * 0x80;
            let state = |value: u32| [ring, value].map(u32::to_le_bytes).concat();
            let places = [at, at + 0x50, at + 0x40, 0].map(u64::to_le_bytes).concat();
            let number = u64::from(ring).to_le_bytes();
            goes_on = goes_on
                && self.say(8, &state(4), &[])
                && self.say(9, &[&state(0)[..], &places].concat(), &[])
                && self.say(12, &number, &[event.as_fd()])
                && self.say(13, &number, &[event.as_fd()]);
        }
        goes_on
    }
}

fn dup(fd: &OwnedFd) -> OwnedFd {
    fd.try_clone().unwrap_or_else(|error| panic!("{error}"))
}

/// Runs with a pool whose frames all come back.
fn with_frames(run: impl FnOnce(&mut FramePool)) {
    let memory = FrameMemory::new(64, 4).unwrap_or_else(|e| panic!("{e}"));
    let mut pool = FramePool::new(memory.clone());
    run(&mut pool);
    drop(pool);
    assert_eq!([SizeClass::Small, SizeClass::Large].map(|c| memory.n_free(c)), [64, 4]);
}

/// The input is messages of a front end: a request, a byte that says which descriptors go along, the
/// length of a body, and the body. Between them frames pass.
pub fn vhost_messages(input: &[u8]) {
    let _ = has_ring_running(input);
}

/// The same; whether a ring ran.
pub fn has_ring_running(mut input: &[u8]) -> bool {
    let mut has_run = false;
    with_frames(|pool| {
        let mut front_end = FrontEnd::new();
        let (memory, event) = (dup(&front_end.memory), dup(&front_end.event));
        while let Some(([request, files, len], rest)) = input.split_first_chunk::<3>() {
            let (body, next) = rest.split_at(usize::from(*len).min(rest.len()));
            input = next;
            let file = if files & 0x80 == 0 { memory.as_fd() } else { event.as_fd() };
            let files = vec![file; usize::from(files & 0x7f).min(40)];
            if !front_end.say(u32::from(*request), body, &files) {
                return;
            }
            front_end.move_frames(pool);
            has_run |= front_end.connection.has_run();
        }
    });
    has_run
}

/// The input is the features that a guest takes, of those that are offered, and an image of its
/// memory, which begins with its two rings: packed ones, if the features say so.
pub fn vhost_ring(input: &[u8]) {
    let _ = n_frames_of_ring(input);
}

/// The same; how many frames were found in the image.
pub fn n_frames_of_ring(input: &[u8]) -> u64 {
    let Some((features, image)) = input.split_first_chunk() else { return 0 };
    let mut n_frames = 0;
    let offered = u64::from_le_bytes(*features) & 0x01c0_0005_3861_bb8b;
    with_frames(|pool| {
        let mut front_end = FrontEnd::new();
        let image = &image[..image.len().min(0x8000)];
        // The rings start where they stand in the image.
        assert_eq!(rustix::io::pwrite(&front_end.memory, image, 0), Ok(image.len()));
        if !front_end.set_up(offered) {
            panic!("a set-up that is in order is refused: {offered:#x}");
        }
        for _ in 0..3 {
            n_frames += front_end.move_frames(pool);
        }
    });
    n_frames
}
