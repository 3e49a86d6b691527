//! What a user, or a program that parses it, sees of a whole command.

#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

mod daemon;
mod user;

use user::{error, said, vmctl};

/// What follows when the daemon has ended.
const GONE: &str = "vmctl: vmd has ended without an answer; ask again when it runs\n";

#[test]
fn a_start_tells_number_and_terminal() {
    let reply = json!({ "parameters": { "id": 3, "name": "web", "tty": "/dev/pts/7" } });
    let (seen, calls) = vmctl(&["start", "web"], move |_| reply.clone());
    assert_eq!(seen, said("vmctl: started vm 3 successfully, tty /dev/pts/7\n", 0));
    let call = calls.recv().unwrap();
    assert_eq!(call, json!({ "method": "org.vmd.Manager1.Start", "parameters": { "vm": "web" } }));
}

#[test]
fn a_start_with_settings_sends_them_all() {
    let arguments = ["start", "web", "-d", "/dev/null", "-r", "/dev/null", "-m", "1G", "--cpus", "2"];
    let (seen, calls) = vmctl(&arguments, |_| error("AlreadyExists"));
    let text = "vmctl: starting without network interfaces\n\
                vmctl: start vm command failed: Operation already in progress\n\
                vmctl: because\n";
    assert_eq!(seen, said(text, 1));
    let spec = json!({
        "name": "web", "template": null, "memory": 1u64 << 30, "cpus": 2, "boot": null, "initrd": null, "interfaces": null,
        "cmdline": null, "firmware": null, "bootDevice": null, "cdrom": "/dev/null",
        "disks": [{ "path": "/dev/null", "format": "raw" }],
    });
    let call = calls.recv().unwrap();
    assert_eq!(call, json!({ "method": "org.vmd.Manager1.StartNew", "parameters": { "spec": spec } }));
}

#[test]
fn a_stop_is_one_line() {
    let stopped = json!({ "parameters": { "id": 3, "exit": null } });
    for (arguments, force, wait, text) in [
        (["stop", "web", "--"], false, false, "stopping vm web: requested to shutdown vm 3\n"),
        (["stop", "-f", "web"], true, false, "stopping vm web: requested to shutdown vm 3\n"),
        (["stop", "web", "-w"], false, true, "stopping vm web: terminated vm 3\n"),
        (["stop", "-fw", "3"], true, true, "stopping vm: terminated vm 3\n"),
    ] {
        let reply = stopped.clone();
        let (seen, calls) = vmctl(&arguments, move |_| reply.clone());
        assert_eq!(seen, said(text, 0));
        let parameters = &calls.recv().unwrap()["parameters"];
        assert_eq!((&parameters["force"], &parameters["wait"]), (&json!(force), &json!(wait)));
    }
}

#[test]
fn a_refused_stop_or_wait_ends_its_line_in_the_known_words() {
    for (kind, words) in [
        ("NotFound", "vm not found\n"),
        ("NotRunning", "failed: Invalid argument\nvmctl: because\n"),
        ("AlreadyStopping", "failed: Operation already in progress\nvmctl: because\n"),
        ("NotPermitted", "failed: Operation not permitted\nvmctl: because\n"),
        ("Failed", "failed\nvmctl: because\n"),
    ] {
        let (seen, _) = vmctl(&["stop", "web"], move |_| error(kind));
        assert_eq!(seen, said(&format!("stopping vm web: {words}"), 1));
        let (seen, _) = vmctl(&["wait", "web"], move |_| error(kind));
        assert_eq!(seen, said(&format!("waiting for vm web: {words}"), 1));
    }
}

#[test]
fn a_pause_tells_the_number_or_ends_in_the_known_words() {
    for verb in ["pause", "unpause"] {
        let (seen, _) = vmctl(&[verb, "web"], |_| json!({ "parameters": { "id": 3 } }));
        assert_eq!(seen, said(&format!("vmctl: {verb}d vm 3 successfully\n"), 0));
        for (kind, words) in [
            ("NotFound", "No such file or directory\nvmctl: because\n"),
            ("NotRunning", "Invalid argument\nvmctl: because\n"),
            ("AlreadyStopping", "Operation already in progress\nvmctl: because\n"),
            ("NotPermitted", "Operation not permitted\nvmctl: because\n"),
            ("Failed", "because\n"),
        ] {
            let (seen, _) = vmctl(&[verb, "web"], move |_| error(kind));
            assert_eq!(seen, said(&format!("vmctl: {verb} vm command failed: {words}"), 1));
        }
    }
}

