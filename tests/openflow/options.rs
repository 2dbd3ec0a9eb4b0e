//! TLV tables, and flows with options of tunnels: `ovs-ofctl` beside a real Open vSwitch.

use crate::script::compare;

const SCRIPT: &str = "\
dump-tlv-map BR
add-tlv-map BR {class=0x102,type=0x80,len=4}->tun_metadata0
dump-tlv-map BR
add-tlv-map BR {class=0x102,type=0x80,len=4}->tun_metadata1
add-tlv-map BR {class=0x103,type=0x80,len=4}->tun_metadata0
add-tlv-map BR {class=1,type=1,len=124}->tun_metadata1,{class=1,type=2,len=124}->tun_metadata2
add-tlv-map BR {class=1,type=3,len=8}->tun_metadata3
add-tlv-map BR {class=1,type=3,len=4}->tun_metadata3
add-tlv-map BR {class=1,type=4,len=5}->tun_metadata4
add-tlv-map BR {class=1,type=4,len=128}->tun_metadata4
add-tlv-map BR {class=1,type=4,len=4}->tun_metadata64
add-tlv-map BR {class=1,type=4,len=4}->tun_metadata4,{class=1,type=4,len=4}->tun_metadata5
add-tlv-map BR {class=1,type=4}->tun_metadata4
add-tlv-map BR bogus
dump-tlv-map BR
del-tlv-map BR {class=1,type=2,len=124}->tun_metadata2
del-tlv-map BR {class=1,type=2,len=124}->tun_metadata2
del-tlv-map BR {class=1,type=2,len=124}->tun_metadata64
del-tlv-map BR {class=1,type=3,len=4}->tun_metadata3
add-tlv-map BR {class=1,type=5,len=128}->tun_metadata9
add-tlv-map BR {class=1,type=5,len=120}->tun_metadata9
add-tlv-map BR {class=1,type=6,len=8}->tun_metadata63
dump-tlv-map BR
-O OpenFlow13 dump-tlv-map BR
-O OpenFlow15 dump-tlv-map BR
add-flow BR tun_metadata0=0x1234,actions=drop
add-flow BR priority=1,tun_metadata0=0x1200/0xff00,actions=output:1
add-flow BR priority=2,tun_metadata0,actions=output:1
add-flow BR priority=3,tun_metadata1=0x123456789abcdef0123456789abcdef0123456,tun_metadata9=5,actions=drop
add-flow BR priority=4,tun_metadata5=1,actions=drop
add-flow BR priority=5,actions=set_field:0x1234->tun_metadata0,output:2
add-flow BR priority=6,actions=set_field:0x12/0xff->tun_metadata0,output:2
add-flow BR priority=7,actions=move:NXM_NX_TUN_METADATA0[0..31]->NXM_NX_REG0[]
add-flow BR priority=8,actions=move:NXM_NX_TUN_METADATA0[16..47]->NXM_NX_REG0[]
add-flow BR priority=9,actions=load:0x5->NXM_NX_TUN_METADATA0[0..7]
add-flow BR priority=10,actions=set_field:1->tun_metadata20
add-flow BR priority=11,actions=move:NXM_NX_REG14[0..14]->NXM_NX_TUN_METADATA0[16..30]
add-flow BR priority=12,actions=push:NXM_NX_TUN_METADATA0[0..31],pop:NXM_NX_REG0[]
add-flow BR priority=13,tun_metadata0=0x1/0xffffffff,actions=drop
add-flow BR priority=14,tun_metadata9=0x1234567890abcdef1234567890abcdef1234567890abcdef,actions=drop
dump-flows BR
dump-flows BR tun_metadata0=0x1234
dump-flows BR tun_metadata0
dump-flows BR tun_metadata5=1
dump-aggregate BR tun_metadata1=0x123456789abcdef0123456789abcdef0123456
-O OpenFlow13 dump-flows BR
-O OpenFlow15 dump-flows BR
del-tlv-map BR {class=0x102,type=0x80,len=4}->tun_metadata0
del-tlv-map BR {class=1,type=6,len=8}->tun_metadata63
del-tlv-map BR
--strict del-flows BR priority=14,tun_metadata9=0x1234567890abcdef1234567890abcdef1234567890abcdef
--strict mod-flows BR priority=13,tun_metadata0=0x1/0xffffffff,actions=output:3
del-flows BR tun_metadata1=0x123456789abcdef0123456789abcdef0123456
dump-flows BR
-O OpenFlow13 add-flow BR priority=20,tun_metadata0=7,actions=set_field:9->tun_metadata1
-O OpenFlow15 add-flow BR priority=21,tun_metadata0=7/7,actions=set_field:9/9->tun_metadata1
-O OpenFlow14 --bundle add-flow BR priority=22,tun_metadata0=8,actions=drop
-O OpenFlow14 --bundle add-flow BR priority=22,tun_metadata33=8,actions=drop
-O OpenFlow15 dump-flows BR
packet-out BR in_port=1,packet=0102030405060708090a0b0c0d0e,actions=set_field:1->tun_metadata0,output:2
packet-out BR in_port=1,packet=0102030405060708090a0b0c0d0e,actions=set_field:1->tun_metadata40,output:2
del-flows BR
del-tlv-map BR {class=1,type=1,len=124}->tun_metadata1
dump-tlv-map BR
del-tlv-map BR
dump-tlv-map BR
";

/// Lines whose answers differ, and why.
const DIFFERENT: &[(&str, &str)] = &[(
    "packet-out BR in_port=1,packet=0102030405060708090a0b0c0d0e,actions=set_field:1->tun_metadata40,output:2",
    "a field that no option has is refused here as it is in a flow, and not passed over in silence",
)];

#[test]
fn options_become_fields_as_in_open_vswitch() {
    let n = compare(SCRIPT, DIFFERENT);
    assert_eq!(n, 66, "the manuals say so many");
}
