//! Cutting an outer packet into fragments (RFC 791 §3.2), where nobody behind does it.
//!
//! # Design
//! Only for IPv4 without "don't fragment", which a tunnel port has if it is configured so; the kernel
//! does it for packets that go through the host's stack. Each piece is a frame of its own.

use packet::checksum::Sum;
use packet::ipv4::{Ipv4Header, MIN_HEADER_LEN};

use crate::frame::{Frame, FramePool, Offload};
use crate::offload::checksum;

const MORE_FRAGMENTS: u16 = 0x2000;

/// Cuts a frame, whose IPv4 header without options is at `l3`, into IP packets of at most `mtu` bytes.
/// `false`, and `pieces` is as before: the pool has no frame, or the MTU is too small.
#[must_use]
pub(crate) fn fragment(
    frame: &mut Frame,
    (l3, mtu): (usize, usize),
    pool: &mut FramePool,
    pieces: &mut Vec<Frame>,
) -> bool {
    let before = pieces.len();
    let is_done = cut(frame, (l3, mtu), pool, pieces).is_some();
    if !is_done {
        pool.put_all(pieces.drain(before..));
    }
    is_done
}

fn cut(
    frame: &mut Frame,
    (l3, mtu): (usize, usize),
    pool: &mut FramePool,
    pieces: &mut Vec<Frame>,
) -> Option<()> {
    // What is summed up would lie in several pieces.
    if !checksum::complete(frame) {
        return None;
    }
    let headers_len = l3 + MIN_HEADER_LEN;
    let (headers, payload) = frame.data().split_at_checked(headers_len)?;
    let step = mtu.checked_sub(MIN_HEADER_LEN)? & !7;
    if step == 0 {
        return None;
    }
    let n = payload.len().div_ceil(step);
    for (at, part) in payload.chunks(step).enumerate() {
        let len = headers_len + part.len();
        let mut piece = pool.get_for(len)?;
        if !piece.set_len(len) {
            pool.put(piece);
            return None;
        }
        let more = if at + 1 < n { MORE_FRAGMENTS } else { 0 };
        let offset = u16::try_from(at * step / 8).unwrap_or(0);
        let (head, body) = piece.data_mut().split_at_mut(headers_len);
        head.copy_from_slice(headers);
        body.copy_from_slice(part);
        patch(&mut head[l3..], u16::try_from(len - l3).unwrap_or(0), more | offset);
        piece.set_offload(Offload::NONE);
        pieces.push(piece);
    }
    Some(())
}

fn patch(header: &mut [u8], total_len: u16, flags_offset: u16) {
    header[6..8].copy_from_slice(&flags_offset.to_be_bytes());
    if let Some(header) = Ipv4Header::parse_mut(header) {
        header.total_len.set(total_len);
        header.checksum.set(0);
    }
    let sum = Sum::default().add_bytes(header).finish();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}
