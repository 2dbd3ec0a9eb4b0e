//! Programs that a case needs, and the Debian packages that bring them.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process;

/// Installs what benches need, from the top of the source tree.
const INSTALLER: &str = "dist/install-deps";

/// A program and its package.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// A file that is there when the package is.
    pub file: &'static str,
    /// The package of Debian 12 and Ubuntu 22.04 and later.
    pub package: &'static str,
}

/// `ip`.
pub const IP: Need = Need { file: "/bin/ip", package: "iproute2" };
/// `ping`.
pub const PING: Need = Need { file: "/bin/ping", package: "iputils-ping" };
/// `iperf3`.
pub const IPERF3: Need = Need { file: "/usr/bin/iperf3", package: "iperf3" };
/// `valgrind`.
pub const VALGRIND: Need = Need { file: "/usr/bin/valgrind", package: "valgrind" };
/// `ethtool`.
pub const ETHTOOL: Need = Need { file: "/sbin/ethtool", package: "ethtool" };
/// Open vSwitch as packaged.
pub const OVS: Need =
    Need { file: "/usr/lib/openvswitch-switch/ovs-vswitchd", package: "openvswitch-switch" };
/// Open vSwitch with DPDK.
pub const OVS_DPDK: Need = Need {
    file: "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk",
    package: "openvswitch-switch-dpdk",
};
/// `dpdk-testpmd`; brings every DPDK driver.
pub const TESTPMD: Need = Need { file: "/usr/bin/dpdk-testpmd", package: "dpdk-dev" };

/// Whether missing packages are installed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missing {
    /// By `dist/install-deps`.
    Install,
    /// They are reported, with the command that would install them.
    Report,
}

/// Sees to it that what is needed is there.
///
/// # Errors
/// Something is missing, and was not to be installed, or could not be.
pub fn require(needs: &[Need], missing: Missing) -> Result<()> {
    let absent = absent(needs);
    if absent.is_empty() {
        return Ok(());
    }
    let report = || format!("missing: {} (to install: {INSTALLER} peers)", absent.join(", "));
    if missing == Missing::Report {
        bail!(report());
    }
    eprintln!("bench: installing {}", absent.join(", "));
    process::run(INSTALLER, &["peers"]).with_context(report)?;
    match self::absent(needs) {
        left if left.is_empty() => Ok(()),
        left => bail!("still missing after {INSTALLER}: {}", left.join(", ")),
    }
}

fn absent(needs: &[Need]) -> Vec<&'static str> {
    let gone = needs.iter().filter(|need| !Path::new(need.file).exists());
    gone.map(|need| need.package).collect()
}

/// `package version` of each that is installed, as `dpkg-query` says.
#[must_use]
pub fn versions(needs: &[Need]) -> Vec<String> {
    let version = |need: &Need| {
        let args = ["-W", "-f=${Package} ${Version}", need.package];
        process::run("dpkg-query", &args).ok()
    };
    needs.iter().filter_map(version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_package_is_named_with_the_way_to_install_it() {
        let need = Need { file: "/nonexistent/tool", package: "tool-of-dreams" };
        let error = require(&[need], Missing::Report).unwrap_err().to_string();
        assert_eq!(error, "missing: tool-of-dreams (to install: dist/install-deps peers)");
        assert!(require(&[], Missing::Report).is_ok());
    }
}