#[test]
fn what_changes_the_daemon_is_silent_or_ends_in_the_known_words() {
    for line in [&["load", "vm.conf"][..], &["reload"], &["reset"], &["reset", "VMs"], &["log", "V"]] {
        let reply = json!({ "parameters": { "plan": [] } });
        assert_eq!(vmctl(line, move |_| reply.clone()).0, said("", 0), "{line:?}");
        let failed = said("vmctl: command failed\nvmctl: because\n", 1);
        assert_eq!(vmctl(line, |_| error("NotPermitted")).0, failed, "{line:?}");
    }
}

#[test]
fn a_daemon_that_goes_away_is_a_closed_pipe() {
    for (line, text) in [
        (&["wait", "web"][..], "waiting for vm web: pipe closed\n"),
        (&["stop", "-w", "web"], "stopping vm web: pipe closed\n"),
        (&["status"], "vmctl: pipe closed\n"),
        (&["events"], "vmctl: pipe closed\n"),
        (&["start", "web"], "vmctl: pipe closed\n"),
    ] {
        assert_eq!(vmctl(line, |_| Value::Null).0, said(&format!("{text}{GONE}"), 1));
    }
}

#[test]
fn stopping_all_stops_what_runs_and_forgives_failures() {
    let vms = json!([daemon::web("running", None), daemon::db()]);
    let listing = json!({ "parameters": { "vms": vms } });
    let (seen, calls) = vmctl(&["stop", "-a"], move |method| match method {
        "List" => listing.clone(),
        _ => error("NotPermitted"),
    });
    let text = "stopping vm web: failed: Operation not permitted\nvmctl: because\n";
    assert_eq!(seen, said(text, 0));
    assert_eq!(calls.try_iter().count(), 2);
}

#[test]
fn stopping_all_ends_with_the_daemon() {
    let vms = json!([daemon::web("running", None), daemon::web("running", None)]);
    let listing = json!({ "parameters": { "vms": vms } });
    let (seen, _) = vmctl(&["stop", "-a"], move |method| match method {
        "List" => listing.clone(),
        _ => Value::Null,
    });
    assert_eq!(seen, said(&format!("stopping vm web: pipe closed\n{GONE}"), 1));
}

#[test]
fn the_status_is_a_failure_only_if_there_is_nothing_at_all() {
    const HEADER: &str = "   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME\n";
    let listing = |vms| move |_: &str| json!({ "parameters": { "vms": vms } });
    let stopped = || json!([daemon::web("stopped", None)]);
    let table = |text: &str, status| (text.to_owned(), String::new(), Some(status));

    assert_eq!(vmctl(&["status"], listing(json!([]))).0, table(HEADER, 1));
    assert_eq!(vmctl(&["show", "-r"], listing(stopped())).0, table(HEADER, 1));
    assert_eq!(vmctl(&["stat", "other"], listing(stopped())).0, table(HEADER, 0));
    assert_eq!(vmctl(&["--json", "status"], listing(json!([]))).0, table("[]\n", 1));
    let ((text, _, status), _) = vmctl(&["status", "3"], listing(stopped()));
    assert_eq!((text.lines().count(), status), (2, Some(0)));
}

#[test]
fn an_interrupt_ends_a_wait_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("vmd.sock");
    let calls = daemon::serve(&socket, |_| {
        thread::sleep(Duration::from_secs(60));
        Value::Null
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_vmctl"))
        .args(["-s", socket.to_str().unwrap(), "wait", "web"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The signal is heeded before anything is said, and what is said first is seen here.
    let mut first = [0; 20];
    child.stderr.as_mut().unwrap().read_exact(&mut first).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        String::from_utf8([&first, output.stderr.as_slice()].concat()).unwrap(),
        "waiting for vm web: interrupted call\n"
    );
    assert_eq!(output.status.code(), Some(1));
    drop(calls);
}

#[test]
fn nobody_who_reads_is_no_reason_to_panic() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("vmd.sock");
    let _calls =
        daemon::serve(&socket, |_| json!({ "parameters": { "vms": [daemon::web("running", None)] } }));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_vmctl"))
        .args(["-s", socket.to_str().unwrap(), "status"])
        .stdout(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}
