//! Words that a file must have, and words that it must not.

use crate::rules::SLEEPERS;
use crate::tree::{Finding, Source};

/// A module says first what it is for.
pub fn check_essay(source: &Source) -> Vec<Finding> {
    let said =
        source.ast.attrs.iter().any(|attr| {
            matches!(attr.style, syn::AttrStyle::Inner(_)) && attr.path().is_ident("doc")
        });
    if said && source.text.starts_with("//!") {
        return Vec::new();
    }
    vec![Finding::new(&source.path, 1, "does not open with //! and what the module is for")]
}

/// Stubs, and prints of somebody who was debugging.
pub fn check_stubs(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in ["dbg", "todo", "unimplemented"] {
        for line in source.find(&[name, "!"]) {
            findings.push(Finding::new(&source.path, line, format!("{name}! is left over")));
        }
    }
    for line in source.find(&["#", "[", "ignore"]) {
        findings.push(Finding::new(&source.path, line, "an ignored test is a silent skip"));
    }
    findings
}

/// Who waits for a time instead of a state is slow on a good day and wrong on a bad one. Benches
/// measure over time, so they may.
pub fn check_sleep(source: &Source) -> Vec<Finding> {
    let exempt = SLEEPERS.iter().any(|(path, _)| *path == source.path);
    if exempt || source.folder() == "benches" {
        return Vec::new();
    }
    let call = source.find(&["thread", ":", ":", "sleep"]);
    let import = source.find(&["use", "std", ":", ":", "thread", ":", ":", "{"]);
    let mut lines: Vec<usize> = call.collect();
    for line in import {
        let tail = source.tokens.iter().skip_while(|token| token.line < line);
        let list = tail.take_while(|token| token.text != ";");
        lines.extend(list.filter(|token| token.text == "sleep").map(|token| token.line));
    }
    lines
        .into_iter()
        .map(|line| Finding::new(&source.path, line, "sleeps: wait for a state instead"))
        .collect()
}

/// A page links to files that exist. Takes the page and what exists.
pub fn check_links(path: &str, text: &str, has: impl Fn(&str) -> bool) -> Vec<Finding> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for link in line.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let target = link.0.split('#').next().unwrap_or_default();
            let is_file = !target.is_empty() && !target.contains("://");
            if is_file && !has(&resolve(folder, target)) {
                let what = format!("links to {target}, which does not exist");
                findings.push(Finding::new(path, at + 1, what));
            }
        }
    }
    findings
}

/// A relative path, seen from a folder.
fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    type Check = fn(&Source) -> Vec<Finding>;

    fn n(check: Check, text: &str) -> usize {
        check(&Source::parse("datapath/src/x.rs", text)).len()
    }

    #[test]
    fn a_missing_essay_is_found() {
        assert_eq!(n(check_essay, "fn f() {}"), 1);
        assert_eq!(n(check_essay, "/// Not the module.\nfn f() {}"), 1);
        assert_eq!(n(check_essay, "// Plain.\nfn f() {}"), 1);
        assert_eq!(n(check_essay, "//! What it is for.\nfn f() {}"), 0);
    }

    #[test]
    fn stubs_are_found() {
        assert_eq!(n(check_stubs, "fn f() { todo!() }"), 1);
        assert_eq!(n(check_stubs, "fn f() { dbg!(1); }"), 1);
        assert_eq!(n(check_stubs, "fn f() { if x { unimplemented!() } }"), 1);
        assert_eq!(n(check_stubs, "#[test]\n#[ignore]\nfn f() {}"), 1);
        assert_eq!(n(check_stubs, "// todo!()\nfn todo() {}"), 0);
    }

    #[test]
    fn sleeps_are_found() {
        assert_eq!(n(check_sleep, "fn f() { std::thread::sleep(d); }"), 1);
        assert_eq!(n(check_sleep, "fn f() { thread::sleep(d); }"), 1);
        assert_eq!(n(check_sleep, "use std::thread::{self, sleep};"), 1);
        assert_eq!(n(check_sleep, "#[test]\nfn f() { thread::sleep(d); }"), 1);
        assert_eq!(n(check_sleep, "fn f() { thread.sleep_state(); thread::yield_now(); }"), 0);
        let helper = Source::parse(SLEEPERS[0].0, "fn f() { thread::sleep(d); }");
        assert_eq!(check_sleep(&helper).len(), 0);
    }

    #[test]
    fn links_to_nowhere_are_found() {
        let has = |path: &str| matches!(path, "README.md" | "docs/a.md" | "docs");
        let check = |path, text| check_links(path, text, has).len();
        assert_eq!(check("README.md", "[a](docs/a.md) and [b](docs/b.md)"), 1);
        assert_eq!(check("docs/a.md", "[b](b.md)"), 1);
        assert_eq!(
            check("docs/a.md", "[r](../README.md#top), [d](../docs), [w](https://x.y/z)"),
            0
        );
    }
}
