//! Guests without a machine: a vhost-user card whose other side is a TAP in a host's namespace.
//!
//! # Design
//! A thread moves frames between the two, whole segments and unfinished checksums too, as a guest's driver
//! does between its stack and its rings. So the kernel's own stack talks by a vhost-user port, at its own
//! speed: a machine in emulation would be slower than any switch. What it cannot show is how long a real
//! guest takes to be woken.
//!
//! What the guest takes is what was negotiated: where the switch finishes no checksums, the host's card does
//! neither.

mod front_end;

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Error, Result, anyhow};
use datapath::netdev::WakeSource;
use datapath::{Batch, FrameMemory, FramePool, MAX_BURST};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::lab::{HOST_IF, Lab};
use crate::pktgen::Wires;
use crate::pktgen::port::{Port, PortSpec};
use front_end::{CSUM, FrontEnd, HOST_TSO4, Notify, SEGMENTS};

/// Frames of each size: more than both directions hold at any moment.
const N_FRAMES: usize = 512;
/// The longest sleep: after that the thread sees whether it shall end, and whether its ring has room.
const NAP: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
/// Frames that the kernel may queue for the card. It drops what is too many, where a guest's stack would
/// wait.
const QUEUE_LEN: &str = "10000";

/// Whether a guest's card knows segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Segments {
    /// If the switch does.
    Whole,
    /// No.
    Cut,
}

/// A guest that runs until it is dropped.
pub struct Guest {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Guest {
    /// Makes host `host` of the lab a guest. The switch connects to that socket, which is made here, when
    /// `plug` is called.
    ///
    /// # Errors
    /// The switch does not connect, or something is refused.
    pub fn start(
        lab: &Lab,
        host: usize,
        socket: &Path,
        segments: Segments,
        plug: impl FnOnce() -> Result<()>,
    ) -> Result<Guest> {
        let netns = lab.host(host)?;
        let memory = FrameMemory::new(N_FRAMES, N_FRAMES)?;
        let spec = format!("{}/tap:{HOST_IF}", netns.name).parse::<PortSpec>();
        let port = Port::open(&spec.map_err(Error::msg)?, &memory, &mut Wires::default())?;
        let listener = UnixListener::bind(socket)?;
        plug()?;
        let without = if segments == Segments::Cut { SEGMENTS } else { 0 };
        let (front_end, features) = FrontEnd::accept(&listener, without)?;
        let card = ["-K", HOST_IF];
        if features & CSUM == 0 {
            netns.run("ethtool", &[&card[..], &["tx", "off"]].concat())?;
        } else if features & HOST_TSO4 == 0 {
            netns.run("ethtool", &[&card[..], &["tso", "off"]].concat())?;
        }
        netns.ip(&["link", "set", HOST_IF, "txqueuelen", QUEUE_LEN])?;
        netns.address(HOST_IF, host)?;
        let stop = Arc::<AtomicBool>::default();
        let pump = Pump { front_end, port, pool: FramePool::new(memory), batch: Batch::new() };
        let thread = std::thread::spawn({
            let stop = stop.clone();
            move || pump.run(&stop)
        });
        Ok(Guest { stop, thread: Some(thread) })
    }

    /// Says so if it has died.
    ///
    /// # Errors
    /// It has.
    pub fn check(&mut self) -> Result<()> {
        let Some(thread) = self.thread.take_if(|thread| thread.is_finished()) else {
            return Ok(());
        };
        thread.join().map_err(|_| anyhow!("the guest's thread has died"))?.context("guest")
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Moves frames between a card and a TAP.
struct Pump {
    front_end: FrontEnd,
    port: Port,
    pool: FramePool,
    batch: Batch,
}

impl Pump {
    fn run(mut self, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            if self.round()? == 0 {
                self.front_end.wish(Notify::Wanted)?;
                // What came before the wish is not told.
                if self.round()? == 0 {
                    self.sleep()?;
                }
                self.front_end.wish(Notify::Unwanted)?;
            }
        }
        Ok(())
    }

    /// Moves a batch each way; how many frames it moved.
    fn round(&mut self) -> Result<usize> {
        let Pump { front_end, port, pool, batch } = self;
        let mut n = 0;
        if front_end.room()? >= MAX_BURST {
            for rxq in &mut port.rx.rxqs {
                rxq.recv(pool, batch, &port.rx.counters);
            }
            n += batch.len();
            if !batch.is_empty() {
                front_end.transmit(batch.iter())?;
                pool.put_all(batch.drain(..));
            }
        }
        n += front_end.receive(pool, MAX_BURST, |frame| batch.push(frame))?;
        if !batch.is_empty() {
            port.tx.txq.send(pool, batch, &port.tx.counters);
        }
        Ok(n)
    }

    fn sleep(&self) -> Result<()> {
        let call = self.front_end.call();
        let mut fds = vec![PollFd::from_borrowed_fd(call, PollFlags::IN)];
        for rxq in &self.port.rx.rxqs {
            if let WakeSource::Fd(fd) = rxq.wake_source() {
                fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
            }
        }
        poll(&mut fds, Some(&NAP))?;
        // Nothing to read is no error.
        let _ = rustix::io::read(call, &mut [0; 8]);
        Ok(())
    }
}
