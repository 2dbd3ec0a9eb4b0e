//! Every order of a bucket's steps, tried by loom: one writer, one reader without a lock.
//!
//! Run by `RUSTFLAGS="--cfg loom" cargo test -p datapath --lib -- loom`.
//!
//! The race of [`Bucket::refresh`] with a writer is not modelled: loom orders a compare-and-swap and
//! another thread's plain stores to the same word only partly, and reports orders that C++20 and Rust
//! rule out (a word keeps one modification order; loom 0.7 keeps a vector clock for it).

use loom::sync::Arc;
use loom::thread;
use packet::{MacAddr, Vid};

use super::bucket::{Bucket, Probe, WORDS};
use super::sync::AtomicU64;
use super::word::{Key, Value};
use crate::ids::PortNo;

/// Stamps tell the values apart.
const STAMP_A: u32 = 10;
const STAMP_B: u32 = 20;

type Words = Arc<[AtomicU64; WORDS]>;

fn key(n: u64) -> Key {
    Key::new(Vid::NONE, MacAddr::from_u64(0x0200_0000_0000 + n))
}

fn value(port: u16, stamp_s: u32) -> Value {
    Value::learned(PortNo::new(port).expect("a small number"), stamp_s)
}

/// A bucket that holds key 1 in place 0.
fn words() -> Words {
    let words: Words = Arc::new(core::array::from_fn(|_| AtomicU64::new(0)));
    Bucket(&words).put(0, key(1), value(1, STAMP_A));
    words
}

/// The place of key 1 is given to key 2, which is on another port.
fn replace(words: &Words) {
    Bucket(words).clear(0);
    Bucket(words).put(0, key(2), value(2, STAMP_B));
}

#[test]
fn a_key_is_never_seen_with_the_value_of_another() {
    loom::model(|| {
        let words = words();
        let writer = {
            let words = words.clone();
            thread::spawn(move || replace(&words))
        };
        for (n, port) in [(1, 1), (2, 2)] {
            if let Probe::Found(way, found) = Bucket(&words).find(key(n)) {
                assert_eq!((way, found.port()), (0, PortNo::new(port)), "key {n}");
            }
        }
        writer.join().expect("the writer ends");
        assert_eq!(Bucket(&words).find(key(1)), Probe::Absent);
        assert!(matches!(Bucket(&words).find(key(2)), Probe::Found(0, _)));
    });
}

#[test]
fn an_entry_behind_the_bucket_is_not_declared_absent() {
    loom::model(|| {
        let words = words();
        Bucket(&words).add_overflow();
        let writer = {
            let words = words.clone();
            thread::spawn(move || replace(&words))
        };
        // Key 3 lives behind, whatever happens here.
        let probe = Bucket(&words).find(key(3));
        assert!(matches!(probe, Probe::Beyond | Probe::Busy), "{probe:?}");
        writer.join().expect("the writer ends");
    });
}
