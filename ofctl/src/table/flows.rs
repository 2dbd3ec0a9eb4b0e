//! The rows of the flow family, which speaks OpenFlow in the words of `ovs-ofctl`.

use openflow::flow::FlowCommand;
use openflow::group::GroupCommand;
use openflow::meter::MeterCommand;
use openflow::nicira::TlvCommand;

use super::CONFIGURATION;
use crate::command::{CommandSpec, Family, Need, Route, Switch, ValueOption};
use crate::of::{Dump, Task};

const PROTOCOLS: ValueOption = ValueOption {
    long: "protocols",
    short: Some('O'),
    value: "VERSION",
    need: Need::Required,
    help: "OpenFlow10, OpenFlow13, OpenFlow14, OpenFlow15; default the newest of both sides",
};
const FLOW_FORMAT: ValueOption = ValueOption {
    long: "flow-format",
    short: Some('F'),
    value: "FORMAT",
    need: Need::Required,
    help: "OpenFlow10, NXM, OXM, OXM-OpenFlow13, OXM-OpenFlow14, OXM-OpenFlow15, any",
};
const SORT: ValueOption = ValueOption {
    long: "sort",
    short: None,
    value: "FIELD",
    need: Need::Optional,
    help: "In ascending order of priority, or of a field",
};
const RSORT: ValueOption =
    ValueOption { long: "rsort", help: "In descending order of priority, or of a field", ..SORT };

/// Options that stand before or after the word of any command of the family.
pub const SHARED_OPTIONS: &[ValueOption] = &[PROTOCOLS, FLOW_FORMAT, SORT, RSORT];
/// Those of a command that sorts nothing.
const SPOKEN_OPTIONS: &[ValueOption] = &[PROTOCOLS, FLOW_FORMAT];

const PACKET_IN_FORMAT: ValueOption = ValueOption {
    long: "packet-in-format",
    short: Some('P'),
    value: "FORMAT",
    need: Need::Required,
    help: "standard, nxt_packet_in or nxt_packet_in2",
};
const MONITOR_OPTIONS: &[ValueOption] = &[PROTOCOLS, FLOW_FORMAT, PACKET_IN_FORMAT];

const NAMING: &[Switch] = &[Switch::Names, Switch::NoNames];
const SENDING: &[Switch] = &[Switch::Bundle, Switch::Names, Switch::NoNames];
const STRICT_SENDING: &[Switch] = &[Switch::Bundle, Switch::Names, Switch::NoNames, Switch::Strict];
const CREATING: &[Switch] = &[Switch::Bundle, Switch::MayCreate, Switch::Names, Switch::NoNames];
const REPLACING: &[Switch] = &[Switch::Bundle, Switch::Names, Switch::NoNames, Switch::Readd];
const SHOWING: &[Switch] = &[Switch::More, Switch::Names, Switch::NoNames];
const DUMPING: &[Switch] = &[Switch::More, Switch::Names, Switch::NoNames, Switch::NoStats];
const WATCHED: &[Switch] = &[Switch::More, Switch::Names, Switch::NoNames, Switch::Timestamp];

const FLOW_HELP: &str = "\
  ofctl add-flow br0 priority=10,tcp,nw_dst=10.0.0.0/8,tp_dst=80,actions=output:2
Fields are those of ovs-fields(7), actions those of ovs-actions(7). Besides them: table,
priority, cookie, idle_timeout, hard_timeout, importance, send_flow_rem, check_overlap.
BR is a bridge, unix:PATH or tcp:HOST[:PORT].";
const GROUP_HELP: &str = "\
  ofctl add-group br0 group_id=1,type=select,bucket=weight:5,output:1,bucket=output:2
Types are all, select, indirect and ff. Keys of a bucket: weight, watch_port, watch_group,
bucket_id; the rest are actions. selection_method is hash or dp_hash, with fields(...).";

/// A row of the family.
const FLOWS: CommandSpec = CommandSpec {
    family: Family::Flows,
    switches: NAMING,
    options: SPOKEN_OPTIONS,
    ..CONFIGURATION
};

