//! `unsafe` lives in a few files, each of which says why it is right.

use crate::rules::UNSAFE_FILES;
use crate::tree::{Finding, Source};

/// `unsafe`, or the leave to write it, outside the allow-list; in tests too.
pub fn check_place(source: &Source) -> Vec<Finding> {
    if UNSAFE_FILES.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for line in source.find(&["unsafe"]) {
        findings.push(Finding::new(&source.path, line, "unsafe outside the allow-list"));
    }
    for lint in ["allow", "expect", "warn"] {
        for line in source.find(&[lint, "(", "unsafe_code"]) {
            let what = format!("{lint}(unsafe_code) outside the allow-list");
            findings.push(Finding::new(&source.path, line, what));
        }
    }
    findings
}

/// Libraries without any unsafe code forbid it at their root.
pub fn check_root(source: &Source) -> Vec<Finding> {
    if !matches!(source.path.as_str(), "packet/src/lib.rs" | "openflow/src/lib.rs") {
        return Vec::new();
    }
    let inner = ["#", "!", "[", "forbid", "(", "unsafe_code", ")", "]"];
    if source.find(&inner).next().is_some() {
        return Vec::new();
    }
    vec![Finding::new(&source.path, 1, "lacks #![forbid(unsafe_code)]")]
}

/// Every crate takes the workspace's lints, and those deny unsafe code. Takes manifests and their
/// paths.
pub fn check_lints(manifests: &[(String, String)]) -> Vec<Finding> {
    let has = |text: &str, section: &str, line: &str| {
        let mut lines = text.lines().skip_while(|l| l.trim() != section).skip(1);
        lines.by_ref().take_while(|l| !l.starts_with('[')).any(|l| l.trim() == line)
    };
    let mut findings = Vec::new();
    for (path, text) in manifests {
        let (section, line) = if path == "Cargo.toml" {
            ("[workspace.lints.rust]", "unsafe_code = \"deny\"")
        } else {
            ("[lints]", "workspace = true")
        };
        if !has(text, section, line) {
            findings.push(Finding::new(path, 1, format!("lacks {line} under {section}")));
        }
    }
    findings
}

/// A file of the allow-list opens with numbered invariants, and each SAFETY comment names one that
/// is there.
pub fn check_arguments(source: &Source) -> Vec<Finding> {
    if !UNSAFE_FILES.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let head: Vec<&str> = source.text.lines().take_while(|line| line.starts_with("//!")).collect();
    let stated = numbers(&head.join("\n"));
    if stated.is_empty() {
        let what = "does not open with numbered invariants (**I1** …)";
        return vec![Finding::new(&source.path, 1, what)];
    }
    let mut findings = Vec::new();
    let mut lines = source.text.lines().enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        let Some((_, argument)) = line.split_once("// SAFETY:") else { continue };
        let mut argument = argument.to_owned();
        while let Some((_, more)) = lines.next_if(|(_, next)| next.trim().starts_with("//")) {
            argument.push_str(more);
        }
        let named = numbers(&argument);
        if named.is_empty() {
            let what = "SAFETY comment names no invariant (I1 …)";
            findings.push(Finding::new(&source.path, at + 1, what));
        }
        for number in named.iter().filter(|number| !stated.contains(number)) {
            let what = format!("SAFETY comment names I{number}, which the file does not state");
            findings.push(Finding::new(&source.path, at + 1, what));
        }
    }
    findings
}

/// The numbers n of the words `In`.
fn numbers(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter_map(|word| word.strip_prefix('I')?.parse().ok())
        .collect()
}

/// `docs/unsafe.md` lists each file of the allow-list that exists.
pub fn check_page(files: &[Source], page: &str) -> Vec<Finding> {
    let exists = |path: &str| files.iter().any(|source| source.path == path);
    UNSAFE_FILES
        .iter()
        .filter(|path| exists(path) && !page.contains(*path))
        .map(|path| Finding::new("docs/unsafe.md", 1, format!("does not list {path}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_elsewhere_is_found() {
        for text in [
            "fn f() { unsafe { g() } }",
            "unsafe fn f() {}",
            "unsafe impl Send for X {}",
            "macro_rules! m { () => { unsafe { g() } } }",
            "#[cfg(test)]\nmod tests { fn f() { unsafe { g() } } }",
            "#![allow(unsafe_code)]",
        ] {
            assert_eq!(check_place(&Source::parse("vswitchd/src/x.rs", text)).len(), 1, "{text}");
            assert_eq!(check_place(&Source::parse(UNSAFE_FILES[0], text)).len(), 0, "{text}");
        }
        let innocent = "//! unsafe\n#![forbid(unsafe_code)]\nconst A: &str = \"unsafe\";";
        assert_eq!(check_place(&Source::parse("vswitchd/src/x.rs", innocent)).len(), 0);
    }

    #[test]
    fn a_root_without_the_refusal_is_found() {
        let check = |path, text| check_root(&Source::parse(path, text)).len();
        assert_eq!(check("packet/src/lib.rs", "//! A."), 1);
        assert_eq!(check("packet/src/lib.rs", "#![deny(unsafe_code)]"), 1);
        assert_eq!(check("packet/src/lib.rs", "// #![forbid(unsafe_code)]"), 1);
        assert_eq!(check("packet/src/lib.rs", "#![forbid(unsafe_code)]"), 0);
        assert_eq!(check("datapath/src/frame.rs", "//! A."), 0);
    }

    #[test]
    fn a_manifest_without_the_lints_is_found() {
        let check =
            |path: &str, text: &str| check_lints(&[(path.to_owned(), text.to_owned())]).len();
        let denied = "[workspace.lints.rust]\nunsafe_code = \"deny\"\n";
        assert_eq!(check("Cargo.toml", denied), 0);
        assert_eq!(check("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"allow\"\n"), 1);
        assert_eq!(check("Cargo.toml", "[workspace.lints.rust]\n[x]\nunsafe_code = \"deny\"\n"), 1);
        assert_eq!(check("ofctl/Cargo.toml", "[lints]\nworkspace = true\n"), 0);
        assert_eq!(check("ofctl/Cargo.toml", "[package]\n"), 1);
    }

    #[test]
    fn ritual_safety_texts_are_found() {
        let check = |text| check_arguments(&Source::parse(UNSAFE_FILES[0], text)).len();
        assert_eq!(check("//! Memory.\n"), 1);
        assert_eq!(check("//! - **I1** A.\n// SAFETY: trust me\n"), 1);
        assert_eq!(check("//! - **I1** A.\n// SAFETY: by I2\n"), 1);
        assert_eq!(check("//! - **I1** A.\n// SAFETY: by what\n// I1 says\n"), 0);
    }

    #[test]
    fn a_file_that_the_page_forgets_is_found() {
        let files = [Source::parse(UNSAFE_FILES[0], "//! A.")];
        assert_eq!(check_page(&files, "nothing").len(), 1);
        assert_eq!(check_page(&files, UNSAFE_FILES[0]).len(), 0);
    }
}
