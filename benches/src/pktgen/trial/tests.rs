//! Whole trials over wires in memory, faulty ones too.

use super::*;
use crate::pktgen::spec::{Choice, Sizes};
use crate::pktgen::wire::{End, Wires};
use datapath::netdev::{Netdev, RecvStatus};
use datapath::{Batch, DropReason, SizeClass};

const N_FRAMES: u64 = 500;

fn traffic(n_flows: u32) -> Traffic {
    Traffic {
        n_flows,
        n_macs: 1,
        vlans: Vec::new(),
        rx_vlans: Vec::new(),
        choice: Choice::RoundRobin,
        sizes: Sizes::fixed(128),
        seed: 1,
    }
}

fn running(n_threads: usize) -> Running {
    let drain = Duration::from_millis(100);
    Running { ways: Ways::One, n_threads, cpus: Vec::new(), drain }
}

fn port(word: &str, end: End) -> Port {
    Port::of_device(&word.parse().unwrap(), Box::new(end)).unwrap()
}

/// Moves frames from one wire to another. Of each ten it drops one, changes one, sends one twice, and
/// one after the next, until told to stop.
fn relay(mut from: End, to: End, mut pool: FramePool, stop: &AtomicBool) {
    let (mut rxq, mut txq) = (from.take_rxqs().remove(0), to.open_txq().unwrap());
    let counters = PortCounters::default();
    let (mut n, mut held) = (0, None);
    while !stop.load(Ordering::Relaxed) {
        let (mut batch, mut out) = (Batch::new(), Vec::new());
        let status = rxq.recv(&mut pool, &mut batch, &counters);
        assert_ne!(status, RecvStatus::Gone);
        for mut frame in batch {
            match n % 10 {
                1 => held = Some(frame),
                2 => out.extend([Some(frame), held.take()].into_iter().flatten()),
                3 => pool.put(frame),
                5 => {
                    frame.data_mut()[100] ^= 1;
                    out.push(frame);
                }
                7 => {
                    out.extend(pool.copy(&frame));
                    out.push(frame);
                }
                _ => out.push(frame),
            }
            n += 1;
        }
        while !out.is_empty() {
            let mut batch = out.drain(..out.len().min(datapath::MAX_BURST)).collect();
            txq.send(&mut pool, &mut batch, &counters);
        }
    }
    assert_eq!(counters.tx_drops(DropReason::TxQueueFull), 0, "the wire was too short");
}

#[test]
fn what_a_faulty_link_does_is_told_to_the_frame() {
    for n_threads in [1, 2] {
        let memory = FrameMemory::new(4096, 0).unwrap();
        let mut wires = Wires::default();
        let [near, relay_in] = [(); 2].map(|()| wires.end("a"));
        let [relay_out, far] = [(); 2].map(|()| wires.end("b"));
        let ports = (port("mem:a", near), port("mem:b", far), Vec::new());
        let mut station = Station::new(ports, traffic(1), running(n_threads), memory.clone());
        let stop = AtomicBool::new(false);
        let results = std::thread::scope(|scope| {
            let pool = FramePool::new(memory.clone());
            let stop = &stop;
            scope.spawn(move || relay(relay_in, relay_out, pool, stop));
            let trial = |_| {
                let load = Load::Rate { pps: 20e3, burst: 10 };
                station.trial(load, Span::Frames(N_FRAMES), &mut |_, _| {}).unwrap().remove(0)
            };
            // The second starts anew.
            let results = [0, 1].map(trial);
            stop.store(true, Ordering::Relaxed);
            results
        });
        for result in results {
            let of_each_ten = N_FRAMES / 10;
            assert_eq!((result.offered, result.sent), (N_FRAMES, N_FRAMES));
            assert_eq!(
                (result.received, result.lost),
                (N_FRAMES - 2 * of_each_ten, 2 * of_each_ten)
            );
            let counted = [result.corrupted, result.duplicates, result.reordered];
            assert_eq!(counted, [of_each_ten; 3]);
            assert_eq!(
                [result.misdelivered, result.stale, result.foreign, result.too_late],
                [0; 4]
            );
            assert_eq!((result.flows_with_loss, result.missed), (1, 0));
            assert!(result.latency_us.is_some_and(|latency| latency.max > 0.0));
        }
        drop(station);
        assert_eq!(memory.n_free(SizeClass::Small), 4096, "frames are lost");
    }
}

#[test]
fn a_wire_that_is_too_short_refuses_and_that_is_no_loss() {
    let memory = FrameMemory::new(4096, 0).unwrap();
    let mut wires = Wires::default();
    let (near, _nobody) = (wires.end("a"), wires.end("a"));
    let [far, _silent] = [(); 2].map(|()| wires.end("b"));
    let ports = (port("mem:a", near), port("mem:b", far), Vec::new());
    let mut station = Station::new(ports, traffic(10), running(1), memory);
    let span = Span::Frames(3000);
    let result = station.trial(Load::Unlimited, span, &mut |_, _| {}).unwrap().remove(0);
    let refused: u64 = result.refused.values().sum();
    assert_eq!((result.offered, result.sent + refused), (3000, 3000));
    assert_eq!((result.sent, result.lost, result.received), (1024, 1024, 0));
    assert_eq!(result.refused.keys().copied().collect::<Vec<_>>(), ["tx_queue_full"]);
    assert_eq!((result.flows_with_loss, result.latency_us), (10, None));
}

#[test]
fn a_cpu_that_is_not_there_ends_the_trial_of_all_threads() {
    let memory = FrameMemory::new(4096, 0).unwrap();
    let mut wires = Wires::default();
    let [near, far] = [(); 2].map(|()| wires.end("a"));
    let ports = (port("mem:a", near), port("mem:a", far), Vec::new());
    let running = Running { cpus: vec![0, usize::MAX], ..running(2) };
    let mut station = Station::new(ports, traffic(1), running, memory);
    let error = station.trial(Load::Unlimited, Span::Time(u64::MAX), &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().starts_with("cannot run on CPU "), "{error}");
}
