//! The command line.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::config::value::{CpuList, Value};

/// Userspace virtual switch.
#[derive(Parser, Clone, Debug)]
#[command(name = "vswitchd", version, about)]
pub struct Args {
    /// Folder of the sockets and the pidfile, made if missing
    #[arg(long, value_name = "DIR", env = "VSWITCH_RUNDIR", default_value = "/run/vswitch")]
    pub rundir: PathBuf,
    /// File that keeps bridges, ports and settings
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/var/lib/vswitch/conf.json",
        conflicts_with = "no_config"
    )]
    pub config: PathBuf,
    /// Start without bridges, and keep nothing
    #[arg(long)]
    pub no_config: bool,
    /// CPUs to poll on, one thread pinned to each, as in 1,2 or 2-5 [default: one thread, not pinned]
    #[arg(long, value_name = "CPUS", value_parser = cpus)]
    pub poll_cpus: Option<CpuList>,
    /// What to log: off, emer, err, warn, info or dbg, for all or for one module
    #[arg(long, value_name = "LEVEL|MODULE=LEVEL,…")]
    pub log: Vec<String>,
    /// Log there, not to standard error
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// Go to the background when ready
    #[arg(long)]
    detach: bool,
    /// Write the process number there too
    #[arg(long, value_name = "FILE")]
    pub pidfile: Option<PathBuf>,
    /// This is the background process.
    #[arg(long, hide = true)]
    detached_child: bool,
}

/// What `--detach` means for this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detach {
    /// It stays where it was started.
    No,
    /// It starts the daemon in the background, and waits until that is ready.
    Launch,
    /// It is the daemon in the background.
    Child,
}

impl Args {
    /// What `--detach` means for this process.
    #[must_use]
    pub fn detach(&self) -> Detach {
        match (self.detach, self.detached_child) {
            (_, true) => Detach::Child,
            (true, false) => Detach::Launch,
            (false, false) => Detach::No,
        }
    }

    /// With absolute paths: a daemon in the background has another working directory.
    ///
    /// # Errors
    /// A path is empty, or there is no working directory.
    pub fn absolute(mut self) -> anyhow::Result<Args> {
        for path in [&mut self.rundir, &mut self.config] {
            *path = absolute(path)?;
        }
        for path in [&mut self.log_file, &mut self.pidfile].into_iter().flatten() {
            *path = absolute(path)?;
        }
        Ok(self)
    }
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).map_err(|error| anyhow::anyhow!("path {path:?}: {error}"))
}

fn cpus(text: &str) -> Result<CpuList, String> {
    CpuList::parse(text)
        .map_err(|refused| format!("{} (allowed: {})", refused.why, refused.allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Args, String> {
        let words = ["vswitchd"].iter().chain(words);
        Args::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[test]
    fn the_table_is_sound() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }

    #[test]
    fn words() {
        let args = parse(&["--poll-cpus", "1,2", "--log", "warn", "--detach"]).unwrap();
        assert_eq!(args.poll_cpus.as_ref().map(CpuList::cpus), Some(&[1, 2][..]));
        assert_eq!(args.detach(), Detach::Launch);
        assert!(args.config.is_absolute());
        let error = parse(&["--poll-cpus", "1,1"]).unwrap_err();
        assert!(error.contains("CPU 1 stands twice"), "{error}");
        assert!(parse(&["--config", "a", "--no-config"]).is_err());
        assert!(parse(&["br0"]).is_err());
    }
}
