//! A port's VLAN settings: as poll threads see them, and as `show` tells them.

use datapath::l2::vlan::{PortVlan, PriorityTags, Protection, QinqEthertype, VlanLimit, VlanMode};
use datapath::view::VidSet;
use packet::Vid;
use serde_json::{Value as Json, json};

use crate::config::PortSettings;
use crate::config::model::{PriorityTagsName, QinqEthertypeName, SwitchSettings, VlanModeName};
use crate::config::value::{Value as _, VidList};

/// What poll threads see of a port's settings and those of the switch.
pub(super) fn port_vlan(settings: &PortSettings, switch: &SwitchSettings) -> PortVlan {
    let set = |vids: &VidList| vids.iter().collect::<VidSet>();
    let mode = match settings.mode() {
        VlanModeName::Access => VlanMode::Access,
        VlanModeName::Trunk => VlanMode::Trunk,
        VlanModeName::NativeTagged => VlanMode::NativeTagged,
        VlanModeName::NativeUntagged => VlanMode::NativeUntagged,
        VlanModeName::Dot1qTunnel => VlanMode::Dot1qTunnel,
    };
    let trunks = settings.trunks.as_ref().map_or_else(VidSet::all, set);
    PortVlan {
        cvlans: settings.cvlans.as_ref().map(set),
        qinq: match settings.qinq_ethtype {
            None | Some(QinqEthertypeName::Dot1ad) => QinqEthertype::Dot1ad,
            Some(QinqEthertypeName::Dot1q) => QinqEthertype::Dot1q,
        },
        priority_tags: match settings.priority_tags {
            None | Some(PriorityTagsName::Never) => PriorityTags::Never,
            Some(PriorityTagsName::IfNonzero) => PriorityTags::IfNonzero,
            Some(PriorityTagsName::Always) => PriorityTags::Always,
        },
        protection: match settings.protected {
            None | Some(false) => Protection::Open,
            Some(true) => Protection::Protected,
        },
        limit: match switch.vlan_limit.map_or(1, |limit| limit.get()) {
            2 => VlanLimit::Two,
            _ => VlanLimit::One,
        },
        ..PortVlan::new(mode, settings.tag.unwrap_or(Vid::NONE), trunks)
    }
}

/// Whether addresses learned on a port stay true when its settings change.
pub(super) fn same_vlan(a: &PortSettings, b: &PortSettings) -> bool {
    (a.mode(), a.tag, &a.trunks, &a.cvlans) == (b.mode(), b.tag, &b.trunks, &b.cvlans)
}

/// What `show` says of a port, in a few words; nothing of what is by default.
pub(super) fn words(settings: &PortSettings) -> Option<String> {
    let mut words = Vec::new();
    let tag = settings.tag.unwrap_or(Vid::NONE);
    match settings.mode() {
        VlanModeName::Trunk => {}
        VlanModeName::Access => words.push(format!("tag {tag}")),
        mode => words.push(format!("{} {tag}", mode.word())),
    }
    words.extend(settings.trunks.as_ref().map(|vids| format!("trunks {}", vids.text())));
    words.extend(settings.cvlans.as_ref().map(|vids| format!("cvlans {}", vids.text())));
    words.extend(settings.qinq_ethtype.map(|kind| kind.word().to_owned()));
    words.extend(settings.priority_tags.map(|when| format!("priority-tags {}", when.word())));
    words.extend(settings.protected.filter(|yes| *yes).map(|_| "protected".to_owned()));
    (!words.is_empty()).then(|| words.join(", "))
}

