//! Imports go along the arrows: between crates by cargo's table, between modules by the paths used.

use std::process::Command;

use crate::rules::{CRATES, FOREIGN, PATH_EXEMPTIONS, PATHS};
use crate::tree::{Finding, Source, root};

/// A dependency that cargo reports.
pub struct Dependency {
    /// The importing crate.
    pub from: String,
    /// The imported crate.
    pub to: String,
}

/// The workspace's dependencies, without those of tests (`dev-dependencies`).
pub fn dependencies() -> Vec<Dependency> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for package in list(&metadata["packages"]) {
        for dependency in list(&package["dependencies"]) {
            if dependency["kind"].as_str() != Some("dev") {
                found.push(Dependency { from: name(&package), to: name(&dependency) });
            }
        }
    }
    assert!(found.len() > 5, "cargo metadata shows only {} dependencies", found.len());
    found
}

/// Crates against [`CRATES`] and [`FOREIGN`].
pub fn check_dependencies(dependencies: &[Dependency]) -> Vec<Finding> {
    let ours = |name: &str| CRATES.iter().any(|(known, _)| *known == name);
    let leaf = |name: &str| matches!(name, "switch-tests" | "switch-benches");
    let mut findings = Vec::new();
    for Dependency { from, to } in dependencies {
        let manifest = format!("{from}/Cargo.toml");
        let allowed = CRATES.iter().find(|(name, _)| name == from).map(|(_, allowed)| *allowed);
        match allowed {
            Some(allowed) if ours(to) && !allowed.contains(&to.as_str()) => {
                let what = format!("{from} imports {to} (allowed: {})", allowed.join(", "));
                findings.push(Finding::new(&manifest, 1, what));
            }
            Some(_) if leaf(to) => {
                let what = format!("{from} imports {to}, which nobody imports");
                findings.push(Finding::new(&manifest, 1, what));
            }
            _ => {}
        }
        for (_, refused, why) in FOREIGN.iter().filter(|(name, ..)| name == from) {
            if refused.contains(&to.as_str()) {
                let what = format!("{from} depends on {to}: {why}");
                findings.push(Finding::new(&manifest, 1, what));
            }
        }
    }
    findings
}

/// Files against [`PATHS`], and the datapath against the names of OpenFlow.
pub fn check_paths(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (_, refused, why) in PATHS.iter().filter(|(below, ..)| source.path.starts_with(below)) {
        let exempt = |path: &str| {
            PATH_EXEMPTIONS.iter().any(|(file, free, _)| *file == source.path && *free == path)
        };
        for path in refused.iter().filter(|path| !exempt(path)) {
            for line in paths_at(source, path) {
                let what = format!("names {path}: {why}");
                findings.push(Finding::new(&source.path, line, what));
            }
        }
    }
    if source.path.starts_with("datapath/src/") {
        let foreign = |text: &str| ["Of", "Ofp"].iter().any(|p| is_compound(text, p));
        for token in source.tokens.iter().filter(|token| foreign(&token.text)) {
            let what = format!("{} is a name of OpenFlow, unknown to the datapath", token.text);
            findings.push(Finding::new(&source.path, token.line, what));
        }
    }
    findings
}

/// `OfPort` is a compound of `Of`; `Offload` and `Of` are not.
fn is_compound(text: &str, prefix: &str) -> bool {
    let rest = text.strip_prefix(prefix).unwrap_or_default();
    rest.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Lines outside tests at which a path is named: in full, or as `use a::{b, …}`.
fn paths_at(source: &Source, path: &str) -> Vec<usize> {
    let parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
    let mut pattern = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            pattern.extend([":", ":"]);
        }
        pattern.push(part);
    }
    if path.ends_with("::") {
        pattern.extend([":", ":"]);
    }
    let mut lines: Vec<usize> = source.find(&pattern).collect();
    if let [first, second] = parts[..] {
        lines.extend(grouped(source, first, second));
    }
    lines.retain(|line| !source.is_test_line(*line) && !source.is_test_file());
    lines
}

/// `first::{…, second…, …}` at the first level of braces.
fn grouped(source: &Source, first: &str, second: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    let pattern = [first, ":", ":", "{"];
    for (at, window) in source.tokens.windows(pattern.len()).enumerate() {
        if window.iter().zip(pattern).any(|(token, want)| token.text != want) {
            continue;
        }
        let (mut depth, mut fresh) = (0, true);
        for token in &source.tokens[at + pattern.len() - 1..] {
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                "," if depth == 1 => fresh = true,
                word => {
                    if depth == 1 && fresh && word == second {
                        lines.push(token.line);
                    }
                    fresh = false;
                }
            }
            if depth == 0 {
                break;
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(from: &str, to: &str) -> Vec<Dependency> {
        vec![Dependency { from: from.to_owned(), to: to.to_owned() }]
    }

    #[test]
    fn dependencies_against_the_arrows_are_found() {
        for (from, to) in [
            ("packet", "datapath"),
            ("datapath", "vswitchd"),
            ("datapath", "openflow"),
            ("ofctl", "datapath"),
            ("openflow", "vswitchd"),
            ("vswitchd", "switch-tests"),
            ("packet", "libc"),
            ("datapath", "serde"),
        ] {
            assert_eq!(check_dependencies(&dependency(from, to)).len(), 1, "{from} -> {to}");
        }
        for (from, to) in [
            ("datapath", "packet"),
            ("vswitchd", "datapath"),
            ("ofctl", "packet"),
            ("switch-tests", "vswitchd"),
            ("datapath", "libc"),
        ] {
            assert_eq!(check_dependencies(&dependency(from, to)).len(), 0, "{from} -> {to}");
        }
    }

    #[test]
    fn paths_against_the_arrows_are_found() {
        for (path, text) in [
            ("packet/src/x.rs", "use std::thread;"),
            ("packet/src/x.rs", "fn f() { let s = std::fs::read(\"x\"); }"),
            ("packet/src/x.rs", "use std::{fmt::{self, Display}, sync::Arc};"),
            ("datapath/src/l2/x.rs", "use crate::netdev::Netdev;"),
            ("datapath/src/l2/x.rs", "use crate::{frame, engine};"),
            ("datapath/src/netdev/tap/mod.rs", "use crate::poll::Thread;"),
            ("datapath/src/x.rs", "fn f(port: OfPort) {}"),
            ("ofctl/src/main.rs", "use datapath::Frame;"),
        ] {
            assert_eq!(check_paths(&Source::parse(path, text)).len(), 1, "{path}: {text}");
        }
        for (path, text) in [
            ("packet/src/x.rs", "use std::{fmt::{self, Display}, net::Ipv4Addr};"),
            ("packet/src/x.rs", "#[cfg(test)]\nmod tests { use std::thread; }"),
            ("packet/src/tests.rs", "use std::thread;"),
            ("packet/src/x.rs", "// std::thread\nconst A: &str = \"std::fs\";"),
            ("datapath/src/l2/x.rs", "use crate::frame::{Frame, Offload};"),
            ("datapath/src/engine/x.rs", "use crate::netdev::Netdev;"),
        ] {
            assert_eq!(check_paths(&Source::parse(path, text)).len(), 0, "{path}: {text}");
        }
    }
}
