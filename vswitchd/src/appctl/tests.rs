//! Golden texts: what Open vSwitch 3.1 printed for the like, to the byte.

use std::time::Duration;

use datapath::engine::{RxqReport, ThreadReport};
use datapath::l2::fdb::{Fdb, FdbConfig};
use datapath::view::PortStats;
use datapath::{DropReason, PortNo};
use packet::{MacAddr, Vid};

use super::view::{BridgeView, PortView};
use super::*;
use crate::config::OfPort;

/// A switch of one bridge, whose clock the test turns.
struct Fake {
    bridges: Vec<BridgeView>,
    threads: Vec<ThreadReport>,
    now_s: u32,
}

impl SwitchView for Fake {
    fn n_cached_flows(&mut self) -> usize {
        0
    }

    fn inspect(&mut self, what: view::Inspect, params: &[String]) -> Result<String, String> {
        Err(format!("{what:?} {params:?}"))
    }

    fn underlay(
        &mut self,
        what: crate::switch::Underlay,
        params: &[String],
    ) -> Result<(String, serde_json::Value), String> {
        Err(format!("{what:?} {params:?}"))
    }

    fn bridges(&self) -> Vec<BridgeView> {
        self.bridges.clone()
    }

    fn threads(&self) -> Vec<ThreadReport> {
        self.threads.clone()
    }

    fn now_s(&self) -> u32 {
        self.now_s
    }

    fn show(&self, params: &[String]) -> Result<String, String> {
        Ok(format!("show {}\n", params.join(" ")))
    }

    fn capture(&mut self, params: &[String]) -> Result<(String, crate::rpc::Takeover), String> {
        Err(format!("{}: no such port", params.join(" ")))
    }

    fn transact(&mut self, params: &[String]) -> Result<String, String> {
        Err(format!("{}: no such thing", params.join(" ")))
    }
}

fn port(name: &str, ofport: u16, no: Option<u16>, kind: &str) -> PortView {
    PortView {
        name: name.into(),
        ofport: OfPort::new(ofport).unwrap(),
        no: no.map(|no| PortNo::new(no).unwrap()),
        kind: kind.into(),
        options: Vec::new(),
        stats: Arc::new(PortStats::default()),
    }
}

fn thread(id: usize, cpu: Option<usize>) -> ThreadReport {
    ThreadReport {
        id,
        cpu,
        packets: 0,
        tx_packets: 0,
        tx_batches: 0,
        busy_rounds: 0,
        idle_rounds: 0,
        busy_cycles: 0,
        idle_cycles: 0,
        sleeps: 0,
        flow_passes: 0,
        emc_hits: 0,
        megaflow_hits: 0,
        upcalls: 0,
        lost_upcalls: 0,
        recirculations: 0,
        rxqs: Vec::new(),
    }
}

struct Bed {
    switch: Fake,
    appctl: Appctl,
    session: Session,
}

impl Bed {
    fn new() -> Bed {
        let config = FdbConfig { max_entries: 8192, aging: Duration::from_secs(300) };
        let mut pcap = port("p1", 2, Some(3), "pcap");
        pcap.options = vec![("file".into(), "a.pcap".into()), ("loop".into(), "true".into())];
        let ports = vec![
            port("br0", 65534, Some(1), "tap"),
            port("gone", 3, None, "system"),
            pcap,
            port("veth0", 1, Some(2), "system"),
        ];
        let bridge = BridgeView {
            name: "br0".into(),
            fdb: Arc::new(Fdb::new(config)),
            ports,
            remotes: Vec::new(),
        };
        let switch = Fake { bridges: vec![bridge], threads: vec![thread(0, Some(0))], now_s: 1000 };
        let appctl = Appctl::new(Arc::new(Log::default()), Instant::now());
        Bed { switch, appctl, session: Session::default() }
    }

    fn call(&mut self, line: &str) -> Outcome {
        let mut words = line.split_whitespace().map(str::to_owned);
        let method = words.next().unwrap();
        let params = words.map(Value::String).collect();
        let request = Request { id: json!(0), method, params };
        self.appctl.dispatcher(&mut self.switch).dispatch(&request, &mut self.session)
    }

    fn text(&mut self, line: &str) -> String {
        let reply = self.call(line).reply.unwrap_or_else(|error| panic!("{line}: {error}"));
        reply.as_str().unwrap_or_else(|| panic!("{line}: {reply}")).to_owned()
    }

    fn error(&mut self, line: &str) -> String {
        self.call(line).reply.expect_err(line)
    }

