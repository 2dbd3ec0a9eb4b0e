//! Sessions against bridges that are a few lines of fake.

use openflow::bundle::{BundleAdd, BundleControl, BundleFlags, BundleStep};
use openflow::control::{AsyncConfig, RoleMessage};
use openflow::flow::{FlowCommand, FlowMod, RemovedReason};
use openflow::hello::Hello;
use openflow::packet_io::PacketIn;
use openflow::port::{OfPort, PortConfig, PortDesc, PortMod, PortReason, PortStatus};
use openflow::switch::{FragHandling, SwitchConfig};

use super::*;
use crate::ofproto::notice::{Event, ToControllers};
use crate::ofproto::view::Miss;
use crate::switch::of_status::{FailOpen, OfStatus};

/// Bridges that obey, and remember what they were asked.
#[derive(Default)]
pub struct Fake {
    pub asked: Vec<Message>,
    pub notices: Vec<Notice>,
    pub fail_open: FailOpen,
    pub miss: Miss,
    pub status: OfStatus,
    /// What a message is answered with.
    pub replies: Vec<Message>,
    bundles: Vec<Vec<(u32, Message)>>,
    refuse: Option<(usize, OfpError)>,
    n_barriers: usize,
    /// Packets that no connection took.
    pub n_unwanted: usize,
    frag: FragHandling,
}

impl Bridges for Fake {
    fn openflow(&mut self, _: &str, _: Asker, message: Message) -> Result<Vec<Message>, OfpError> {
        if let Message::PortMod(_) | Message::PacketOut(_) = message {
            self.notices.push(port_status());
        }
        self.asked.push(message);
        self.refuse.map_or(Ok(std::mem::take(&mut self.replies)), |(_, error)| Err(error))
    }

    fn openflow_bundle(
        &mut self,
        _: &str,
        _: Asker,
        messages: Vec<(u32, Message)>,
    ) -> Result<(), (usize, OfpError)> {
        self.bundles.push(messages);
        self.refuse.map_or(Ok(()), Err)
    }

    fn flush_openflow(&mut self) {}

    fn barrier(&mut self) {
        self.n_barriers += 1;
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    fn options(&self, _: &str) -> std::sync::Arc<packet::flow::OptionTable> {
        std::sync::Arc::default()
    }

    fn frag_handling(&self, _: &str) -> FragHandling {
        self.frag
    }

    fn set_frag_handling(&mut self, _: &str, frag: FragHandling) {
        self.frag = frag;
    }

    fn set_miss(&mut self, _: &str, miss: Miss) {
        self.miss = miss;
    }

    fn set_fail_open(&mut self, _: &str, fail_open: FailOpen) {
        self.fail_open = fail_open;
    }

    fn set_of_status(&mut self, _: &str, status: OfStatus) {
        self.status = status;
    }

    fn lose_packet_in(&mut self, _: datapath::PortNo) {
        self.n_unwanted += 1;
    }
}

pub fn for_controllers(packet_in: PacketIn, controller_id: u16) -> Event {
    let port = datapath::PortNo::new(1).unwrap();
    let to = ToControllers { packet_in, controller_id, max_len: Some(0), port };
    Event::PacketIn(Box::new(to))
}

/// A packet that a flow sends.
pub fn packet_in(packet: Vec<u8>) -> PacketIn {
    PacketIn {
        total_len: packet.len().try_into().unwrap(),
        packet,
        buffer_id: openflow::flow::NO_BUFFER,
        reason: openflow::action::ControllerReason::Action,
        table: 0,
        cookie: 0,
        metadata: Default::default(),
        userdata: Vec::new(),
        continuation: None,
    }
}

pub fn port_status() -> Notice {
    let status = PortStatus { reason: PortReason::Modify, desc: PortDesc::default() };
    Notice { bridge: "br0".to_owned(), event: Event::PortStatus(Box::new(status)) }
}

struct Lab {
    session: Session,
    fake: Fake,
    shared: Shared,
    codec: Codec,
    told: Vec<Told>,
}

impl Lab {
    fn new(version: Version, side: Side) -> Lab {
        let session = Session::new(ConnId(7), "br0".into(), side, Versions::spoken());
        let codec = Codec::new(version);
        let (fake, shared) = (Fake::default(), Shared::default());
        let mut lab = Lab { session, fake, shared, codec, told: Vec::new() };
        let hello = Hello { versions: [version].into_iter().collect() };
        assert_eq!(lab.send(&Message::Hello(hello)), Answer::Now(Vec::new()));
        assert_eq!(lab.session.version(), Some(version));
        lab
    }

