//! The daemon around the switch: command line, folder, pidfile, sockets, signals, main loop.
//!
//! # Design
//! [`run`] is the whole life of the process, in order: lock the folder, read the configuration, start
//! the switch, listen, say that it is ready, serve, and take everything down in reverse. Whatever
//! stops the start is one line on standard error. One thread does all of this; poll threads are the
//! engine's.
//!
//! # Invariants
//! - Nothing in the folder is touched before its pidfile is locked, so a second daemon changes nothing.
//! - The socket answers before `vswitchd: ready` is printed, and is gone before the process is.

pub mod args;
mod background;
mod main_loop;
mod pidfile;
mod privileges;
mod signals;

use std::fs::DirBuilder;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use datapath::engine::EngineConfig;

use crate::config::store::Store;
use crate::log::Log;
use crate::netlink::{KernelLinks, KernelRoutes};
use crate::switch::open::Drivers;
use crate::switch::{Parts, Switch};
use args::{Args, Detach};
use main_loop::MainLoop;
use pidfile::PidFile;

/// The control socket's name in the folder.
pub const CTL_NAME: &str = "vswitchd.ctl";

/// The pidfile's name in the folder.
pub const PID_NAME: &str = "vswitchd.pid";

/// What is printed when the sockets answer.
pub const READY: &str = "vswitchd: ready";

/// Runs the daemon to its end.
///
/// # Errors
/// What stopped the start.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.detach() == Detach::Launch {
        return background::launch();
    }
    let args = args.absolute()?;
    privileges::check()?;
    if args.detach() == Detach::Child {
        background::leave_terminal()?;
    }
    let log = set_up_log(&args)?;
    make_rundir(&args.rundir)?;
    let pidfile = PidFile::lock(&args.rundir.join(PID_NAME))
        .with_context(|| format!("rundir {}", args.rundir.display()))?;
    let second_pidfile = args.pidfile.as_deref().map(PidFile::lock).transpose()?;
    let switch = start_switch(&args)?;
    let socket = clear_socket(args.rundir.join(CTL_NAME))?;
    let mut main_loop = MainLoop::new(switch, log, &socket)?;
    announce(args.detach())?;
    main_loop.run()?;
    tracing::info!("stopping");
    let server = main_loop.stop();
    // What cannot be removed is stale, and the next start removes it.
    let _ = std::fs::remove_file(&socket);
    drop((second_pidfile, pidfile));
    server.finish();
    Ok(ExitCode::SUCCESS)
}

fn set_up_log(args: &Args) -> anyhow::Result<Arc<Log>> {
    let log = Arc::new(Log::default());
    if let Some(path) = &args.log_file {
        log.log_to(path).with_context(|| format!("--log-file {}", path.display()))?;
    }
    for option in &args.log {
        log.set_option(option)?;
    }
    if args.log_file.is_some() {
        log.console_off();
    }
    log.install();
    // A panic in a handler is survived, and has to be found later.
    std::panic::set_hook(Box::new(|panic| tracing::error!(target: "vswitchd", "{panic}")));
    tracing::info!("vswitchd {} starting", env!("CARGO_PKG_VERSION"));
    Ok(log)
}

fn make_rundir(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o750).create(path);
    made.with_context(|| format!("rundir {}: cannot be made", path.display()))
}

fn start_switch(args: &Args) -> anyhow::Result<Switch> {
    let store = if args.no_config { Store::none() } else { Store::file(&args.config) };
    let links = KernelLinks::new().context("the kernel's interfaces cannot be asked for")?;
    let routes = KernelRoutes::new().context("the kernel's routes cannot be asked for")?;
    let parts = Parts {
        store,
        engine: EngineConfig::default(),
        poll_cpus: args.poll_cpus.clone(),
        opener: Box::new(Drivers),
        links: Box::new(links),
        routes: Box::new(routes),
    };
    Ok(Switch::new(parts)?)
}

/// Removes the socket of a daemon that was killed. The folder is locked, so nobody listens there.
fn clear_socket(path: PathBuf) -> anyhow::Result<PathBuf> {
    match std::fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.file_type().is_socket() => {
            std::fs::remove_file(&path)
                .with_context(|| format!("stale socket {}", path.display()))?;
        }
        Ok(_) => bail!("{}: is there, and is not a socket: remove it", path.display()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    }
    Ok(path)
}

/// Says that the sockets answer.
fn announce(detach: Detach) -> anyhow::Result<()> {
    let mut stdout = io::stdout();
    // Whoever started the daemon may have closed its standard output: that stops nothing.
    let _ = writeln!(stdout, "{READY}").and_then(|()| stdout.flush());
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        tracing::warn!("systemd cannot be notified: {error}");
    }
    if detach == Detach::Child {
        background::leave_output()?;
    }
    tracing::info!("ready");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ctl");
        assert!(clear_socket(path.clone()).is_ok());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert!(clear_socket(path.clone()).is_ok());
        assert!(!path.exists());
        std::fs::write(&path, "precious").unwrap();
        let error = clear_socket(path.clone()).unwrap_err().to_string();
        assert!(error.contains("not a socket"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
