//! Commands against configurations: what they change, print and refuse.

use super::*;
use crate::config::command;
use crate::config::model::OfPort;
use crate::config::output::Format;

/// Runs commands, each a line; what they print.
fn run(config: &mut Config, line: &str) -> Result<String, String> {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let commands = command::parse(&words).map_err(|e| e.to_string())?;
    let outcome = transact(config, &commands).map_err(|e| e.to_string())?;
    *config = outcome.config;
    Ok(outcome.outputs.iter().map(|output| output.print(Format::Text)).collect())
}

fn with(lines: &[&str]) -> Config {
    let mut config = Config::default();
    for line in lines {
        run(&mut config, line).unwrap();
    }
    config
}

fn refused(config: &Config, line: &str) -> String {
    let mut copy = config.clone();
    let error = run(&mut copy, line).unwrap_err();
    assert_eq!(copy, *config, "a refused transaction changed something: {line}");
    error
}

#[test]
fn bridges_and_ports_come_and_go() {
    let mut config =
        with(&["add-br br1", "add-br br0", "add-port br0 p2", "add-port br0 p1 tag=7"]);
    assert_eq!(run(&mut config, "list-br").unwrap(), "br0\nbr1\n");
    assert_eq!(run(&mut config, "list-ports br0").unwrap(), "p1\np2\n");
    assert_eq!(run(&mut config, "list-ports br1").unwrap(), "");
    assert_eq!(run(&mut config, "port-to-br p1 -- br-exists br0").unwrap(), "br0\n");
    assert_eq!(run(&mut config, "del-port p1 -- del-port br0 p2 -- list-ports br0").unwrap(), "");
    assert_eq!(run(&mut config, "del-br br0 -- list-br").unwrap(), "br1\n");
    assert_eq!(refused(&config, "br-exists br9"), "bridge br9: no such bridge (did you mean br1?)");
}

#[test]
fn what_exists_already_is_refused_unless_it_may() {
    let mut config = with(&["add-br br0", "add-br br1", "add-port br0 p1"]);
    for (line, error) in [
        ("add-br br0", "bridge br0: already exists"),
        ("add-br p1", "bridge p1: already exists as a port of bridge br0"),
        ("--may-exist add-br p1", "bridge p1: already exists as a port of bridge br0"),
        ("add-port br0 p1", "port p1: already exists on bridge br0"),
        ("add-port br1 p1", "port p1: already exists on bridge br0"),
        ("--may-exist add-port br1 p1", "port p1: already exists on bridge br0"),
        ("add-port br0 br0", "port br0: already exists as a bridge"),
        ("--may-exist add-port br0 br1", "port br1: already exists as a bridge"),
        ("del-port p9", "port p9: no such port (did you mean p1?)"),
        ("del-port br1 p1", "port p1: belongs to bridge br0"),
        ("--if-exists del-port br1 p1", "port p1: belongs to bridge br0"),
        ("del-port br0", "port br0: is the own port of bridge br0 (del-br br0 removes both)"),
        ("del-br nothing", "bridge nothing: no such bridge"),
        ("list-ports br7", "bridge br7: no such bridge (did you mean br0?)"),
        ("port-to-br zzzz", "port zzzz: no such port"),
    ] {
        assert_eq!(refused(&config, line), error, "{line}");
    }
    let line = "--may-exist add-br br0 mac-aging-time=20 -- --may-exist add-port br0 p1 tag=5 \
                -- --if-exists del-br br9 -- --if-exists del-port p9 -- --if-exists del-port br0 p9 \
                -- --if-exists set port p9 tag=1 -- --if-exists get port p9 tag \
                -- get port p1 tag -- get bridge br0 mac-aging-time";
    assert_eq!(run(&mut config, line).unwrap(), "5\n20\n");
}

#[test]
fn a_transaction_is_all_or_nothing_and_names_the_command() {
    let config = with(&["add-br br0"]);
    assert_eq!(
        refused(&config, "add-port br0 p1 -- add-port br0 p2 tag=5000 -- list-br"),
        "command 2 (add-port): port p2: tag=5000: not a VLAN (allowed: 0-4095)"
    );
    assert_eq!(
        refused(&config, "add-port br0 p1 tag=5 -- set port p1 trunks=1 -- add-br br1"),
        "command 2 (set): port p1: trunks does not fit vlan_mode=access, which is the mode of a port \
         with a tag (allowed with trunk, native-tagged, native-untagged)"
    );
}

#[test]
fn a_transaction_may_pass_through_states_that_break_rules() {
    let mut config = with(&["add-br br0", "add-port br0 p1 tag=5"]);
    run(&mut config, "set port p1 trunks=1-3 -- clear port p1 tag").unwrap();
    assert_eq!(run(&mut config, "get port p1 trunks").unwrap(), "1-3\n");
    run(&mut config, "del-br br0 -- add-br p1 -- add-port p1 br0").unwrap();
    assert_eq!(run(&mut config, "port-to-br br0").unwrap(), "p1\n");
}

