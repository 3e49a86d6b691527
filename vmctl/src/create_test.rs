use std::os::unix::fs::MetadataExt;

use super::*;
use crate::options;

fn create(line: &[&str]) -> Result<(), String> {
    let words = line.iter().map(|s| (*s).to_owned()).collect();
    let arguments = options::parse(words, SYNTAX).unwrap();
    let settings = Settings { socket: "/nonexistent".into(), verbose: false, json: false };
    run(&settings, &arguments).map_err(|failure| failure.text())
}

#[test]
fn an_image_has_its_size_and_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    create(&["-s", "10M", path.to_str().unwrap()]).unwrap();
    let metadata = path.metadata().unwrap();
    assert_eq!((metadata.len(), metadata.mode() & 0o777), (10 << 20, 0o600));
}

#[test]
fn a_size_is_rounded_down_to_megabytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    create(&[&format!("raw:{}", path.display()), "-s 1.5M"]).unwrap();
    assert_eq!(path.metadata().unwrap().len(), 1 << 20);
}

#[test]
fn an_existing_file_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    std::fs::write(&path, "mine").unwrap();
    let text = create(&["-s", "1M", path.to_str().unwrap()]).unwrap_err();
    assert!(text.starts_with("vmctl: create imagefile operation failed: File exists\n"), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
}

#[test]
fn what_is_wrong_or_not_built_is_said() {
    for (line, expected) in [
        (&["-s", "1K", "x"][..], "vmctl: invalid disk size: 1K\n"),
        (&["x"], "vmctl: could not create x: missing size argument\n"),
        (&["-b", "a", "-i", "b", "x"], "vmctl: conflicting -b and -i arguments\n"),
        (&["-b", "a", "x"], "vmctl: base images require qcow2 disk format\n"),
        (&["-i", "a", "x"], "vmctl: create -i: not supported yet\n"),
        (&["-s", "1M", "x.QCOW2"], "vmctl: x.QCOW2: disk format qcow2: not supported yet\n"),
        (&["-s", "1M", "qcow2:x"], "vmctl: x: disk format qcow2: not supported yet\n"),
    ] {
        let text = create(line).unwrap_err();
        assert!(text.starts_with(expected), "{line:?}: {text}");
    }
    assert!(!Path::new("x").exists());
}
