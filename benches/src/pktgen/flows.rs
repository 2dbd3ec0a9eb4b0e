//! The frames: what they look like, and which comes next.
//!
//! # Design
//! Flow *f* goes between the pair of hosts *f* modulo the number of MAC pairs, in VLAN *f* modulo the
//! number of VLANs, and has a 5-tuple of its own. The MAC addresses are those of
//! [`traffic`](crate::traffic). Headers are made before the first frame is sent; a frame then is a
//! copy of one, its lengths, a [stamp](super::stamp) and zeroes. The order of flows and of sizes is
//! drawn beforehand too, from a seed.
//!
//! # Invariants
//! A frame as it should arrive is determined by its stamp, its length and the VLANs of the receiver,
//! so every byte of it is checked.

use packet::Vid;
use packet::vlan::{TAG_LEN, TPID_CTAG};

use super::spec::{Choice, Sizes};
use super::stamp::{MAX_FLOWS, NoStamp, STAMP_LEN, Stamp};
use crate::rng::SplitMix64;
use crate::traffic::{host, internet_checksum, ipv4};

const ETHERNET_LEN: usize = 14;
const ADDRESSES_LEN: usize = 12;
const IPV4_LEN: usize = 20;
const UDP_LEN: usize = 8;
/// Headers of an untagged frame, up to the stamp.
const HEADERS_LEN: usize = ETHERNET_LEN + IPV4_LEN + UDP_LEN;
/// Of the IPv4 header, and of the UDP header, in an untagged frame.
const IP_AT: usize = ETHERNET_LEN;
const UDP_AT: usize = ETHERNET_LEN + IPV4_LEN;
/// The frame check sequence, which sizes count and no frame here has.
pub const FCS_LEN: usize = 4;
/// The shortest frame, without tag and FCS.
pub const MIN_FRAME_LEN: usize = HEADERS_LEN + STAMP_LEN;
/// The longest frame, with tag, without FCS.
pub const MAX_FRAME_LEN: usize = 9216 + TAG_LEN;
/// First port numbers, of which each address has this many.
const N_PORTS: u32 = 1 << 14;
const FIRST_PORT: u16 = 1024;
/// Draws of a choice that is not even.
const N_DRAWS: usize = 1 << 20;
/// Periods of the sizes' pattern, each in an order of its own. A prime, so that no flow is tied to a
/// size.
const N_PERIODS: usize = 1021;

/// What the frames of a run are.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// Flows, 1 to [`MAX_FLOWS`].
    pub n_flows: u32,
    /// Pairs of MAC addresses, 1 to as many as flows.
    pub n_macs: u32,
    /// VLANs of the frames as they are sent; none for untagged.
    pub vlans: Vec<Vid>,
    /// VLANs of the frames as they should arrive.
    pub rx_vlans: Vec<Vid>,
    /// Which flow comes next.
    pub choice: Choice,
    /// How long frames are.
    pub sizes: Sizes,
    /// Of the orders.
    pub seed: u64,
}

impl Traffic {
    /// Flows that between them have every pair of MAC addresses in every VLAN in which it occurs.
    #[must_use]
    pub fn n_hosts(&self) -> u32 {
        let n_vlans = u32::try_from(self.vlans.len().max(1)).unwrap_or(u32::MAX);
        let (mut a, mut b) = (self.n_macs, n_vlans);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        (self.n_macs / a.max(1)).saturating_mul(n_vlans).min(self.n_flows)
    }
}

/// Headers, in room for a tag; lengths and checksum are of a frame without payload.
#[derive(Clone)]
struct Headers([u8; HEADERS_LEN + TAG_LEN]);

/// The frames of one direction, at one end.
pub struct Flows {
    headers: Box<[Headers]>,
    tag_len: usize,
    stream: u8,
}

impl Flows {
    /// Of stream 0, from the first hosts of the pairs to the second ones, or stream 1, back; in VLANs,
    /// none for untagged.
    #[must_use]
    pub fn new(traffic: &Traffic, stream: u8, vlans: &[Vid]) -> Flows {
        let headers = |flow: u32| {
            let pair = flow % traffic.n_macs;
            let vlan = vlans.get(flow as usize % vlans.len().max(1));
            Headers::new(flow, pair, stream, vlan.copied())
        };
        let tag_len = if vlans.is_empty() { 0 } else { TAG_LEN };
        let n_flows = traffic.n_flows.min(MAX_FLOWS);
        Flows { headers: (0..n_flows).map(headers).collect(), tag_len, stream }
    }