    fn raw(&mut self, bytes: &[u8]) -> Answer {
        let (bridges, shared) = (&mut self.fake, &mut self.shared);
        let mut turn = Turn { bridges, shared, told: Vec::new(), now: Instant::now() };
        let answer = self.session.handle(bytes, &mut turn);
        self.told.extend(turn.told);
        answer
    }

    fn send(&mut self, message: &Message) -> Answer {
        let bytes = self.codec.encode(5, message).unwrap();
        self.raw(&bytes)
    }

    /// What is answered, read.
    fn ask(&mut self, message: &Message) -> Vec<Message> {
        let (Answer::Now(bytes) | Answer::Settled(bytes) | Answer::Last(bytes)) =
            self.send(message);
        self.read(&bytes)
    }

    fn read(&self, mut bytes: &[u8]) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some((message, rest)) = openflow::raw::split_message(bytes).unwrap() {
            messages.push(self.codec.decode(message).unwrap().message);
            bytes = rest;
        }
        messages
    }

    /// The errors that are answered.
    fn errors(&mut self, message: &Message) -> Vec<OfpError> {
        let version = self.codec.version;
        let error = |message: Message| match message {
            Message::Error(error) => error.error(version).unwrap(),
            other => panic!("{other:?}"),
        };
        self.ask(message).into_iter().map(error).collect()
    }

    fn control(&mut self, step: BundleStep) -> Vec<Message> {
        self.ask(&control(step, ORDERED))
    }

    fn add(&mut self, message: &Message) -> Vec<OfpError> {
        let message = self.codec.encode(5, message).unwrap();
        self.errors(&Message::BundleAdd(BundleAdd { id: 1, flags: ORDERED, message }))
    }
}

const ORDERED: BundleFlags = BundleFlags::ORDERED;

fn control(step: BundleStep, flags: BundleFlags) -> Message {
    Message::BundleControl(BundleControl { id: 1, step, flags })
}

fn flow_mod() -> Message {
    Message::FlowMod(Box::new(FlowMod::new(FlowCommand::Add)))
}

fn port_mod() -> Message {
    Message::PortMod(PortMod {
        port: OfPort(1),
        hw_addr: Default::default(),
        config: PortConfig::default(),
        mask: PortConfig::default(),
        advertise: Default::default(),
    })
}

fn role(role: Role, id: u64) -> Message {
    Message::RoleRequest(RoleMessage { role, generation_id: Some(id) })
}

#[test]
fn a_peer_without_a_common_version_is_told_why_and_closed() {
    let allowed = [Version::V13].into_iter().collect();
    let mut session = Session::new(ConnId(1), "br0".into(), Side::Service, allowed);
    let hello = Hello { versions: [Version::V10].into_iter().collect() };
    let bytes = Codec::new(Version::V10).encode(9, &Message::Hello(hello)).unwrap();
    let mut fake = Fake::default();
    let (bridges, shared) = (&mut fake, &mut Shared::default());
    let mut turn = Turn { bridges, shared, told: Vec::new(), now: Instant::now() };
    let Answer::Last(answer) = session.handle(&bytes, &mut turn) else { panic!("it lives") };
    let decoded = Codec::new(Version::V10).decode(&answer).unwrap();
    let Message::Error(error) = decoded.message else { panic!("{decoded:?}") };
    assert_eq!((decoded.xid, error.error(Version::V10)), (9, Some(OfpError::HfIncompatible)));
    let why = "We support version 0x04, you support version 0x01, no common versions.";
    assert_eq!(String::from_utf8(error.data).unwrap(), why);
    let echo = Codec::new(Version::V13).encode(1, &Message::EchoRequest(Vec::new())).unwrap();
    let mut silent = Session::new(ConnId(2), "br0".into(), Side::Service, allowed);
    assert_eq!(silent.handle(&echo, &mut turn), Answer::Last(Vec::new()));
}

