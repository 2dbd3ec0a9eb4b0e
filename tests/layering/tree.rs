//! The workspace's sources, read and parsed once per rule.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;

/// A breach of a rule.
#[derive(Debug)]
pub struct Finding {
    /// File, from the root of the workspace.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, and what is allowed.
    pub what: String,
}

impl Finding {
    /// A finding.
    pub fn new(path: impl Into<String>, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: path.into(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}:{}: {}", self.path, self.line, self.what)
    }
}

/// One `.rs` file.
pub struct Source {
    /// From the root of the workspace, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its syntax tree.
    pub ast: syn::File,
    /// Its tokens, flat: delimiters are tokens of their own.
    pub tokens: Vec<Token>,
    /// Lines (from 1) that belong to items under `#[cfg(test)]` or `#[test]`, as inclusive ranges.
    pub test_lines: Vec<(usize, usize)>,
}

/// A token and its line.
#[derive(Debug)]
pub struct Token {
    /// As written; a literal stands as `""`, so that no rule trips over text.
    pub text: String,
    /// Line, from 1.
    pub line: usize,
}

impl Source {
    /// Parses `text`.
    pub fn parse(path: &str, text: &str) -> Source {
        let ast = match syn::parse_file(text) {
            Ok(ast) => ast,
            Err(error) => panic!("{path}:{}: {error}", error.span().start().line),
        };
        let stream: TokenStream = text.parse().unwrap_or_else(|e| panic!("{path}: {e}"));
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let mut test_lines = Vec::new();
        collect_tests(&ast.items, &mut test_lines);
        Source { path: path.to_owned(), text: text.to_owned(), ast, tokens, test_lines }
    }

    /// The crate's folder: the first part of the path.
    pub fn folder(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// Whether the whole file is test code: of a test crate, or named `tests.rs`, or below `tests/`.
    pub fn is_test_file(&self) -> bool {
        matches!(self.folder(), "tests" | "benches" | "fuzz")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
            || self.path.contains("/benches/")
    }

    /// Whether a line belongs to a test item.
    pub fn is_test_line(&self, line: usize) -> bool {
        self.test_lines.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    /// Lines outside test items.
    pub fn n_production_lines(&self) -> usize {
        (1..=self.text.lines().count()).filter(|line| !self.is_test_line(*line)).count()
    }

    /// The lines at which `pattern` occurs as a sequence of tokens.
    pub fn find<'a>(&'a self, pattern: &'a [&'a str]) -> impl Iterator<Item = usize> + 'a {
        self.tokens
            .windows(pattern.len())
            .filter(move |window| window.iter().zip(pattern).all(|(t, p)| t.text == *p))
            .map(|window| window[0].line)
    }
}

fn flatten(stream: TokenStream, out: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                out.push(Token { text: open.to_owned(), line });
                flatten(group.stream(), out);
                out.push(Token { text: close.to_owned(), line: group.span_close().start().line });
            }
            TokenTree::Literal(_) => out.push(Token { text: "\"\"".to_owned(), line }),
            other => out.push(Token { text: other.to_string(), line }),
        }
    }
}

fn collect_tests(items: &[syn::Item], out: &mut Vec<(usize, usize)>) {
    for item in items {
        let attrs = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Static(item) => &item.attrs,
            syn::Item::Macro(item) => &item.attrs,
            _ => continue,
        };
        if attrs.iter().any(is_test_attribute) {
            let span = item.span();
            out.push((span.start().line, span.end().line));
        } else if let syn::Item::Mod(syn::ItemMod { content: Some((_, inner)), .. }) = item {
            collect_tests(inner, out);
        }
    }
}

/// `#[test]`, `#[cfg(test)]`, `#[cfg(all(test, …))]`; not `#[cfg(not(test))]`.
fn is_test_attribute(attr: &syn::Attribute) -> bool {
    if attr.path().is_ident("test") {
        return true;
    }
    let syn::Meta::List(list) = &attr.meta else { return false };
    let mut words = Vec::new();
    flatten(list.tokens.clone(), &mut words);
    let said = |word: &str| words.iter().any(|token| token.text == word);
    attr.path().is_ident("cfg") && said("test") && !said("not")
}

/// Every source of the workspace.
pub struct Tree {
    root: PathBuf,
    /// Sorted by path.
    pub files: Vec<Source>,
}

impl Tree {
    /// Reads what git knows, and what it does not know yet but would not ignore.
    pub fn of_workspace() -> Tree {
        let root = root();
        let listed = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])
            .current_dir(&root)
            .output();
        let mut paths = match listed {
            Ok(out) if out.status.success() && !out.stdout.is_empty() => {
                String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect()
            }
            _ => walk(&root, ".rs"),
        };
        paths.sort();
        let read = |path: &String| std::fs::read_to_string(root.join(path)).ok();
        let files = paths
            .iter()
            .filter_map(|path| read(path).map(|text| Source::parse(path, &text)))
            .collect();
        Tree { root, files }
    }

    /// Every page of the documentation: its path and text.
    pub fn pages(&self) -> Vec<(String, String)> {
        let mut paths = walk(&self.root, ".md");
        paths.sort();
        paths.into_iter().map(|path| (path.clone(), self.page(&path))).collect()
    }

    /// Whether a file or folder exists.
    pub fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// A page of the documentation; empty if it is missing.
    pub fn page(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path)).unwrap_or_default()
    }
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests crate is a folder of the workspace").to_owned()
}

/// Files by the end of their name, without those of build folders and hidden ones.
fn walk(root: &Path, end: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).expect("a folder of the workspace is readable");
        for path in entries.filter_map(|entry| entry.ok().map(|e| e.path())) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(end) {
                let relative = path.strip_prefix(root).expect("found below the root");
                found.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    found
}

#[test]
fn the_walk_without_git_finds_the_same_crates() {
    let found = walk(&root(), ".rs");
    assert!(found.iter().any(|path| path == "packet/src/lib.rs"), "{found:?}");
    assert!(found.iter().any(|path| path == "tests/layering/tree.rs"), "{found:?}");
    assert!(!found.iter().any(|path| path.starts_with("target/")), "{found:?}");
}

#[test]
fn test_items_do_not_count_as_production() {
    let text = "//! E.\nfn f() {}\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\n\
                mod inner {\n    #[test]\n    fn t() {}\n}\n#[cfg(not(test))]\nfn h() {}\n";
    let source = Source::parse("packet/src/x.rs", text);
    assert_eq!(source.test_lines, [(3, 6), (8, 9)]);
    assert_eq!(source.n_production_lines(), text.lines().count() - 6);
    assert!(source.is_test_line(5) && !source.is_test_line(2));
}
