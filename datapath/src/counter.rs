//! Counters that one thread writes and any thread reads.
//!
//! # Thread-safety
//! Each poll thread has a block of its own per port, so an addition is a plain load and store: no
//! locked instruction, no shared cache line. Readers sum the blocks; a sum taken while traffic flows
//! is exact for some moment of each thread, not for one moment of all.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::drop_reason::{DropReason, N_DROP_REASONS};

/// A monotonic counter with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning thread may call it: a second writer loses counts, nothing worse.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Overwrites the value. Only the owning thread may call it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one poll thread counts for one port.
///
/// # Invariants
/// Over all ports and threads, when nothing is in flight:
/// Σ`rx_packets` + Σ`injected` + Σ`copies` + Σ`segments` + Σ`encapsulated`
/// = Σ`tx_packets` + Σ`handed` + Σ`opened` + Σ drops.
/// `rx_packets` counts each frame taken from the device, also one that the driver then drops.
/// What the kernel lost before we saw it is `rx_missed`, outside the sum.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct PortCounters {
    /// Frames taken from the device.
    pub rx_packets: Counter,
    /// Their bytes, Ethernet header to payload, without FCS.
    pub rx_bytes: Counter,
    /// Frames handed to the device.
    pub tx_packets: Counter,
    /// Their bytes.
    pub tx_bytes: Counter,
    /// Copies of frames received on this port, beyond the frame itself (flooding, mirrors), or of those
    /// sent to the hosts of a segment. One that found no buffer counts, and is a drop.
    pub copies: Counter,
    /// Frames added when this port's large segments were cut in software: segments − 1 each.
    pub segments: Counter,
    /// Packets that the control plane made or gave back, or a tunnel that packets do not fit through,
    /// as if this port had received them.
    pub injected: Counter,
    /// Packets received on this port, or copies of them, that were handed to the control plane.
    pub handed: Counter,
    /// Outer packets of tunnels that were made for this port to send: the tunnel port has counted
    /// what is inside as transmitted.
    pub encapsulated: Counter,
    /// Outer packets received on this port that were opened: what was inside counts as received by a
    /// tunnel port.
    pub opened: Counter,
    /// Frames whose checksum was finished in software for this output port.
    pub tx_checksums: Counter,
    /// Frames that were handed to the device as the rest of a larger segment. Each counts as
    /// transmitted all the same.
    pub tx_joined: Counter,
    /// Received frames whose unfinished checksum was found in their bytes.
    pub rx_checksums: Counter,
    /// Frames that the kernel lost before the driver could take them.
    pub rx_missed: Counter,
    /// Frames received for a multicast or broadcast address.
    pub rx_multicast: Counter,
    /// Batches handed to the device.
    pub tx_batches: Counter,
    rx_drops: Drops,
    tx_drops: Drops,
}

/// A counter per reason.
#[derive(Debug)]
struct Drops([Counter; N_DROP_REASONS]);

impl Default for Drops {
    fn default() -> Self {
        Drops(core::array::from_fn(|_| Counter::default()))
    }
}

impl Drops {
    fn get(&self, reason: DropReason) -> Option<&Counter> {
        self.0.get(reason as usize)
    }
}

impl PortCounters {
    /// A frame received on this port was lost before it was queued for an output.
    pub fn drop_rx(&self, reason: DropReason, n: u64) {
        if let Some(counter) = self.rx_drops.get(reason) {
            counter.add(n);
        }
    }

    /// A frame queued for this output port was lost.
    pub fn drop_tx(&self, reason: DropReason, n: u64) {
        if let Some(counter) = self.tx_drops.get(reason) {
            counter.add(n);
        }
    }

    /// Frames lost for `reason` on the receive side.
    #[must_use]
    pub fn rx_drops(&self, reason: DropReason) -> u64 {
        self.rx_drops.get(reason).map_or(0, Counter::get)
    }

    /// Frames lost for `reason` on the transmit side.
    #[must_use]
    pub fn tx_drops(&self, reason: DropReason) -> u64 {
        self.tx_drops.get(reason).map_or(0, Counter::get)
    }
}
