//! What the daemon must be allowed to do.

use anyhow::bail;
use rustix::thread::{CapabilitySet, capabilities};

/// What every port needs. CAP_IPC_LOCK and CAP_BPF are for AF_XDP, and missed where it is used.
const NEEDED: [(CapabilitySet, &str, &str); 2] = [
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN", "to make TAP devices and configure interfaces"),
    (CapabilitySet::NET_RAW, "CAP_NET_RAW", "to send and receive frames"),
];

/// Whether the process may do its work.
pub fn check() -> anyhow::Result<()> {
    refuse_without(capabilities(None)?.effective)
}

fn refuse_without(effective: CapabilitySet) -> anyhow::Result<()> {
    let missing = NEEDED.iter().filter(|(capability, ..)| !effective.contains(*capability));
    let missing: Vec<String> = missing.map(|(_, name, why)| format!("{name} ({why})")).collect();
    if !missing.is_empty() {
        bail!(
            "missing privileges: {}: run as root, or with these capabilities",
            missing.join(", ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert!(refuse_without(CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW).is_ok());
        let error = refuse_without(CapabilitySet::NET_ADMIN).unwrap_err().to_string();
        assert!(error.contains("CAP_NET_RAW") && !error.contains("CAP_NET_ADMIN"), "{error}");
        let error = refuse_without(CapabilitySet::empty()).unwrap_err().to_string();
        assert!(error.contains("CAP_NET_ADMIN") && error.contains("CAP_NET_RAW"), "{error}");
    }
}