    fn learn(&self, mac: &str, vid: u16, no: u16, now_s: u32) {
        let (vid, no) = (Vid::new(vid).unwrap(), PortNo::new(no).unwrap());
        self.switch.bridges[0].fdb.learn(vid, mac.parse::<MacAddr>().unwrap(), no, now_s);
    }
}

#[test]
fn the_table_is_sorted_and_its_counts_make_sense() {
    assert!(COMMANDS.is_sorted_by(|a, b| a.name < b.name));
    assert!(COMMANDS.iter().all(|command| command.min <= command.max));
}

#[test]
fn standard_errors() {
    let mut bed = Bed::new();
    for (line, error) in [
        (
            "foo",
            "\"foo\" is not a valid command (use \"list-commands\" to see a list of valid commands)\n",
        ),
        ("fdb/show", "\"fdb/show\" command requires at least 1 arguments\n"),
        ("fdb/show a b", "\"fdb/show\" command takes at most 1 arguments\n"),
        ("version x", "\"version\" command takes at most 0 arguments\n"),
        ("fdb/show br9", "no such bridge br9\n"),
        ("exit --now", "exit: unknown argument --now (allowed: --cleanup)\n"),
        ("coverage/read-counter x", "No such counter\n"),
        ("vlog/set bridge:filx:dbg", "no destination, level, or module \"filx\"\n"),
        ("dpctl/show foo", "vswitchd: opening datapath foo failed (No such file or directory)\n"),
    ] {
        assert_eq!(bed.error(line), error);
    }
    let request = Request { id: json!(0), method: "fdb/show".into(), params: vec![json!(1)] };
    let outcome = bed.appctl.dispatcher(&mut bed.switch).dispatch(&request, &mut bed.session);
    assert_eq!(outcome.reply, Err("\"fdb/show\" command has non-string argument\n".into()));
}

#[test]
fn list_commands_lists_each_with_its_usage() {
    let text = Bed::new().text("list-commands");
    assert!(text.starts_with("The available commands are:\n  bridge/dump-flows       bridge\n"));
    assert!(text.contains("\n  dpif-netdev/pmd-stats-clear [-pmd core] [dp]\n"), "{text}");
    assert!(text.contains("\n  version                 \n"), "{text}");
    assert_eq!(text.lines().count(), COMMANDS.len() + 1);
}

#[test]
fn fdb_show() {
    let mut bed = Bed::new();
    assert_eq!(bed.text("fdb/show br0"), " port  VLAN  MAC                Age\n");
    bed.learn("aa:55:aa:55:00:00", 0, 1, 700);
    bed.learn("50:54:00:00:00:06", 10, 2, 988);
    bed.learn("50:54:00:00:00:05", 0, 3, 999);
    assert_eq!(bed.text("fdb/add br0 veth0 4095 50:54:00:00:01:01"), "");
    let shown = bed.text("fdb/show br0");
    let mut lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.remove(0), " port  VLAN  MAC                Age");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "    1    10  50:54:00:00:00:06   12",
            "    1  4095  50:54:00:00:01:01  static",
            "    2     0  50:54:00:00:00:05    1",
            "LOCAL     0  aa:55:aa:55:00:00  300",
        ]
    );
}

#[test]
fn fdb_show_in_json() {
    let mut bed = Bed::new();
    bed.learn("50:54:00:00:00:05", 3, 3, 999);
    assert_eq!(bed.text("set-options --format json"), "");
    let reply = bed.call("fdb/show br0").reply.unwrap();
    let row = json!({"port": 2, "vlan": 3, "mac": "50:54:00:00:00:05", "age": 1});
    assert_eq!(reply, json!({ "br0": [row] }));
    // A word that knows no JSON, and the way back.
    let reply = bed.call("version").reply.unwrap();
    assert_eq!(reply["reply-format"], "plain");
    assert!(reply["reply"].as_str().unwrap().starts_with("vswitchd (virtual switch) "));
    bed.text("set-options --format text");
    assert!(bed.text("version").ends_with('\n'));
    assert!(bed.error("set-options --format xml").contains("allowed: --format text"));
}

