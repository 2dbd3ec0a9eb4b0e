//! What `show` tells of bridges and ports, in the words of Open vSwitch's `Interface` table.

pub mod counts;
pub mod json;
pub mod text;

use super::{PortView, Switch};

/// What the driver of a port says of it: keys and values for people.
fn driver_facts(switch: &Switch, port: &PortView<'_>) -> Vec<(&'static str, String)> {
    let netdev = switch.engine().netdev(port.state.no);
    netdev.map(|netdev| netdev.status()).unwrap_or_default()
}

/// What the driver of a port says is wrong with it.
fn driver_error(switch: &Switch, port: &PortView<'_>) -> Option<String> {
    let error = driver_facts(switch, port).into_iter().find(|(key, _)| *key == "error");
    error.map(|(_, text)| text)
}
