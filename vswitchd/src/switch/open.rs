//! From a port's type to the driver that serves it.

use std::sync::Arc;

use datapath::frame::FrameMemory;
use datapath::netdev::afpacket::Packet;
use datapath::netdev::afxdp::{self, AfXdp, AfXdpConfig, CsumRecover, XdpMode};
use datapath::netdev::carrier::Carrier;
use datapath::netdev::null::Null;
use datapath::netdev::pcap::{Pcap, PcapConfig, Play};
use datapath::netdev::tap::{AdminState, Lifetime, Tap, TapConfig};
use datapath::netdev::vhost::{Mode, Vhost, VhostConfig};
use datapath::netdev::{Netdev, NetdevError};
use datapath::tunnel::TunnelKind;
use packet::MacAddr;

use crate::config::account::{Account, AccountError, Book};
use crate::config::group::Group;
use crate::config::model::{DriverName, VhostModeName, XdpModeName};
use crate::config::{PortSettings, PortType};

/// What a port needs.
#[derive(Clone, Copy, Debug)]
pub struct OpenRequest<'a> {
    /// The port's name, which a kernel device bears too.
    pub name: &'a str,
    /// Its settings.
    pub settings: &'a PortSettings,
    /// MAC address for a device that the switch makes.
    pub mac: Option<MacAddr>,
    /// MTU for a device that the switch makes, bytes.
    pub mtu: Option<u32>,
    /// Where frames come from.
    pub memory: &'a Arc<FrameMemory>,
}

/// A device that is open, with no queue in use.
pub struct Opened {
    /// The device.
    pub netdev: Box<dyn Netdev>,
    /// Whose word counts for its link.
    pub link: LinkOf,
    /// Why this driver serves it, where there was a choice.
    pub reason: Option<String>,
}

/// Whose word counts for a device's link, MTU and MAC address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkOf {
    /// The kernel's: it has an interface of the port's name.
    Kernel,
    /// The driver's, which tells when it changes.
    Device {
        /// Its MTU, bytes.
        mtu: u32,
    },
    /// Nobody's: the device is always up.
    Virtual {
        /// Its MTU, bytes.
        mtu: u32,
    },
}

