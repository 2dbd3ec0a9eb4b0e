//! An interface, driven by AF_XDP: which mode it is in, and its queues.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::error::AfXdpError;
use super::link::{self, Link};
use super::program::{Hook, Program};
use super::receiver::Checksums;
use super::rxq::AfXdpRxq;
use super::socket::{Socket, Spec};
use super::sys;
use super::txq::AfXdpTxq;
use crate::frame::{FrameMemory, FramePool, SizeClass};
use crate::netdev::afpacket::{self, Joining};
use crate::netdev::{Netdev, NetdevError, Rxq, Txq, check_ifname};

/// Most frames that a queue has lent for receiving: nearly its ring, which is what may come while the
/// poll thread does not run. TCP answers each loss with a slower sender.
const MAX_LEVEL: usize = 2048 - 64;
/// Fewest, below which bursts would be lost.
const MIN_LEVEL: usize = 64;
/// A queue takes no more than this share of what is free.
const SHARE: usize = 16;

/// How the program is run and frames reach the socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum XdpMode {
    /// The best of the others that works.
    #[default]
    BestEffort,
    /// In the driver, without copies in the kernel.
    NativeWithZerocopy,
    /// In the driver, with a copy.
    Native,
    /// In the stack: on any interface, slowly.
    Generic,
}

impl XdpMode {
    /// As users know it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            XdpMode::BestEffort => "best-effort",
            XdpMode::NativeWithZerocopy => "native-with-zerocopy",
            XdpMode::Native => "native",
            XdpMode::Generic => "generic",
        }
    }

    fn hooks(self) -> &'static [Hook] {
        match self {
            XdpMode::BestEffort => &[Hook::Native, Hook::Generic],
            XdpMode::NativeWithZerocopy | XdpMode::Native => &[Hook::Native],
            XdpMode::Generic => &[Hook::Generic],
        }
    }

    /// Flags of `bind` to try in order.
    fn binds(self, hook: Hook) -> &'static [u16] {
        use libc::{XDP_COPY, XDP_USE_SG, XDP_ZEROCOPY};
        match (self, hook) {
            (XdpMode::BestEffort, Hook::Native) => {
                &[XDP_ZEROCOPY | XDP_USE_SG, XDP_ZEROCOPY, XDP_COPY | XDP_USE_SG, XDP_COPY]
            }
            (XdpMode::NativeWithZerocopy, _) => &[XDP_ZEROCOPY | XDP_USE_SG, XDP_ZEROCOPY],
            _ => &[XDP_COPY | XDP_USE_SG, XDP_COPY],
        }
    }
}

/// Whether received checksums are looked at that may be unfinished.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CsumRecover {
    /// On virtual interfaces, whose other end is a stack of this machine; not on hardware.
    #[default]
    ByDevice,
    /// Yes.
    On,
    /// No.
    Off,
}

/// What an interface is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nature {
    /// Whether it is a piece of hardware, real or emulated.
    pub is_hardware: bool,
    /// What the kernel calls it, such as `veth`; empty where it has no name for it.
    pub kind: String,
}

/// What the interface of that name is, in the caller's network namespace.
///
/// # Errors
/// There is none.
pub fn nature(name: &str) -> std::io::Result<Nature> {
    let Link { is_hardware, kind, .. } = link::query(name)?;
    Ok(Nature { is_hardware, kind })
}

/// How an interface is to be driven.
#[derive(Clone, Debug)]
pub struct AfXdpConfig {
    /// Its name.
    pub name: String,
    /// Receive queues; `None` for as many as it has.
    pub n_rxq: Option<usize>,
    /// The mode.
    pub mode: XdpMode,
    /// Whether unfinished checksums are looked for.
    pub csum_recover: CsumRecover,
}

impl AfXdpConfig {
    /// The best mode, all queues.
    #[must_use]
    pub fn new(name: impl Into<String>) -> AfXdpConfig {
        AfXdpConfig {
            name: name.into(),
            n_rxq: None,
            mode: XdpMode::default(),
            csum_recover: CsumRecover::default(),
        }
    }
}

/// An interface of the host, by AF_XDP sockets.
pub struct AfXdp {
    /// Dropped first: no frame comes to a socket that is about to be closed.
    _program: Program,
    hook: Hook,
    link: Link,
    csum_recover: Checksums,
    sockets: Vec<Arc<Socket>>,
    next_txq: AtomicUsize,
    rxqs: Vec<Box<dyn Rxq>>,
    /// Keeps the interface promiscuous.
    _promiscuous: OwnedFd,
    name: String,
}

