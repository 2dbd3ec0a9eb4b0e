//! The file of the configuration: what it holds, and what is refused.

use super::*;
use crate::config::command;
use crate::config::transact::transact;

pub(crate) fn configured(lines: &[&str]) -> Config {
    let words: Vec<String> = lines.join(" -- ").split_whitespace().map(str::to_owned).collect();
    transact(&Config::default(), &command::parse(&words).unwrap()).unwrap().config
}

#[test]
fn a_configuration_round_trips() {
    let mut config = configured(&[
        "set switch poll-cpus=1,0",
        "add-br br0 fail_mode=secure datapath_id=0x1f mac-aging-time=60 flood_vlans=7,9-12 \
         controller=tcp:1.2.3.4:6653,ptcp: protocols=OpenFlow13 forward-bpdu=true",
        "add-port br0 p1 type=tap vlan_mode=native-tagged tag=0 trunks=10,20-29 n_rxq=2 \
         rxq-affinity=0:1,1:0 persist=true user=root group=100 mac=02:00:00:00:00:07",
        "add-port br0 p2 type=pcap file=/tmp/x,y.pcap loop=false rate=1000 ofport_request=9",
        "add-br br1",
    ]);
    config.port_mut("p2").unwrap().ofport = OfPort::new(9);
    config.bridges.get_mut("br1").unwrap().random_mac = Some(MacAddr([2, 0, 0, 0, 0, 9]));
    let text = to_text(&config);
    assert_eq!(from_text(&text).unwrap(), config, "{text}");
    assert!(text.contains("\"trunks\": \"10,20-29\""), "{text}");
    assert_eq!(from_text(&to_text(&Config::default())).unwrap(), Config::default());
}

#[test]
fn a_file_written_by_hand_need_not_name_the_local_port() {
    let config = from_text(r#"{"version":1,"bridges":{"br0":{"ports":{"p1":{}}}}}"#).unwrap();
    let bridge = &config.bridges["br0"];
    assert_eq!(bridge.ports["br0"], Port::local());
    assert_eq!(bridge.ports["p1"], Port::default());
}

fn refused(text: &str) -> String {
    from_text(text).unwrap_err().to_string()
}

#[test]
fn errors_carry_the_line_and_column() {
    let text = "{\n \"version\": 1,\n \"bridges\": { \"br0\": { \"ports\": {\n  \"p1\": { \"tag\": 5000 }}}}}";
    assert_eq!(
        refused(text),
        "port p1: tag=5000: not a VLAN (allowed: 0-4095) at line 4 column 23"
    );
    let text = "{\n \"version\": 1,\n \"bridges\": { \"br0\": {\n  \"fail-mode\": \"secure\" }}}";
    assert_eq!(
        refused(text),
        "bridge br0: unknown key fail-mode (did you mean fail_mode?) at line 4 column 13"
    );
    let text = "{\"version\": 1, \"bridges\": {\"br0\": {\"ports\": {\n\"p1\": {\"tag\": 1,\n\"trunks\": \"2\"}\n}}}}";
    assert!(refused(text).contains("trunks does not fit"), "{}", refused(text));
    assert!(refused(text).ends_with("at line 3 column 14"), "{}", refused(text));
}

#[test]
fn what_is_not_a_configuration_is_refused() {
    for (text, reason) in [
        ("", "EOF while parsing"),
        ("[]", "expected the configuration"),
        ("{}", "version is missing"),
        (r#"{"version":2}"#, "version 2 (this switch reads 1)"),
        (r#"{"version":"1"}"#, "version \"1\" (this switch reads 1)"),
        (r#"{"version":1,"version":1}"#, "\"version\" stands twice"),
        (r#"{"version":1} x"#, "trailing characters"),
        (r#"{"version":1,"colour":1}"#, "unknown member \"colour\""),
        (r#"{"version":1,"switch":{"poll-cpus":"x"}}"#, "switch: poll-cpus=x: \"x\" is not a CPU"),
        (r#"{"version":1,"bridges":{"a/b":{}}}"#, "bridge a/b: bad name"),
        (r#"{"version":1,"bridges":{"b":{},"b":{}}}"#, "\"b\" stands twice"),
        (r#"{"version":1,"bridges":{"b":{"ports":{"b":{"type":"tap"}}}}}"#, "type=internal"),
        (
            r#"{"version":1,"bridges":{"b":{"ports":{"p":{"ofport":65534}}}}}"#,
            "port p: ofport=65534",
        ),
        (r#"{"version":1,"bridges":{"b":{"ports":{"p":{"ofport":0}}}}}"#, "port p: ofport=0"),
        (
            r#"{"version":1,"bridges":{"b":{"ports":{"p":{"ofport":1},"q":{"ofport":1}}}}}"#,
            "port q: ofport_request=1: port p has this number",
        ),
        (
            r#"{"version":1,"bridges":{"b":{"ports":{"p":{}}},"c":{"ports":{"p":{}}}}}"#,
            "port p: already exists on two bridges",
        ),
        (
            r#"{"version":1,"bridges":{"b":{"ports":{"c":{}}},"c":{}}}"#,
            "port c: already exists as a bridge",
        ),
        (r#"{"version":1,"bridges":{"b":{"random_mac":"01:00:00:00:00:00"}}}"#, "random_mac"),
    ] {
        assert!(refused(text).contains(reason), "{text}: {}", refused(text));
    }
}

#[test]
fn every_truncation_is_refused() {
    let text = to_text(&configured(&["add-br br0", "add-port br0 p1 tag=3"]));
    let whole = text.trim_end().len();
    for end in 0..whole {
        assert!(from_text(&text[..end]).is_err(), "{end}");
    }
    assert!(from_text(&text[..whole]).is_ok());
}
