//! Why a frame was lost. Every frame that is not transmitted has one of these.

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $explain:literal;)+) => {
        /// Why a frame was lost.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum DropReason { $($(#[doc = $doc])+ $name,)+ }

        impl DropReason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &'static [DropReason] = &[$(DropReason::$name,)+];

            /// The name in counters and in JSON: lower case with underscores.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(DropReason::$name => $text,)+ }
            }

            /// One sentence for a person: what happened, and what to look at.
            #[must_use]
            pub const fn explain(self) -> &'static str {
                match self { $(DropReason::$name => $explain,)+ }
            }
        }
    };
}

drop_reasons! {
    /// Shorter than an Ethernet header.
    Runt = "runt", "received frame is shorter than an Ethernet header (14 bytes)";
    /// A descriptor from a kernel or a guest lies outside its memory.
    BadDescriptor = "bad_descriptor", "the device handed over a descriptor outside its memory";
    /// A virtio-net header that contradicts its frame.
    BadOffload = "bad_offload", "the sender's checksum or segmentation request does not fit the frame";
    /// Larger than the receive buffer.
    RxTruncated = "rx_truncated", "received frame is larger than the largest buffer";
    /// No free frame in the pool.
    NoFrame = "no_frame", "no free packet buffer: too many frames in flight";
    /// The receiving port is on no bridge, or is down.
    RxPortDown = "rx_port_down", "the port that received the frame is down or on no bridge";
    /// VLAN EtherType, but the tag is cut short.
    PartialVlanTag = "partial_vlan_tag", "VLAN EtherType, but the frame ends inside the tag";
    /// The VLAN is not carried by the receiving port.
    VlanNotAllowed = "vlan_not_allowed", "the port that received the frame does not carry its VLAN";
    /// A reserved multicast destination that bridges do not forward.
    ReservedMulticast = "reserved_multicast", "link-local multicast destination (see forward-bpdu)";
    /// The destination was learned on the port that the frame came in by.
    SamePort = "same_port", "the destination is behind the port that the frame came in by";
    /// Nobody to send it to.
    NoOutput = "no_output", "no other port of the bridge carries the frame's VLAN";
    /// The destination was learned on a port that does not carry the VLAN (any more).
    VlanNotCarried = "vlan_not_carried", "the port of the destination does not carry the frame's VLAN";
    /// No flow matches (a secure bridge without flows).
    NoFlow = "no_flow", "no flow matches, and fail_mode=secure forwards nothing without one";
    /// Received on a port reserved as a mirror's output.
    MirrorOutput = "mirror_output", "received on a port that is reserved as the output of a mirror";
    /// Between two protected ports.
    Protected = "protected", "both ports are protected";
    /// Too many bridges in a row: a loop of patch ports.
    TooManyHops = "too_many_hops", "the frame crossed too many patch ports: a loop of bridges";
    /// A broadcast above the port's limit.
    StormBroadcast = "storm_broadcast", "broadcast above the port's storm-broadcast";
    /// A unicast to an unknown address above the port's limit.
    StormUnknown = "storm_unknown", "unicast to an unknown address above the port's storm-unknown";
    /// A multicast above the port's limit.
    StormMulticast = "storm_multicast", "multicast above the port's storm-multicast";
    /// Flows say so: none sends it anywhere.
    PipelineDrop = "action_of_pipeline", "the flows that match send the packet nowhere";
    /// A bridge that an action names is gone.
    BridgeNotFound = "action_bridge_not_found", "an action names a bridge that is not there";
    /// Too many tables, groups or bridges within each other.
    RecursionTooDeep = "action_recursion_too_deep", "the flow's actions nest too deep: a loop of tables, groups or patch ports";
    /// Too many resubmissions for one packet.
    TooManyResubmits = "action_too_many_resubmit", "the packet was resubmitted to tables too often";
    /// Actions pushed too much onto the stack.
    StackTooDeep = "action_stack_too_deep", "the flow's actions push too much onto the stack";
    /// What a packet was to go on with after recirculation is gone.
    NoRecircContext = "action_no_recirculation_context", "the state that a recirculated packet goes on with is gone";
    /// Actions that need the packet recirculated twice over.
    RecircConflict = "action_recirculation_conflict", "the flow's actions ask for two recirculations at once";
    /// More MPLS labels than can be handled.
    TooManyLabels = "action_too_many_mpls_labels", "the flow's actions push more MPLS labels than a packet may have";
    /// Nothing can be done with a packet of this type.
    UnsupportedPacketType = "action_unsupported_packet_type", "the flow's actions do not fit the type of the packet";
    /// Reported congestion to a packet that cannot carry the report.
    Congestion = "action_congestion", "the tunnel reported congestion, and the packet cannot carry the report";
    /// The port is not to forward.
    ForwardingDisabled = "action_forwarding_disabled", "the port is configured not to forward";
    /// Time to live used up.
    TtlExpired = "ttl_expired", "the packet's time to live is used up";
    /// A group without a bucket that works.
    NoLiveBucket = "no_live_bucket", "no bucket of the group is live: its watched ports are down";
    /// Above a meter's rate.
    Meter = "meter", "above the rate of a meter";
    /// An action names a port that is not there.
    InvalidPort = "invalid_port", "an action names a port that is not there";
    /// Recirculated too often.
    RecircError = "recirc_error", "the packet was recirculated too often";
    /// A packet that no cached flow matches could not be translated.
    UpcallError = "upcall_error", "no cached flow matches, and the packet could not be translated";
    /// Too many packets that no cached flow matches.
    UpcallLimit = "upcall_limit", "too many packets of the port, or of one batch, that no cached flow matches";
    /// The control plane is behind with the packets that it asked for.
    UserspaceError = "userspace_action_error", "the control plane is behind: its queue of packets is full, or it has forgotten the flow";
    /// No connection takes a packet that is for controllers.
    NoController = "no_controller", "a flow sends the packet to a controller, and none that is connected wants it";
    /// The output port is down.
    TxPortDown = "tx_port_down", "the output port's interface is down";
    /// The host's stack knows no way to a tunnel's remote host.
    TunnelUnreachable = "tunnel_unreachable", "the host has no route, or no neighbour, to the tunnel's remote host";
    /// Larger than the output's MTU, and not to be segmented.
    MtuExceeded = "mtu_exceeded", "larger than the MTU of the output port, and no segment to cut";
    /// A large segment that cannot be cut.
    SegmentFailed = "segment_failed", "the segment cannot be cut for a port without segmentation offload";
    /// No way to the remote host of a tunnel.
    TunnelNoRoute = "tunnel_no_route", "no route leads to the tunnel's remote host, or the flow names none (see remote_ip)";
    /// The next hop's address is not known.
    TunnelNoNeighbour = "tunnel_no_neighbour", "the next hop to the tunnel's remote host does not answer ARP or neighbour discovery";
    /// Time to live of a tunnel that is inherited, and zero.
    TunnelTtl = "tunnel_ttl", "the tunnel inherits its time to live (ttl=inherit), and the packet's is 0";
    /// The headers of a tunnel contradict themselves or say what is not understood.
    TunnelBadHeader = "tunnel_bad_header", "outer headers of a tunnel are cut short or ask for what is not supported";
    /// A checksum of outer headers is wrong.
    TunnelBadChecksum = "tunnel_bad_checksum", "a checksum in the outer headers of a tunnel is wrong";
    /// No tunnel port has the key and the addresses.
    TunnelUnknownKey = "tunnel_unknown_key", "no tunnel port has the packet's key, remote_ip and local_ip";
    /// The device's transmit queue is full.
    TxQueueFull = "tx_queue_full", "the device's transmit queue is full";
    /// The device refused the frame.
    TxError = "tx_error", "the device refused the frame";
}

/// How many reasons there are.
pub const N_DROP_REASONS: usize = DropReason::ALL.len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_index_the_table_and_names_are_unique() {
        for (i, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, i);
            assert_eq!(DropReason::ALL.iter().filter(|r| r.name() == reason.name()).count(), 1);
        }
    }
}
