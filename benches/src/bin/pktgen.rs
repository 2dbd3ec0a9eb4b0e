//! `pktgen`: sends numbered frames through a switch and tells what became of them.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};
use switch_benches::pktgen::cli::{Cli, Usage, one_line};
use switch_benches::pktgen::{run, svg};

const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            eprintln!("pktgen: {}", one_line(&error));
            return ExitCode::from(WRONG_USAGE);
        }
        Err(help) => help.exit(),
    };
    match work(&cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pktgen: {error:#}");
            ExitCode::from(if error.is::<Usage>() { WRONG_USAGE } else { 1 })
        }
    }
}

fn work(cli: &Cli) -> Result<ExitCode> {
    if let Some(dir) = &cli.generate {
        generate(dir)?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = run::run(cli)?;
    let mut out = io::stdout().lock();
    if cli.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        write!(out, "{report}")?;
    }
    if let Some(path) = &cli.svg {
        let drawn = svg::render(&report.charts());
        std::fs::write(path, drawn).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let failed = report.searched && report.found.is_none();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Writes the man page and completions.
fn generate(dir: &Path) -> Result<()> {
    let cannot = || format!("cannot write into {}", dir.display());
    std::fs::create_dir_all(dir).with_context(cannot)?;
    let mut command = Cli::command();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).date("").render(&mut page)?;
    std::fs::write(dir.join("pktgen.1"), page).with_context(cannot)?;
    for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish]
    {
        clap_complete::generate_to(shell, &mut command, "pktgen", dir).with_context(cannot)?;
    }
    Ok(())
}
