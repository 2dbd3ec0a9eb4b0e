//! The control program of the switch.

use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let stdout = io::stdout();
    let mut out = io::BufWriter::new(stdout.lock());
    let done = ofctl::run(std::env::args_os(), &ofctl::Environment::of_process(), &mut out);
    let flushed = out.flush().map_err(ofctl::Error::Output);
    match done.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has gone (`ofctl … | head`): nobody is left to tell.
        Err(error) if error.is_closed_output() => ExitCode::SUCCESS,
        Err(error) if error.is_said() => ExitCode::from(error.exit_code()),
        Err(error) => {
            // A closed stderr changes nothing: the exit code says it all.
            drop(writeln!(io::stderr(), "ofctl: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}
