//! Controllers that others wrote: the example applications of os-ken, as they come.

use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use switch_tests::daemon::{DEADLINE, program};
use switch_tests::lab::{Lab, PortKind};
use switch_tests::traffic::{can_ping, ping, wait_reachable};
use switch_tests::{Host, wait_for, wait_until};

const LISTEN: &str = "127.0.0.1";
const PORT: &str = "6653";
const REST: &str = "http://127.0.0.1:8080";

/// A running os-ken with one of its applications, in the switch's namespace.
struct OsKen(Child);

impl OsKen {
    /// Starts it, points the bridge to it, and waits until they have met.
    fn start(lab: &Lab, application: &str) -> OsKen {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("openflow/manager.py");
        let bin = program("vswitchd");
        let target = bin.ancestors().nth(2).expect("programs lie in target/PROFILE");
        let python = target.join("os-ken/bin/python");
        assert!(python.exists(), "{} is missing: run dist/install-deps test", python.display());
        let mut command = lab.ns.command(&python.to_string_lossy());
        command.arg(here).args(["--ofp-listen-host", LISTEN, "--ofp-tcp-listen-port", PORT]);
        command.args(["--wsapi-host", LISTEN, &format!("os_ken.app.{application}")]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let os_ken = OsKen(child.expect("os-ken starts"));
        wait_until("os-ken to listen", DEADLINE, || {
            lab.ns.must(&["ss", "-Htln", &format!("sport = :{PORT}")]).contains(PORT)
        });
        lab.daemon.ofctl(&["set", "bridge", "br0", &format!("controller=tcp:{LISTEN}:{PORT}")]);
        wait_until("the bridge to be connected", DEADLINE, || is_connected(lab) == Some(true));
        os_ken
    }

    /// Ends it, and waits until the switch has seen that.
    fn stop(mut self, lab: &Lab) {
        self.kill();
        wait_until("the loss to be seen", DEADLINE, || is_connected(lab) == Some(false));
    }

    fn kill(&mut self) {
        // One that has ended by itself cannot be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for OsKen {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether the bridge's controller is connected, if it has one.
fn is_connected(lab: &Lab) -> Option<bool> {
    lab.daemon.show()["bridges"][0]["controllers"][0]["is_connected"].as_bool()
}

/// A switch that does nothing by itself, without a controller yet.
fn lab_of_two() -> (Lab, Host, Host) {
    let lab = Lab::new();
    lab.ns.ip(&["link", "set", "lo", "up"]);
    lab.daemon.ofctl(&["set", "bridge", "br0", "fail_mode=secure"]);
    let [a, b] = [PortKind::Packet, PortKind::Packet].map(|kind| lab.host(kind, &[]));
    (lab, a, b)
}

#[test]
fn the_simple_switches_of_os_ken_learn_and_forward() {
    let (lab, a, b) = lab_of_two();
    for (application, version) in [
        ("simple_switch", "OpenFlow10"),
        ("simple_switch_13", "OpenFlow13"),
        ("simple_switch_14", "OpenFlow14"),
        ("simple_switch_15", "OpenFlow15"),
    ] {
        lab.daemon.ofctl(&["set", "bridge", "br0", &format!("protocols={version}")]);
        let os_ken = OsKen::start(&lab, application);
        wait_reachable(&a, &b);
        ping(&a, &b, 20, 56);
        // What it has learned forwards without it.
        let flows = lab.daemon.ofctl(&["-O", version, "dump-flows", "br0"]);
        assert!(flows.contains("dl_dst=") && flows.contains("actions=output:"), "{flows}");
        os_ken.stop(&lab);
        ping(&a, &b, 20, 56);
        lab.daemon.ofctl(&["-O", version, "del-flows", "br0"]);
        assert!(!can_ping(&a, &b), "no flow, no controller, no traffic");
        lab.daemon.ofctl(&["clear", "bridge", "br0", "controller"]);
    }
}

#[test]
fn the_loss_of_os_ken_makes_a_standalone_bridge_learn_by_itself() {
    let (lab, a, b) = lab_of_two();
    lab.daemon.ofctl(&["set", "bridge", "br0", "fail_mode=standalone", "protocols=OpenFlow13"]);
    let os_ken = OsKen::start(&lab, "simple_switch_13");
    wait_reachable(&a, &b);
    lab.daemon.ofctl(&["-O", "OpenFlow13", "del-flows", "br0"]);
    os_ken.stop(&lab);
    wait_until("the bridge to fail open", 3 * DEADLINE, || can_ping(&a, &b));
    ping(&a, &b, 20, 56);
    let flows = lab.daemon.ofctl(&["bridge/dump-flows", "br0"]);
    assert!(flows.contains("NORMAL"), "{flows}");
}

/// A request to the application: its answer, once there is one.
fn rest(lab: &Lab, method: &str, path: &str, body: &Value) -> String {
    let url = format!("{REST}{path}");
    wait_for(&format!("{method} {path}"), DEADLINE, || {
        let asked = lab.ns.run(&["curl", "-sf", "-X", method, "-d", &body.to_string(), &url]);
        (asked.code == 0).then_some(asked.stdout)
    })
}

fn get(lab: &Lab, path: &str) -> Value {
    let said = rest(lab, "GET", path, &json!({}));
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{path}: {error}: {said}"))
}

#[test]
fn the_rest_applications_of_os_ken_read_and_write_the_switch() {
    let (lab, a, b) = lab_of_two();
    lab.daemon.ofctl(&["set", "bridge", "br0", "protocols=OpenFlow13"]);
    let os_ken = OsKen::start(&lab, "ofctl_rest");
    let switches = wait_for("the switch to be known", DEADLINE, || {
        get(&lab, "/stats/switches").as_array().filter(|all| !all.is_empty()).cloned()
    });
    let dpid = switches[0].as_u64().expect("a datapath id");
    let of = |what: &str| get(&lab, &format!("/stats/{what}/{dpid}"))[dpid.to_string()].clone();
    for what in
        ["table", "tablefeatures", "port", "queue", "group", "groupfeatures", "meterfeatures"]
    {
        assert!(of(what).is_array(), "{what}: {}", of(what));
    }
    assert!(of("desc")["mfr_desc"].is_string() && of("portdesc").as_array().is_some());
    let port = |host: &Host| lab.daemon.port(&host.name)["ofport"].clone();
    for (from, to) in [(port(&a), port(&b)), (port(&b), port(&a))] {
        let output = json!([{"type": "OUTPUT", "port": to}]);
        let group = json!({"dpid": dpid, "group_id": to, "type": "ALL",
            "buckets": [{"actions": output}]});
        rest(&lab, "POST", "/stats/groupentry/add", &group);
        let meter = json!({"dpid": dpid, "meter_id": to, "flags": "PKTPS",
            "bands": [{"type": "DROP", "rate": 1_000_000}]});
        rest(&lab, "POST", "/stats/meterentry/add", &meter);
        let actions = json!([{"type": "METER", "meter_id": to}, {"type": "GROUP", "group_id": to}]);
        let flow = json!({"dpid": dpid, "priority": 5, "match": {"in_port": from},
            "actions": actions});
        rest(&lab, "POST", "/stats/flowentry/add", &flow);
    }
    wait_reachable(&a, &b);
    ping(&a, &b, 20, 56);
    let flows = of("flow");
    let counts = flows.as_array().expect("flows").iter().map(|flow| flow["packet_count"].as_u64());
    assert!(counts.clone().count() == 2 && counts.flatten().all(|n| n >= 20), "{flows}");
    assert_eq!(of("groupdesc").as_array().map(Vec::len), Some(2));
    assert_eq!(of("meterconfig").as_array().map(Vec::len), Some(2));
    rest(&lab, "DELETE", &format!("/stats/flowentry/clear/{dpid}"), &json!({}));
    wait_until("the flows to be gone", DEADLINE, || {
        of("flow").as_array().is_some_and(Vec::is_empty)
    });
    os_ken.stop(&lab);
    lab.daemon.ofctl(&["clear", "bridge", "br0", "controller"]);
    let os_ken = OsKen::start(&lab, "simple_switch_rest_13");
    wait_reachable(&a, &b);
    let table = get(&lab, &format!("/simpleswitch/mactable/{dpid:016x}"));
    assert_eq!(table.as_object().map(serde_json::Map::len), Some(2), "{table}");
    os_ken.stop(&lab);
}