/// Every command of the family, sorted by name.
pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "add-flow",
        args: "BR FLOW",
        min_args: 2,
        max_args: Some(2),
        switches: SENDING,
        help: "Add a flow",
        long_help: FLOW_HELP,
        route: Route::OpenFlow(Task::Flow(FlowCommand::Add)),
        ..FLOWS
    },
    CommandSpec {
        name: "add-flows",
        args: "BR FILE|-",
        min_args: 2,
        max_args: Some(2),
        switches: SENDING,
        help: "Add the flows of a file, one in each line",
        long_help: "\
A line may begin with add, modify, modify_strict, delete or delete_strict. Everything is
read before anything is sent. Without --bundle, flows around a refused one are added.",
        route: Route::OpenFlow(Task::Flows),
        ..FLOWS
    },
    CommandSpec {
        name: "add-group",
        args: "BR GROUP",
        min_args: 2,
        max_args: Some(2),
        switches: SENDING,
        help: "Add a group",
        long_help: GROUP_HELP,
        route: Route::OpenFlow(Task::Group(GroupCommand::Add)),
        ..FLOWS
    },
    CommandSpec {
        name: "add-groups",
        args: "BR FILE|-",
        min_args: 2,
        max_args: Some(2),
        switches: SENDING,
        help: "Add the groups of a file, one in each line",
        long_help: "\
A line may begin with add, modify, add_or_mod, delete, insert_bucket or remove_bucket.",
        route: Route::OpenFlow(Task::Groups),
        ..FLOWS
    },
    CommandSpec {
        name: "add-meter",
        args: "BR METER",
        min_args: 2,
        max_args: Some(2),
        help: "Add a meter",
        long_help: "\
  meter=1 kbps burst stats bands=type=drop rate=1000 burst_size=100
A meter counts kbps or pktps. A band is of type=drop, or of type=dscp_remark, which takes
prec_level=N.",
        route: Route::OpenFlow(Task::Meter(MeterCommand::Add)),
        ..FLOWS
    },
    CommandSpec {
        name: "add-tlv-map",
        args: "BR MAP",
        min_args: 2,
        max_args: Some(2),
        help: "Make options of tunnel headers fields",
        long_help: "\
  ofctl add-tlv-map br0 '{class=0x102,type=0x80,len=4}->tun_metadata0'
More maps follow behind commas. Fields are tun_metadata0 to tun_metadata63.",
        route: Route::OpenFlow(Task::TlvMap(TlvCommand::Add)),
        ..FLOWS
    },
    CommandSpec {
        name: "bundle",
        args: "BR FILE|-",
        min_args: 2,
        max_args: Some(2),
        help: "Do all that a file says, or nothing",
        long_help: "\
A line says what it is about:
  flow add tcp,tp_dst=80,actions=output:1
  group modify group_id=1,type=all,bucket=output:1
  packet-out in_port=1 packet=HEX actions=output:2",
        route: Route::OpenFlow(Task::Bundle),
        ..FLOWS
    },
    CommandSpec {
        name: "del-flows",
        args: "BR [MATCH]",
        min_args: 1,
        max_args: Some(2),
        switches: STRICT_SENDING,
        help: "Delete the flows that match, or all",
        long_help: "\
Besides the match: table=N, out_port=PORT, out_group=N, cookie=VALUE/MASK.",
        route: Route::OpenFlow(Task::Flow(FlowCommand::Delete)),
        ..FLOWS
    },
    CommandSpec {
        name: "del-groups",
        args: "BR [GROUP]",
        min_args: 1,
        max_args: Some(2),
        switches: SENDING,
        help: "Delete a group (group_id=N), or all",
        route: Route::OpenFlow(Task::Group(GroupCommand::Delete)),
        ..FLOWS
    },
    CommandSpec {
        name: "del-meter",
        args: "BR METER",
        min_args: 2,
        max_args: Some(2),
        help: "Delete a meter (meter=N)",
        route: Route::OpenFlow(Task::Meter(MeterCommand::Delete)),
        ..FLOWS
    },
    CommandSpec {
        name: "del-meters",
        args: "BR [METER]",
        min_args: 1,
        max_args: Some(2),
        help: "Delete a meter (meter=N), or all",
        route: Route::OpenFlow(Task::Meter(MeterCommand::Delete)),
        ..FLOWS
    },
    CommandSpec {
        name: "del-tlv-map",
        args: "BR [MAP]",
        min_args: 1,
        max_args: Some(2),
        help: "Make options of tunnel headers (those of a MAP), or all, fields no more",
        long_help: "\
  ofctl del-tlv-map br0 '{class=0x102,type=0x80,len=4}->tun_metadata0'
A field that a flow or a group uses stays.",
        route: Route::OpenFlow(Task::TlvMap(TlvCommand::Delete)),
        ..FLOWS
    },
    CommandSpec {
        name: "diff-flows",
        args: "PLACE PLACE",
        min_args: 2,
        max_args: Some(2),
        switches: NAMING,
        help: "Show in what the flows of two places differ",
        long_help: "\
A place is a file of flows or a switch. Exits with 0 if they are the same, with 2 if not.",
        prints_state: true,
        route: Route::OpenFlow(Task::DiffFlows),
        ..FLOWS
    },
    CommandSpec {
        name: "dump-aggregate",
        args: "BR [MATCH]",
        min_args: 1,
        max_args: Some(2),
        help: "Print what flows counted together",
        prints_state: true,
        route: Route::OpenFlow(Task::Dump(Dump::Aggregate)),
        ..FLOWS
    },
    CommandSpec {
        name: "dump-desc",
        args: "BR",
        min_args: 1,
        max_args: Some(1),
        help: "Print what the switch says of itself",
        prints_state: true,
        route: Route::OpenFlow(Task::Dump(Dump::Desc)),
        ..FLOWS
    },
    CommandSpec {
        name: "dump-flows",
        args: "BR [MATCH]",
        min_args: 1,
        max_args: Some(2),
        switches: DUMPING,
        options: SHARED_OPTIONS,
        help: "Print flows: all, or those that match",
        long_help: "\
Besides the match: table=N, out_port=PORT, out_group=N, cookie=VALUE/MASK.
FIELD is priority, or a field of ovs-fields(7); several are sorted by one after the other.
  ofctl dump-flows br0 table=0,tcp
  ofctl dump-flows br0 --no-stats --rsort",
        prints_state: true,
        route: Route::OpenFlow(Task::DumpFlows),
        ..FLOWS
    },
    CommandSpec {
        name: "dump-group-features",
        args: "BR",
        min_args: 1,
        max_args: Some(1),
        help: "Print what groups can do",
        prints_state: true,
        route: Route::OpenFlow(Task::Dump(Dump::GroupFeatures)),
        ..FLOWS
    },
    CommandSpec {
        name: "dump-group-stats",
        args: "BR [GROUP]",
        min_args: 1,
        max_args: Some(2),
        help: "Print what groups and their buckets counted",
        prints_state: true,
        route: Route::OpenFlow(Task::Dump(Dump::GroupStats)),
        ..FLOWS
    },
    CommandSpec {
        name: "dump-groups",
        args: "BR [GROUP]",
        min_args: 1,
        max_args: Some(2),
        switches: SHOWING,
        help: "Print groups and their buckets",
        prints_state: true,
        route: Route::OpenFlow(Task::Dump(Dump::Groups)),
        ..FLOWS
    },
    CommandSpec {
        name: "dump-meter",
        args: "BR METER",
        min_args: 2,
        max_args: Some(2),
        help: "Print a meter (meter=N)",
        prints_state: true,
        route: Route::OpenFlow(Task::Dump(Dump::Meters)),
        ..FLOWS
    },
    CommandSpec {
        name: "dump-meters",
        args: "BR [METER]",
        min_args: 1,
        max_args: Some(2),
        help: "Print meters and their bands",
        prints_state: true,
        route: Route::OpenFlow(Task::Dump(Dump::Meters)),
        ..FLOWS
    },
    CommandSpec {
        name: "dump-ports",
        args: "BR [PORT]",
        min_args: 1,
        max_args: Some(2),
        switches: SHOWING,
        help: "Print what ports counted",
        prints_state: true,
        route: Route::OpenFlow(Task::Dump(Dump::Ports)),
        ..FLOWS
    },
    CommandSpec {
        name: "dump-ports-desc",
        args: "BR [PORT]",
        min_args: 1,
        max_args: Some(2),
        switches: SHOWING,
        help: "Print ports: numbers, addresses, states, speeds",
        prints_state: true,
        route: Route::OpenFlow(Task::Dump(Dump::PortsDesc)),
        ..FLOWS
    },
    CommandSpec {
        name: "dump-table-desc",
        args: "BR",
        min_args: 1,
        max_args: Some(1),
        help: "Print how tables make place when they are full",
        prints_state: true,
        route: Route::OpenFlow(Task::Dump(Dump::TableDesc)),
        ..FLOWS
    },
    CommandSpec {
        name: "dump-table-features",
        args: "BR",
        min_args: 1,
        max_args: Some(1),
        help: "Print what tables can do",
        prints_state: true,
        route: Route::OpenFlow(Task::Dump(Dump::TableFeatures)),
        ..FLOWS
    },
    CommandSpec {
        name: "dump-tables",
        args: "BR",
        min_args: 1,
        max_args: Some(1),
        help: "Print what tables counted",
        prints_state: true,
        route: Route::OpenFlow(Task::Dump(Dump::Tables)),
        ..FLOWS
    },
    CommandSpec {
        name: "dump-tlv-map",
        args: "BR",
        min_args: 1,
        max_args: Some(1),
        help: "Print which options of tunnel headers are fields",
        prints_state: true,
        route: Route::OpenFlow(Task::DumpTlvMap),
        ..FLOWS
    },
    CommandSpec {
        name: "get-frags",
        args: "BR",
        min_args: 1,
        max_args: Some(1),
        help: "Print how IP fragments are handled",
        prints_state: true,
        route: Route::OpenFlow(Task::GetFrags),
        ..FLOWS
    },
    CommandSpec {
        name: "insert-buckets",
        args: "BR GROUP",
        min_args: 2,
        max_args: Some(2),
        switches: SENDING,
        help: "Add buckets to a group",
        long_help: "\
  ofctl insert-buckets br0 group_id=1,command_bucket_id=last,bucket=output:3
command_bucket_id is first, last, or the bucket behind which they come.",
        route: Route::OpenFlow(Task::Group(GroupCommand::InsertBucket)),
        ..FLOWS
    },
    CommandSpec {
        name: "meter-features",
        args: "BR",
        min_args: 1,
        max_args: Some(1),
        help: "Print what meters can do",
        prints_state: true,
        route: Route::OpenFlow(Task::Dump(Dump::MeterFeatures)),
        ..FLOWS
    },
    CommandSpec {
        name: "meter-stats",
        args: "BR [METER]",
        min_args: 1,
        max_args: Some(2),
        help: "Print what meters and their bands counted",
        prints_state: true,
        route: Route::OpenFlow(Task::Dump(Dump::MeterStats)),
        ..FLOWS
    },
    CommandSpec {
        name: "mod-flows",
        args: "BR FLOW",
        min_args: 2,
        max_args: Some(2),
        switches: STRICT_SENDING,
        help: "Change the actions of the flows that match",
        route: Route::OpenFlow(Task::Flow(FlowCommand::Modify)),
        ..FLOWS
    },
    CommandSpec {
        name: "mod-group",
        args: "BR GROUP",
        min_args: 2,
        max_args: Some(2),
        switches: CREATING,
        help: "Change a group",
        route: Route::OpenFlow(Task::Group(GroupCommand::Modify)),
        ..FLOWS
    },
    CommandSpec {
        name: "mod-meter",
        args: "BR METER",
        min_args: 2,
        max_args: Some(2),
        help: "Change a meter",
        route: Route::OpenFlow(Task::Meter(MeterCommand::Modify)),
        ..FLOWS
    },
    CommandSpec {
        name: "mod-port",
        args: "BR PORT CHANGE",
        min_args: 3,
        max_args: Some(3),
        help: "Change how a port behaves",
        long_help: "\
CHANGE is up, down, flood, no-flood, receive, no-receive, forward, no-forward, packet-in,
no-packet-in, stp or no-stp. Flooding and spanning tree need OpenFlow 1.0: -O OpenFlow10.",
        route: Route::OpenFlow(Task::ModPort),
        ..FLOWS
    },
    CommandSpec {
        name: "mod-table",
        args: "BR TABLE CHANGE",
        min_args: 3,
        max_args: Some(3),
        help: "Change what a full table does",
        long_help: "\
CHANGE is evict, noevict, vacancy:LOW,HIGH (percent), novacancy or name:NAME. TABLE may be
all.",
        route: Route::OpenFlow(Task::ModTable),
        ..FLOWS
    },
    CommandSpec {
        name: "monitor",
        args: "BR [MISS-LEN|invalid_ttl|resume|watch:SPEC...]",
        min_args: 1,
        max_args: None,
        switches: WATCHED,
        options: MONITOR_OPTIONS,
        help: "Show packets to the controller, and what happens to flows and ports",
        long_help: "\
MISS-LEN is how much of a packet that no flow matched is sent. watch: tells of flows:
  ofctl monitor br0 65535 watch:
  ofctl monitor br0 watch:!initial,table=0,tcp
resume lets packets go on that controller(pause) has stopped, as soon as they are shown.
-P chooses in which message packets come; without it, that which says most.
Ends with Ctrl-C, or after --timeout.",
        prints_state: true,
        route: Route::OpenFlow(Task::Monitor),
        ..FLOWS
    },
    CommandSpec {
        name: "packet-out",
        args: "BR IN_PORT|TEXT [ACTIONS] [PACKET...]",
        min_args: 2,
        max_args: None,
        switches: SENDING,
        help: "Have the switch handle packets as if they had come by a port",
        long_help: "\
  ofctl packet-out br0 in_port=1,packet=HEX,actions=output:2
  ofctl packet-out br0 1 output:2 HEX HEX",
        route: Route::OpenFlow(Task::PacketOut),
        ..FLOWS
    },
    CommandSpec {
        name: "ping",
        args: "BR [BYTES]",
        min_args: 1,
        max_args: Some(2),
        help: "Measure how long the switch takes to answer",
        route: Route::OpenFlow(Task::Ping),
        ..FLOWS
    },
    CommandSpec {
        name: "probe",
        args: "BR",
        min_args: 1,
        max_args: Some(1),
        help: "Exit with 0 if the switch answers",
        route: Route::OpenFlow(Task::Probe),
        ..FLOWS
    },
    CommandSpec {
        name: "queue-get-config",
        args: "BR [PORT [QUEUE]]",
        min_args: 1,
        max_args: Some(3),
        switches: NAMING,
        help: "Print which queues ports have",
        long_help: "\
PORT may be ANY. Until OpenFlow13 all queues of a port are told, whatever QUEUE says.",
        prints_state: true,
        route: Route::OpenFlow(Task::QueueConfig),
        ..FLOWS
    },
    CommandSpec {
        name: "queue-stats",
        args: "BR [PORT] [QUEUE]",
        min_args: 1,
        max_args: Some(3),
        switches: SHOWING,
        help: "Print what queues counted",
        prints_state: true,
        route: Route::OpenFlow(Task::Dump(Dump::Queues)),
        ..FLOWS
    },
    CommandSpec {
        name: "remove-buckets",
        args: "BR GROUP",
        min_args: 2,
        max_args: Some(2),
        switches: SENDING,
        help: "Remove buckets from a group",
        long_help: "\
command_bucket_id is first, last, all or a bucket: group_id=1,command_bucket_id=last",
        route: Route::OpenFlow(Task::Group(GroupCommand::RemoveBucket)),
        ..FLOWS
    },
    CommandSpec {
        name: "replace-flows",
        args: "BR FILE|-",
        min_args: 2,
        max_args: Some(2),
        switches: REPLACING,
        help: "Make the flows those of a file, changing only what differs",
        route: Route::OpenFlow(Task::ReplaceFlows),
        ..FLOWS
    },
    CommandSpec {
        name: "set-frags",
        args: "BR MODE",
        min_args: 2,
        max_args: Some(2),
        help: "Say how IP fragments are handled: normal, drop, reassemble, nx-match",
        route: Route::OpenFlow(Task::SetFrags),
        ..FLOWS
    },
    CommandSpec {
        name: "snoop",
        args: "BR",
        min_args: 1,
        max_args: Some(1),
        switches: WATCHED,
        help: "Show what the bridge and its controllers say to each other",
        prints_state: true,
        route: Route::OpenFlow(Task::Snoop),
        ..FLOWS
    },
];
