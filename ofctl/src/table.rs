//! The command table: every command of `ofctl`, once.
//!
//! Help, man page, completions, argument counts and the documentation test read it. To add a
//! command, add a row here (sorted by name within its family) and a line in `docs/ofctl.md`.

mod flows;

use crate::command::{CommandSpec, Family, Need, Route, Switch, ValueOption};

pub use flows::SHARED_OPTIONS;

/// A row of the bridge and port family: a part of a transaction.
const CONFIGURATION: CommandSpec = CommandSpec {
    name: "",
    family: Family::Configuration,
    args: "",
    min_args: 0,
    max_args: Some(0),
    switches: &[],
    options: &[],
    help: "",
    long_help: "",
    prints_state: false,
    route: Route::Transaction,
};

/// A row of the inspection family: passed on as it stands. The daemon checks the arguments.
const INSPECTION: CommandSpec = CommandSpec {
    family: Family::Inspection,
    max_args: None,
    prints_state: true,
    route: Route::Verbatim,
    ..CONFIGURATION
};

/// A row of the family that goes on until it is ended.
const WATCHING: CommandSpec = CommandSpec {
    family: Family::Watching,
    prints_state: true,
    route: Route::Capture,
    ..CONFIGURATION
};

const fn option(
    short: Option<char>,
    long: &'static str,
    value: &'static str,
    help: &'static str,
) -> ValueOption {
    ValueOption { long, short, value, need: Need::Required, help }
}

/// A row that needs no daemon.
const PROGRAM: CommandSpec =
    CommandSpec { family: Family::Program, route: Route::Local, ..CONFIGURATION };

/// Every command, sorted by name within its family.
pub const COMMANDS: &[CommandSpec] = &ALL;

const ALL: [CommandSpec; CONFIGURATIONS.len() + flows::COMMANDS.len() + OTHERS.len()] = {
    let mut all = [CONFIGURATION; CONFIGURATIONS.len() + flows::COMMANDS.len() + OTHERS.len()];
    let mut at = 0;
    while at < all.len() {
        let (first, second) = (CONFIGURATIONS.len(), CONFIGURATIONS.len() + flows::COMMANDS.len());
        all[at] = if at < first {
            CONFIGURATIONS[at]
        } else if at < second {
            flows::COMMANDS[at - first]
        } else {
            OTHERS[at - second]
        };
        at += 1;
    }
    all
};

