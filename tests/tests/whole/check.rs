//! `vmd -n`: a configuration is checked, and shown as it was understood.

use std::fs;
use std::path::Path;

use vmd_tests::{Output, paths};

use crate::support::{directory, sh};

/// Checks a file, with `directory` as the working directory.
fn check(directory: &Path, arguments: &str) -> Output {
    let vmd = paths::program("vmd").unwrap();
    sh(&format!("cd {} && timeout 10 {} -n {arguments}", directory.display(), vmd.display()))
}

#[test]
fn the_configuration_that_is_shown_is_understood_in_the_same_way() {
    let dir = directory();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("vm.d")).unwrap();
    fs::write(path("kernel"), "").unwrap();
    let text = "k = kernel\ninclude \"vm.d/*.conf\"\nsocket owner :daemon\nstop timeout 5\n\
                vm \"base\" { disable; boot $k; allow instance { memory } }\n";
    fs::write(path("vm.conf"), text).unwrap();
    fs::write(path("vm.d/b.conf"), "include \"a.none\"\n").unwrap();
    fs::write(path("vm.d/a.none"), "vm \"web\" { boot $k; restart always }\r\n").unwrap();
    let shown = check(dir.path(), "-v -f vm.conf");
    assert_eq!((shown.status, shown.stderr.as_str()), (0, "configuration OK\n"), "{}", shown.stdout);
    assert!(shown.stdout.contains(&format!("boot \"{}\"", path("kernel").display())), "{}", shown.stdout);
    fs::write(path("shown.conf"), &shown.stdout).unwrap();
    let again = check(Path::new("/"), &format!("-v -f {}", path("shown.conf").display()));
    assert_eq!((again.status, again.stdout), (0, shown.stdout));
}

#[test]
fn a_fifo_or_a_directory_is_no_configuration() {
    let dir = directory();
    fs::create_dir(dir.path().join("d")).unwrap();
    let made = sh(&format!("mkfifo {}/fifo", dir.path().display()));
    assert_eq!(made.status, 0, "{}", made.stderr);
    fs::write(dir.path().join("vm.conf"), "include \"fifo\"\ninclude \"d\"\n").unwrap();
    let output = check(dir.path(), "-f vm.conf");
    assert_eq!(output.status, 1, "{}", output.stdout);
    for words in ["vm.conf:1:", "not a regular file", "vm.conf:2:", "it is a directory"] {
        assert!(output.stderr.contains(words), "no {words:?} in:\n{}", output.stderr);
    }
    assert_eq!(check(dir.path(), "-f fifo").status, 1);
}