#[test]
fn messages_about_the_connection_stay_there() {
    for version in Version::SPOKEN {
        let mut lab = Lab::new(version, Side::Service);
        let echo = lab.ask(&Message::EchoRequest(vec![1, 2]));
        assert_eq!(echo, [Message::EchoReply(vec![1, 2])]);
        let config =
            SwitchConfig { frag: FragHandling::Drop, miss_send_len: 99, ..Default::default() };
        assert_eq!(lab.ask(&Message::SetConfig(config)), []);
        assert_eq!(lab.ask(&Message::GetConfigRequest), [Message::GetConfigReply(config)]);
        assert_eq!(lab.ask(&Message::SetControllerId(3)), []);
        assert_eq!(lab.fake.asked, []);
        assert_eq!(lab.send(&Message::BarrierRequest), {
            Answer::Settled(lab.codec.encode(5, &Message::BarrierReply).unwrap())
        });
        assert_eq!(lab.fake.n_barriers, 1);
        assert_eq!(lab.ask(&flow_mod()), []);
        assert_eq!(lab.fake.asked.len(), 1);
        assert_eq!(lab.errors(&Message::BarrierReply), [OfpError::BrBadType]);
    }
}

#[test]
fn errors_name_the_offender_in_its_version() {
    let mut lab = Lab::new(Version::V13, Side::Service);
    let Answer::Now(answer) = lab.raw(&[1, 5, 0, 8, 0, 0, 0, 77]) else { panic!("it ends") };
    let decoded = Codec::new(Version::V10).decode(&answer).unwrap();
    let Message::Error(error) = decoded.message else { panic!("{decoded:?}") };
    assert_eq!((decoded.xid, error.error(Version::V10)), (77, Some(OfpError::BrBadVersion)));
    assert_eq!(error.data, [1, 5, 0, 8, 0, 0, 0, 77]);
    // An error is not answered with an error.
    assert_eq!(lab.raw(&[4, 1, 0, 12, 0, 0, 0, 1, 0, 1, 0, 1]), Answer::Now(Vec::new()));
}

#[test]
fn a_secondary_looks_only_and_stale_elections_are_refused() {
    let mut lab = Lab::new(Version::V14, Side::Controller);
    assert_eq!(lab.ask(&role(Role::Primary, 5)).len(), 1);
    assert_eq!(lab.shared.claimed, Some(ConnId(7)));
    assert_eq!(lab.errors(&role(Role::Primary, 4)), [OfpError::RrfStale]);
    assert_eq!(lab.session.role(), Role::Primary);
    let status = lab.session.demote(Some(6));
    let status = lab.read(&status);
    assert!(matches!(&status[..], [Message::RoleStatus(s)] if s.generation_id == 6), "{status:?}");
    assert_eq!(lab.errors(&flow_mod()), [OfpError::BrIsSecondary]);
    assert_eq!(lab.errors(&control(BundleStep::OpenRequest, ORDERED)), [OfpError::BrIsSecondary]);
    assert_eq!(lab.fake.asked, []);
    assert_eq!(lab.ask(&Message::StatsRequest(StatsRequest::Table)), []);
    assert_eq!(lab.fake.asked.len(), 1);
    let nobody = RoleMessage { role: Role::NoChange, generation_id: None };
    let told = RoleMessage { role: Role::Secondary, generation_id: Some(5) };
    assert_eq!(lab.ask(&Message::RoleRequest(nobody)), [Message::RoleReply(told)]);
}

#[test]
fn tools_are_told_nothing_until_they_ask() {
    let mut lab = Lab::new(Version::V13, Side::Service);
    let told = Told { notice: port_status(), by: None };
    assert_eq!(lab.session.notify(&told), None);
    let mut asked = AsyncConfig::default();
    asked.primary[1] = Some(7);
    lab.ask(&Message::SetAsync(asked));
    assert!(matches!(lab.session.notify(&told), Some(Unasked::Message(_))));
    let mut controller = Lab::new(Version::V13, Side::Controller);
    assert!(controller.session.notify(&told).is_some());
}

