//! Who was used least recently, and which port holds most.
//!
//! # Design
//! Every learned entry is in one list: that of its port and of the second at which it was *queued*.
//! A poll thread that refreshes an entry writes the new second into the entry's value only, without a
//! lock; the lists learn of it when the entry comes to the front: it is then queued again, at the
//! second in its value ([`Order::restamp`]). So the front of a port's oldest list, once its stamp
//! agrees with its value, is the port's least recently used entry, exact to the second.
//! The links lie in an array beside the table, by slot.
//!
//! # Invariants
//! An entry's queued second is not above the one in its value. A list in the map is not empty.
//! `by_size` holds (`n`, port) for each port with `n > 0`.

use std::collections::{BTreeMap, BTreeSet};

use zerocopy::FromZeros;

use super::table::Slot;
use crate::ids::PortNo;

/// Links of one entry. Neighbours are slot + 1, 0 for none, so that zeroed memory is valid.
#[derive(Clone, Copy, FromZeros)]
#[repr(C)]
struct Node {
    prev: u32,
    next: u32,
    stamp_s: u32,
    /// Grows with each queueing: order among entries of one second.
    seq: u32,
}

/// First and last entry, as in [`Node`].
#[derive(Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
}

#[derive(Default)]
struct PortOrder {
    n: u32,
    by_second: BTreeMap<u32, List>,
}

/// The learned entries of a table, by port and age.
pub struct Order {
    nodes: Vec<Node>,
    ports: Vec<PortOrder>,
    by_size: BTreeSet<(u32, PortNo)>,
    seq: u32,
}

impl Order {
    /// For a table of `n_slots`.
    #[must_use]
    pub fn new(n_slots: usize) -> Order {
        let nodes = match Node::new_vec_zeroed(n_slots) {
            Ok(nodes) => nodes,
            // Out of memory: as every collection of std does.
            Err(_) => std::alloc::handle_alloc_error(std::alloc::Layout::new::<Order>()),
        };
        Order { nodes, ports: Vec::new(), by_size: BTreeSet::new(), seq: 0 }
    }

    fn resize(&mut self, port: PortNo, change: i32) {
        let n = &mut self.ports[port.index()].n;
        self.by_size.remove(&(*n, port));
        *n = n.saturating_add_signed(change);
        if *n > 0 {
            self.by_size.insert((*n, port));
        }
    }

    /// Adds an entry, as the youngest of its second.
    pub fn push(&mut self, slot: Slot, port: PortNo, stamp_s: u32) {
        if self.ports.len() <= port.index() {
            self.ports.resize_with(port.index() + 1, PortOrder::default);
        }
        self.link(slot, port, stamp_s);
        self.resize(port, 1);
    }

    /// Takes an entry out. `port` is the one that it was pushed for.
    pub fn remove(&mut self, slot: Slot, port: PortNo) {
        self.unlink(slot, port);
        self.resize(port, -1);
    }

    /// Queues an entry again, at a later second.
    pub fn restamp(&mut self, slot: Slot, port: PortNo, stamp_s: u32) {
        self.unlink(slot, port);
        self.link(slot, port, stamp_s);
    }

    fn link(&mut self, slot: Slot, port: PortNo, stamp_s: u32) {
        let link = slot.0 + 1;
        let lists = &mut self.ports[port.index()].by_second;
        let list = lists.entry(stamp_s).or_insert(List { head: link, tail: 0 });
        let prev = std::mem::replace(&mut list.tail, link);
        if prev != 0 {
            self.nodes[prev as usize - 1].next = link;
        }
        self.seq = self.seq.wrapping_add(1);
        self.nodes[slot.0 as usize] = Node { prev, next: 0, stamp_s, seq: self.seq };
    }

    fn unlink(&mut self, slot: Slot, port: PortNo) {
        let Node { prev, next, stamp_s, .. } = self.nodes[slot.0 as usize];
        if prev != 0 {
            self.nodes[prev as usize - 1].next = next;
        }
        if next != 0 {
            self.nodes[next as usize - 1].prev = prev;
        }
        let lists = &mut self.ports[port.index()].by_second;
        if let (0, 0) = (prev, next) {
            lists.remove(&stamp_s);
        } else if let (true, Some(list)) = (prev == 0 || next == 0, lists.get_mut(&stamp_s)) {
            if prev == 0 {
                list.head = next;
            }
            if next == 0 {
                list.tail = prev;
            }
        }
    }

    /// An entry has moved to another slot, and keeps its place in the order.
    pub fn relocate(&mut self, from: Slot, to: Slot, port: PortNo) {
        let node = self.nodes[from.0 as usize];
        let Node { prev, next, stamp_s, .. } = node;
        let link = to.0 + 1;
        self.nodes[to.0 as usize] = node;
        if prev != 0 {
            self.nodes[prev as usize - 1].next = link;
        }
        if next != 0 {
            self.nodes[next as usize - 1].prev = link;
        }
        if let (true, Some(list)) =
            (prev == 0 || next == 0, self.ports[port.index()].by_second.get_mut(&stamp_s))
        {
            if prev == 0 {
                list.head = link;
            }
            if next == 0 {
                list.tail = link;
            }
        }
    }

    /// The port with most entries; the highest number among equals.
    #[must_use]
    pub fn largest(&self) -> Option<PortNo> {
        self.by_size.last().map(|(_, port)| *port)
    }

    /// Every port with entries.
    #[must_use]
    pub fn ports(&self) -> Vec<PortNo> {
        self.by_size.iter().map(|(_, port)| *port).collect()
    }

    /// The entry of a port that was queued first, and its second.
    #[must_use]
    pub fn front(&self, port: PortNo) -> Option<(Slot, u32)> {
        let (stamp_s, list) = self.ports.get(port.index())?.by_second.first_key_value()?;
        Some((Slot(list.head - 1), *stamp_s))
    }

    /// A number that grows with each queueing (modulo 2³²): order among entries of one second.
    #[must_use]
    pub fn seq(&self, slot: Slot) -> u32 {
        self.nodes[slot.0 as usize].seq
    }
}