/// Why a port cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The device refuses.
    #[error(transparent)]
    Netdev(#[from] NetdevError),
    /// The TAP's user or group is unknown.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// No driver for this type.
    #[error("no driver for type={0}")]
    NoDriver(&'static str),
    /// All numbers of the datapath are taken.
    #[error("no free number for the tunnel's carrier")]
    NoNumber,
}

/// Opens devices for ports.
pub trait PortOpener {
    /// Opens the device of a port. What was opened is closed when it is dropped.
    ///
    /// # Errors
    /// The device is missing, in use, or not what the port's type says.
    fn open(&mut self, request: &OpenRequest<'_>) -> Result<Opened, OpenError>;

    /// Opens the host's stack for tunnels of a protocol and UDP port.
    ///
    /// # Errors
    /// The port is in use.
    fn open_carrier(&mut self, kind: TunnelKind, port: u16) -> Result<Box<dyn Netdev>, OpenError>;
}

/// MTU of a device that takes whatever it is sent.
const ANY_MTU: u32 = 65535;
/// MTU of a device that has none of its own: that of Ethernet, bytes.
pub(super) const ETHERNET_MTU: u32 = 1500;

/// The drivers of the datapath.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drivers;

impl PortOpener for Drivers {
    fn open(&mut self, request: &OpenRequest<'_>) -> Result<Opened, OpenError> {
        match request.settings.port_type() {
            PortType::System => open_system(request),
            PortType::AfXdp => {
                let netdev = Box::new(open_afxdp(request, xdp_mode(request.settings))?);
                Ok(Opened { netdev, link: LinkOf::Kernel, reason: None })
            }
            PortType::Tap => open_tap(request, AdminState::Up),
            // As in Open vSwitch, the host sets up the interfaces that are its own.
            PortType::Internal => open_tap(request, AdminState::AsIs),
            PortType::Pcap => open_pcap(request),
            PortType::VhostUser => open_vhost(request),
            PortType::Null => Ok(Opened {
                netdev: Box::new(Null),
                link: LinkOf::Virtual { mtu: ANY_MTU },
                reason: None,
            }),
            other @ (PortType::Patch
            | PortType::Vxlan
            | PortType::Gre
            | PortType::Geneve
            | PortType::Dummy) => Err(OpenError::NoDriver(other.word())),
        }
    }

    fn open_carrier(&mut self, kind: TunnelKind, port: u16) -> Result<Box<dyn Netdev>, OpenError> {
        Ok(Box::new(Carrier::open(kind, port)?))
    }
}

/// Opens an existing interface by the driver asked for, or by the best for what it is.
///
/// Behind a virtual interface is a stack of this machine, or a VM, whose segments of 64 KiB cross
/// AF_PACKET whole; AF_XDP would make it cut them. A NIC sends cut frames in any case, and AF_XDP in
/// its driver costs least for each.
fn open_system(request: &OpenRequest<'_>) -> Result<Opened, OpenError> {
    let by = |netdev: Box<dyn Netdev>, reason: String| Opened {
        netdev,
        link: LinkOf::Kernel,
        reason: Some(reason),
    };
    match request.settings.driver.unwrap_or(DriverName::Auto) {
        DriverName::Packet => {
            Ok(by(Box::new(open_packet(request)?), "asked for by driver=packet".to_owned()))
        }
        DriverName::AfXdp => {
            let netdev = Box::new(open_afxdp(request, xdp_mode(request.settings))?);
            Ok(by(netdev, "asked for by driver=afxdp".to_owned()))
        }
        DriverName::Auto => {
            let why_not = match native_afxdp(request) {
                Ok(netdev) => {
                    let reason = "the interface is hardware, and its driver knows XDP".to_owned();
                    return Ok(by(Box::new(netdev), reason));
                }
                Err(why_not) => why_not,
            };
            Ok(by(Box::new(open_packet(request)?), why_not))
        }
    }
}

fn open_packet(request: &OpenRequest<'_>) -> Result<Packet, NetdevError> {
    Packet::open(request.name, request.settings.n_rxq())
}

/// A piece of hardware by AF_XDP in its driver; or why it is not to be served so.
fn native_afxdp(request: &OpenRequest<'_>) -> Result<AfXdp, String> {
    let nature = afxdp::nature(request.name).map_err(|error| error.to_string())?;
    if !nature.is_hardware {
        return Err(format!(
            "whole segments of the stack behind a {} cross AF_PACKET",
            if nature.kind.is_empty() { "virtual interface" } else { &nature.kind },
        ));
    }
    let modes: &[XdpMode] = match request.settings.xdp_mode {
        None | Some(XdpModeName::BestEffort) => &[XdpMode::NativeWithZerocopy, XdpMode::Native],
        Some(_) => &[xdp_mode(request.settings)],
    };
    let mut why_not = String::new();
    for mode in modes {
        match open_afxdp(request, *mode) {
            Ok(netdev) => return Ok(netdev),
            Err(error) => why_not = format!("AF_XDP does not work here: {error}"),
        }
    }
    Err(why_not)
}

fn open_afxdp(request: &OpenRequest<'_>, mode: XdpMode) -> Result<AfXdp, NetdevError> {
    let settings = request.settings;
    let config = AfXdpConfig {
        name: request.name.to_owned(),
        n_rxq: settings.n_rxq.map(|_| settings.n_rxq()),
        mode,
        csum_recover: match settings.rx_csum_recover {
            None => CsumRecover::ByDevice,
            Some(true) => CsumRecover::On,
            Some(false) => CsumRecover::Off,
        },
    };
    AfXdp::open(&config, request.memory)
}

fn xdp_mode(settings: &PortSettings) -> XdpMode {
    match settings.xdp_mode.unwrap_or(XdpModeName::BestEffort) {
        XdpModeName::BestEffort => XdpMode::BestEffort,
        XdpModeName::NativeWithZerocopy => XdpMode::NativeWithZerocopy,
        XdpModeName::Native => XdpMode::Native,
        XdpModeName::Generic => XdpMode::Generic,
    }
}

fn open_tap(request: &OpenRequest<'_>, admin_state: AdminState) -> Result<Opened, OpenError> {
    let settings = request.settings;
    let lifetime = match settings.persist {
        Some(true) => Lifetime::Persistent,
        _ => Lifetime::Transient,
    };
    let id = |account: Option<&Account>, book| account.map(|it| it.id(book)).transpose();
    let config = TapConfig {
        n_queues: settings.n_rxq(),
        user: id(settings.user.as_ref(), Book::Users)?,
        group: id(settings.group.as_ref().and_then(Group::users), Book::Groups)?,
        mac: request.mac,
        mtu: request.mtu,
        lifetime,
        admin_state,
        ..TapConfig::new(request.name)
    };
    Ok(Opened { netdev: Box::new(Tap::open(&config)?), link: LinkOf::Kernel, reason: None })
}

fn open_vhost(request: &OpenRequest<'_>) -> Result<Opened, OpenError> {
    let settings = request.settings;
    let config = VhostConfig {
        path: settings.path.as_ref().map(|path| path.path().to_owned()).unwrap_or_default(),
        mode: match settings.vhost_mode.unwrap_or(VhostModeName::Client) {
            VhostModeName::Client => Mode::Client,
            VhostModeName::Server => Mode::Server,
        },
        n_pairs: settings.n_rxq(),
    };
    let netdev = Box::new(Vhost::open(&config)?);
    let link = LinkOf::Device { mtu: request.mtu.unwrap_or(ETHERNET_MTU) };
    Ok(Opened { netdev, link, reason: None })
}

fn open_pcap(request: &OpenRequest<'_>) -> Result<Opened, OpenError> {
    let settings = request.settings;
    let config = PcapConfig {
        path: settings.file.as_ref().map(|file| file.path().to_owned()).unwrap_or_default(),
        play: if settings.repeat.unwrap_or(true) { Play::Loop } else { Play::Once },
        rate: settings.rate.and_then(|rate| rate.get().try_into().ok()),
    };
    let netdev = Box::new(Pcap::open(&config)?);
    Ok(Opened { netdev, link: LinkOf::Virtual { mtu: ANY_MTU }, reason: None })
}