#[test]
fn what_is_sent_unasked_is_chosen_by_properties_in_old_versions_too() {
    use openflow::control::AsyncKind;
    for version in [Version::V10, Version::V13] {
        let mut lab = Lab::new(version, Side::Controller);
        let told = Told { notice: port_status(), by: None };
        let mut asked = AsyncConfig::default();
        asked.primary[AsyncKind::PortStatus as usize] = Some(0);
        lab.ask(&Message::SetAsync2(asked));
        assert_eq!(lab.session.notify(&told), None, "{version}");
        asked.primary[AsyncKind::PortStatus as usize] = Some(7);
        lab.ask(&Message::SetAsync2(asked));
        assert!(lab.session.notify(&told).is_some(), "{version}");
    }
}

#[test]
fn a_table_that_gets_full_is_told_to_who_asks_for_it() {
    use openflow::control::AsyncKind;
    use openflow::table::{TableMod, TableStatus};
    let mut lab = Lab::new(Version::V14, Side::Controller);
    let desc = TableMod { table: 3, config: 8, eviction: None, vacancy: Some((20, 80, 10)) };
    let event = Event::TableStatus(Box::new(TableStatus { reason: 3, desc }));
    let told = Told { notice: Notice { bridge: "br0".to_owned(), event }, by: None };
    assert_eq!(lab.session.notify(&told), None);
    let mut asked = AsyncConfig::default();
    asked.primary[AsyncKind::TableStatus as usize] = Some(1 << 3);
    lab.ask(&Message::SetAsync(asked));
    let Some(Unasked::Message(bytes)) = lab.session.notify(&told) else { panic!("not told") };
    assert!(matches!(lab.read(&bytes)[..], [Message::TableStatus(_)]));
}

#[test]
fn who_changed_a_port_is_not_told_before_openflow_15() {
    for (version, is_told) in [(Version::V10, false), (Version::V14, false), (Version::V15, true)] {
        let mut lab = Lab::new(version, Side::Controller);
        lab.fake.notices.push(port_status());
        lab.ask(&port_mod());
        let told = std::mem::take(&mut lab.told);
        let told: Vec<bool> = told.iter().map(|told| lab.session.notify(told).is_some()).collect();
        assert_eq!(told, [true, is_told], "{version}");
    }
}

#[test]
fn packets_go_to_who_has_their_identifier_however_long_they_are() {
    for version in Version::SPOKEN {
        let mut lab = Lab::new(version, Side::Controller);
        let event = for_controllers(packet_in(vec![1; 65535]), 3);
        let told = Told { notice: Notice { bridge: "br0".to_owned(), event }, by: None };
        assert_eq!(lab.session.notify(&told), None, "{version}");
        lab.ask(&Message::SetControllerId(3));
        let Some(Unasked::Packet(bytes)) = lab.session.notify(&told) else { panic!("{version}") };
        let read = lab.read(&bytes);
        let Message::PacketIn(packet_in) = &read[0] else { panic!("{read:?}") };
        assert_eq!((packet_in.total_len, packet_in.packet.len()), (65535, 63 << 10));
        lab.ask(&Message::SetPacketInFormat(PacketInFormat::Nxt2));
        let Some(Unasked::Packet(bytes)) = lab.session.notify(&told) else { panic!("{version}") };
        assert!(matches!(lab.read(&bytes)[..], [Message::PacketIn2(_)]), "{version}");
        lab.ask(&Message::SetPacketInFormat(PacketInFormat::Nxt));
        let Some(Unasked::Packet(bytes)) = lab.session.notify(&told) else { panic!("{version}") };
        assert!(matches!(lab.read(&bytes)[..], [Message::PacketInNxt(_)]), "{version}");
    }
}

