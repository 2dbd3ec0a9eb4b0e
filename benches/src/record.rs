//! What was measured, on what, and how: for the terminal and for keeping.
//!
//! A result without commit, CPU, kernel, command and versions of the peers is not a result. So each
//! run leaves a folder `<date>-<label>` with `result.json`, every sample in it, and `summary.md`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::process;
use crate::table::Table;

/// Where a run took place.
#[derive(Clone, Debug, Serialize)]
pub struct Environment {
    /// Universal time at the start.
    pub date: String,
    /// The commit, `-dirty` if files differ from it.
    pub commit: String,
    /// Model of the CPU, and how many there are.
    pub cpu: String,
    /// The kernel's release.
    pub kernel: String,
    /// The command.
    pub command: String,
    /// Versions of the peers.
    pub peers: Vec<String>,
}

impl Environment {
    /// This machine, now.
    #[must_use]
    pub fn here() -> Environment {
        let said = |program: &str, args: &[&str]| {
            process::run(program, args).map_or_else(|_| "?".into(), |text| text.trim().to_string())
        };
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split_once(": ")).map_or("?", |(_, model)| model);
        Environment {
            date: said("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
            commit: said("git", &["describe", "--always", "--dirty"]),
            cpu: format!("{} × {model}", n_cpus()),
            kernel: said("uname", &["-r"]),
            command: std::env::args().collect::<Vec<_>>().join(" "),
            peers: Vec::new(),
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} · commit {} · {} · Linux {}",
            self.date, self.commit, self.cpu, self.kernel
        )?;
        writeln!(f, "command: {}", self.command)?;
        if !self.peers.is_empty() {
            writeln!(f, "peers: {}", self.peers.join(", "))?;
        }
        Ok(())
    }
}

/// CPUs that this process may use.
#[must_use]
pub fn n_cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A bar: what was to be reached, and what was.
#[derive(Clone, Debug, Serialize)]
pub struct Bar {
    /// What is compared.
    pub what: String,
    /// What it should be.
    pub wanted: String,
    /// What it is.
    pub got: String,
    /// Whether that is enough.
    pub met: bool,
}

impl Bar {
    /// At least `wanted`.
    #[must_use]
    pub fn at_least(what: &str, wanted: f64, got: f64) -> Bar {
        let met = got >= wanted;
        Bar { what: what.into(), wanted: format!("≥ {wanted}"), got: format!("{got:.2}"), met }
    }

    /// At most `wanted`.
    #[must_use]
    pub fn at_most(what: &str, wanted: f64, got: f64) -> Bar {
        let met = got <= wanted;
        Bar { what: what.into(), wanted: format!("≤ {wanted}"), got: format!("{got:.2}"), met }
    }
}

/// What a case found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The case.
    pub case: String,
    /// For people.
    pub tables: Vec<Table>,
    /// Bars, met or not.
    pub bars: Vec<Bar>,
    /// What could not be measured, and why.
    pub failures: Vec<String>,
    /// Everything measured, in order.
    pub samples: Vec<Value>,
}

impl Report {
    /// An empty one.
    #[must_use]
    pub fn new(case: &str) -> Report {
        Report { case: case.into(), ..Report::default() }
    }

    /// Keeps and tells that something could not be measured.
    pub fn failure(&mut self, text: String) {
        eprintln!("bench: FAILED: {text}");
        self.failures.push(text);
    }

    /// Keeps a sample.
    pub fn sample(&mut self, sample: &impl Serialize) {
        self.samples.push(serde_json::to_value(sample).unwrap_or(Value::Null));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tables.iter().try_for_each(|table| writeln!(f, "{table}"))?;
        for Bar { what, wanted, got, met } in &self.bars {
            let verdict = if *met { "met" } else { "NOT MET" };
            writeln!(f, "- {what}: {got} (to reach: {wanted}): {verdict}")?;
        }
        self.failures.iter().try_for_each(|failure| writeln!(f, "- FAILED: {failure}"))
    }
}

/// A run as it is kept.
#[derive(Serialize)]
pub struct Run<'a> {
    /// Where.
    pub environment: &'a Environment,
    /// What.
    pub report: &'a Report,
}

impl Run<'_> {
    /// Writes the run's folder below `runs`; its path. A second run of the day with the same label
    /// gets a number.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(&self, runs: &Path, label: &str) -> Result<PathBuf> {
        let day = self.environment.date.get(..10).unwrap_or("undated");
        let names = std::iter::once(format!("{day}-{label}"));
        let mut names = names.chain((2..).map(|n| format!("{day}-{label}-{n}")));
        let free = names.find_map(|name| Some(runs.join(name)).filter(|path| !path.exists()));
        let dir = free.context("no free name")?;
        let keep = |name: &str, text: String| {
            fs::write(dir.join(name), text).with_context(|| format!("cannot write {name}"))
        };
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        keep("result.json", format!("{}\n", serde_json::to_string_pretty(self)?))?;
        let Run { environment, report } = self;
        keep("summary.md", format!("# {}\n\n{environment}\n{report}", report.case))?;
        Ok(dir)
    }
}

/// Time that the hypervisor gave to others, as the kernel counts it (proc(5), `/proc/stat`).
#[derive(Clone, Copy, Debug)]
pub struct Steal {
    stolen: u64,
    total: u64,
}

impl Steal {
    /// The counts now.
    #[must_use]
    pub fn now() -> Steal {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        Steal::parse(stat.lines().next().unwrap_or_default())
    }

    /// From the line `cpu user nice system idle iowait irq softirq steal guest guest_nice`.
    fn parse(line: &str) -> Steal {
        let ticks: Vec<u64> = line.split_whitespace().flat_map(str::parse).take(8).collect();
        Steal { stolen: ticks.get(7).copied().unwrap_or(0), total: ticks.iter().sum() }
    }

    /// Share of the time since then, percent.
    #[must_use]
    pub fn percent_since(self) -> f64 {
        self.percent_until(Steal::now())
    }

    fn percent_until(self, now: Steal) -> f64 {
        let total = now.total.saturating_sub(self.total).max(1);
        now.stolen.saturating_sub(self.stolen) as f64 * 100.0 / total as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_is_a_share_of_all_ticks() {
        let before = Steal::parse("cpu  100 0 100 700 0 0 0 100 5 5");
        let after = Steal::parse("cpu  150 0 100 700 0 0 0 150 9 9");
        assert!((before.percent_until(after) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn runs_of_a_day_are_kept_apart() {
        let dir = tempfile::tempdir().unwrap();
        let environment =
            Environment { date: "2030-01-02T03:04:05Z".into(), ..Environment::here() };
        let mut report = Report::new("engine");
        report.bars.push(Bar::at_least("speed", 2.0, 1.0));
        let run = Run { environment: &environment, report: &report };
        let first = run.save(dir.path(), "x").unwrap();
        let second = run.save(dir.path(), "x").unwrap();
        assert!(first.ends_with("2030-01-02-x") && second.ends_with("2030-01-02-x-2"));
        let text = fs::read_to_string(second.join("summary.md")).unwrap();
        assert!(text.contains("- speed: 1.00 (to reach: ≥ 2): NOT MET"), "{text}");
        let json = fs::read_to_string(first.join("result.json")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["report"]["case"], "engine");
    }
}