impl AfXdp {
    /// Attaches to an interface in the caller's network namespace. Frames are `memory`'s, and so must
    /// be all that are sent.
    ///
    /// # Errors
    /// See [`AfXdpError`]. Nothing is left behind.
    pub fn open(config: &AfXdpConfig, memory: &Arc<FrameMemory>) -> Result<AfXdp, NetdevError> {
        check_ifname(&config.name)?;
        let failed =
            |source| NetdevError::AfXdp { device: config.name.clone(), source: Box::new(source) };
        let os = |action| move |error| failed(AfXdpError::os(action)(error));
        let link = link::query(&config.name).map_err(os("find the interface"))?;
        if link.link_type != libc::ARPHRD_ETHER {
            return Err(NetdevError::Invalid {
                device: config.name.clone(),
                what: "link type",
                value: link.link_type.to_string(),
                allowed: format!("{}, Ethernet", libc::ARPHRD_ETHER),
            });
        }
        let n_queues = n_queues(config).map_err(failed)?;
        let promiscuous = afpacket::promiscuous(&config.name, link.ifindex)?;
        allow_locking();
        let opener = Opener { config, link: &link, n_queues, memory };
        let (program, hook, queues) = opener.open().map_err(failed)?;
        let mut pool = FramePool::new(memory.clone());
        let (mut sockets, mut rxqs) = (Vec::new(), Vec::<Box<dyn Rxq>>::new());
        for (socket, mut receiver) in queues {
            receiver.refill(&mut pool);
            program
                .put_socket(socket.queue(), socket.as_fd())
                .map_err(os("enter a socket into the map"))?;
            rxqs.push(Box::new(AfXdpRxq::new(socket.clone(), receiver)));
            sockets.push(socket);
        }
        Ok(AfXdp {
            _program: program,
            hook,
            csum_recover: opener.checksums(),
            sockets,
            next_txq: AtomicUsize::new(0),
            rxqs,
            _promiscuous: promiscuous,
            name: config.name.clone(),
            link,
        })
    }

    fn mode(&self) -> &'static str {
        let zero_copy = self.sockets.iter().all(|s| s.flags() & libc::XDP_ZEROCOPY != 0);
        match (self.hook, zero_copy) {
            (Hook::Native, true) => XdpMode::NativeWithZerocopy.word(),
            (Hook::Native, false) => XdpMode::Native.word(),
            (Hook::Generic, _) => XdpMode::Generic.word(),
        }
    }
}

/// Raises the limit of lockable memory as far as the process may.
fn allow_locking() {
    let unlimited = Rlimit { current: None, maximum: None };
    if setrlimit(Resource::Memlock, unlimited).is_err() {
        let maximum = rustix::process::getrlimit(Resource::Memlock).maximum;
        let _ = setrlimit(Resource::Memlock, Rlimit { current: maximum, maximum });
    }
}

/// How many queues the interface has. Where the driver does not tell, it is what was asked for.
fn n_queues(config: &AfXdpConfig) -> Result<u32, AfXdpError> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(|errno| AfXdpError::os("open a socket")(errno.into()))?;
    let asked = config.n_rxq.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    match (sys::n_rx_queues(socket.as_fd(), &config.name), asked) {
        (Ok(n_queues), Some(n_rxq)) if n_queues > 0 && n_rxq != n_queues => {
            Err(AfXdpError::Queues { n_rxq: n_rxq as usize, n_queues })
        }
        (Ok(n_queues), None) if n_queues > 0 => Ok(n_queues),
        (_, asked) => Ok(asked.unwrap_or(1)),
    }
}

type Queues = Vec<(Arc<Socket>, super::receiver::Receiver)>;

/// Tries the modes.
struct Opener<'a> {
    config: &'a AfXdpConfig,
    link: &'a Link,
    n_queues: u32,
    memory: &'a Arc<FrameMemory>,
}