#[test]
fn a_packet_that_is_to_come_back_is_not_cut_but_lost_if_no_message_has_room_for_it() {
    let mut lab = Lab::new(Version::V13, Side::Controller);
    lab.ask(&Message::SetPacketInFormat(PacketInFormat::Nxt2));
    let mut tell = |len: u16| {
        let continuation = Some(Box::default());
        let packet_in = PacketIn { continuation, ..packet_in(vec![1; len.into()]) };
        let event = for_controllers(packet_in, 0);
        let told = Told { notice: Notice { bridge: "br0".to_owned(), event }, by: None };
        let told = lab.session.notify(&told);
        match told {
            Some(Unasked::Packet(bytes)) => match &lab.read(&bytes)[0] {
                Message::PacketIn2(packet_in) => Some(packet_in.packet.len()),
                other => panic!("{other:?}"),
            },
            Some(Unasked::TooLong) => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(tell(65_000), Some(65_000), "longer than what is cut without a continuation");
    assert_eq!(tell(65_535), None);
}

#[test]
fn flow_removed_needs_its_reason() {
    let mut lab = Lab::new(Version::V14, Side::Controller);
    let removed = openflow::flow::FlowRemoved {
        matching: Default::default(),
        priority: 1,
        cookie: 0,
        reason: RemovedReason::Eviction,
        table: Some(0),
        duration: Default::default(),
        idle_s: 0,
        hard_s: 0,
        packets: None,
        bytes: None,
    };
    let event = Event::FlowRemoved(Box::new(removed));
    let told = Told { notice: Notice { bridge: "br0".to_owned(), event }, by: None };
    assert!(lab.session.notify(&told).is_some());
    let mut asked = AsyncConfig::default();
    asked.primary[2] = Some(1);
    lab.ask(&Message::SetAsync(asked));
    assert_eq!(lab.session.notify(&told), None);
}

#[test]
fn a_bundle_is_obeyed_whole() {
    for version in [Version::V13, Version::V14, Version::V15] {
        let mut lab = Lab::new(version, Side::Service);
        assert_eq!(lab.control(BundleStep::OpenRequest).len(), 1);
        assert_eq!(lab.add(&flow_mod()), []);
        assert_eq!(lab.add(&flow_mod()), []);
        assert_eq!(lab.add(&Message::BarrierRequest), [OfpError::BfMsgUnsup]);
        assert_eq!(lab.fake.asked, []);
        let done = BundleControl { id: 1, step: BundleStep::CommitReply, flags: BundleFlags(0) };
        let reply = lab.codec.encode(5, &Message::BundleControl(done)).unwrap();
        let commit = control(BundleStep::CommitRequest, ORDERED);
        assert_eq!(lab.send(&commit), Answer::Settled(reply));
        assert_eq!(lab.fake.bundles[0].len(), 2);
        assert_eq!(lab.errors(&commit), [OfpError::BfBadId]);
        assert_eq!(lab.errors(&control(BundleStep::OpenReply, ORDERED)), [OfpError::BfBadType]);
    }
}

#[test]
fn a_bundle_that_fails_says_which_message_failed() {
    let mut lab = Lab::new(Version::V14, Side::Service);
    assert_eq!(lab.add(&flow_mod()), []);
    assert_eq!(lab.add(&flow_mod()), []);
    lab.fake.refuse = Some((1, OfpError::FmfTableFull));
    let errors = lab.errors(&control(BundleStep::CommitRequest, ORDERED));
    assert_eq!(errors, [OfpError::FmfTableFull, OfpError::BfMsgFailed]);
}

#[test]
fn ports_are_changed_in_a_bundle_that_is_not_atomic() {
    let mut lab = Lab::new(Version::V14, Side::Service);
    for message in [flow_mod(), port_mod(), flow_mod(), flow_mod()] {
        assert_eq!(lab.add(&message), []);
    }
    assert_eq!(lab.control(BundleStep::CommitRequest).len(), 1);
    let runs: Vec<usize> = lab.fake.bundles.iter().map(Vec::len).collect();
    assert_eq!((runs, lab.fake.asked.len()), (vec![1, 2], 1));

    let flags = ORDERED | BundleFlags::ATOMIC;
    let message = lab.codec.encode(5, &port_mod()).unwrap();
    assert_eq!(lab.errors(&Message::BundleAdd(BundleAdd { id: 1, flags, message })), []);
    let errors = lab.errors(&control(BundleStep::CommitRequest, flags));
    assert_eq!(errors, [OfpError::BfMsgFailed, OfpError::BfMsgFailed]);
}
