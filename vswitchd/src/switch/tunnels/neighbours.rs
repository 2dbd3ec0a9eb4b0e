//! Next hops whose MAC addresses the datapath writes: what the kernel knows of them.
//!
//! # Design
//! The kernel asks for addresses and answers for its own, as always; the switch only listens, and makes
//! it ask where it would not by itself, since it sends nothing on this way: for a neighbour that is not
//! known, and for one that has been silent for long, lest packets go to a host that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use packet::MacAddr;

use super::super::routes::Neighbour;

/// An unknown neighbour is asked for so often, seconds.
const ASK_S: u32 = 2;
/// A silent one is asked so often whether it is still there, seconds.
const CONFIRM_S: u32 = 30;

/// The first of all addresses.
const MIN_IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// Its link's interface and its address.
pub(super) type Place = (u32, IpAddr);

/// What is known of a neighbour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub mac: Option<MacAddr>,
    pub is_stale: bool,
    /// When the kernel was made to ask, seconds of the engine's clock.
    pub probed_s: u32,
}

/// The neighbours that ways lead by.
#[derive(Default)]
pub(super) struct Neighbours {
    known: BTreeMap<Place, Known>,
    used: BTreeSet<Place>,
}

impl Neighbours {
    /// All ways are asked for anew, and so are neighbours: news of them may have been lost. What no way
    /// leads by is forgotten at the end.
    pub fn start(&mut self) {
        self.used.clear();
    }

    /// Forgets neighbours that no way led by since the start.
    pub fn forget_others(&mut self) {
        let used = &self.used;
        self.known.retain(|place, _| used.contains(place));
    }

    /// What is known of a neighbour. `ask` is called once after each start, with what was known before.
    pub fn watch(&mut self, place: Place, ask: impl FnOnce(Option<Known>) -> Known) -> Known {
        let before = self.known.get(&place).copied();
        let known = match before {
            Some(known) if !self.used.insert(place) => known,
            _ => ask(before),
        };
        self.used.insert(place);
        self.known.insert(place, known);
        known
    }

    /// Takes news of the kernel; whether a way is another by it.
    pub fn hear(&mut self, news: Neighbour) -> bool {
        let Some(known) = self.known.get_mut(&(news.index, news.ip)) else { return false };
        known.is_stale = news.is_stale;
        let is_other = known.mac != news.mac;
        known.mac = news.mac;
        is_other
    }

    /// Those on a link.
    pub fn of_link(&self, index: u32) -> impl Iterator<Item = IpAddr> {
        self.known
            .range((index, MIN_IP)..)
            .map_while(move |((link, ip), _)| (*link == index).then_some(*ip))
    }

    /// Whether it is worth telling the kernel that a neighbour has this address: a way leads by it, and
    /// it has another one, or has been silent.
    pub fn is_news(&self, place: Place, mac: MacAddr) -> bool {
        self.known.get(&place).is_some_and(|known| known.mac != Some(mac) || known.is_stale)
    }

    /// Those that the kernel is to ask for now.
    pub fn due(&mut self, now_s: u32) -> Vec<Place> {
        let mut due = Vec::new();
        for (place, known) in &mut self.known {
            let pause = match (known.mac, known.is_stale) {
                (None, _) => ASK_S,
                (Some(_), true) => CONFIRM_S,
                (Some(_), false) => continue,
            };
            if now_s >= known.probed_s.saturating_add(pause) {
                known.probed_s = now_s;
                due.push(*place);
            }
        }
        due
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Known)> {
        self.known.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);

    fn place() -> Place {
        (3, [10, 0, 0, 2].into())
    }

    fn news(mac: Option<MacAddr>, is_stale: bool) -> Neighbour {
        Neighbour { index: 3, ip: place().1, mac, is_stale }
    }

    #[test]
    fn only_news_of_what_is_used_count() {
        let mut neighbours = Neighbours::default();
        assert!(!neighbours.hear(news(Some(MAC), false)));
        let unknown = Known { mac: None, is_stale: false, probed_s: 0 };
        assert_eq!(neighbours.watch(place(), |_| unknown).mac, None);
        assert!(neighbours.hear(news(Some(MAC), false)));
        assert!(!neighbours.hear(news(Some(MAC), true)));
        assert_eq!(neighbours.watch(place(), |_| unknown).mac, Some(MAC));
        neighbours.start();
        assert_eq!(neighbours.watch(place(), |before| before.unwrap()).mac, Some(MAC));
        neighbours.start();
        neighbours.forget_others();
        assert_eq!(neighbours.iter().count(), 0);
    }

    #[test]
    fn who_is_used_and_has_told_something_new_is_told_to_the_kernel() {
        let mut neighbours = Neighbours::default();
        assert!(!neighbours.is_news(place(), MAC));
        neighbours.watch(place(), |_| Known { mac: None, is_stale: false, probed_s: 0 });
        assert!(neighbours.is_news(place(), MAC));
        assert!(!neighbours.is_news((4, place().1), MAC));
        assert_eq!(neighbours.of_link(3).collect::<Vec<_>>(), [place().1]);
        assert_eq!(neighbours.of_link(2).count() + neighbours.of_link(4).count(), 0);
        neighbours.hear(news(Some(MAC), false));
        assert!(!neighbours.is_news(place(), MAC));
        assert!(neighbours.is_news(place(), MacAddr([2; 6])));
        neighbours.hear(news(Some(MAC), true));
        assert!(neighbours.is_news(place(), MAC));
    }

    #[test]
    fn the_unknown_are_asked_for_and_the_silent_are_asked() {
        let mut neighbours = Neighbours::default();
        neighbours.watch(place(), |_| Known { mac: None, is_stale: false, probed_s: 0 });
        let mut due = |now_s| neighbours.due(now_s).len();
        assert_eq!((due(ASK_S - 1), due(ASK_S), due(ASK_S)), (0, 1, 0));
        neighbours.hear(news(Some(MAC), false));
        assert_eq!(neighbours.due(1000), []);
        neighbours.hear(news(Some(MAC), true));
        assert_eq!(neighbours.due(1000), [place()]);
        assert_eq!(neighbours.due(1000 + CONFIRM_S - 1), []);
        assert_eq!(neighbours.due(1000 + CONFIRM_S), [place()]);
    }
}
