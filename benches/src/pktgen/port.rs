//! Ports, as words name them: `[NETNS/]DRIVER:NAME`.
//!
//! # Design
//! A port is opened by a driver of the datapath, on a thread that enters the namespace for that; its
//! descriptors then work from any. A new driver is a row of [`Driver`] and an arm of [`device`].

use std::fmt;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use datapath::netdev::afpacket::Packet;
use datapath::netdev::afxdp::{AfXdp, AfXdpConfig};
use datapath::netdev::null::Null;
use datapath::netdev::pcap::{Pcap, PcapConfig, Play};
use datapath::netdev::tap::{Tap, TapConfig};
use datapath::netdev::{Netdev, NetdevError, Rxq, Txq};
use datapath::{FrameMemory, PortCounters};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::wire::Wires;

/// Where `ip netns` keeps namespaces (ip-netns(8)).
const NETNS_DIR: &str = "/run/netns";

/// How a port is driven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Driver {
    /// An interface that exists, by packet sockets.
    Packet,
    /// An interface that exists, by AF_XDP sockets.
    AfXdp,
    /// A TAP that is made, or one that exists.
    Tap,
    /// A wire in memory, by its name.
    Mem,
    /// A capture file: received once; what is sent is discarded.
    Pcap,
    /// Nothing: what is sent is discarded.
    Null,
}

const DRIVERS: [(&str, Driver); 6] = [
    ("packet", Driver::Packet),
    ("afxdp", Driver::AfXdp),
    ("tap", Driver::Tap),
    ("mem", Driver::Mem),
    ("pcap", Driver::Pcap),
    ("null", Driver::Null),
];

/// A port to be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortSpec {
    netns: Option<String>,
    driver: Driver,
    name: String,
}

impl FromStr for PortSpec {
    type Err = String;

    fn from_str(word: &str) -> Result<PortSpec, String> {
        let allowed = || {
            let drivers: Vec<_> = DRIVERS.iter().map(|(name, _)| format!("{name}:NAME")).collect();
            format!("allowed: {}, each with NETNS/ in front or not", drivers.join(", "))
        };
        let (front, name) = match word.split_once(':') {
            Some(parts) => parts,
            None if word.ends_with("null") => (word, ""),
            None => return Err(allowed()),
        };
        let (netns, driver) = match front.rsplit_once('/') {
            Some((netns, driver)) => (Some(netns), driver),
            None => (None, front),
        };
        let (_, driver) = DRIVERS.iter().find(|(name, _)| *name == driver).ok_or_else(allowed)?;
        let unnamed = name.is_empty() && *driver != Driver::Null;
        // A namespace is a file of one folder: nothing else may be named by it.
        if unnamed || netns.is_some_and(|netns| netns.is_empty() || netns.contains('/')) {
            return Err(allowed());
        }
        let netns = netns.map(str::to_owned);
        Ok(PortSpec { netns, driver: *driver, name: name.to_owned() })
    }
}

impl fmt::Display for PortSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(netns) = &self.netns {
            write!(f, "{netns}/")?;
        }
        let driver = DRIVERS.iter().find(|(_, driver)| *driver == self.driver);
        let driver = driver.map_or("", |(name, _)| name);
        if self.name.is_empty() { f.write_str(driver) } else { write!(f, "{driver}:{}", self.name) }
    }
}

/// The sending half of a port.
pub struct TxHalf {
    /// The queue.
    pub txq: Box<dyn Txq>,
    /// What was sent.
    pub counters: Arc<PortCounters>,
}

/// The receiving half.
pub struct RxHalf {
    /// The queues.
    pub rxqs: Vec<Box<dyn Rxq>>,
    /// What was received.
    pub counters: Arc<PortCounters>,
}

/// An open port.
pub struct Port {
    /// Its word.
    pub spec: PortSpec,
    /// Sends.
    pub tx: TxHalf,
    /// Receives.
    pub rx: RxHalf,
    _device: Box<dyn Netdev>,
}