/// What `show` says of a port as JSON: keys of its own, with the value that holds.
pub(super) fn json(settings: &PortSettings) -> Json {
    let vids = |vids: Option<&VidList>| vids.map_or_else(|| json!([]), |vids| vids.json());
    json!({
        "vlan_mode": settings.mode().word(),
        "tag": settings.tag.map(|tag| tag.json()),
        "trunks": vids(settings.trunks.as_ref()),
        "cvlans": vids(settings.cvlans.as_ref()),
        "qinq-ethtype": settings.qinq_ethtype.unwrap_or(QinqEthertypeName::Dot1ad).word(),
        "priority-tags": settings.priority_tags.unwrap_or(PriorityTagsName::Never).word(),
        "protected": settings.protected.unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ObjectRef;
    use crate::config::keys;

    fn settings(pairs: &str) -> PortSettings {
        let mut settings = PortSettings::default();
        for pair in pairs.split_whitespace() {
            let (key, value) = pair.split_once('=').unwrap();
            let pair = (key.to_owned(), value.to_owned());
            keys::assign(&ObjectRef::Port("p".into()), &mut settings, &pair).unwrap();
        }
        settings
    }

    fn vlan(pairs: &str) -> PortVlan {
        port_vlan(&settings(pairs), &SwitchSettings::default())
    }

    fn vids(set: &VidSet) -> Vec<u16> {
        (0..4096).filter(|vid| set.contains(Vid::new(*vid).unwrap())).collect()
    }

    #[test]
    fn modes_carry_their_vlans() {
        let port = vlan("");
        assert_eq!(port, PortVlan::trunk_all());
        assert_eq!(vids(&port.carried).len(), 4096);
        let port = vlan("trunks=0,7");
        assert_eq!((port.mode, vids(&port.carried)), (VlanMode::Trunk, vec![0, 7]));
        let port = vlan("tag=9");
        assert_eq!((port.mode, port.tag.get()), (VlanMode::Access, 9));
        assert_eq!(vids(&port.carried), [9]);
        let port = vlan("tag=9 trunks=3 vlan_mode=native-tagged");
        assert_eq!((port.mode, port.tag.get()), (VlanMode::NativeTagged, 9));
        assert_eq!(vids(&port.carried), [3, 9]);
        // Untagged frames are VLAN 9 there, so VLAN 0 has no place.
        let port = vlan("tag=9 vlan_mode=native-untagged");
        assert_eq!((port.mode, vids(&port.carried).len()), (VlanMode::NativeUntagged, 4095));
    }

    #[test]
    fn a_tunnel_and_its_kin() {
        let port = vlan("vlan_mode=dot1q-tunnel tag=9 cvlans=3-5 qinq-ethtype=802.1q");
        assert_eq!((port.mode, vids(&port.carried)), (VlanMode::Dot1qTunnel, vec![9]));
        assert_eq!(port.cvlans.as_ref().map(vids), Some(vec![3, 4, 5]));
        assert_eq!(port.qinq, QinqEthertype::Dot1q);
        let port = vlan("tag=9 priority-tags=if-nonzero protected=true");
        let seen = (port.priority_tags, port.protection, port.limit);
        assert_eq!(seen, (PriorityTags::IfNonzero, Protection::Protected, VlanLimit::One));
        let mut switch = SwitchSettings::default();
        let pair = ("vlan-limit".to_owned(), "2".to_owned());
        keys::assign(&ObjectRef::Switch, &mut switch, &pair).unwrap();
        assert_eq!(port_vlan(&settings(""), &switch).limit, VlanLimit::Two);
    }

    #[test]
    fn words_tell_what_is_set() {
        for (pairs, said) in [
            ("", None),
            ("protected=false", None),
            ("trunks=3-5,7", Some("trunks 3-5,7")),
            (
                "tag=9 priority-tags=always protected=true",
                Some("tag 9, priority-tags always, protected"),
            ),
            (
                "vlan_mode=dot1q-tunnel tag=9 cvlans=3,4 qinq-ethtype=802.1q",
                Some("dot1q-tunnel 9, cvlans 3,4, 802.1q"),
            ),
        ] {
            assert_eq!(words(&settings(pairs)).as_deref(), said, "{pairs}");
        }
    }
}
