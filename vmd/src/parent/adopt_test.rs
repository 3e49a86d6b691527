use std::os::fd::OwnedFd;

use proto::{VmId, VmSpec};

use super::*;

/// A runtime directory with a machine "web" whose socket this very process listens on, as its vm process would.
struct Left {
    dir: tempfile::TempDir,
    runtime: RuntimeDir,
    listener: Option<OwnedFd>,
}

fn name() -> VmName {
    VmName::new("web").unwrap()
}

fn survivor(pid: u32) -> Survivor {
    let spec = VmSpec::new(name());
    let tty = "/dev/pts/0".into();
    Survivor { id: VmId(3), spec, transient: false, starter: 0, pid, tty, stop: None, disc: None }
}

impl Left {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = RuntimeDir::open(dir.path()).unwrap();
        let listener = Some(runtime.listen_for(&name()).unwrap());
        let left = Self { dir, runtime, listener };
        left.note(std::process::id(), process::start_time(std::process::id()).unwrap());
        left
    }

    fn note(&self, pid: u32, start_time: u64) {
        let record = Record { survivor: survivor(pid), start_time };
        self.runtime.write_record(&name(), &record.encode().unwrap()).unwrap();
    }

    fn look(&self) -> Found {
        look(&self.runtime, &name())
    }

    fn strange(&self) -> String {
        match self.look() {
            Found::Strange(strange) => strange.to_string(),
            Found::Alive(_) => panic!("it was believed"),
            Found::Gone => panic!("it was forgotten"),
        }
    }
}

#[test]
fn the_process_of_the_record_is_taken_over() {
    let left = Left::new();
    match left.look() {
        Found::Alive(found) => assert_eq!(found.survivor, survivor(std::process::id())),
        Found::Strange(strange) => panic!("{strange}"),
        Found::Gone => panic!("it was forgotten"),
    }
}

#[test]
fn a_machine_that_has_ended_leaves_only_files() {
    let mut left = Left::new();
    drop(left.listener.take());
    left.note(std::process::id(), 1);
    assert!(matches!(left.look(), Found::Gone));
    std::fs::remove_file(left.dir.path().join("vm/web/sock")).unwrap();
    assert!(matches!(left.look(), Found::Gone));
}

#[test]
fn a_process_that_is_not_the_one_of_the_record_is_left_alone() {
    let left = Left::new();
    let me = std::process::id();
    left.note(me, 1);
    assert!(left.strange().contains("is another one than that of its record"));
    // The process with number 1 lives, but does not listen.
    left.note(1, process::start_time(1).unwrap());
    let strange = left.strange();
    assert!(strange.contains("process 1, but another one listens"), "{strange}");
    assert!(strange.contains(&format!("`kill {me}`")), "{strange}");
}

#[test]
fn a_process_without_a_record_is_left_alone() {
    let left = Left::new();
    left.runtime.write_record(&name(), b"{").unwrap();
    assert!(left.strange().contains("its record can not be read"));
    std::fs::remove_file(left.dir.path().join("vm/web/record")).unwrap();
    assert!(left.strange().contains("there is no record of it"));
}

#[test]
fn a_process_that_does_not_listen_any_more_is_left_alone() {
    let mut left = Left::new();
    drop(left.listener.take());
    assert!(left.strange().contains("does not listen"));
}

#[test]
fn a_process_that_takes_no_connection_makes_nobody_wait() {
    let left = Left::new();
    let mut waiting = Vec::new();
    // As many as fit in front of a process that was stopped.
    while let Ok(Some(connection)) = left.runtime.connect(&name()) {
        waiting.push(connection);
    }
    assert!(left.strange().contains("takes no connection"));
}