#[test]
fn get_prints_what_holds_and_set_and_clear_change_it() {
    let mut config = with(&["add-br br0 fail_mode=secure", "add-port br0 p1 type=tap tag=10"]);
    assert_eq!(run(&mut config, "get port p1").unwrap(), "name=p1\nbridge=br0\ntype=tap\ntag=10\n");
    assert_eq!(run(&mut config, "get bridge br0").unwrap(), "name=br0\nfail_mode=secure\n");
    assert_eq!(run(&mut config, "get port br0 ofport").unwrap(), "65534\n");
    for (line, printed) in [
        ("get bridge br0 mac-table-size", "8192\n"),
        ("get port p1 trunks", "[]\n"),
        ("get port p1 ofport", "[]\n"),
        ("get switch", ""),
        ("get switch poll-cpus", "[]\n"),
        ("set switch poll-cpus=1,0 -- get switch -- get switch poll-cpus", "poll-cpus=1,0\n1,0\n"),
        ("clear switch poll-cpus -- get switch", ""),
        ("set port p1 tag=11 n_rxq=2 -- get port p1 tag -- get port p1 n_rxq", "11\n2\n"),
        ("clear bridge br0 fail_mode -- get bridge br0 fail_mode", "standalone\n"),
    ] {
        assert_eq!(run(&mut config, line).unwrap(), printed, "{line}");
    }
    for (line, error) in [
        ("set port p1 ofport=3", "port p1: ofport cannot be changed"),
        ("set bridge br0 name=br1", "bridge br0: name cannot be changed"),
        ("clear port p1 tags", "port p1: unknown key tags (did you mean tag?)"),
        ("get port p1 tags", "port p1: unknown key tags (did you mean tag?)"),
        ("set switch name=x", "switch: unknown key name (allowed: poll-cpus, vlan-limit)"),
        (
            "set port p1 ttl=3",
            "port p1: ttl=3: does not fit type=tap (allowed: only with type=vxlan or gre or geneve)",
        ),
        (
            "set bridge br0 stp_enable=true",
            "bridge br0: stp_enable is not supported by this version",
        ),
    ] {
        assert_eq!(refused(&config, line), error, "{line}");
    }
}

#[test]
fn json_is_one_document_per_command_that_prints() {
    let config = with(&["add-br br0", "add-port br0 p1 trunks=1-3 rxq-affinity=0:1"]);
    let line = "add-br br1 -- list-br -- get port p1 trunks -- get port p1 tag -- get port p1 \
                -- get bridge br0 mac-aging-time -- list-ports br1";
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let outcome = transact(&config, &command::parse(&words).unwrap()).unwrap();
    let printed: String = outcome.outputs.iter().map(|o| o.print(Format::Json)).collect();
    assert_eq!(
        printed,
        "[\"br0\",\"br1\"]\n[1,2,3]\nnull\n\
         {\"name\":\"p1\",\"bridge\":\"br0\",\"trunks\":[1,2,3],\"rxq-affinity\":\"0:1\"}\n300\n[]\n"
    );
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let mut config = with(&["add-br br0", "add-port br0 p1 ofport_request=7"]);
    config.port_mut("p1").unwrap().ofport = OfPort::new(7);
    for (pairs, why) in [
        ("vlan_mode=access", "port p: vlan_mode=access needs tag=VID"),
        ("vlan_mode=native-tagged", "port p: vlan_mode=native-tagged needs tag=VID"),
        ("vlan_mode=trunk tag=3", "port p: tag does not fit vlan_mode=trunk"),
        ("tag=3 trunks=4", "port p: trunks does not fit vlan_mode=access"),
        (
            "vlan_mode=dot1q-tunnel tag=3 trunks=4",
            "port p: trunks does not fit vlan_mode=dot1q-tunnel (allowed with trunk, native-tagged",
        ),
        ("vlan_mode=dot1q-tunnel", "port p: vlan_mode=dot1q-tunnel needs tag=VID"),
        ("vlan_mode=dot1q-tunnel tag=0", "port p: tag=0 is no service VLAN (allowed with"),
        (
            "tag=3 cvlans=4",
            "port p: cvlans does not fit vlan_mode=access (allowed with dot1q-tunnel",
        ),
        ("vlan_mode=dot1q-tunnel tag=3 cvlans=4096", "port p: cvlans=4096: \"4096\" is not a VLAN"),
        ("qinq-ethtype=802.1q", "port p: qinq-ethtype does not fit vlan_mode=trunk"),
        ("qinq-ethtype=0x88a8", "port p: qinq-ethtype=0x88a8: no such EtherType (allowed: 802.1ad"),
        (
            "priority-tags=true",
            "port p: priority-tags=true: no such choice (allowed: never, if-non",
        ),
        (
            "vlan_mode=dot1q-tunnel tag=3 priority-tags=always",
            "port p: priority-tags does not fit vlan_mode=dot1q-tunnel (allowed with access, trunk",
        ),
        (
            "ofport_request=7",
            "port p: ofport_request=7: port p1 has this number (allowed: 1-65279, free on bridge br0)",
        ),
        ("ofport_request=65280", "port p: ofport_request=65280: out of range (allowed: 1-65279)"),
        ("type=pcap", "port p: type=pcap needs file=PATH"),
        ("type=pcap file=x", "port p: file=x: not an absolute path (allowed: an absolute path)"),
        ("file=/x", "port p: file=/x: does not fit type=system (allowed: only with type=pcap)"),
        ("type=null mtu_request=900", "port p: mtu_request=900: does not fit type=null"),
        (
            "mac=02:00:00:00:00:01",
            "port p: mac=02:00:00:00:00:01: does not fit type=system (allowed: only with type=tap or internal)",
        ),
        (
            "type=tap mac=ff:ff:ff:ff:ff:ff",
            "port p: mac=ff:ff:ff:ff:ff:ff: not an address of a device",
        ),
        ("rxq-affinity=0:1,1:1", "port p: rxq-affinity names queue 1, but n_rxq=1 (allowed: 0-0)"),
        ("type=geneve", "port p: type=geneve needs remote_ip=ADDRESS or remote_ip=flow"),
        (
            "type=tap xdp-mode=native",
            "port p: xdp-mode=native: does not fit type=tap (allowed: only with type=system or afxdp)",
        ),
        ("ttl=64", "port p: ttl=64: does not fit type=system"),
        ("tag=", "port p: tag=\"\": not a VLAN (allowed: 0-4095)"),
    ] {
        let error = refused(&config, &format!("add-port br0 p {pairs}"));
        assert!(error.starts_with(why), "{pairs}: {error}");
    }
    let error = refused(&config, "set port br0 ofport_request=5");
    assert!(error.starts_with("port br0: ofport_request=5: the bridge's own port is always LOCAL"));
    let error = refused(&config, "set port br0 type=system");
    assert_eq!(error, "port br0: the bridge's own port must have type=internal");
}

