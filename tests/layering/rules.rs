//! The tables of the rules: allow-lists, ceilings and exemptions, each with its reason.

use crate::tree::{Finding, Source};

/// Which library crates a crate may import. Crates that are not listed may import anything and are
/// imported by nobody.
pub const CRATES: &[(&str, &[&str])] = &[
    ("packet", &[]),
    ("openflow", &["packet"]),
    ("datapath", &["packet"]),
    ("vswitchd", &["packet", "openflow", "datapath"]),
    ("ofctl", &["packet", "openflow"]),
];

/// External crates that a crate must not depend on, and why.
pub const FOREIGN: &[(&str, &[&str], &str)] = &[
    (
        "packet",
        &["libc", "rustix", "crossbeam-channel", "mio", "serde", "tracing", "anyhow"],
        "packet knows no sockets, threads or configuration",
    ),
    (
        "datapath",
        &["serde", "serde_json", "tracing", "mio", "clap", "anyhow"],
        "the datapath counts instead of logging, and reads no configuration",
    ),
    ("vswitchd", &["tokio", "async-std"], "the control loop is mio, no async runtime"),
    (
        "ofctl",
        &["mio", "netlink-sys", "crossbeam-channel"],
        "ofctl talks to the daemon's sockets only",
    ),
];

/// Paths that files below a folder must not name: (folder, path prefixes, why).
pub const PATHS: &[(&str, &[&str], &str)] = &[
    (
        "packet/src/",
        &["std::thread", "std::fs", "std::os", "std::io", "std::process", "std::sync"],
        "packet is bytes and numbers only",
    ),
    ("datapath/src/frame/", &["crate::netdev", "crate::l2", "crate::engine"], "frames are below"),
    (
        "datapath/src/l2/",
        &["crate::netdev", "crate::engine", "crate::poll"],
        "the stage forwards frames; it knows no devices and no threads",
    ),
    (
        "datapath/src/netdev/",
        &["crate::l2", "crate::engine", "crate::poll"],
        "a driver knows its device, not who drives it",
    ),
    (
        "datapath/src/netdev/afxdp/ring",
        &["super::receiver", "super::sender", "super::socket", "super::device"],
        "rings know neither frames nor sockets",
    ),
    (
        "datapath/src/netdev/afxdp/receiver",
        &["super::sys", "super::socket", "super::device"],
        "the receive side makes no system call",
    ),
    (
        "datapath/src/netdev/afxdp/sender",
        &["super::sys", "super::socket", "super::device"],
        "the transmit side makes no system call",
    ),
    ("datapath/src/netdev/afxdp/socket", &["super::device"], "a socket knows no device"),
    ("ofctl/src/", &["datapath::", "vswitchd::"], "ofctl talks to sockets only"),
];

/// Files that may name a path of [`PATHS`] all the same: (file, path, why).
pub const PATH_EXEMPTIONS: &[(&str, &str, &str)] = &[(
    "datapath/src/netdev/dummy.rs",
    "crate::poll",
    "a port in memory wakes its reader with the descriptor that wakes poll threads",
)];

/// The only files that may say `unsafe`.
pub const UNSAFE_FILES: &[&str] = &[
    "datapath/src/frame/memory.rs",
    "datapath/src/netdev/afpacket/sys.rs",
    "datapath/src/netdev/afxdp/mmap.rs",
    "datapath/src/netdev/afxdp/ring.rs",
    "datapath/src/netdev/afxdp/sys.rs",
    "datapath/src/netdev/bpf/sys.rs",
    "datapath/src/netdev/carrier/sys.rs",
    "datapath/src/netdev/mmsg.rs",
    "datapath/src/netdev/tap/sys.rs",
    "datapath/src/netdev/vhost/memory.rs",
    "datapath/src/netdev/vhost/sys.rs",
    "datapath/src/netdev/vhost/vring.rs",
    "datapath/src/netdev/vhost/vring/packed.rs",
    "datapath/src/poll/cpu.rs",
];

/// Most production lines of a file.
pub const FILE_CEILING: usize = 600;
/// Most lines of a function.
pub const FUNCTION_CEILING: usize = 80;
/// Most parameters of a function, `self` included.
pub const PARAMETER_CEILING: usize = 5;

/// Tables that may be longer than [`FILE_CEILING`]: (file, why).
pub const LONG_FILES: &[(&str, &str)] = &[];

/// Public functions that may take a `bool`: (file, function, why).
pub const BOOL_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Functions that may have more parameters than [`PARAMETER_CEILING`]: (file, function, why).
pub const WIDE_FUNCTIONS: &[(&str, &str, &str)] = &[(
    "datapath/src/netdev/vhost/session.rs",
    "set_vring_addr",
    "a trait of the vhost crate says so",
)];

/// Files that may sleep: (file, why).
pub const SLEEPERS: &[(&str, &str)] =
    &[("tests/src/wait.rs", "the one helper that polls for a state")];

/// Exemptions whose file is gone are dead weight, and hide a later mistake.
pub fn check_exemptions(files: &[Source]) -> Vec<Finding> {
    let listed = LONG_FILES
        .iter()
        .map(|(file, _)| *file)
        .chain(BOOL_FUNCTIONS.iter().map(|(file, ..)| *file))
        .chain(WIDE_FUNCTIONS.iter().map(|(file, ..)| *file))
        .chain(PATH_EXEMPTIONS.iter().map(|(file, ..)| *file))
        .chain(SLEEPERS.iter().map(|(file, _)| *file));
    listed
        .filter(|file| !files.iter().any(|source| source.path == *file))
        .map(|file| Finding::new(file, 1, "is exempt from a rule, but does not exist"))
        .collect()
}

#[test]
fn a_dead_exemption_is_found() {
    let files: Vec<Source> = Vec::new();
    assert!(check_exemptions(&files).iter().any(|f| f.path == "tests/src/wait.rs"));
}
