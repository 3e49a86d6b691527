//! What happens when something is wrong: a clear message, status 1, and nothing left behind.

use vmd_tests::{Output, paths};

use crate::needs_kvm;
use crate::support::{SOON, Vmd, directory, image, machine, sh};

/// Runs vmd in the foreground with these arguments; it is expected to end by itself.
fn vmd(arguments: &str) -> Output {
    let vmd = paths::program("vmd").unwrap();
    sh(&format!("timeout 10 {} {arguments}", vmd.display()))
}

fn refused(output: &Output, words: &[&str]) {
    assert_eq!(output.status, 1, "{}{}", output.stdout, output.stderr);
    for word in words {
        assert!(output.stderr.contains(word), "no {word:?} in:\n{}", output.stderr);
    }
}

/// Starts a machine that is expected not to start, and gives what vmctl says.
fn unstartable(vmd: &Vmd, name: &str, words: &[&str]) {
    refused(&vmd.vmctl(&format!("start {name}")), words);
    assert_eq!(vmd.state(name), "stopped");
    assert!(!vmd.path().join("run/vm").join(name).exists(), "its directory is left");
}

#[test]
fn without_kvm_the_daemon_says_what_to_look_at() {
    let vmd = paths::program("vmd").unwrap();
    let hide = "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3";
    let output =
        sh(&format!("unshare -m sh -c '{hide} && exec {} -d -f /dev/null --user nobody'", vmd.display()));
    refused(&output, &["cannot open /dev/kvm", "module"]);
}

#[test]
fn only_root_can_start_the_daemon() {
    let output = sh(&format!(
        "setpriv --reuid 65534 --regid 65534 --clear-groups {} -d",
        paths::program("vmd").unwrap().display()
    ));
    if output.stderr.contains("Permission denied") {
        vmd_tests::skip!("another user cannot reach the program: {}", output.stderr.trim());
    }
    refused(&output, &["must be started by root"]);
}

#[test]
fn an_account_that_is_missing_is_named_with_the_command_that_makes_it() {
    needs_kvm!();
    refused(&vmd("-d -f /dev/null --user nosuchuser"), &["nosuchuser", "useradd --system"]);
}

#[test]
fn a_wrong_option_and_a_wrong_file_are_errors() {
    refused(&vmd("-x"), &["-x", "Usage"]);
    refused(&vmd("-d -f /nonexistent/vm.conf --user nobody"), &["/nonexistent/vm.conf"]);
    let dir = directory();
    let conf = dir.path().join("vm.conf");
    std::fs::write(&conf, "vm \"a\" {\n memory 12X\n}\n").unwrap();
    refused(&vmd(&format!("-n -f {}", conf.display())), &["vm.conf:2:", "12X"]);
    std::fs::write(&conf, "").unwrap();
    let good = vmd(&format!("-n -f {}", conf.display()));
    assert_eq!((good.status, good.stderr.as_str()), (0, "configuration OK\n"));
}

#[test]
fn a_second_daemon_is_refused_and_the_first_goes_on() {
    needs_kvm!();
    let first = Vmd::with_hello("web", "poweroff");
    let second = vmd(&format!("-d -f /dev/null --user nobody --runtime-dir {}/run", first.path().display()));
    refused(&second, &["another vmd uses"]);
    assert_eq!(first.state("web"), "stopped");
}

#[test]
fn without_a_daemon_the_client_names_the_socket() {
    let vmctl = paths::program("vmctl").unwrap();
    let output = sh(&format!("{} -s /nonexistent/vmd.sock status", vmctl.display()));
    refused(&output, &["vmctl: connect: /nonexistent/vmd.sock: No such file or directory"]);
}

#[test]
fn a_stranger_can_not_open_the_socket() {
    needs_kvm!();
    let vmd = Vmd::start("");
    let dir = vmd.path().to_str().unwrap().to_owned();
    let vmctl = paths::program("vmctl").unwrap();
    let prepare = format!("chmod 755 {dir} && cp {} {dir}/vmctl", vmctl.display());
    sh(&prepare).success().unwrap();
    let output = sh(&format!(
        "setpriv --reuid 65534 --regid 65534 --clear-groups {dir}/vmctl -s {} status",
        vmd.socket().display()
    ));
    refused(&output, &["vmctl: connect:", "Permission denied"]);
}