#[test]
fn fdb_add_del_and_flush() {
    let mut bed = Bed::new();
    for (line, error) in [
        ("fdb/add br9 veth0 0 50:54:00:00:00:05", "no such bridge br9\n"),
        ("fdb/add br0 veth9 0 50:54:00:00:00:05", "no such port veth9 on bridge br0\n"),
        (
            "fdb/add br0 gone 0 50:54:00:00:00:05",
            "port gone has no device now, so nothing can be reached by it\n",
        ),
        ("fdb/add br0 veth0 4096 50:54:00:00:00:05", "bad VLAN 4096 (allowed: 0 to 4095)\n"),
        ("fdb/add br0 veth0 -1 50:54:00:00:00:05", "bad VLAN -1 (allowed: 0 to 4095)\n"),
        ("fdb/add br0 veth0 0 aabb", "bad MAC address aabb\n"),
        (
            "fdb/add br0 veth0 0 01:00:00:00:00:01",
            "bad MAC address 01:00:00:00:00:01: a host's address is not multicast\n",
        ),
        ("fdb/del br0 1 33:33:33:33:33:33", "could not find static mac entry\n"),
        ("fdb/del br0 1 zz", "bad MAC address zz\n"),
    ] {
        assert_eq!(bed.error(line), error);
    }
    bed.learn("50:54:00:00:00:07", 0, 2, 1000);
    assert_eq!(bed.error("fdb/del br0 0 50:54:00:00:00:07"), "could not find static mac entry\n");
    bed.text("fdb/add br0 1 0 50:54:00:00:00:05");
    bed.text("fdb/add br0 LOCAL 0 50:54:00:00:00:06");
    assert_eq!(bed.text("fdb/flush br0"), "table successfully flushed\n");
    assert_eq!(bed.text("fdb/flush"), "table successfully flushed\n");
    let shown = bed.text("fdb/show br0");
    assert!(shown.contains("    1     0  50:54:00:00:00:05  static\n"), "{shown}");
    assert!(shown.contains("LOCAL     0  50:54:00:00:00:06  static\n"), "{shown}");
    assert_eq!(shown.lines().count(), 3, "static entries survive a flush, others do not: {shown}");
    assert_eq!(bed.text("fdb/del br0 0 50:54:00:00:00:05"), "");
    assert_eq!(bed.text("fdb/show br0").lines().count(), 2);
}

#[test]
fn fdb_stats() {
    let mut bed = Bed::new();
    bed.learn("50:54:00:00:00:05", 0, 2, 999);
    bed.learn("50:54:00:00:00:05", 0, 3, 999);
    bed.text("fdb/add br0 veth0 0 50:54:00:00:01:01");
    let expected = |learned, moved| {
        format!(
            "\
Statistics for bridge \"br0\":
  Current/maximum MAC entries in the table: 2/8192
  Current static MAC entries in the table : 1
  Total number of learned MAC entries     : {learned}
  Total number of expired MAC entries     : 0
  Total number of evicted MAC entries     : 0
  Total number of port moved MAC entries  : {moved}
"
        )
    };
    assert_eq!(bed.text("fdb/stats-show br0"), expected(1, 1));
    assert_eq!(bed.text("fdb/stats-clear br0"), "statistics successfully cleared\n");
    assert_eq!(bed.text("fdb/stats-show br0"), expected(0, 0));
    bed.learn("50:54:00:00:00:05", 0, 2, 999);
    assert_eq!(bed.text("fdb/stats-show br0"), expected(0, 1));
    assert_eq!(bed.error("fdb/stats-clear br9"), "no such bridge br9\n");
}

#[test]
fn ports_of_the_datapath() {
    let mut bed = Bed::new();
    bed.switch.bridges[0].ports[0].stats.of(0).rx_packets.add(1234);
    assert_eq!(
        bed.text("dpif/show"),
        "\
netdev@ovs-netdev: hit:1234 missed:0
  br0:
    br0 65534/1: (tap)
    gone 3/none: (system)
    p1 2/3: (pcap: file=a.pcap, loop=true)
    veth0 1/2: (system)
"
    );
    let ports = "\
netdev@ovs-netdev:
  lookups: hit:1234 missed:0 lost:0
  flows: 0
  port 1: br0 (tap)
  port 2: veth0
  port 3: p1 (pcap: file=a.pcap, loop=true)
";
    assert_eq!(bed.text("dpctl/show"), ports);
    assert_eq!(bed.text("dpctl/show netdev@ovs-netdev"), ports);
    let counters = bed.switch.bridges[0].ports[3].stats.clone();
    counters.of(0).rx_packets.add(3);
    counters.of(0).rx_bytes.add(2048);
    counters.of(1).tx_packets.add(2);
    counters.of(0).drop_tx(DropReason::MtuExceeded, 7);
    assert!(bed.text("dpctl/show -s").contains(
        "
  port 2: veth0
    RX packets:3 errors:0 dropped:0 overruns:0 frame:0
    TX packets:2 errors:0 dropped:7 aborted:0 carrier:0
    collisions:0
    RX bytes:2048 (2.0 KiB)  TX bytes:0
"
    ));
}

