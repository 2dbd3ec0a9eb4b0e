//! `multipath` and `bundle`: a number, or a port, by a hash of the packet.
//!
//! # Design
//! The hash is of fields of the key, which are looked at whole, so flows that hash differently are
//! cached apart: as in Open vSwitch. (A select group, which leaves its choice to the datapath, has not
//! this cost.)
//!
//! # References
//! ovs-actions(7); `lib/multipath.c`, `lib/bundle.c` of Open vSwitch.

use openflow::OfPort;
use openflow::action::{Bundle, HashFields, MemberAlgorithm, Multipath, MultipathAlgorithm};
use packet::flow::hash::WordHash;
use packet::flow::{FieldId, Prereq};

use super::report::Kind;
use super::state::Xlate;

/// Tries of `iter_hash` until a number fits.
const MAX_TRIES: u64 = 64;

impl Xlate<'_> {
    /// `multipath`.
    pub(super) fn multipath(&mut self, multipath: &Multipath) {
        let hash = self.hash_of(multipath.fields, multipath.basis);
        let n_links = u64::from(multipath.max_link) + 1;
        let link = match multipath.algorithm {
            MultipathAlgorithm::ModuloN => hash % n_links,
            MultipathAlgorithm::HashThreshold => ((hash >> 32) * n_links) >> 32,
            MultipathAlgorithm::Hrw => {
                (0..n_links).max_by_key(|link| WordHash::new(hash).add(*link).finish()).unwrap_or(0)
            }
            MultipathAlgorithm::IterHash => {
                let range = n_links.max(u64::from(multipath.arg)).next_power_of_two();
                let tries = (0..MAX_TRIES).map(|n| WordHash::new(hash).add(n).finish() % range);
                tries.into_iter().find(|link| *link < n_links).unwrap_or(0)
            }
        };
        self.write(multipath.dst, link.into());
    }

    /// `bundle` and `bundle_load`.
    pub(super) fn bundle(&mut self, bundle: &Bundle) {
        let live: Vec<OfPort> =
            bundle.members.iter().copied().filter(|port| self.is_live(*port)).collect();
        let port = match bundle.algorithm {
            MemberAlgorithm::ActiveBackup => live.first().copied(),
            MemberAlgorithm::Hrw => {
                let hash = self.hash_of(bundle.fields, bundle.basis);
                let weight = |port: &&OfPort| WordHash::new(hash).add(port.0.into()).finish();
                live.iter().max_by_key(weight).copied()
            }
        };
        let port = port.unwrap_or(OfPort::NONE);
        self.report.say(Kind::Detail, || format!("chosen member is {port}"));
        match bundle.dst {
            Some(dst) => self.write(dst, port.0.into()),
            None => self.output(port, 0),
        }
    }

    fn hash_of(&mut self, fields: HashFields, basis: u16) -> u64 {
        let mut hash = WordHash::new(basis.into());
        match fields {
            HashFields::EthSrc => self.hash_field(&mut hash, FieldId::EthSrc),
            HashFields::NwSrc => self.hash_ip(&mut hash, Ends::Src),
            HashFields::NwDst => self.hash_ip(&mut hash, Ends::Dst),
            HashFields::SymmetricL3 => self.hash_ip(&mut hash, Ends::Both),
            HashFields::SymmetricL3L4 => self.hash_l4(&mut hash, Udp::Left),
            HashFields::SymmetricL3L4Udp => self.hash_l4(&mut hash, Udp::Taken),
            HashFields::SymmetricL4 => {
                self.hash_pair(&mut hash, FieldId::EthSrc, FieldId::EthDst);
                self.hash_field(&mut hash, FieldId::EthType);
                self.hash_field(&mut hash, FieldId::VlanTci);
                self.hash_l4(&mut hash, Udp::Left);
            }
        }
        hash.finish()
    }

    fn hash_field(&mut self, hash: &mut WordHash, field: FieldId) {
        self.look_at(field);
        let value = self.key.get(field);
        *hash = add(*hash, value);
    }

    /// Two fields such that it does not matter which is which.
    fn hash_pair(&mut self, hash: &mut WordHash, a: FieldId, b: FieldId) {
        self.look_at(a);
        self.look_at(b);
        let (a, b) = (self.key.get(a), self.key.get(b));
        *hash = add(add(*hash, a.wrapping_add(b)), a.abs_diff(b));
    }

    fn hash_ip(&mut self, hash: &mut WordHash, ends: Ends) {
        let families = [
            (Prereq::Ipv4, FieldId::Ipv4Src, FieldId::Ipv4Dst),
            (Prereq::Ipv6, FieldId::Ipv6Src, FieldId::Ipv6Dst),
        ];
        for (prereq, src, dst) in families {
            if self.has(prereq) {
                match ends {
                    Ends::Src => self.hash_field(hash, src),
                    Ends::Dst => self.hash_field(hash, dst),
                    Ends::Both => self.hash_pair(hash, src, dst),
                }
            }
        }
    }

    fn hash_l4(&mut self, hash: &mut WordHash, udp: Udp) {
        self.hash_ip(hash, Ends::Both);
        if self.has(Prereq::Ip) {
            self.hash_field(hash, FieldId::IpProto);
        }
        let protocols = [
            (Prereq::Tcp, FieldId::TcpSrc, FieldId::TcpDst),
            (Prereq::Sctp, FieldId::SctpSrc, FieldId::SctpDst),
            (Prereq::Udp, FieldId::UdpSrc, FieldId::UdpDst),
        ];
        for (prereq, src, dst) in protocols {
            if (prereq != Prereq::Udp || udp == Udp::Taken) && self.has(prereq) {
                self.hash_pair(hash, src, dst);
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Ends {
    Src,
    Dst,
    Both,
}

/// Whether UDP's ports are hashed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Udp {
    Taken,
    Left,
}

fn add(hash: WordHash, value: u128) -> WordHash {
    let [high, low] = [value >> 64, value & u128::from(u64::MAX)];
    hash.add(u64::try_from(high).unwrap_or(0)).add(u64::try_from(low).unwrap_or(0))
}
