//! What a program gets that asks for data: an object or an array on standard output, and beside it what everybody
//! gets.

#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use proto::api::Vm;
use serde_json::{Value, json};

mod daemon;
mod user;

use user::{error, vmctl};

/// Runs a command with `--json` in front and behind; what it prints has to be the same.
fn data(line: &[&str], reply: &Value) -> (String, String, Option<i32>) {
    let run = |line: &[&str]| {
        let reply = reply.clone();
        vmctl(line, move |_| reply.clone()).0
    };
    let seen = run(&[&["--json"], line].concat());
    assert_eq!(run(&[line, &["--json"]].concat()), seen);
    seen
}

fn answer(parameters: Value) -> Value {
    json!({ "parameters": parameters })
}

#[test]
fn an_answer_is_an_object_on_a_line_and_what_is_said_stays() {
    let exit = json!({ "how": "killed", "code": 9, "message": "its process was killed by signal 9" });
    let started = json!({ "id": 3, "name": "web", "tty": "/dev/pts/7" });
    let drive = json!({ "id": 3, "disc": "/srv/a.iso", "locked": true, "open": false });
    for (line, reply, said) in [
        (&["start", "web"][..], started, "vmctl: started vm 3 successfully, tty /dev/pts/7\n"),
        (&["stop", "web"], json!({ "id": 3, "exit": null }), "stopping vm web: requested to shutdown vm 3\n"),
        (&["stop", "-w", "3"], json!({ "id": 3, "exit": exit }), "stopping vm: terminated vm 3\n"),
        (&["wait", "web"], json!({ "id": 3, "exit": exit }), "waiting for vm web: terminated vm 3\n"),
        (&["pause", "web"], json!({ "id": 3 }), "vmctl: paused vm 3 successfully\n"),
        (&["unpause", "web"], json!({ "id": 3 }), "vmctl: unpaused vm 3 successfully\n"),
        (&["cdrom", "web", "eject"], drive.clone(), "vmctl: ejected disc of vm 3 successfully\n"),
        (&["cdrom", "-f", "web", "/dev/null"], drive.clone(), "vmctl: changed disc of vm 3 successfully\n"),
        (&["cdrom", "web"], drive, ""),
        (&["load", "/etc/vm.conf"], json!({}), ""),
        (&["reset"], json!({}), ""),
        (&["log", "brief"], json!({}), ""),
    ] {
        let (stdout, stderr, status) = data(line, &answer(reply.clone()));
        assert_eq!((stderr.as_str(), status), (said, Some(0)), "{line:?}");
        assert_eq!(stdout.find('\n'), Some(stdout.len() - 1), "{line:?}");
        assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), reply, "{line:?}");
    }
}

#[test]
fn a_refusal_is_an_object_too() {
    for (line, said) in [
        (
            &["start", "web"][..],
            "vmctl: start vm command failed: No such file or directory\nvmctl: because\n",
        ),
        (&["stop", "web"], "stopping vm web: vm not found\n"),
        (&["wait", "web"], "waiting for vm web: vm not found\n"),
        (&["pause", "web"], "vmctl: pause vm command failed: No such file or directory\nvmctl: because\n"),
        (
            &["unpause", "web"],
            "vmctl: unpause vm command failed: No such file or directory\nvmctl: because\n",
        ),
        (&["cdrom", "web"], "vmctl: cdrom command failed: No such file or directory\nvmctl: because\n"),
        (&["load", "/etc/vm.conf"], "vmctl: command failed\nvmctl: because\n"),
        (&["reload"], "vmctl: command failed\nvmctl: because\n"),
        (&["restart-daemon"], "vmctl: because\n"),
    ] {
        let (stdout, stderr, status) = data(line, &error("NotFound"));
        assert_eq!((stderr.as_str(), status), (said, Some(1)), "{line:?}");
        let expected = json!({ "error": "NotFound", "message": "because" });
        assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), expected, "{line:?}");
    }
}

#[test]
fn other_failures_are_not_data() {
    let gone = "vmctl: pipe closed\nvmctl: vmd has ended without an answer; ask again when it runs\n";
    assert_eq!(data(&["start", "web"], &Value::Null), user::said(gone, 1));
    assert_eq!(data(&["status"], &Value::Null), user::said(gone, 1));
}

#[test]
fn the_status_is_an_array() {
    let mut web = daemon::web("running", None);
    web["pending"] = json!(["cpus"]);
    let reply = answer(json!({ "vms": [web, daemon::db()] }));
    let printed = |line: &[&str]| {
        let (stdout, stderr, status) = data(line, &reply);
        assert_eq!((stderr.as_str(), status), ("", Some(0)), "{line:?}");
        stdout
    };
    let web = [serde_json::from_value::<Vm>(web).unwrap()];
    for line in [&["status", "web"][..], &["status", "-v", "web"], &["show", "-r"]] {
        assert_eq!(serde_json::from_str::<Vec<Vm>>(&printed(line)).unwrap(), web, "{line:?}");
    }
    for (line, expected) in [
        (&["show", "-r", "-q"][..], json!(["web"])),
        (&["status", "-q"], json!(["web", "db"])),
        (&["status", "nosuch"], json!([])),
    ] {
        assert_eq!(serde_json::from_str::<Value>(&printed(line)).unwrap(), expected, "{line:?}");
    }
    assert_eq!(data(&["status"], &answer(json!({ "vms": [] }))).2, Some(1));
}

#[test]
fn a_reload_is_an_array_of_what_was_done_or_would_be() {
    let plan = json!([{ "vm": "web", "action": "change", "now": ["owner"], "later": ["cpus"] }]);
    for line in [&["reload"][..], &["reload", "-n"]] {
        let (stdout, stderr, status) = data(line, &answer(json!({ "plan": plan })));
        assert_eq!((stderr.as_str(), status), ("", Some(0)));
        assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), plan);
    }
}

#[test]
fn events_are_a_line_each() {
    let event = json!({ "id": 3, "name": "web", "event": "state", "state": "running", "exit": null });
    let (stdout, _, _) = data(&["events"], &json!([answer(event.clone()), answer(event.clone())]));
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, [event.clone(), event]);
}

#[test]
fn stopping_all_is_a_line_for_each() {
    let vms = json!([daemon::web("running", None), daemon::db(), daemon::web("running", None)]);
    let listing = answer(json!({ "vms": vms }));
    let (seen, _) = vmctl(&["stop", "-a", "--json"], move |method| match method {
        "List" => listing.clone(),
        _ => error("AlreadyStopping"),
    });
    let line = "{\"error\":\"AlreadyStopping\",\"message\":\"because\"}\n";
    let said = "stopping vm web: failed: Operation already in progress\nvmctl: because\n";
    assert_eq!(seen, (line.repeat(2), said.repeat(2), Some(0)));
}

#[test]
fn an_image_is_an_object_with_its_size() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    let (seen, _) = vmctl(&["create", "--json", "-s", "1M", path.to_str().unwrap()], |_| Value::Null);
    let (stdout, stderr, status) = seen;
    assert_eq!((stderr.as_str(), status), ("vmctl: raw imagefile created\n", Some(0)));
    let expected = json!({ "path": path, "format": "raw", "size": 1 << 20 });
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), expected);
}
