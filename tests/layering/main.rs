//! The rules of the tree, enforced: who imports whom, where `unsafe` lives, how large a piece may be.
//!
//! # Design
//! [`tree::Tree`] reads every `.rs` file of the workspace once and parses it. A rule is a function
//! from one file (or from cargo's dependency table) to findings; each rule stands beside examples that it must reject
//! and examples that it must accept, so that a rule which stops biting fails here too.
//! What is exempt is listed in [`rules`], by name and with its reason.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "in a test, an expectation that breaks is a failure")]

mod imports;
mod rules;
mod size;
mod tree;
mod unsafety;
mod words;

use std::collections::BTreeSet;

use tree::{Finding, Source, Tree};

/// Fails with every finding, one a line.
fn accept(rule: &str, findings: Vec<Finding>) {
    let n = findings.len();
    let list: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{rule}: {n} finding(s)\n{}\n", list.join("\n"));
}

fn each_file(rule: &str, check: impl Fn(&Source) -> Vec<Finding>) {
    let tree = Tree::of_workspace();
    assert!(tree.files.len() > 20, "only {} files found: the walk is broken", tree.files.len());
    accept(rule, tree.files.iter().flat_map(check).collect());
}

#[test]
fn crates_import_along_the_arrows() {
    accept("imports between crates", imports::check_dependencies(&imports::dependencies()));
}

#[test]
fn modules_import_along_the_arrows() {
    each_file("imports between modules", imports::check_paths);
}

#[test]
fn unsafe_stays_in_its_files() {
    each_file("unsafe allow-list", unsafety::check_place);
}

#[test]
fn unsafe_is_argued() {
    each_file("unsafe arguments", unsafety::check_arguments);
}

#[test]
fn crate_roots_refuse_unsafe() {
    each_file("crate roots", unsafety::check_root);
}

#[test]
fn crates_take_the_lints() {
    let tree = Tree::of_workspace();
    let crates: BTreeSet<&str> = tree.files.iter().map(Source::folder).collect();
    let paths =
        crates.iter().filter(|name| **name != "fuzz").map(|name| format!("{name}/Cargo.toml"));
    let read = |path: String| (path.clone(), tree.page(&path));
    let manifests: Vec<_> = paths.chain(["Cargo.toml".to_owned()]).map(read).collect();
    accept("lints of the crates", unsafety::check_lints(&manifests));
}

#[test]
fn unsafe_files_are_documented() {
    let tree = Tree::of_workspace();
    accept("docs/unsafe.md", unsafety::check_page(&tree.files, &tree.page("docs/unsafe.md")));
}

#[test]
fn files_are_small() {
    each_file("lines per file", size::check_file);
}

#[test]
fn functions_are_small() {
    each_file("lines and parameters per function", size::check_functions);
}

#[test]
fn public_functions_take_no_bool() {
    each_file("bool parameters", size::check_bools);
}

#[test]
fn modules_open_with_an_essay() {
    each_file("module essays", words::check_essay);
}

#[test]
fn nothing_is_left_to_do() {
    each_file("stubs", words::check_stubs);
}

#[test]
fn pages_link_to_what_exists() {
    let tree = Tree::of_workspace();
    let pages = tree.pages();
    assert!(pages.len() > 3, "only {} pages found", pages.len());
    let check = |(path, text): &(String, String)| words::check_links(path, text, |p| tree.has(p));
    accept("links of the pages", pages.iter().flat_map(check).collect());
}

#[test]
fn nobody_sleeps() {
    each_file("sleeps", words::check_sleep);
}

#[test]
fn exemptions_are_in_use() {
    let tree = Tree::of_workspace();
    accept("exemptions", rules::check_exemptions(&tree.files));
}
