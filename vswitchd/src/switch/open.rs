//! From a port's type to the driver that serves it.

use datapath::netdev::afpacket::Packet;
use datapath::netdev::null::Null;
use datapath::netdev::pcap::{Pcap, PcapConfig, Play};
use datapath::netdev::tap::{AdminState, Lifetime, Tap, TapConfig};
use datapath::netdev::{Netdev, NetdevError};
use packet::MacAddr;

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
}

/// A device that is open, with no queue in use.
pub struct Opened {
    /// The device.
    pub netdev: Box<dyn Netdev>,
    /// Whose word counts for its link.
    pub link: LinkOf,
}

/// Whose word counts for a device's link, MTU and MAC address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkOf {
    /// The kernel's: it has an interface of the port's name.
    Kernel,
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
    /// No driver for this type.
    #[error("no driver for type={0}")]
    NoDriver(&'static str),
}

/// Opens devices for ports.
pub trait PortOpener {
    /// Opens the device of a port. What was opened is closed when it is dropped.
    ///
    /// # Errors
    /// The device is missing, in use, or not what the port's type says.
    fn open(&mut self, request: &OpenRequest<'_>) -> Result<Opened, OpenError>;
}

/// MTU of a device that takes whatever it is sent.
const ANY_MTU: u32 = 65535;

/// The drivers of the datapath.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drivers;

impl PortOpener for Drivers {
    fn open(&mut self, request: &OpenRequest<'_>) -> Result<Opened, OpenError> {
        match request.settings.port_type() {
            PortType::System => {
                let netdev = Box::new(Packet::open(request.name, request.settings.n_rxq())?);
                Ok(Opened { netdev, link: LinkOf::Kernel })
            }
            PortType::Tap => open_tap(request, AdminState::Up),
            // As in Open vSwitch, the host sets up the interfaces that are its own.
            PortType::Internal => open_tap(request, AdminState::AsIs),
            PortType::Pcap => open_pcap(request),
            PortType::Null => {
                Ok(Opened { netdev: Box::new(Null), link: LinkOf::Virtual { mtu: ANY_MTU } })
            }
            other @ (PortType::Patch | PortType::Dummy) => Err(OpenError::NoDriver(other.word())),
        }
    }
}

fn open_tap(request: &OpenRequest<'_>, admin_state: AdminState) -> Result<Opened, OpenError> {
    let settings = request.settings;
    let lifetime = match settings.persist {
        Some(true) => Lifetime::Persistent,
        _ => Lifetime::Transient,
    };
    let config = TapConfig {
        n_queues: settings.n_rxq(),
        mac: request.mac,
        mtu: request.mtu,
        lifetime,
        admin_state,
        ..TapConfig::new(request.name)
    };
    Ok(Opened { netdev: Box::new(Tap::open(&config)?), link: LinkOf::Kernel })
}

fn open_pcap(request: &OpenRequest<'_>) -> Result<Opened, OpenError> {
    let settings = request.settings;
    let config = PcapConfig {
        path: settings.file.as_ref().map(|file| file.path().to_owned()).unwrap_or_default(),
        play: if settings.repeat.unwrap_or(true) { Play::Loop } else { Play::Once },
        rate: settings.rate.and_then(|rate| rate.get().try_into().ok()),
    };
    let netdev = Box::new(Pcap::open(&config)?);
    Ok(Opened { netdev, link: LinkOf::Virtual { mtu: ANY_MTU } })
}
