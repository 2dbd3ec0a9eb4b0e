//! Names of kernel interfaces.

use super::NetdevError;

/// Longest name, bytes: the kernel's `IFNAMSIZ` (linux/if.h) less the final zero.
pub const MAX_IFNAME_LEN: usize = 15;

/// Checks that the kernel can have an interface of this name.
///
/// The kernel cuts a longer name silently in some calls, so it is refused here.
///
/// # Errors
/// The name is empty or too long, is `.` or `..`, or has a `/`, a `:`, a blank or a control character
/// (`dev_valid_name` in net/core/dev.c).
pub fn check_ifname(name: &str) -> Result<(), NetdevError> {
    let length = (1..=MAX_IFNAME_LEN).contains(&name.len());
    let bad = |c: char| matches!(c, '/' | ':') || c.is_whitespace() || c.is_control();
    if length && name != "." && name != ".." && !name.contains(bad) {
        return Ok(());
    }
    Err(NetdevError::Invalid {
        device: name.to_owned(),
        what: "interface name",
        value: format!("\"{}\"", name.escape_default()),
        allowed: format!("1-{MAX_IFNAME_LEN} bytes, no '/', ':' or blank"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_refuses_or_cuts_are_refused() {
        for name in ["a", "eth0", "a-name-of-15-by", "é"] {
            assert!(check_ifname(name).is_ok(), "{name}");
        }
        for name in ["", "a-name-of-16-byt", "a/b", "a b", ".", "..", "a\0", "a\n", "eth0:1"] {
            assert!(check_ifname(name).is_err(), "{name:?}");
        }
    }
}
