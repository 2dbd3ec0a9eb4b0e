//! `ofctl capture`: frames of a port or a bridge, to a pcap file or as lines.
//!
//! # Design
//! The daemon checks what is asked for and answers; after its reply the connection carries the records
//! of [`packet::capture`]. A signal ends only our half of the connection: the daemon then sends what it
//! still has and a summary, so that the file is whole and the counts are right.
//! Output is flushed whenever nothing more is at hand, so that a reader behind a pipe is never late.
//!
//! # Thread-safety
//! A second thread waits for signals and does nothing but shut the socket down.

mod line;
mod pcap;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use packet::capture::{HEADER_LEN, Kind, MAX_DATA_LEN, RecordHeader};
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::Part;
use crate::error::Error;
use crate::rpc::{Client, Records, Reply};

/// Exit code of a program that a second signal ends, less the signal's number.
const SIGNALLED: i32 = 128;

/// A capture as asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaptureArgs {
    /// Where frames go.
    pub output: Output,
    /// What the daemon is asked: the name, options, terms.
    pub params: Vec<String>,
}

/// Where frames go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// A line for each.
    Lines,
    /// A pcap file.
    File(PathBuf),
    /// A pcap file on standard output.
    Standard,
}

impl CaptureArgs {
    /// From the words and options of the call.
    #[must_use]
    pub fn of(part: &Part) -> CaptureArgs {
        let words = part.words.get(1..).unwrap_or_default();
        let (name, terms) = words.split_at(words.len().min(1));
        let mut params = name.to_vec();
        let mut output = Output::Lines;
        for (option, value) in &part.options {
            match (*option, value.as_str()) {
                ("write", "-") => output = Output::Standard,
                ("write", path) => output = Output::File(PathBuf::from(path)),
                (option, value) => params.push(format!("--{option}={value}")),
            }
        }
        params.extend_from_slice(terms);
        CaptureArgs { output, params }
    }
}

/// How lines are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// For people.
    Text,
    /// A JSON object each.
    Json,
}

/// Captures until the count is reached, the daemon ends it, or a signal comes.
///
/// # Errors
/// The switch refuses, the file cannot be written, or the daemon is gone.
pub fn run(
    connect: impl FnOnce() -> Result<Client, Error>,
    args: &CaptureArgs,
    form: Form,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let target = Target::open(&args.output)?;
    let mut client = connect()?;
    let words = match client.call("vswitch/capture", &args.params)? {
        Reply::Done(words) => words,
        Reply::Refused(text) => {
            target.remove_if_new();
            return Err(Error::Refused(text));
        }
    };
    let mut writer = target.into_writer(out, form)?;
    let records = client.into_records();
    end_by_signal(records.socket()?)?;
    say(&format!("capturing on {}", words.as_str().unwrap_or_default().trim_end()));
    let summary = copy(records, &mut writer)?;
    say(&summary);
    Ok(())
}

/// A line for the person; a closed standard error changes nothing.
fn say(line: &str) {
    drop(writeln!(io::stderr(), "ofctl: {line}"));
}

/// The first signal asks the daemon for the end, the second does not wait for it.
fn end_by_signal(socket: UnixStream) -> Result<(), Error> {
    let failed = |source| Error::Signals { source };
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let thread = std::thread::Builder::new().name("signals".into());
    thread
        .spawn(move || {
            for (n, signal) in signals.forever().enumerate() {
                if n > 0 || socket.shutdown(Shutdown::Write).is_err() {
                    std::process::exit(SIGNALLED + signal);
                }
            }
        })
        .map_err(failed)?;
    Ok(())
}

/// Writes records until the last; the summary.
fn copy(mut records: Records, writer: &mut Writer<'_>) -> Result<String, Error> {
    let mut data = Vec::new();
    let mut n_frames = 0u64;
    loop {
        if !records.has_buffered() {
            writer.flush()?;
        }
        let mut header = [0; HEADER_LEN];
        let header = match records.read_exact(&mut header) {
            Ok(()) => RecordHeader::parse(&header),
            Err(_) => None,
        };
        let header = header.filter(|header| header.data_len() <= MAX_DATA_LEN);
        let whole = header.filter(|header| {
            data.resize(header.data_len(), 0);
            records.read_exact(&mut data).is_ok()
        });
        let Some(header) = whole else {
            writer.flush()?;
            say(&format!("{n_frames} captured"));
            return Err(records.closed().into());
        };
        match header.kind {
            Kind::Name => writer.name(header.port, &String::from_utf8_lossy(&data)),
            Kind::Frame => {
                n_frames += 1;
                writer.frame(&header, &data)?;
            }
            Kind::End => {
                writer.flush()?;
                return Ok(summary(&data));
            }
        }
    }
}

