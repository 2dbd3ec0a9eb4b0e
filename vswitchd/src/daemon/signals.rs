//! Signals, as readable descriptors for the main loop.

use std::io::{self, Read};
use std::os::unix::net::UnixStream as StdStream;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::{pipe, unregister};

/// What signals ask for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Asked {
    /// SIGTERM or SIGINT came.
    pub stop: bool,
    /// SIGHUP came.
    pub reopen: bool,
}

/// The ends of pipes that signals write to.
pub struct Signals {
    stop: UnixStream,
    reopen: UnixStream,
    ids: Vec<SigId>,
}

impl Signals {
    /// Takes the signals from now on.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Signals> {
        let (stop, stop_writer) = StdStream::pair()?;
        let (reopen, reopen_writer) = StdStream::pair()?;
        let ids = vec![
            pipe::register(SIGTERM, stop_writer.try_clone()?)?,
            pipe::register(SIGINT, stop_writer)?,
            pipe::register(SIGHUP, reopen_writer)?,
        ];
        let watch = |stream: StdStream| {
            stream.set_nonblocking(true)?;
            let mut stream = UnixStream::from_std(stream);
            registry.register(&mut stream, token, Interest::READABLE)?;
            io::Result::Ok(stream)
        };
        Ok(Signals { stop: watch(stop)?, reopen: watch(reopen)?, ids })
    }

    /// What was asked for since the last call.
    pub fn take(&mut self) -> Asked {
        Asked { stop: drain(&mut self.stop), reopen: drain(&mut self.reopen) }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            unregister(id);
        }
    }
}

/// Whether there was anything to read.
fn drain(stream: &mut UnixStream) -> bool {
    let mut bytes = [0; 64];
    let mut any = false;
    while matches!(stream.read(&mut bytes), Ok(n) if n > 0) {
        any = true;
    }
    any
}

#[cfg(test)]
mod tests {
    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    fn each_signal_is_told_once() {
        let poll = mio::Poll::new().unwrap();
        let mut signals = Signals::new(poll.registry(), Token(0)).unwrap();
        assert_eq!(signals.take(), Asked::default());
        raise(SIGHUP).unwrap();
        assert_eq!(signals.take(), Asked { stop: false, reopen: true });
        raise(SIGTERM).unwrap();
        raise(SIGINT).unwrap();
        assert_eq!(signals.take(), Asked { stop: true, reopen: false });
        assert_eq!(signals.take(), Asked::default());
    }
}
