//! `docs/networks.md` shows what the scripts type.

use switch_tests::example::folder;

use super::NETWORKS;

/// Stands in the page for what differs from run to run.
const ELLIPSIS: char = '…';

fn page() -> String {
    let path = folder().with_file_name("docs").join("networks.md");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The section of a network, which begins with its script's name.
fn section<'a>(page: &'a str, name: &str) -> &'a str {
    let start = page.find(&format!("\n## {name}\n"));
    let rest = &page[start.unwrap_or_else(|| panic!("docs/networks.md: no section {name}")) + 4..];
    rest.split("\n## ").next().unwrap_or(rest)
}

/// The commands of a section: lines of code with a machine's prompt.
fn commands(section: &str) -> Vec<&str> {
    let lines = section.lines().filter_map(|line| line.strip_prefix("    "));
    lines.filter(|line| line.split(' ').next().is_some_and(|word| word.ends_with('$'))).collect()
}

/// Whether a line is what the page shows, each [`ELLIPSIS`] standing for anything.
fn matches(line: &str, shown: &str) -> bool {
    let mut rest = line;
    let mut parts = shown.split(ELLIPSIS);
    let head = parts.next().unwrap_or_default();
    let Some(tail) = rest.strip_prefix(head) else { return false };
    rest = tail;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || shown.ends_with(ELLIPSIS)
}

/// Asserts that every command of a network's section is one that its script typed.
///
/// # Panics
/// If one is not, or the section shows no command of the switch.
pub fn assert_shows(name: &str, built: &str) {
    let page = page();
    let shown = commands(section(&page, name));
    assert!(shown.iter().any(|line| line.contains("$ ofctl ")), "no ofctl in section {name}");
    for command in shown {
        let typed = built.lines().any(|line| matches(line.trim(), command));
        assert!(
            typed,
            "docs/networks.md, {name}: `{command}` is not typed by the script:\n{built}"
        );
    }
}

#[test]
fn every_network_has_its_script_and_its_section() {
    let entries = std::fs::read_dir(folder()).expect("the folder of the scripts");
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut scripts: Vec<String> = names.filter(|name| !name.contains('.')).collect();
    let mut wanted: Vec<&str> = NETWORKS.iter().map(|(script, _)| *script).collect();
    scripts.sort();
    wanted.sort_unstable();
    assert_eq!(scripts, wanted);
    let page = page();
    for (script, test) in NETWORKS {
        assert!(
            section(&page, script).contains(test),
            "{script}: the section does not name {test}"
        );
    }
}

#[test]
fn a_command_that_is_not_typed_is_found() {
    assert_eq!(commands("text\n    sw$ ofctl show\n    1 2\n"), ["sw$ ofctl show"]);
    assert!(matches("sw$ ofctl show", "sw$ ofctl show"));
    assert!(matches("sw$ prog --file=/tmp/x --end", "sw$ prog --file=… --end"));
    assert!(matches("sw$ prog --file=/tmp/x", "sw$ prog …"));
    assert!(!matches("sw$ ofctl show br0", "sw$ ofctl show"));
    assert!(!matches("sw$ prog --file=/tmp/x --more", "sw$ prog --file=… --end"));
    assert!(!matches("sw$ ofctl del-br br0", "sw$ ofctl add-br br0"));
}
