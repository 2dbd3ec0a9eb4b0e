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
}
