//! The switch daemon.

use std::process::ExitCode;

use clap::Parser as _;
use vswitchd::daemon::{self, args::Args};

fn main() -> ExitCode {
    match daemon::run(Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("vswitchd: {error:#}");
            ExitCode::FAILURE
        }
    }
}
