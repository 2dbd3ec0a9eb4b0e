//! What `show` tells of bridges and ports, in the words of Open vSwitch's `Interface` table.

pub mod counts;
pub mod json;
pub mod text;
