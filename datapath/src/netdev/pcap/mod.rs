//! `pcap`: frames of a capture file, from memory; what is sent is counted and discarded.
//!
//! The source of repeatable traffic: the file is read once, when the port is made, and played in a
//! loop as fast as the switch takes it, or at a given rate.

mod file;
mod rxq;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU32;
use std::path::PathBuf;

pub use file::PcapError;
use file::{Frames, MAX_FILE_LEN};
use rxq::{Pace, Replay};

use super::null::Discard;
use super::{Netdev, NetdevError, Rxq, Txq};

/// How often the file is played.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Play {
    /// Again and again.
    #[default]
    Loop,
    /// Once; the port is then silent.
    Once,
}

/// What a `pcap` port plays.
#[derive(Clone, Debug)]
pub struct PcapConfig {
    /// The capture file.
    pub path: PathBuf,
    /// How often.
    pub play: Play,
    /// Frames per second; `None` for as many as the switch takes.
    pub rate: Option<NonZeroU32>,
}

/// A port that plays a capture file.
pub struct Pcap {
    n_frames: usize,
    rxq: Option<Box<dyn Rxq>>,
}

impl Pcap {
    /// Reads the file into memory.
    ///
    /// # Errors
    /// The file cannot be read, is too large, or is not a capture of Ethernet frames.
    pub fn open(config: &PcapConfig) -> Result<Pcap, NetdevError> {
        let device = config.path.display().to_string();
        let os = |action| move |source| NetdevError::Os { device: device.clone(), action, source };
        let bytes = read(&config.path).map_err(os.clone()("read"))?;
        let device = config.path.display().to_string();
        let frames =
            Frames::parse(&bytes).map_err(|source| NetdevError::Capture { device, source })?;
        let pace = config.rate.map(Pace::new).transpose().map_err(os("timer"))?;
        let n_frames = frames.len();
        let rxq = Replay::new(frames, config.play, pace);
        Ok(Pcap { n_frames, rxq: Some(Box::new(rxq)) })
    }
}

/// The file's bytes. A pipe or a device might never end, or block: only a regular file is read.
fn read(path: &std::path::Path) -> io::Result<Vec<u8>> {
    let refuse = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
    let found = std::fs::metadata(path)?;
    if !found.is_file() {
        return Err(refuse("not a regular file".into()));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_LEN + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_LEN {
        return Err(refuse(format!("{} bytes (allowed: 0-{MAX_FILE_LEN})", found.len())));
    }
    Ok(bytes)
}

impl Netdev for Pcap {
    fn driver(&self) -> &'static str {
        "pcap"
    }

    fn take_rxqs(&mut self) -> Vec<Box<dyn Rxq>> {
        self.rxq.take().into_iter().collect()
    }

    fn open_txq(&self) -> Result<Box<dyn Txq>, NetdevError> {
        Ok(Box::new(Discard))
    }

    fn status(&self) -> Vec<(&'static str, String)> {
        vec![("n_frames", self.n_frames.to_string())]
    }
}