fn summary(data: &[u8]) -> String {
    let counts: Value = serde_json::from_slice(data).unwrap_or_default();
    let count = |key: &str| counts[key].as_u64().unwrap_or(0);
    if let Some(reason) = counts["reason"].as_str() {
        say(&format!("the capture ended: {reason}"));
    }
    let (captured, lost, filtered) = (count("captured"), count("lost"), count("filtered"));
    format!("{captured} captured, {lost} lost, {filtered} filtered")
}

/// A file that is open, but not changed yet: the daemon may still refuse.
enum Target {
    Lines,
    Standard,
    File { path: PathBuf, file: File, is_new: bool },
}

impl Target {
    fn open(output: &Output) -> Result<Target, Error> {
        let path = match output {
            Output::Lines => return Ok(Target::Lines),
            Output::Standard => return Ok(Target::Standard),
            Output::File(path) => path,
        };
        let failed = |source| file_error(path, source);
        let created = OpenOptions::new().write(true).create_new(true).open(path);
        let (file, is_new) = match created {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                (OpenOptions::new().write(true).open(path).map_err(failed)?, false)
            }
            created => (created.map_err(failed)?, true),
        };
        Ok(Target::File { path: path.clone(), file, is_new })
    }

    fn remove_if_new(self) {
        if let Target::File { path, is_new: true, .. } = self {
            // It is empty, and stays if it cannot be removed.
            drop(std::fs::remove_file(path));
        }
    }

    fn into_writer<'a>(self, out: &'a mut dyn Write, form: Form) -> Result<Writer<'a>, Error> {
        let writer = match self {
            Target::Lines => Writer::Lines(line::Lines::new(out, form)),
            Target::Standard => Writer::Pcap(pcap::Writer::new(Box::new(out), None)?),
            Target::File { path, file, .. } => {
                if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
                    file.set_len(0).map_err(|source| file_error(&path, source))?;
                }
                Writer::Pcap(pcap::Writer::new(Box::new(file), Some(path))?)
            }
        };
        Ok(writer)
    }
}

fn file_error(path: &Path, source: io::Error) -> Error {
    Error::Generate { path: path.display().to_string(), source }
}

/// Where records go.
enum Writer<'a> {
    Lines(line::Lines<'a>),
    Pcap(pcap::Writer<'a>),
}

impl Writer<'_> {
    fn name(&mut self, port: u16, name: &str) {
        if let Writer::Lines(lines) = self {
            lines.name(port, name);
        }
    }

    fn frame(&mut self, header: &RecordHeader, data: &[u8]) -> Result<(), Error> {
        match self {
            Writer::Lines(lines) => lines.frame(header, data),
            Writer::Pcap(pcap) => pcap.frame(header, data),
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        match self {
            Writer::Lines(lines) => lines.flush(),
            Writer::Pcap(pcap) => pcap.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_what_the_daemon_takes() {
        let part = Part {
            switches: Vec::new(),
            options: vec![("count", "3".into()), ("write", "-".into()), ("direction", "in".into())],
            words: ["capture", "p1", "tcp", "port=80"].map(str::to_owned).to_vec(),
        };
        let args = CaptureArgs::of(&part);
        assert_eq!(args.output, Output::Standard);
        assert_eq!(args.params, ["p1", "--count=3", "--direction=in", "tcp", "port=80"]);
    }

    #[test]
    fn a_file_is_not_touched_before_the_daemon_agrees() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        std::fs::write(&old, "precious").unwrap();
        for path in [&old, &new] {
            Target::open(&Output::File(path.clone())).unwrap().remove_if_new();
        }
        assert_eq!(std::fs::read(&old).unwrap(), b"precious");
        assert!(!new.exists());
        let missing = dir.path().join("no/such");
        let error = Target::open(&Output::File(missing)).err().unwrap();
        assert!(error.to_string().contains("no/such: No such file"), "{error}");
    }

    #[test]
    fn a_full_disk_is_found_with_the_first_bytes() {
        let target = Target::open(&Output::File("/dev/full".into())).unwrap();
        let error = target.into_writer(&mut Vec::new(), Form::Text).err().unwrap().to_string();
        assert!(error.starts_with("cannot write /dev/full: No space left"), "{error}");
    }

    #[test]
    fn the_summary_tells_losses() {
        let text = summary(br#"{"captured":3,"lost":2,"filtered":1,"reason":null}"#);
        assert_eq!(text, "3 captured, 2 lost, 1 filtered");
    }
}
