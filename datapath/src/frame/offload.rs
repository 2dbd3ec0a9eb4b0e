//! Work that a sender left undone: checksums to finish, segments to cut.
//!
//! The meaning is that of the virtio-net header (virtio 1.2 §5.1.6), which TAP, AF_PACKET and
//! vhost-user share; the representation is checked once, when a frame is received.

use core::num::NonZeroU16;

/// State of the layer-4 checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Checksum {
    /// As it stands on the wire: finished by the sender, not looked at.
    #[default]
    Unknown,
    /// Finished, and found right by the device.
    Valid,
    /// The field holds the folded pseudo-header sum; the sum over `start..` is still to be added
    /// (virtio 1.2 §5.1.6.2, `VIRTIO_NET_HDR_F_NEEDS_CSUM`).
    Partial {
        /// Byte offset in the frame at which the sum begins: the layer-4 header.
        start: u16,
        /// Byte offset of the field from `start`.
        offset: u16,
    },
}

/// What kind of large segment a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GsoKind {
    /// TCP over IPv4.
    TcpV4,
    /// TCP over IPv6.
    TcpV6,
    /// UDP over IPv4 or IPv6, datagrams of equal length (`VIRTIO_NET_HDR_GSO_UDP_L4`).
    Udp,
}

/// A frame that stands for several: to be cut before it reaches a wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gso {
    /// The protocol.
    pub kind: GsoKind,
    /// Payload bytes of each segment but the last.
    pub size: NonZeroU16,
    /// TCP: the segment carries ECN's CWR, which only the first piece keeps
    /// (`VIRTIO_NET_HDR_GSO_ECN`).
    pub ecn: bool,
    /// Byte offset of the frame inside of a tunnel that is to be cut, outer headers and all; 0 if the
    /// frame itself is.
    pub inner: u16,
}

/// What a frame's sender left undone. A plain frame has nothing undone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Offload {
    /// The layer-4 checksum. Always `Partial` when `gso` is set.
    pub checksum: Checksum,
    /// Set on a frame that is to be cut.
    pub gso: Option<Gso>,
}

impl Offload {
    /// Nothing left undone, nothing known.
    pub const NONE: Offload = Offload { checksum: Checksum::Unknown, gso: None };

    /// Whether an output can send the frame as it is, whatever it can do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.gso.is_none() && !matches!(self.checksum, Checksum::Partial { .. })
    }

    /// The same work after `n` bytes were inserted (positive) or removed (negative) before `start`.
    #[must_use]
    pub fn shifted(mut self, n: i16) -> Offload {
        if let Checksum::Partial { start, .. } = &mut self.checksum {
            *start = start.saturating_add_signed(n);
        }
        if let Some(gso) = self.gso.as_mut().filter(|gso| gso.inner > 0) {
            gso.inner = gso.inner.saturating_add_signed(n);
        }
        self
    }
}