#[test]
fn poll_threads() {
    let mut bed = Bed::new();
    let rxq = |port, queue, usage| RxqReport {
        port: PortNo::new(port).unwrap(),
        queue,
        packets: 0,
        usage,
    };
    bed.switch.threads[0].rxqs = vec![rxq(2, 1, None), rxq(2, 0, Some(12)), rxq(1, 0, Some(0))];
    assert_eq!(
        bed.text("dpif-netdev/pmd-rxq-show"),
        "\
Displaying last 60 seconds pmd usage %
pmd thread numa_id 0 core_id 0:
  isolated : false
  port: br0               queue-id:  0 (enabled)   pmd usage:  0 %
  port: veth0             queue-id:  0 (enabled)   pmd usage: 12 %
  port: veth0             queue-id:  1 (enabled)   pmd usage: NOT AVAIL
  overhead: NOT AVAIL
"
    );
    assert_eq!(bed.text("dpif-netdev/pmd-rxq-show -pmd 5"), "");
    let none = "\
pmd thread numa_id 0 core_id 0:
  packets received: 0
  packet recirculations: 0
  avg. datapath passes per packet: 0.00
  phwol hits: 0
  mfex opt hits: 0
  simple match hits: 0
  emc hits: 0
  smc hits: 0
  megaflow hits: 0
  avg. subtable lookups per megaflow hit: 0.00
  miss with success upcall: 0
  miss with failed upcall: 0
  avg. packets per output batch: 0.00
";
    assert_eq!(bed.text("dpif-netdev/pmd-stats-show"), none);
    let thread = &mut bed.switch.threads[0];
    (thread.packets, thread.tx_packets, thread.tx_batches) = (20, 30, 10);
    (thread.idle_cycles, thread.busy_cycles) = (900, 100);
    let shown = bed.text("dpif-netdev/pmd-stats-show -pmd 0");
    assert!(
        shown.contains("  packets received: 20\n") && shown.contains("simple match hits: 20\n")
    );
    assert!(shown.ends_with(
        "  avg. packets per output batch: 3.00
  idle cycles: 900 (90.00%)
  processing cycles: 100 (10.00%)
  avg cycles per packet: 50.00 (1000/20)
  avg processing cycles per packet: 5.00 (100/20)
"
    ));
    assert_eq!(bed.text("dpif-netdev/pmd-stats-clear"), "");
    assert_eq!(bed.text("dpif-netdev/pmd-stats-show"), none);
    bed.switch.threads[0].cpu = None;
    assert!(
        bed.text("dpif-netdev/pmd-stats-show").starts_with("pmd thread numa_id 0 core_id any:\n")
    );
}

#[test]
fn poll_threads_in_detail() {
    let mut bed = Bed::new();
    let thread = &mut bed.switch.threads[0];
    (thread.idle_rounds, thread.busy_rounds, thread.sleeps) = (300, 100, 4);
    (thread.idle_cycles, thread.busy_cycles) = (9000, 1000);
    let shown = bed.text("dpif-netdev/pmd-perf-show");
    assert!(shown.starts_with("\nTime: "), "{shown}");
    assert!(shown.contains("\nMeasurement duration: 0.0"), "{shown}");
    assert!(
        shown.contains(
            "\n\npmd thread numa_id 0 core_id 0:\n\n  Iterations:                  400  ("
        )
    );
    assert!(shown.ends_with(
        "
  - Used TSC cycles:         10000  (100.0 % of total cycles)
  - idle iterations:           300  ( 90.0 % of used cycles)
  - busy iterations:           100  ( 10.0 % of used cycles)
  - sleep iterations:            4  (  1.0 % of iterations)
  Rx packets:                    0
  Tx packets:                    0

"
    ));
    (bed.switch.threads[0].packets, bed.switch.threads[0].tx_packets) = (50, 60);
    bed.switch.threads[0].tx_batches = 20;
    let shown = bed.text("dpif-netdev/pmd-perf-show -nh -pmd 0");
    assert!(shown.contains("\n  Rx packets:                   50  ("), "{shown}");
    assert!(
        shown.contains(", 20 cycles/pkt)\n  Datapath passes:              50  (1.00 passes/pkt)\n")
    );
    assert!(shown.contains("\n  - PHWOL hits:                  0  (  0.0 %)\n"), "{shown}");
    assert!(shown.contains("\n  - Simple Match hits:          50  (100.0 %)\n"), "{shown}");
    assert!(
        shown.ends_with("\n  Tx batches:                   20  (3.00 pkts/batch)\n"),
        "{shown}"
    );
}