    /// How many there are.
    #[must_use]
    pub fn n(&self) -> usize {
        self.headers.len()
    }

    /// Bytes of a tag, or none.
    #[must_use]
    pub fn tag_len(&self) -> usize {
        self.tag_len
    }

    /// Writes the frame of a stamp; it is as long as `frame`, which must be within
    /// [`MIN_FRAME_LEN`] and [`MAX_FRAME_LEN`] and have room for the tag besides. Nothing is written
    /// for a flow that is not there.
    pub fn write(&self, stamp: Stamp, frame: &mut [u8]) {
        let Some(headers) = self.expected(stamp.flow, frame.len()) else { return };
        let len = HEADERS_LEN + self.tag_len;
        let Some((front, payload)) = frame.split_at_mut_checked(len) else { return };
        front.copy_from_slice(&headers[..len]);
        let Some((to, rest)) = payload.split_at_mut_checked(STAMP_LEN) else { return };
        to.copy_from_slice(&stamp.to_bytes());
        rest.fill(0);
    }

    /// Headers of a frame of that length.
    fn expected(&self, flow: u32, frame_len: usize) -> Option<[u8; HEADERS_LEN + TAG_LEN]> {
        let mut bytes = self.headers.get(flow as usize)?.0;
        let ip = len_u16(frame_len.checked_sub(ETHERNET_LEN + self.tag_len)?);
        let udp = ip.saturating_sub(len_u16(IPV4_LEN));
        let at = |field: usize| self.tag_len + field..self.tag_len + field + 2;
        bytes[at(IP_AT + 2)].copy_from_slice(&ip.to_be_bytes());
        bytes[at(UDP_AT + 4)].copy_from_slice(&udp.to_be_bytes());
        let sum = at(IP_AT + 10);
        let without = u16::from_be_bytes([bytes[sum.start], bytes[sum.start + 1]]);
        // RFC 1624 §3, of a field that was zero.
        let (folded, carry) = (!without).overflowing_add(ip);
        bytes[sum].copy_from_slice(&(!(folded + u16::from(carry))).to_be_bytes());
        Some(bytes)
    }

    /// Judges a frame that arrived where this end's frames should.
    #[must_use]
    pub fn judge(&self, frame: &[u8]) -> Verdict {
        let tagged = frame.get(ADDRESSES_LEN..ETHERNET_LEN) == Some(&TPID_CTAG.to_be_bytes());
        let stamp_at = HEADERS_LEN + if tagged { TAG_LEN } else { 0 };
        let stamp = match Stamp::parse(frame.get(stamp_at..).unwrap_or_default()) {
            Ok(stamp) => stamp,
            Err(NoStamp::Foreign) => return Verdict::Foreign,
            Err(NoStamp::Corrupt) => return Verdict::Corrupt,
        };
        let rest = &frame[stamp_at + STAMP_LEN..];
        let Some(expected) = self.expected(stamp.flow, frame.len()) else {
            return Verdict::Corrupt;
        };
        let len = HEADERS_LEN + self.tag_len;
        let elsewhere = stamp.stream != self.stream
            || tagged != (self.tag_len > 0)
            || frame[ADDRESSES_LEN..ADDRESSES_LEN + self.tag_len]
                != expected[ADDRESSES_LEN..ADDRESSES_LEN + self.tag_len];
        if elsewhere {
            Verdict::Elsewhere(stamp)
        } else if frame[..len] != expected[..len] || !is_zero(rest) {
            Verdict::Corrupt
        } else {
            Verdict::Ours(stamp)
        }
    }
}

/// Looks at whole blocks, which compilers make fast.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(64).all(|block| block.iter().fold(0, |all, byte| all | byte) == 0)
}

