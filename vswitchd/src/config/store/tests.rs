//! Saving and loading, and what happens when either fails.

use super::*;
use crate::config::{Bridge, Config};

fn with_bridge(name: &str) -> Config {
    let mut config = Config::default();
    config.bridges.insert(name.to_owned(), Bridge::new(name));
    config
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_saved_is_loaded_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/conf.json");
    let store = Store::file(&path);
    assert_eq!(store.load().unwrap(), Config::default());
    for name in ["one", "two"] {
        store.save(&with_bridge(name)).unwrap();
        assert_eq!(Store::file(&path).load().unwrap(), with_bridge(name));
    }
    assert_eq!(names(path.parent().unwrap()), ["conf.json"]);
}

#[test]
fn a_left_over_temporary_file_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conf.json");
    fs::write(folder.path().join("conf.json.tmp"), "x".repeat(100_000)).unwrap();
    let store = Store::file(&path);
    assert_eq!(store.load().unwrap(), Config::default());
    store.save(&with_bridge("br0")).unwrap();
    assert_eq!(store.load().unwrap(), with_bridge("br0"));
}

#[test]
fn a_symbolic_link_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let (link, file) = (folder.path().join("link"), folder.path().join("file"));
    Store::file(&file).save(&with_bridge("one")).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    Store::file(&link).save(&with_bridge("two")).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(Store::file(&file).load().unwrap(), with_bridge("two"));
}

#[test]
fn a_file_that_cannot_be_understood_is_told_by_line_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conf.json");
    for (bytes, told) in [
        (&b"{\n  \"version\": 1,\n  bridges: {}\n}"[..], ":3:3: key must be a string"),
        (b"{\"version\": 1,\n \"x\xff\": 1}", ":2:4: not UTF-8"),
        (b"", ":1:0: EOF while parsing a value"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = Store::file(&path).load().unwrap_err().to_string();
        assert_eq!(error, format!("{}{told}", fs::canonicalize(&path).unwrap().display()));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = Store::file(&path).load().unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "{error}");
}

#[test]
fn a_save_that_fails_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conf.json");
    let store = Store::file(&path);
    store.save(&with_bridge("old")).unwrap();
    // A folder where the temporary file goes; permissions would not stop root.
    fs::create_dir(folder.path().join("conf.json.tmp")).unwrap();
    let error = store.save(&with_bridge("new")).unwrap_err().to_string();
    assert!(error.contains("cannot be saved: writing a temporary file: "), "{error}");
    assert_eq!(store.load().unwrap(), with_bridge("old"));

    let blocked = Store::file(&path.join("conf.json"));
    let error = blocked.save(&with_bridge("new")).unwrap_err().to_string();
    assert!(error.contains("making its folder"), "{error}");
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conf.json");
    let store = Store::file(&path);
    store.save(&with_bridge("old")).unwrap();
    // Every write to it fails with ENOSPC.
    std::os::unix::fs::symlink("/dev/full", folder.path().join("conf.json.tmp")).unwrap();
    let error = store.save(&with_bridge("new")).unwrap_err().to_string();
    assert!(error.contains("No space left on device"), "{error}");
    assert_eq!(store.load().unwrap(), with_bridge("old"));
    assert_eq!(names(folder.path()), ["conf.json"]);
    store.save(&with_bridge("new")).unwrap();
}

#[test]
fn no_store_keeps_nothing() {
    Store::none().save(&with_bridge("x")).unwrap();
    assert_eq!(Store::none().load().unwrap(), Config::default());
}
