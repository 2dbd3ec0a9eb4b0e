//! DPDK's testpmd, which moves frames from port to port and looks at none, the ceiling of traffic from
//! capture files; or sends its own, beside `pktgen`.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{Running, daemon_in};

/// What it needs to hold a file in memory: as many buffers as Open vSwitch reserves.
const N_BUFFERS: &str = "--total-num-mbufs=262144";

/// Frames per second between two capture files in `io` mode, over both ports, on `cpu`.
///
/// # Errors
/// It does not start, or reports no rate within `limit`.
pub fn io_rate(files: [&Path; 2], cpu: usize, limit: Duration) -> Result<f64> {
    let main = usize::from(cpu == 0);
    let mut command = daemon_in(None, "dpdk-testpmd");
    command.args(["-l", &format!("{main},{cpu}"), "--main-lcore", &main.to_string()]);
    command.args(["--no-pci", "--in-memory", "--socket-mem", "1024"]);
    for (no, file) in files.iter().enumerate() {
        command.arg(format!("--vdev=net_pcap{no},rx_pcap={},infinite_rx=1", file.display()));
    }
    command.args(["--", "--nb-cores=1", "--forward-mode=io", "--stats-period", "1", N_BUFFERS]);
    rate_of(&mut command, limit).context("too few huge pages for the file?")
}

/// What is under way between a guest's two cards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Circle {
    /// Bytes of each frame.
    pub size: u32,
    /// Frames each way. A ring has 256 entries, so that none is lost while both ways together are no
    /// more.
    pub n_frames: u32,
}

/// How buffers lie in a guest's rings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub enum Rings {
    /// Split, the default of each VMM.
    Split,
    /// Packed.
    Packed,
}

impl Rings {
    /// Both.
    pub const ALL: [Rings; 2] = [Rings::Split, Rings::Packed];
}

impl fmt::Display for Rings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rings::Split => "split",
            Rings::Packed => "packed",
        })
    }
}

/// A guest with two cards.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// Where it listens.
    pub sockets: [&'a Path; 2],
    /// Its rings.
    pub rings: Rings,
    /// What is under way between them.
    pub circle: Circle,
}

/// Frames per second that a guest with two cards receives by them, when it sends on by one what it
/// receives by the other, on `cpu`. It listens at the sockets, and measures until `limit`.
///
/// # Errors
/// As [`io_rate`].
pub fn guest_rate(guest: Guest<'_>, cpu: usize, limit: Duration) -> Result<f64> {
    let Guest { sockets, rings, circle } = guest;
    let packed = u8::from(rings == Rings::Packed);
    let main = usize::from(cpu == 0);
    let mut command = daemon_in(None, "dpdk-testpmd");
    command.args(["-l", &format!("{main},{cpu}"), "--main-lcore", &main.to_string()]);
    command.args(["--no-pci", "--in-memory", "--single-file-segments", "--socket-mem", "256"]);
    for (no, path) in sockets.iter().enumerate() {
        // testpmd sends by card 0 to :00 and by card 1 to :01. So each has the address that the other
        // sends to: the switch learns them, and floods nothing.
        let mac = format!("mac=02:00:00:00:00:0{}", 1 - no);
        let more = format!("server=1,packed_vq={packed},{mac}");
        command.arg(format!("--vdev=net_virtio_user{no},path={},{more}", path.display()));
    }
    command.args(["--", "--nb-cores=1", "--forward-mode=io", "--tx-first", "--stats-period", "1"]);
    command.args([&format!("--txpkts={}", circle.size), "--total-num-mbufs=16384"]);
    command.arg(format!("--burst={}", circle.n_frames));
    rate_of(&mut command, limit)
}

/// The rate that testpmd reports, over all ports, of full seconds.
fn rate_of(command: &mut Command, limit: Duration) -> Result<f64> {
    let mut testpmd = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::null()))?;
    let stdout = testpmd.child().stdout.take().context("no standard output")?;
    let deadline = Instant::now() + limit;
    let mut rates = Vec::new();
    for line in BufReader::new(stdout).lines() {
        // A line a port each second: the first two are of no full second.
        if let Some(rate) = rx_pps(&line?) {
            rates.push(rate);
        }
        if Instant::now() >= deadline {
            break;
        }
    }
    let seconds = rates.len() / 2;
    if seconds < 2 {
        bail!("dpdk-testpmd reports no rate");
    }
    let sum: f64 = rates[2..seconds * 2].iter().sum();
    if sum == 0.0 {
        bail!("dpdk-testpmd receives nothing");
    }
    Ok(sum / (seconds - 1) as f64)
}

/// Sends frames of 60 bytes by an interface of a namespace, on `cpu`, as fast as it can, until it is
/// dropped. `driver` is `net_af_packet` or `net_af_xdp`.
///
/// # Errors
/// It cannot be started.
pub fn txonly(netns: &str, driver: &str, interface: &str, cpu: usize) -> Result<Running> {
    let main = usize::from(cpu == 0);
    let mut command = daemon_in(Some(netns), "dpdk-testpmd");
    command.args(["-l", &format!("{main},{cpu}"), "--main-lcore", &main.to_string()]);
    command.args(["--no-pci", "--no-shconf", "--no-huge", "-m", "512"]);
    command.arg(format!("--vdev={driver}0,iface={interface}"));
    command.args(["--", "--nb-cores=1", "--forward-mode=txonly", "--txpkts=60"]);
    // Without a terminal it would end at once; with a period it goes on.
    command.args(["--stats-period", "1", "--total-num-mbufs=16384"]);
    Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
}

/// Of `  Rx-pps:      1234          Rx-bps: …`.
fn rx_pps(line: &str) -> Option<f64> {
    let rest = line.trim().strip_prefix("Rx-pps:")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_from_a_line_of_statistics() {
        assert_eq!(
            rx_pps("  Rx-pps:     23000001          Rx-bps:  11040000480"),
            Some(23_000_001.0)
        );
        assert_eq!(rx_pps("  Tx-pps:     1          Tx-bps:  2"), None);
    }
}
