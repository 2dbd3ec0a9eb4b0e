//! Short words for `ip` in a namespace.

use switch_tests::netns::Netns;

/// A fresh namespace.
pub fn netns() -> Netns {
    Netns::new("drv")
}

/// `ip`, a line per command.
pub trait Ip {
    /// Runs each line.
    fn ips(&self, lines: &[&str]);

    /// One interface, as `ip -json -details link show` tells it.
    fn link(&self, name: &str) -> serde_json::Value;
}

impl Ip for Netns {
    fn ips(&self, lines: &[&str]) {
        for line in lines {
            self.ip(&line.split_whitespace().collect::<Vec<_>>());
        }
    }

    fn link(&self, name: &str) -> serde_json::Value {
        let text = self.ip(&["-json", "-details", "link", "show", "dev", name]);
        let links: serde_json::Value = serde_json::from_str(&text).expect("JSON of ip");
        links[0].clone()
    }
}