#[test]
fn names_are_those_of_interfaces_where_a_device_bears_them() {
    let config = with(&["add-br br0"]);
    for name in ["a-name-of-16-byt", "a/b", "a:b", ".", "..", "tap%d", "a\tb", "ünïcödé-is-long"]
    {
        let add = |verb: Verb| Command { word: "x", verb, tolerance: Tolerance::Strict };
        let commands = [add(Verb::AddPort("br0".into(), name.into(), Vec::new()))];
        let error = transact(&config, &commands).unwrap_err();
        assert!(matches!(error, ConfigError::Name { .. }), "{name}: {error}");
        let error = transact(&config, &[add(Verb::AddBr(name.into(), Vec::new()))]).unwrap_err();
        assert!(matches!(error, ConfigError::Name { .. }), "{name}: {error}");
    }
    let mut config = config;
    run(&mut config, "add-port br0 exactly-15bytes").unwrap();
    run(&mut config, "add-port br0 no-device-bears-this-name type=null").unwrap();
    assert!(
        refused(&config, "set port no-device-bears-this-name type=tap").contains("25 bytes long")
    );
    assert!(refused(&config, "add-port br0 a/b type=null").contains("bad name"));
}

#[test]
fn pairs_of_patch_ports_are_made_at_once_or_end_by_end() {
    let mut config = with(&["add-br br0", "add-br br1"]);
    let name = "a-name-that-no-kernel-device-could-bear";
    run(&mut config, &format!("add-port br0 {name} type=patch peer=q")).unwrap();
    run(&mut config, &format!("add-port br1 q type=patch peer={name}")).unwrap();
    assert_eq!(run(&mut config, "get port q peer -- del-port q").unwrap(), format!("{name}\n"));
    run(&mut config, "add-port br0 r type=patch peer=s -- add-port br1 s type=patch peer=r")
        .unwrap();
    run(&mut config, "set port r peer=t -- set port s peer=u").unwrap();
    for (line, error) in [
        ("add-port br0 x type=patch", "port x: type=patch needs peer=PORT"),
        (
            "add-port br0 x peer=y",
            "port x: peer=y: does not fit type=system (allowed: only with type=patch)",
        ),
        (
            "set port s peer=r",
            "port s: peer=r: port r has peer=t (allowed: a port whose peer is this one)",
        ),
        (
            "add-port br0 x type=patch peer=y mtu_request=100",
            "port x: mtu_request=100: does not fit type=patch \
             (allowed: only with type=system or afxdp or tap or internal or vhost-user)",
        ),
    ] {
        assert_eq!(refused(&config, line), error, "{line}");
    }
}