/// What a received frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// One of this end, every byte as it should be.
    Ours(Stamp),
    /// Ours, but not for this port, or not in this VLAN.
    Elsewhere(Stamp),
    /// Ours, with other bytes than it was sent with.
    Corrupt,
    /// Somebody else's.
    Foreign,
}

impl Headers {
    fn new(flow: u32, pair: u32, stream: u8, vlan: Option<Vid>) -> Headers {
        let (near, far) = (stream & 1, 1 - (stream & 1));
        let [_, b1, b2, b3] = (flow / N_PORTS + 1).to_be_bytes();
        let (near_ip, far_ip) = ([10, b1, b2, b3], [10, 200, 0, 1]);
        let port = FIRST_PORT + u16::try_from(flow % N_PORTS).unwrap_or(0);
        let (src, dst, ports) =
            if stream == 0 { (near_ip, far_ip, [port, 80]) } else { (far_ip, near_ip, [80, port]) };
        let mut bytes = [0; HEADERS_LEN + TAG_LEN];
        bytes[..6].copy_from_slice(&host(far, pair).0);
        bytes[6..ADDRESSES_LEN].copy_from_slice(&host(near, pair).0);
        let mut at = ADDRESSES_LEN;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        if let Some(vid) = vlan {
            put(&TPID_CTAG.to_be_bytes());
            put(&vid.get().to_be_bytes());
        }
        put(&[0x08, 0x00]);
        put(&ipv4(src, dst, 0));
        ports.iter().for_each(|port| put(&port.to_be_bytes()));
        Headers(bytes)
    }
}

fn len_u16(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

/// Which flow comes next, and how long its frame is, for ever.
pub struct Schedule {
    flows: Box<[u32]>,
    lens: Box<[u16]>,
    at_flow: usize,
    at_len: usize,
}

impl Schedule {
    /// Drawn from the traffic's seed.
    #[must_use]
    pub fn new(traffic: &Traffic) -> Schedule {
        let mut rng = SplitMix64(traffic.seed);
        let mut flows: Vec<u32> = (0..traffic.n_flows).collect();
        match traffic.choice {
            Choice::RoundRobin => {}
            Choice::Uniform => rng.shuffle(&mut flows),
            Choice::Zipf { exponent } => flows = zipf(traffic.n_flows, exponent, &mut rng),
        }
        let mut lens = Vec::new();
        for _ in 0..N_PERIODS {
            let mut period = traffic.sizes.pattern();
            rng.shuffle(&mut period);
            lens.extend(period.iter().map(|size| size.saturating_sub(len_u16(FCS_LEN))));
        }
        Schedule { flows: flows.into(), lens: lens.into(), at_flow: 0, at_len: 0 }
    }

    /// A flow, and the length of its frame without tag and FCS.
    pub fn draw(&mut self) -> (u32, usize) {
        let drawn = (self.flows[self.at_flow], usize::from(self.lens[self.at_len]));
        self.at_flow = if self.at_flow + 1 == self.flows.len() { 0 } else { self.at_flow + 1 };
        self.at_len = if self.at_len + 1 == self.lens.len() { 0 } else { self.at_len + 1 };
        drawn
    }
}

/// Flow 0 is the most frequent; flow *k* comes (k+1)^exponent times less often.
fn zipf(n_flows: u32, exponent: f64, rng: &mut SplitMix64) -> Vec<u32> {
    let mut total = 0.0;
    let add = |flow: u32| {
        total += f64::from(flow + 1).powf(-exponent);
        total
    };
    let up_to: Vec<f64> = (0..n_flows).map(add).collect();
    let draw = |_| {
        let at = rng.fraction() * total;
        let flow = up_to.partition_point(|sum| *sum <= at);
        u32::try_from(flow).unwrap_or(u32::MAX).min(n_flows - 1)
    };
    (0..N_DRAWS).map(draw).collect()
}

/// Whether a frame's IPv4 header is whole.
#[must_use]
pub fn header_sum_is_right(frame: &[u8], tag_len: usize) -> bool {
    let header = frame.get(IP_AT + tag_len..IP_AT + tag_len + IPV4_LEN);
    header.is_some_and(|header| internet_checksum(header) == 0)
}

#[cfg(test)]
mod tests;
