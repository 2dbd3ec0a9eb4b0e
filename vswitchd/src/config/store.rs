//! The configuration's file: durable, and never overwritten when it cannot be read.
//!
//! # Design
//! A save writes a temporary file beside the file, syncs it, renames it over the file and syncs the
//! folder: after a power failure the file holds the configuration before or after, whole. When a step
//! fails, the old configuration stands, on disk too. The first half ([`Store::stage`]) finds a full
//! disk; the second ([`Staged::commit`]) makes the new configuration count.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::document;
use super::model::Config;

/// Why a configuration could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a configuration.
    #[error("{}:{line}:{column}: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, bytes, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// The file cannot be written; the old one stands.
    #[error("{}: cannot be saved: {action}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The step that failed.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Where the configuration is kept.
#[derive(Debug)]
pub struct Store {
    /// `None`: nowhere.
    path: Option<PathBuf>,
}

impl Store {
    /// A store that keeps nothing.
    #[must_use]
    pub const fn none() -> Store {
        Store { path: None }
    }

    /// A store in a file; neither it nor its folder need exist.
    #[must_use]
    pub fn file(path: &Path) -> Store {
        // A symbolic link stays one: the file that it names is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        Store { path: Some(path) }
    }

    /// Reads the configuration; an empty one if there is no file.
    ///
    /// # Errors
    /// The file is there but cannot be read or understood. It is left as it is.
    pub fn load(&self) -> Result<Config, StoreError> {
        let Some(path) = &self.path else { return Ok(Config::default()) };
        let read = |source| StoreError::Read { path: path.clone(), source };
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Config::default()),
            Err(error) => return Err(read(error)),
        };
        let text = str::from_utf8(&bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            StoreError::Parse {
                path: path.clone(),
                line: 1 + before.iter().filter(|b| **b == b'\n').count(),
                column: 1 + before.len() - line_start,
                reason: "not UTF-8".to_owned(),
            }
        })?;
        document::from_text(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let reason = error.to_string();
            let place = format!(" at line {line} column {column}");
            let reason = reason.strip_suffix(&place).unwrap_or(&reason).to_owned();
            StoreError::Parse { path: path.clone(), line, column, reason }
        })
    }

    /// Writes a configuration beside the old one: a disk that is full or read-only is found out here,
    /// before anything has changed.
    ///
    /// # Errors
    /// A step failed. The old configuration stands.
    pub fn stage(&self, config: &Config) -> Result<Staged, StoreError> {
        let Some(path) = &self.path else { return Ok(Staged(None)) };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        make_folder(folder).map_err(fail(path, "making its folder"))?;
        let files = Files {
            path: path.clone(),
            folder: folder.to_owned(),
            temporary: beside(path, ".tmp"),
        };
        // Dropped on failure, it removes what was written.
        let staged = Staged(Some(files));
        if let Staged(Some(files)) = &staged {
            write_synced(&files.temporary, document::to_text(config).as_bytes())
                .map_err(fail(path, "writing a temporary file"))?;
        }
        Ok(staged)
    }

    /// Keeps a configuration; when this returns, it survives a power failure.
    ///
    /// # Errors
    /// A step failed. The old configuration stands.
    pub fn save(&self, config: &Config) -> Result<(), StoreError> {
        self.stage(config)?.commit()
    }
}

/// A configuration that is written, but does not count yet. Dropped, it is forgotten.
#[derive(Debug)]
#[must_use]
pub struct Staged(Option<Files>);

#[derive(Debug)]
struct Files {
    path: PathBuf,
    folder: PathBuf,
    temporary: PathBuf,
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(files) = &self.0 {
            let _ = fs::remove_file(&files.temporary);
        }
    }
}

impl Staged {
    /// Puts the configuration in the place of the old one; when this returns, it survives a power
    /// failure.
    ///
    /// # Errors
    /// A step failed. The old configuration stands.
    pub fn commit(self) -> Result<(), StoreError> {
        let Some(Files { path, folder, temporary }) = &self.0 else { return Ok(()) };
        let old = keep_old(path);
        fs::rename(temporary, path).map_err(fail(path, "renaming"))?;
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| {
            // The rename may or may not last; put the old file back, so that it stands for sure now.
            let _ = match old {
                Ok(Some(bytes)) => {
                    write_synced(temporary, &bytes).and_then(|()| fs::rename(temporary, path))
                }
                Ok(None) => fs::remove_file(path),
                Err(error) => Err(error),
            };
            fail(path, "syncing its folder")(source)
        })
    }
}

fn fail(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Write { path, action, source }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o750).create(folder)
}

fn keep_old(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
