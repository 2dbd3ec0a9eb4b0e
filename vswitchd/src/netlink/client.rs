//! Requests to the kernel, and their answers.

use std::io;

use netlink_packet_core::{
    NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::message::messages;

/// A socket for requests. The kernel answers within the system call.
pub(super) struct Client {
    socket: Socket,
    sequence: u32,
}

/// What the kernel answered.
pub(super) struct Answer {
    /// The messages, in order.
    pub messages: Vec<RouteNetlinkMessage>,
    /// Objects came or went during a dump, so that some may be missing.
    pub is_torn: bool,
}

/// How the end of an answer is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// A dump's end, or an acknowledgement, which the request's flags ask for.
    Done,
    /// The first message, or an error.
    First,
}

impl Client {
    /// A socket.
    pub fn new() -> io::Result<Client> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Client { socket, sequence: 0 })
    }

    /// Sends a request and takes its answer.
    pub fn ask(
        &mut self,
        request: RouteNetlinkMessage,
        flags: u16,
        until: Until,
    ) -> io::Result<Answer> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(request));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        let mut answer = Answer { messages: Vec::new(), is_torn: false };
        loop {
            let datagram = match self.socket.recv_from_full() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?.0,
            };
            for message in messages(&datagram) {
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                answer.is_torn |= message.header.flags & NLM_F_DUMP_INTR != 0;
                match message.payload {
                    NetlinkPayload::InnerMessage(message) => {
                        answer.messages.push(message);
                        if until == Until::First {
                            return Ok(answer);
                        }
                    }
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(error.to_io());
                    }
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(answer),
                    _ => {}
                }
            }
        }
    }
}