#[test]
fn unknown_machines_are_refused_by_every_command() {
    needs_kvm!();
    let vmd = Vmd::start("");
    refused(&vmd.vmctl("start nosuch"), &["nosuch"]);
    refused(&vmd.vmctl("stop nosuch"), &["stopping vm nosuch: vm not found"]);
    refused(&vmd.vmctl("wait nosuch"), &["vm not found"]);
}

#[test]
fn kernels_that_are_none_are_refused_with_what_was_found() {
    needs_kvm!();
    let dir = directory();
    let hello = std::fs::read(paths::test_guest("hello").unwrap()).unwrap();
    let mut hostile = hello.clone();
    // The program header's file size: more than there is (ELF-64, e_phoff 64, p_filesz at 32).
    hostile[64 + 32..64 + 40].copy_from_slice(&u64::MAX.to_le_bytes());
    let kernels: [(&str, &[u8]); 4] = [
        ("text", b"#!/bin/sh\necho no kernel\n"),
        ("empty", b""),
        ("short", &hello[..hello.len().min(300)]),
        ("hostile", &hostile),
    ];
    let mut conf = String::new();
    for (name, bytes) in kernels {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        conf += &format!("vm \"{name}\" {{ disable; memory 32M; boot \"{}\" }}\n", path.display());
    }
    let vmd = Vmd::start_in(dir, &conf);
    for (name, _) in kernels {
        unstartable(&vmd, name, &["vmctl: ", name]);
    }
}

#[test]
fn a_kernel_or_disk_that_vanishes_after_the_start_of_the_daemon_is_named() {
    needs_kvm!();
    let dir = directory();
    let disk = image(dir.path(), "gone.img", 1);
    let conf = machine("web", "hello", "", &format!("disk \"{}\" format raw", disk.display()));
    let vmd = Vmd::start_in(dir, &conf);
    std::fs::remove_file(&disk).unwrap();
    unstartable(&vmd, "web", &["gone.img", "No such file or directory"]);
    // And when it is back, the machine starts.
    image(vmd.path(), "gone.img", 1);
    vmd.vmctl_ok("start web");
    vmd.vmctl_ok("stop -fw web");
}

#[test]
fn more_memory_than_the_host_has_is_refused_with_both_numbers() {
    needs_kvm!();
    let conf = machine("web", "hello", "", "").replace("32M", "4T");
    let vmd = Vmd::start(&conf);
    unstartable(&vmd, "web", &["4.0T", "this host has"]);
}

#[test]
fn a_disk_in_use_is_refused_and_its_user_named() {
    needs_kvm!();
    let dir = directory();
    let disk = image(dir.path(), "shared.img", 1);
    let disk = format!("disk \"{}\" format raw", disk.display());
    let conf = machine("web", "hello", "", &disk) + &machine("db", "hello", "", &disk);
    let vmd = Vmd::start_in(dir, &conf);
    vmd.vmctl_ok("start web");
    unstartable(&vmd, "db", &["shared.img", "in use by vm \"web\""]);
    vmd.vmctl_ok("stop -fw web");
    vmd.vmctl_ok("start db");
    vmd.vmctl_ok("stop -fw db");
}

#[test]
fn a_process_that_is_killed_is_told_and_the_others_live() {
    needs_kvm!();
    let conf = machine("web", "hello", "", "") + &machine("db", "hello", "", "");
    let vmd = Vmd::start(&conf);
    vmd.vmctl_ok("start web");
    vmd.vmctl_ok("start db");
    sh(&format!("kill -9 {}", vmd.pid("web"))).success().unwrap();
    vmd.wait_for_state("web", "stopped");
    assert_eq!(vmd.state("db"), "running");
    let json = vmd.vmctl_ok("--json status web").stdout;
    assert!(json.contains("killed by signal 9"), "{json}");
    assert!(vmd.log().contains("vm \"web\" its process was killed by signal 9"), "{}", vmd.log());
    vmd.vmctl_ok("start web");
    assert_eq!(vmd.state("web"), "running");
    for name in ["web", "db"] {
        vmd.vmctl_ok(&format!("stop -fw {name}"));
    }
}

#[test]
fn a_guest_that_kvm_can_not_run_is_told_with_its_reason() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "panic");
    let mut console = vmd.boot("web");
    console.expect("hello, world", SOON).unwrap();
    assert_eq!(vmd.state("web"), "running", "a guest that has stopped itself is a running machine");
    vmd.vmctl_ok("stop -fw web");
}
