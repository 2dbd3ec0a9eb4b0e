//! Values: round trips and refusals.

use super::*;
use proptest::prelude::*;

fn round_trips<V: Value + PartialEq + std::fmt::Debug>(text: &str, canonical: &str) {
    let value = V::parse(text).unwrap();
    assert_eq!(value.text(), canonical);
    assert_eq!(V::parse(canonical).as_ref(), Ok(&value));
    assert_eq!(V::from_json(&value.stored()).as_ref(), Ok(&value));
    assert_eq!(V::from_json(&value.json()).as_ref(), Ok(&value));
}

#[test]
fn values_round_trip_through_text_and_json() {
    round_trips::<Int<15, 3600>>("300", "300");
    round_trips::<bool>("true", "true");
    round_trips::<Vid>("4095", "4095");
    round_trips::<VidList>("30-40,10,20,21,39", "10,20,21,30-40");
    round_trips::<VidList>("0-4095", "0-4095");
    round_trips::<DeviceMac>("02:0A:0:0:0:1", "02:0a:00:00:00:01");
    round_trips::<DatapathId>("0xfe", "00000000000000fe");
    round_trips::<CpuList>("3,1-2", "3,1,2");
    round_trips::<RxqAffinity>("1:2,0:1", "0:1,1:2");
    round_trips::<FilePath>("/tmp/a,b.pcap", "/tmp/a,b.pcap");
    let longest = format!("/{}", "x".repeat(106));
    round_trips::<SocketPath>(&longest, &longest);
    round_trips::<Several<Protocol>>("OpenFlow13,OpenFlow10", "OpenFlow13,OpenFlow10");
    round_trips::<Several<Target>>("tcp:10.0.0.1:6653,ptcp:", "tcp:10.0.0.1:6653,ptcp:");
}

fn refused<V: Value + std::fmt::Debug>(text: &str) -> String {
    let refused = V::parse(text).unwrap_err();
    format!("{} (allowed: {})", refused.why, refused.allowed)
}

#[test]
fn a_refusal_says_what_is_wrong_and_what_is_allowed() {
    assert_eq!(refused::<Vid>("5000"), "not a VLAN (allowed: 0-4095)");
    assert_eq!(refused::<Int<15, 3600>>("14"), "out of range (allowed: 15-3600)");
    assert_eq!(refused::<Int<15, 3600>>("+20"), "not a whole number (allowed: 15-3600)");
    assert_eq!(refused::<Int<1, 9>>("99999999999999999999"), "out of range (allowed: 1-9)");
    assert_eq!(
        refused::<VidList>("10,40-30"),
        "the range 40-30 ends before it starts (allowed: VLANs 0-4095, as in 10,20,30-40)"
    );
    assert!(refused::<CpuList>("1,1").starts_with("CPU 1 stands twice"));
    assert!(refused::<RxqAffinity>("0:1,0:2").starts_with("queue 0 stands twice"));
    assert!(refused::<DeviceMac>("01:00:00:00:00:01").starts_with("not an address of a device"));
    assert!(refused::<FilePath>("a.pcap").starts_with("not an absolute path"));
    assert!(refused::<SocketPath>("vm.sock").starts_with("not an absolute path"));
    assert!(refused::<SocketPath>(&format!("/{}", "x".repeat(107))).starts_with("108 bytes long"));
    assert!(refused::<Several<Protocol>>("OpenFlow13,").starts_with("\"\": no such protocol"));
}

#[test]
fn bad_text_is_refused() {
    for text in ["", ",", "1,", "-", "1-", "-1", "1--2", "x", "4096", "1 ,2", "1-4096"] {
        assert!(VidList::parse(text).is_err(), "{text}");
    }
    for text in
        ["", "0x", "0x0", "0000000000000000", "fe", "0x1ffffffffffffffff", "+00000000000000f"]
    {
        assert!(DatapathId::parse(text).is_err(), "{text}");
    }
    for text in ["", "0", "0:", ":1", "0:1:2", "16:1", "0:1024"] {
        assert!(RxqAffinity::parse(text).is_err(), "{text}");
    }
    for text in ["", "tcp", "tcp:", "ssl:1.2.3.4", "tcp:a b"] {
        assert!(Target::parse(text).is_err(), "{text}");
    }
    assert!(Vid::from_json(&serde_json::json!({"vid": 1})).is_err());
    assert!(Vid::from_json(&serde_json::json!(1.5)).is_err());
    assert!(Vid::from_json(&serde_json::json!([1, 2])).is_err());
}

proptest! {
    #[test]
    fn any_text_is_a_value_that_round_trips_or_is_refused(text in "[-,:0-9a-fx]{0,12}") {
        if let Ok(vids) = VidList::parse(&text) { round_trips::<VidList>(&text, &vids.text()); }
        if let Ok(cpus) = CpuList::parse(&text) { round_trips::<CpuList>(&text, &cpus.text()); }
        if let Ok(pairs) = RxqAffinity::parse(&text) { round_trips::<RxqAffinity>(&text, &pairs.text()); }
        if let Ok(id) = DatapathId::parse(&text) { round_trips::<DatapathId>(&text, &id.text()); }
    }
}