impl Port {
    /// Opens a port whose frames are those of `memory`.
    ///
    /// # Errors
    /// There is no such namespace, interface or file, or the system refuses.
    pub fn open(spec: &PortSpec, memory: &Arc<FrameMemory>, wires: &mut Wires) -> Result<Port> {
        // Such an error tells its cause itself.
        let tell = |error: NetdevError| anyhow!("{error}");
        let mut open = || {
            let device = device(spec, memory, wires).map_err(tell)?;
            Port::of_device(spec, device).map_err(tell)
        };
        let opened = match &spec.netns {
            Some(netns) => inside(netns, open),
            None => open(),
        };
        opened.with_context(|| format!("cannot open {spec}"))
    }

    /// The port of a device, inside whose namespace the caller is.
    pub(super) fn of_device(
        spec: &PortSpec,
        mut device: Box<dyn Netdev>,
    ) -> Result<Port, NetdevError> {
        let rxqs = device.take_rxqs();
        let txq = device.open_txq()?;
        Ok(Port {
            spec: spec.clone(),
            tx: TxHalf { txq, counters: Arc::default() },
            rx: RxHalf { rxqs, counters: Arc::default() },
            _device: device,
        })
    }
}

fn device(
    spec: &PortSpec,
    memory: &Arc<FrameMemory>,
    wires: &mut Wires,
) -> Result<Box<dyn Netdev>, NetdevError> {
    Ok(match spec.driver {
        Driver::Packet => Box::new(Packet::open(&spec.name, 1)?),
        Driver::AfXdp => Box::new(AfXdp::open(&AfXdpConfig::new(&spec.name), memory)?),
        Driver::Tap => Box::new(Tap::open(&TapConfig::new(&spec.name))?),
        Driver::Mem => Box::new(wires.end(&spec.name)),
        Driver::Pcap => {
            let path = PathBuf::from(&spec.name);
            Box::new(Pcap::open(&PcapConfig { path, play: Play::Once, rate: None })?)
        }
        Driver::Null => Box::new(Null),
    })
}

/// Does something on a thread inside a namespace.
fn inside<T: Send>(netns: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let path = Path::new(NETNS_DIR).join(netns);
    ensure!(path.exists(), "no namespace {netns:?} (allowed: those that `ip netns list` shows)");
    let file = File::open(&path).with_context(|| path.display().to_string())?;
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                .context("cannot enter the namespace")?;
            work()
        });
        thread.join().unwrap_or_else(|_| Err(anyhow!("the thread that opens ports has died")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_ports() {
        for word in
            ["packet:veth0", "h1/afxdp:eth0", "tap:t0", "mem:w", "pcap:/tmp/a:b.pcap", "null"]
        {
            assert_eq!(word.parse::<PortSpec>().unwrap().to_string(), word);
        }
    }

    #[test]
    fn other_words_are_refused_with_what_is_allowed() {
        for word in
            ["", "veth0", "packet:", "afxdp2:veth0", "/packet:eth0", "../x/packet:eth0", ":x"]
        {
            let error = word.parse::<PortSpec>().unwrap_err();
            assert!(
                error.starts_with("allowed: packet:NAME, ") && !error.contains('\n'),
                "{error}"
            );
        }
    }

    #[test]
    fn what_cannot_be_opened_is_named() {
        let error = |word: &str| {
            let memory = FrameMemory::new(1, 0).unwrap();
            let opened = Port::open(&word.parse().unwrap(), &memory, &mut Wires::default());
            format!("{:#}", opened.err().expect("refused"))
        };
        let text = error("nowhere-at-all/packet:eth0");
        assert!(text.starts_with("cannot open nowhere-at-all/packet:eth0: no namespace"), "{text}");
        let text = error("pcap:/nonexistent.pcap");
        assert!(text.starts_with("cannot open pcap:/nonexistent.pcap: /nonexistent.pcap: read: "));
    }
}