const CONFIGURATIONS: &[CommandSpec] = &[
    CommandSpec {
        name: "add-br",
        args: "BR [KEY=VALUE...]",
        min_args: 1,
        max_args: None,
        switches: &[Switch::MayExist],
        help: "Add a bridge",
        long_help: "\
The bridge gets an internal port of the same name (OpenFlow port LOCAL). Keys:
  fail_mode=standalone|secure   without flows, forward as a learning switch, or nothing
  datapath_id=HEX               16 hexadecimal digits
  hwaddr=MAC                    of the internal port
  mac-aging-time=SECONDS        15-3600, default 300
  mac-table-size=N              10-1000000, default 8192
  flood_vlans=VID,...           VLANs that flood and do not learn
  forward-bpdu=BOOL             forward reserved multicast (01:80:c2:00:00:0x)
  protocols=OpenFlow13,...      versions of OpenFlow
  controller=tcp:HOST:PORT,...
  controller_rate_limit=N       packets a second to a controller; controller_burst_limit=N
  table-name=0:acl,1:out        names of OpenFlow tables
  table-flow-limit=0:1000       flows that a table holds; table-overflow-policy=0:evict
  table-groups=0:in_port+nw_src of which flows with the same values make place together
  table-prefixes=0:nw_dst,1:none fields whose prefixes keep cached flows wide",
        ..CONFIGURATION
    },
    CommandSpec {
        name: "add-mirror",
        args: "BR NAME [KEY=VALUE...]",
        min_args: 2,
        max_args: None,
        switches: &[Switch::MayExist],
        help: "Copy frames of a bridge to a port or a VLAN",
        long_help: "\
Keys:
  select-all=BOOL               every frame that a port of the bridge receives or sends
  select-src-port=PORT,...      frames that these ports receive
  select-dst-port=PORT,...      frames that these ports send
  select-vlan=VID,VID-VID       of these VLANs only
  output-port=PORT              which is then reserved: nothing else is sent there
  output-vlan=VID               1-4095: out of every port that carries it
  snaplen=BYTES                 14-65535: how much of each frame",
        ..CONFIGURATION
    },
    CommandSpec {
        name: "add-port",
        args: "BR PORT [KEY=VALUE...]",
        min_args: 2,
        max_args: None,
        switches: &[Switch::MayExist],
        help: "Add a port to a bridge",
        long_help: "\
A port that cannot be set up is refused with the reason, and nothing is kept. Keys:
  type=system|afxdp|tap|internal|pcap|null|patch|vxlan|gre|geneve|vhost-user
                                default system: an existing interface
  driver=auto|packet|afxdp      how a system port is attached
  xdp-mode=best-effort|native-with-zerocopy|native|generic
  rx-csum-recover=BOOL          whether AF_XDP looks for unfinished checksums
  host-copy=BOOL                whether the host too hears what a system port receives
  persist=BOOL                  whether a TAP outlives the switch
  user=NAME|UID, group=NAME|GID who may open a TAP without rights
  ofport_request=N              OpenFlow port number, 1-65279
  vlan_mode=access|trunk|native-tagged|native-untagged|dot1q-tunnel
  tag=VID, trunks=VID,VID-VID   0-4095; no trunks: all VLANs
  cvlans=VID,VID-VID            customer VLANs of a dot1q-tunnel; none: all
  qinq-ethtype=802.1ad|802.1q   kind of tag that a dot1q-tunnel adds
  priority-tags=never|if-nonzero|always
  protected=BOOL                no frames to and from other protected ports
  mtu_request=BYTES, mac=MAC    MAC of an internal or tap port
  n_rxq=N, rxq-affinity=Q:CPU,...
  file=FILE, loop=BOOL, rate=N  of a pcap port
  peer=PORT                     the other end of a patch port
  remote_ip=IP|flow, local_ip=IP|flow, key=N|flow (in_key, out_key)   of a tunnel
  flood_remotes=IP,..., group=IP                   of a tunnel with remote_ip=flow
  dst_port=N, tos=N|inherit, ttl=N|inherit, df_default=BOOL, csum=BOOL, seq=BOOL, exts=gbp
  path=SOCKET                   of a vhost-user port
  mode=client|server            whether the VMM listens there, or the switch
  storm-broadcast=PPS, storm-unknown=PPS, storm-multicast=PPS
                                frames per second that may flood; 0: no limit
The daemon knows the rest, and says what is allowed.",
        ..CONFIGURATION
    },
    CommandSpec {
        name: "br-exists",
        args: "BR",
        min_args: 1,
        max_args: Some(1),
        help: "Exit with 0 if the bridge exists, with 1 if not",
        ..CONFIGURATION
    },
    CommandSpec {
        name: "clear",
        args: "bridge|port|switch [NAME] KEY...",
        min_args: 2,
        max_args: None,
        switches: &[Switch::IfExists],
        help: "Set keys of a bridge, a port or the switch back to their defaults",
        long_help: "`clear switch` takes no NAME.",
        ..CONFIGURATION
    },
    CommandSpec {
        name: "del-br",
        args: "BR",
        min_args: 1,
        max_args: Some(1),
        switches: &[Switch::IfExists],
        help: "Delete a bridge and its ports",
        ..CONFIGURATION
    },
    CommandSpec {
        name: "del-mirror",
        args: "BR NAME",
        min_args: 2,
        max_args: Some(2),
        switches: &[Switch::IfExists],
        help: "Delete a mirror",
        ..CONFIGURATION
    },
    CommandSpec {
        name: "del-port",
        args: "[BR] PORT",
        min_args: 1,
        max_args: Some(2),
        switches: &[Switch::IfExists],
        help: "Delete a port",
        long_help: "With BR, it is an error if the port is on another bridge.",
        ..CONFIGURATION
    },
    CommandSpec {
        name: "get",
        args: "bridge|port|switch [NAME] [KEY]",
        min_args: 1,
        max_args: Some(3),
        switches: &[Switch::IfExists],
        help: "Print one setting, or all settings, of a bridge, a port or the switch",
        long_help: "`get switch` takes no NAME.",
        prints_state: true,
        ..CONFIGURATION
    },
    CommandSpec {
        name: "list-br",
        help: "Print the names of all bridges",
        prints_state: true,
        ..CONFIGURATION
    },
    CommandSpec {
        name: "list-ports",
        args: "BR",
        min_args: 1,
        max_args: Some(1),
        help: "Print the names of a bridge's ports, without its internal port",
        prints_state: true,
        ..CONFIGURATION
    },
    CommandSpec {
        name: "port-to-br",
        args: "PORT",
        min_args: 1,
        max_args: Some(1),
        help: "Print the name of the bridge that has the port",
        prints_state: true,
        ..CONFIGURATION
    },
    CommandSpec {
        name: "set",
        args: "bridge|port|switch [NAME] KEY=VALUE...",
        min_args: 2,
        max_args: None,
        switches: &[Switch::IfExists],
        help: "Change settings of a bridge, a port or the switch while traffic flows",
        long_help: "\
`set switch` takes no NAME:
  ofctl set switch poll-cpus=1,2
  ofctl set switch vlan-limit=2   # look at two tags of a frame: 1-2, default 1
  ofctl set port p1 tag=10
  ofctl set bridge br0 mac-aging-time=60",
        ..CONFIGURATION
    },
    CommandSpec {
        name: "show",
        args: "[BR]",
        max_args: Some(1),
        help: "Show bridges and ports: types, drivers, VLANs, links, errors",
        long_help: "With --json also status and statistics of each port.",
        prints_state: true,
        route: Route::Show,
        ..CONFIGURATION
    },
];

