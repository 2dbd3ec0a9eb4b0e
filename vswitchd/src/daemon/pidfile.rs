//! Pidfiles, locked while their daemon lives.
//!
//! # Design
//! The lock is `fcntl`'s, as `ovs-appctl` and its like look for: the kernel drops it when the process
//! ends, however it ends, and tells who holds it. A file that was removed between opening and locking
//! it guards nothing: then it is made anew.
//!
//! # Invariants
//! The file is not opened a second time in this process: closing any descriptor of it drops the lock.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, fcntl_getlk};

/// Why there is no pidfile.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// Another daemon lives.
    #[error("another vswitchd runs here (pid {pid}; {} is locked): stop it, or choose another --rundir", path.display())]
    Running {
        /// The pidfile.
        path: PathBuf,
        /// The other's process number; 0 if it is in another PID namespace.
        pid: i32,
    },
    /// The file cannot be made, locked or written.
    #[error("pidfile {}: {source}", path.display())]
    Io {
        /// The pidfile.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A locked pidfile, removed when dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl PidFile {
    /// Makes and locks it, and writes the number of this process.
    pub fn lock(path: &Path) -> Result<PidFile, PidFileError> {
        let fail = |source| PidFileError::Io { path: path.to_owned(), source };
        loop {
            let mut options = OpenOptions::new();
            let open = options.read(true).write(true).create(true).truncate(false).mode(0o644);
            let mut file = open.open(path).map_err(fail)?;
            match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if !is_at(&file, path) => {}
                Ok(()) => {
                    file.set_len(0).map_err(fail)?;
                    writeln!(file, "{}", std::process::id()).map_err(fail)?;
                    return Ok(PidFile { path: path.to_owned(), _file: file });
                }
                Err(Errno::AGAIN | Errno::ACCESS) => {
                    // It may end right now: then the next look finds no lock.
                    if let Some(pid) = holder(&file).map_err(fail)? {
                        return Err(PidFileError::Running { path: path.to_owned(), pid });
                    }
                }
                Err(error) => return Err(fail(error.into())),
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // While it is locked. What cannot be removed is not locked soon, and so stale.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether the path still leads to the file.
fn is_at(file: &File, path: &Path) -> bool {
    let same =
        |a: std::fs::Metadata, b: std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    file.metadata().and_then(|a| std::fs::metadata(path).map(|b| same(a, b))).unwrap_or(false)
}

/// Who holds the lock.
fn holder(file: &File) -> io::Result<Option<i32>> {
    let lock = fcntl_getlk(file, &Flock::from(FlockType::WriteLock))?;
    Ok(lock.map(|lock| lock.pid.map_or(0, rustix::process::Pid::as_raw_pid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_the_number_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        std::fs::write(&path, "123456789 of a daemon that was killed").unwrap();
        let pidfile = PidFile::lock(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
        drop(pidfile);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = PidFile::lock(Path::new("/no/such/folder/pid")).unwrap_err().to_string();
        assert!(error.starts_with("pidfile /no/such/folder/pid: No such file"), "{error}");
    }
}
