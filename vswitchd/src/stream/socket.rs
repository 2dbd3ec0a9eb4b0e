//! A stream socket or a listener, Unix or TCP.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};

/// A connected socket, or one that is connecting.
#[derive(Debug)]
pub enum Socket {
    /// On this machine.
    Unix(UnixStream),
    /// Over IP.
    Tcp(TcpStream),
}

impl Socket {
    /// Ends the stream towards the peer.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn end(&self) -> io::Result<()> {
        match self {
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// Whether a connection that was begun is made: `false` while it is not known.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn is_connected(&self) -> io::Result<bool> {
        let error = match self {
            Socket::Unix(stream) => stream.take_error()?,
            Socket::Tcp(stream) => stream.take_error()?,
        };
        if let Some(error) = error {
            return Err(error);
        }
        let peer = match self {
            Socket::Unix(stream) => stream.peer_addr().map(drop),
            Socket::Tcp(stream) => stream.peer_addr().map(drop),
        };
        match peer {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads without waiting: how much, or `None` if nothing is there now.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn read_now(&mut self, bytes: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            let n = match self {
                Socket::Unix(stream) => stream.read(bytes),
                Socket::Tcp(stream) => stream.read(bytes),
            };
            match n {
                Ok(n) => return Ok(Some(n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes without waiting: how much, or `None` if nothing is taken now.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn write_now(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        loop {
            let n = match self {
                Socket::Unix(stream) => stream.write(bytes),
                Socket::Tcp(stream) => stream.write(bytes),
            };
            match n {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => return Ok(Some(n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The socket of this machine, if it is one, outside the poll.
    #[must_use]
    pub fn into_unix(self) -> Option<std::os::unix::net::UnixStream> {
        match self {
            Socket::Unix(stream) => Some(stream.into()),
            Socket::Tcp(_) => None,
        }
    }
}

impl Source for Socket {
    fn register(&mut self, to: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        match self {
            Socket::Unix(stream) => stream.register(to, token, interest),
            Socket::Tcp(stream) => stream.register(to, token, interest),
        }
    }

    fn reregister(&mut self, to: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        match self {
            Socket::Unix(stream) => stream.reregister(to, token, interest),
            Socket::Tcp(stream) => stream.reregister(to, token, interest),
        }
    }

    fn deregister(&mut self, from: &Registry) -> io::Result<()> {
        match self {
            Socket::Unix(stream) => stream.deregister(from),
            Socket::Tcp(stream) => stream.deregister(from),
        }
    }
}

/// A socket that others connect to.
#[derive(Debug)]
pub enum Listener {
    /// On this machine.
    Unix(UnixListener),
    /// Over IP.
    Tcp(TcpListener),
}

impl Listener {
    /// A client that has connected, and its address if it has one; `None` if there is none now.
    ///
    /// # Errors
    /// The system has no room for it.
    pub fn accept(&self) -> io::Result<Option<(Socket, Option<std::net::SocketAddr>)>> {
        loop {
            let accepted = match self {
                Listener::Unix(listener) => listener.accept().map(|(s, _)| (Socket::Unix(s), None)),
                Listener::Tcp(listener) => listener.accept().map(|(stream, address)| {
                    // Small messages are answered at once; a stream that refuses this works too.
                    let _ = stream.set_nodelay(true);
                    (Socket::Tcp(stream), Some(address))
                }),
            };
            match accepted {
                Ok(accepted) => return Ok(Some(accepted)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The client went before it was accepted.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Watches for clients.
    ///
    /// # Errors
    /// The system refuses.
    pub fn register(&mut self, to: &Registry, token: Token) -> io::Result<()> {
        match self {
            Listener::Unix(listener) => to.register(listener, token, Interest::READABLE),
            Listener::Tcp(listener) => to.register(listener, token, Interest::READABLE),
        }
    }
}
