//! The bucket's sequence lock under every interleaving and reordering that loom can think of.
//!
//! Run by `RUSTFLAGS="--cfg loom" cargo test -p datapath --lib -- loom`.
//!
//! Writers replace values by a swap, not by a store ([`Bucket::set_value`]): between plain stores and
//! a compare-and-swap loom keeps no modification order, and reports orders that the language rules
//! out.

use std::sync::Arc;

use ::loom::sync::atomic::AtomicU64;
use packet::{MacAddr, Vid};

use super::bucket::{Bucket, Probe, WORDS};
use super::table::Table;
use super::word::{Hasher, Key, Value};
use crate::ids::PortNo;

fn key(n: u64) -> Key {
    Key::new(Vid::NONE, MacAddr::from_u64(n))
}

fn value(port: u16, stamp_s: u32) -> Value {
    Value::learned(PortNo::new(port).unwrap(), stamp_s)
}

fn words() -> Arc<[AtomicU64; WORDS]> {
    Arc::new(std::array::from_fn(|_| AtomicU64::new(0)))
}

/// Port and second of what was found.
fn content(probe: Probe) -> Option<(u16, u32)> {
    match probe {
        Probe::Found(_, value) => Some((value.port().unwrap().get(), value.stamp_s())),
        Probe::Absent | Probe::Beyond | Probe::Busy => None,
    }
}

#[test]
fn a_reader_never_pairs_a_key_with_the_value_of_another() {
    for (n, port, stamp_s) in [(1, 1, 10), (2, 2, 20)] {
        ::loom::model(move || {
            let words = words();
            Bucket(&words).put(0, key(1), value(1, 10));
            let writer = words.clone();
            let writer = ::loom::thread::spawn(move || {
                Bucket(&writer).clear(0);
                Bucket(&writer).put(0, key(2), value(2, 20));
            });
            let found = content(Bucket(&words).find(key(n)));
            assert!(found.is_none_or(|found| found == (port, stamp_s)), "{n}: {found:?}");
            writer.join().unwrap();
            assert_eq!(Bucket(&words).find(key(1)), Probe::Absent);
            assert_eq!(content(Bucket(&words).find(key(2))), Some((2, 20)));
        });
    }
}

#[test]
fn an_entry_that_stays_is_found_while_its_neighbours_change() {
    ::loom::model(|| {
        let words = words();
        Bucket(&words).put(0, key(1), value(1, 10));
        let writer = words.clone();
        let writer = ::loom::thread::spawn(move || {
            Bucket(&writer).put(1, key(2), value(2, 20));
            Bucket(&writer).add_overflow();
        });
        let probe = Bucket(&words).find(key(1));
        assert!(probe == Probe::Busy || content(probe) == Some((1, 10)), "{probe:?}");
        writer.join().unwrap();
        assert_eq!(Bucket(&words).find(key(3)), Probe::Beyond);
    });
}

#[test]
fn a_refresh_touches_only_the_entry_that_it_was_meant_for() {
    ::loom::model(|| {
        let words = words();
        Bucket(&words).put(0, key(1), value(1, 10));
        let writer = words.clone();
        let writer = ::loom::thread::spawn(move || {
            Bucket(&writer).clear(0);
            // The same port and second as the entry before: only the generation differs.
            Bucket(&writer).put(0, key(2), value(1, 10));
        });
        if let Probe::Found(way, old) = Bucket(&words).find(key(1)) {
            Bucket(&words).refresh(way, old, old.refreshed(30));
        }
        writer.join().unwrap();
        assert_eq!(content(Bucket(&words).find(key(2))), Some((1, 10)));
    });
}

#[test]
fn a_move_wins_over_a_refresh() {
    ::loom::model(|| {
        let words = words();
        Bucket(&words).put(0, key(1), value(1, 10));
        let writer = words.clone();
        let writer = ::loom::thread::spawn(move || Bucket(&writer).set_value(0, value(2, 20)));
        if let Probe::Found(way, old) = Bucket(&words).find(key(1))
            && old.is_learned_on(PortNo::new(1).unwrap())
        {
            Bucket(&words).refresh(way, old, old.refreshed(30));
        }
        writer.join().unwrap();
        assert_eq!(content(Bucket(&words).find(key(1))), Some((2, 20)));
    });
}

#[test]
fn an_entry_behind_the_bucket_is_not_declared_absent() {
    ::loom::model(|| {
        let words = words();
        Bucket(&words).put(0, key(1), value(1, 10));
        Bucket(&words).add_overflow();
        let writer = {
            let words = words.clone();
            ::loom::thread::spawn(move || {
                Bucket(&words).clear(0);
                Bucket(&words).put(0, key(2), value(2, 20));
            })
        };
        // Key 3 lives behind, whatever happens here.
        let probe = Bucket(&words).find(key(3));
        assert!(matches!(probe, Probe::Beyond | Probe::Busy), "{probe:?}");
        writer.join().unwrap();
    });
}

#[test]
fn an_entry_is_found_while_a_growing_table_moves_it() {
    ::loom::model(|| {
        let table = Arc::new(Table::new(8, Hasher::fixed()));
        // Its hash is 0b1_0010: it moves from home 0 to home 2.
        let key = Key(0b1_0011);
        let from = table.insert(key, value(1, 10)).unwrap();
        let writer = table.clone();
        let writer = ::loom::thread::spawn(move || {
            let mut moved = Vec::new();
            writer.grow(&mut moved);
            moved
        });
        let view = table.view();
        let probe = view.search(key, view.home(key)).0;
        assert!(probe == Probe::Busy || content(probe) == Some((1, 10)), "{probe:?}");
        if let Some((slot, old)) = view.find(key, view.home(key)) {
            view.refresh(slot, old, 30);
        }
        let moved = writer.join().unwrap();
        assert_eq!((moved.len(), moved[0].from), (1, from));
        let view = table.view();
        let (slot, value) = view.find(key, view.home(key)).unwrap();
        // A refresh that meets the very moment of the move is lost, and left to the next frame.
        assert_eq!(slot, moved[0].to);
        assert!([10, 30].contains(&value.stamp_s()), "{value:?}");
    });
}