const OTHERS: &[CommandSpec] = &[
    CommandSpec {
        name: "coverage/show",
        help: "Print how often rare things happened",
        ..INSPECTION
    },
    CommandSpec {
        name: "dpif-netdev/pmd-rxq-show",
        help: "Print which poll thread serves which receive queue, and its share of the load",
        ..INSPECTION
    },
    CommandSpec {
        name: "dpif-netdev/pmd-stats-show",
        help: "Print packets and cycles of each poll thread",
        ..INSPECTION
    },
    CommandSpec {
        name: "dpif/show",
        help: "Print bridges, their ports and the drivers' settings",
        ..INSPECTION
    },
    CommandSpec {
        name: "drop/show",
        help: "Print why frames were lost: reason, count, explanation",
        ..INSPECTION
    },
    CommandSpec {
        name: "exit",
        help: "Stop the daemon cleanly",
        prints_state: false,
        ..INSPECTION
    },
    CommandSpec {
        name: "fdb/add",
        args: "BR PORT VLAN MAC",
        help: "Add a static entry to the forwarding database",
        prints_state: false,
        ..INSPECTION
    },
    CommandSpec {
        name: "fdb/del",
        args: "BR VLAN MAC",
        help: "Remove a static entry from the forwarding database",
        prints_state: false,
        ..INSPECTION
    },
    CommandSpec {
        name: "fdb/flush",
        args: "[BR]",
        help: "Forget the learned entries of a bridge, or of all bridges",
        prints_state: false,
        ..INSPECTION
    },
    CommandSpec {
        name: "fdb/show",
        args: "BR",
        help: "Print the forwarding database: port, VLAN, MAC, age in seconds",
        ..INSPECTION
    },
    CommandSpec {
        name: "fdb/stats-show",
        args: "BR",
        help: "Print counts of learned, expired, evicted and moved entries",
        ..INSPECTION
    },
    CommandSpec {
        name: "list-commands",
        help: "Print the words that the daemon knows",
        ..INSPECTION
    },
    CommandSpec {
        name: "memory/show",
        help: "Print what the daemon's memory is used for",
        ..INSPECTION
    },
    CommandSpec {
        name: "version",
        help: "Print the daemon's version (`ofctl --version` prints this program's)",
        ..INSPECTION
    },
    CommandSpec {
        name: "vlog/set",
        args: "LEVEL|MODULE:DESTINATION:LEVEL...",
        help: "Change what the daemon logs",
        prints_state: false,
        ..INSPECTION
    },
    CommandSpec {
        name: "capture",
        args: "PORT|BR [TERM...]",
        min_args: 1,
        max_args: None,
        options: &[
            option(Some('w'), "write", "FILE", "Write a pcap file; - is standard output"),
            option(Some('c'), "count", "N", "End after so many frames"),
            option(Some('s'), "snaplen", "BYTES", "Keep so much of each frame; default all"),
            option(None, "direction", "in|out|both", "Which way frames go; default both"),
        ],
        help: "Show frames of a port, or of all ports of a bridge, as they pass",
        long_help: "\
Without -w, a line per frame. A frame must meet every TERM:
  arp, ip, ip6, icmp, icmp6, tcp, udp, sctp
  mac=MAC, dl_src=MAC, dl_dst=MAC           either end, or one
  host=ADDR[/LEN], nw_src=ADDR, nw_dst=ADDR  IPv4 or IPv6; ARP too
  port=N, tp_src=N, tp_dst=N                of TCP, UDP or SCTP
  vlan=VID|none|any, dl_type=0xNNNN, nw_proto=N
  tcp_flags=+syn-ack                        set, and not set
  ofctl capture br0 -w - host=10.0.0.1 | tcpdump -nr -",
        ..WATCHING
    },
    CommandSpec {
        name: "top",
        args: "[BR]",
        max_args: Some(1),
        options: &[
            option(Some('i'), "interval", "SECONDS", "Between tables, from 0.1 to 3600; default 1"),
            option(Some('n'), "count", "N", "End after so many tables"),
        ],
        help: "Show what passes each port per second: packets, bits, errors, drops by reason",
        long_help: "\
On a terminal each table is drawn in the place of the one before, until Ctrl-C; elsewhere
they follow one another. With --json, each is a line.",
        route: Route::Top,
        ..WATCHING
    },
    CommandSpec {
        name: "help",
        args: "[COMMAND]",
        max_args: Some(1),
        help: "Show all commands, or one in full",
        ..PROGRAM
    },
    CommandSpec {
        name: "generate",
        args: "man|completions DIR",
        min_args: 2,
        max_args: Some(2),
        help: "Write ofctl.1, or the completions for bash, zsh and fish, into a folder",
        family: Family::Hidden,
        ..PROGRAM
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rows_are_sorted_within_their_family_and_families_stand_together() {
        let mut seen: Vec<Family> = Vec::new();
        for rows in COMMANDS.windows(2) {
            if rows[0].family == rows[1].family {
                assert!(rows[0].name < rows[1].name, "{} after {}", rows[1].name, rows[0].name);
            } else {
                seen.push(rows[0].family);
                assert!(!seen.contains(&rows[1].family), "{} is out of place", rows[1].name);
            }
        }
    }

    #[test]
    fn names_are_unique_words() {
        let mut names = HashSet::new();
        for row in COMMANDS {
            assert!(names.insert(row.name), "{} twice", row.name);
            let is_word = |c: char| c.is_ascii_lowercase() || c == '-' || c == '/';
            assert!(!row.name.is_empty() && row.name.chars().all(is_word), "{:?}", row.name);
        }
    }

    #[test]
    fn every_row_has_help_that_fits_a_line() {
        for row in COMMANDS {
            assert!(!row.help.is_empty() && !row.help.ends_with('.'), "{}", row.name);
            assert!(row.help.len() <= 90, "{}", row.name);
            assert!(row.help.starts_with(|c: char| c.is_ascii_uppercase()), "{}", row.name);
            assert!(row.long_help.lines().all(|line| line.len() <= 90), "{}", row.name);
        }
    }

    /// The counts must be those that the usage text shows.
    #[test]
    fn counts_agree_with_usage() {
        for row in COMMANDS.iter().filter(|row| row.route != Route::Verbatim) {
            let words: Vec<&str> = row.args.split_whitespace().collect();
            let n_required = words.iter().filter(|word| !word.starts_with('[')).count();
            assert_eq!(row.min_args, n_required, "{}", row.name);
            let is_open = words.iter().any(|word| word.contains("..."));
            assert_eq!(row.max_args, (!is_open).then_some(words.len()), "{}", row.name);
        }
    }

    #[test]
    fn every_command_is_on_its_documentation_page() {
        let page = include_str!("../../docs/ofctl.md");
        for row in COMMANDS.iter().filter(|row| row.family != Family::Hidden) {
            let entry = format!("`{}`", row.signature());
            assert!(page.contains(&entry), "docs/ofctl.md lacks {entry}");
        }
    }
}
