//! Where an OpenFlow switch is: a bridge's name, or an address.
//!
//! # References
//! ovs-ofctl(8), "SWITCH": `unix:PATH`, `tcp:HOST[:PORT]`, or the name of a bridge, whose socket is
//! `<rundir>/<BR>.mgmt`.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The port that controllers and switches use if none is said (OpenFlow 1.3.5 §6.3.3).
const DEFAULT_PORT: u16 = 6653;

/// Where a switch is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A stream socket in the file system.
    Unix(PathBuf),
    /// HOST:PORT.
    Tcp(String),
}

/// Which of a bridge's sockets a bare name means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Socket {
    /// `<BR>.mgmt`: commands.
    Mgmt,
    /// `<BR>.snoop`: what the bridge and its controllers say.
    Snoop,
}

impl Target {
    /// The target that an argument names.
    ///
    /// # Errors
    /// What is wrong with it, and what is allowed.
    pub fn parse(text: &str, rundir: &Path, socket: Socket) -> Result<Target, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Target::Unix(rundir.join(path)));
        }
        if let Some(address) = text.strip_prefix("tcp:") {
            return tcp(address).ok_or_else(|| format!("{text:?} is no tcp:HOST[:PORT]"));
        }
        if text.is_empty() || text.contains(['/', ':']) {
            let allowed = "allowed: a bridge, unix:PATH, tcp:HOST[:PORT]";
            return Err(format!("{text:?} is no switch ({allowed})"));
        }
        let extension = match socket {
            Socket::Mgmt => "mgmt",
            Socket::Snoop => "snoop",
        };
        Ok(Target::Unix(rundir.join(format!("{text}.{extension}"))))
    }

    /// Connects.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn connect(&self) -> io::Result<Stream> {
        match self {
            Target::Unix(path) => UnixStream::connect(path).map(Stream::Unix),
            Target::Tcp(address) => {
                let addresses = address.to_socket_addrs()?;
                let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
                for address in addresses {
                    match TcpStream::connect(address) {
                        Ok(stream) => {
                            stream.set_nodelay(true)?;
                            return Ok(Stream::Tcp(stream));
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Unix(path) => write!(f, "{}", path.display()),
            Target::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

/// `HOST`, `HOST:PORT`, `[IPV6]`, `[IPV6]:PORT`.
fn tcp(address: &str) -> Option<Target> {
    let bracketed = address.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = match bracketed {
        Some((host, rest)) => (format!("[{host}]"), rest.strip_prefix(':')),
        None => match address.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (address.to_owned(), None),
        },
    };
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?;
    (!host.is_empty() && host != "[]").then(|| Target::Tcp(format!("{host}:{port}")))
}

/// A connection's two directions.
#[derive(Debug)]
pub enum Stream {
    /// In the file system.
    Unix(UnixStream),
    /// Over the network.
    Tcp(TcpStream),
}

impl Stream {
    /// Reading and writing fail instead of waiting.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Stream::Unix(stream) => stream.set_nonblocking(true),
            Stream::Tcp(stream) => stream.set_nonblocking(true),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Unix(stream) => stream.as_fd(),
            Stream::Tcp(stream) => stream.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.read(buffer),
            Stream::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.write(bytes),
            Stream::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_bridges_files_and_addresses() {
        let parse = |text| Target::parse(text, Path::new("/run/x"), Socket::Mgmt);
        assert_eq!(parse("br0"), Ok(Target::Unix("/run/x/br0.mgmt".into())));
        assert_eq!(parse("unix:/tmp/a"), Ok(Target::Unix("/tmp/a".into())));
        assert_eq!(parse("unix:a.mgmt"), Ok(Target::Unix("/run/x/a.mgmt".into())));
        assert_eq!(parse("tcp:10.0.0.1"), Ok(Target::Tcp("10.0.0.1:6653".into())));
        assert_eq!(parse("tcp:host:99"), Ok(Target::Tcp("host:99".into())));
        assert_eq!(parse("tcp:[::1]:99"), Ok(Target::Tcp("[::1]:99".into())));
        assert_eq!(parse("tcp:[::1]"), Ok(Target::Tcp("[::1]:6653".into())));
        for text in ["", "a/b", "ssl:x", "tcp:", "tcp:host:port", "tcp:host:70000", "tcp:[]"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