impl Opener<'_> {
    fn checksums(&self) -> Checksums {
        match self.config.csum_recover {
            CsumRecover::ByDevice if self.link.is_hardware => Checksums::Trust,
            CsumRecover::ByDevice | CsumRecover::On => Checksums::Recover,
            CsumRecover::Off => Checksums::Trust,
        }
    }

    /// The first mode that works; else why the first does not.
    fn open(&self) -> Result<(Program, Hook, Queues), AfXdpError> {
        let mut first = None;
        for hook in self.config.mode.hooks() {
            match self.open_by(*hook) {
                Ok((program, queues)) => return Ok((program, *hook, queues)),
                // Another mode is refused for the same reason.
                Err(
                    error @ (AfXdpError::ProgramAttached { .. }
                    | AfXdpError::QueueBusy { .. }
                    | AfXdpError::NotPermitted { .. }
                    | AfXdpError::LockedMemory { .. }
                    | AfXdpError::NoBuffers { .. }
                    | AfXdpError::NoAfXdp(_)),
                ) => return Err(error),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or(AfXdpError::NoAfXdp(std::io::ErrorKind::Unsupported.into())))
    }

    fn open_by(&self, hook: Hook) -> Result<(Program, Queues), AfXdpError> {
        let program = Program::attach(&self.config.name, self.link.ifindex, self.n_queues, hook)?;
        let mut queues: Queues = Vec::new();
        let mut binds = self.config.mode.binds(hook).to_vec();
        for queue in 0..self.n_queues {
            let spec = Spec {
                ifindex: self.link.ifindex,
                memory: self.memory,
                level: self.level()?,
                checksums: self.checksums(),
                binds: &binds,
                mode: self.config.mode.word(),
            };
            let (socket, receiver) = Socket::open(&spec, queue)?;
            // The others shall be in the mode of the first.
            binds = vec![socket.flags()];
            queues.push((socket, receiver));
        }
        let takes_chains =
            program.takes_chains && queues.iter().all(|(socket, _)| socket.abilities().chains);
        let most =
            SizeClass::Small.room() - packet::ethernet::HEADER_LEN - 2 * packet::vlan::TAG_LEN;
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        if !takes_chains && self.link.mtu > most {
            return Err(AfXdpError::Mtu { mtu: self.link.mtu, most });
        }
        Ok((program, queues))
    }

    /// How many frames a queue is to have lent.
    fn level(&self) -> Result<usize, AfXdpError> {
        let free = self.memory.n_free(SizeClass::Small);
        if free < MIN_LEVEL {
            return Err(AfXdpError::NoBuffers { free, needed: MIN_LEVEL });
        }
        Ok((free / SHARE).clamp(MIN_LEVEL, MAX_LEVEL))
    }
}

impl Netdev for AfXdp {
    fn driver(&self) -> &'static str {
        "afxdp"
    }

    fn take_rxqs(&mut self) -> Vec<Box<dyn Rxq>> {
        std::mem::take(&mut self.rxqs)
    }

    fn open_txq(&self) -> Result<Box<dyn Txq>, NetdevError> {
        let n = self.next_txq.fetch_add(1, Ordering::Relaxed) % self.sockets.len();
        let socket = &self.sockets[n];
        if !socket.poke() {
            let source = std::io::Error::from_raw_os_error(libc::ENODEV);
            let (device, action) = (self.name.clone(), "open a transmit queue");
            return Err(NetdevError::Os { device, action, source });
        }
        let stack = (self.link.kind == "veth").then(|| {
            let ifindex = i32::try_from(self.link.ifindex).unwrap_or(i32::MAX);
            afpacket::open_txq(&self.name, ifindex, Joining::Streams)
        });
        Ok(Box::new(AfXdpTxq::new(socket.clone(), stack.transpose()?)))
    }

    fn recovers_checksums(&self) -> bool {
        self.csum_recover == Checksums::Recover
    }

    fn status(&self) -> Vec<(&'static str, String)> {
        let first = self.sockets.first().map(|socket| socket.abilities());
        let (chains, requests) = first.map_or((false, false), |a| (a.chains, a.requests));
        let mut status = vec![
            ("ifindex", self.link.ifindex.to_string()),
            ("xdp_mode", self.mode().to_owned()),
            ("n_rxq", self.sockets.len().to_string()),
            ("rx_csum_recover", self.recovers_checksums().to_string()),
            ("tx_checksum", if requests { "kernel" } else { "software" }.to_owned()),
            ("multi_buffer", chains.to_string()),
        ];
        let mut sum = sys::Statistics::default();
        for seen in self.sockets.iter().filter_map(|socket| socket.statistics().ok()) {
            sum.rx_dropped += seen.rx_dropped;
            sum.rx_ring_full += seen.rx_ring_full;
            sum.rx_fill_ring_empty += seen.rx_fill_ring_empty;
            sum.rx_invalid_descs += seen.rx_invalid_descs;
            sum.tx_invalid_descs += seen.tx_invalid_descs;
            sum.tx_ring_empty += seen.tx_ring_empty;
        }
        let n_bad: u64 = self.sockets.iter().map(|socket| socket.sender().n_bad()).sum();
        status.extend([
            ("xsk_rx_dropped", sum.rx_dropped.to_string()),
            ("xsk_rx_ring_full", sum.rx_ring_full.to_string()),
            ("xsk_rx_fill_ring_empty", sum.rx_fill_ring_empty.to_string()),
            ("xsk_rx_invalid_descs", sum.rx_invalid_descs.to_string()),
            ("xsk_tx_invalid_descs", sum.tx_invalid_descs.to_string()),
            ("xsk_tx_ring_empty", sum.tx_ring_empty.to_string()),
            ("bad_completions", n_bad.to_string()),
        ]);
        status
    }
}