#[test]
fn drops_by_port_and_reason() {
    let mut bed = Bed::new();
    let titles = "Bridge  Port  Dir  Reason  Packets  Explanation\n";
    assert_eq!(bed.text("drop/show"), titles);
    let ports = &bed.switch.bridges[0].ports;
    ports[3].stats.of(0).drop_rx(DropReason::Runt, 3);
    ports[3].stats.of(5).drop_rx(DropReason::Runt, 4);
    ports[0].stats.of(0).drop_tx(DropReason::MtuExceeded, 12_345_678);
    assert_eq!(
        bed.text("drop/show br0"),
        format!(
            "\
Bridge  Port   Dir  Reason         Packets  Explanation
br0     br0    tx   mtu_exceeded  12345678  {}
br0     veth0  rx   runt                 7  {}
",
            DropReason::MtuExceeded.explain(),
            DropReason::Runt.explain()
        )
    );
    let as_text: Value = serde_json::from_str(&bed.text("drop/show --json")).unwrap();
    bed.text("set-options --format json");
    let as_json = bed.call("drop/show").reply.unwrap();
    assert_eq!(as_text, as_json);
    assert_eq!(
        as_json["drops"][1],
        json!({
            "bridge": "br0", "port": "veth0", "direction": "rx", "reason": "runt",
            "packets": 7, "explanation": DropReason::Runt.explain()
        })
    );
    assert_eq!(bed.error("drop/show br9"), "no such bridge br9\n");
    assert!(bed.error("drop/show --xml").contains("allowed: --json"));
}

#[test]
fn coverage_counts_and_rates() {
    let mut bed = Bed::new();
    let start = Instant::now();
    let stats = bed.switch.bridges[0].ports[0].stats.clone();
    stats.of(0).rx_packets.add(100);
    // An hour in steps of five seconds, ten frames each.
    for i in 1..=720 {
        stats.of(0).rx_packets.add(10);
        bed.appctl.tick(&bed.switch, 0, start + Duration::from_secs(5 * i));
    }
    let shown = bed.text("coverage/show");
    let mut lines = shown.lines();
    let title = lines.next().unwrap();
    assert!(title.starts_with(
        "Event coverage, avg rate over last: 5 seconds, last minute, last hour,  hash="
    ));
    assert_eq!(title.len(), title.find("hash=").unwrap() + 5 + 8 + 1, "{title}");
    assert!(
        shown.contains(
            "\nnetdev_received            2.0/sec     2.000/sec        2.0278/sec   total: 7300\n"
        ),
        "{shown}"
    );
    assert!(shown.lines().last().unwrap().ends_with(" events never hit"));
    assert_eq!(bed.text("coverage/read-counter netdev_received"), "7300\n");
    assert_eq!(bed.text("coverage/read-counter drop_runt"), "0\n");
}

#[test]
fn memory_is_a_line_of_pairs() {
    let mut bed = Bed::new();
    bed.learn("50:54:00:00:00:05", 0, 2, 999);
    let shown = bed.text("memory/show");
    let start = "bridges:1 fdb entries:1 poll threads:1 ports:4 resident KiB:";
    assert!(shown.starts_with(start) && shown.ends_with("unixctl clients:0\n"), "{shown}");
}

#[test]
fn the_log_is_set_and_listed() {
    let mut bed = Bed::new();
    assert_eq!(bed.text("vlog/set netlink:console:dbg bridge:off"), "");
    let shown = bed.text("vlog/list");
    assert!(shown.contains("\nnetlink            DBG        OFF       INFO\n"), "{shown}");
    assert!(shown.contains("\nbridge             OFF        OFF        OFF\n"), "{shown}");
    for line in ["vlog/set", "vlog/reopen", "vlog/close"] {
        assert_eq!(bed.text(line), "");
    }
}

#[test]
fn ofctl_s_own_methods_pass_through() {
    let mut bed = Bed::new();
    assert_eq!(bed.text("vswitch/show --format=text br0"), "show --format=text br0\n");
    assert_eq!(bed.error("vswitch/transact --format=text x"), "--format=text x: no such thing");
    assert_eq!(bed.call("version").then, Then::Continue);
    assert_eq!(bed.call("exit").then, Then::Exit);
    assert_eq!(bed.call("exit --cleanup").then, Then::Exit);
}
