//! The console command on a real terminal, against a daemon that is a script.

#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, tcgetattr};
use serde_json::{Value, json};

mod daemon;

const PATIENCE: Duration = Duration::from_secs(60);

/// Both ends of a terminal.
struct Terminal {
    master: File,
    slave: File,
    path: PathBuf,
}

impl Terminal {
    fn new() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        unlockpt(&master).unwrap();
        let path = PathBuf::from(ptsname(&master, Vec::new()).unwrap().into_string().unwrap());
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let slave = rustix::fs::open(&path, flags, rustix::fs::Mode::empty()).unwrap();
        Self { master: master.into(), slave: slave.into(), path }
    }

    fn settings(&self) -> Termios {
        tcgetattr(&self.slave).unwrap()
    }

    fn is_raw(&self) -> bool {
        !self.settings().local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }
}

/// A user at a terminal who has typed `vmctl console web`.
struct Session {
    user: Terminal,
    guest: Terminal,
    before: Termios,
    child: Child,
    calls: Receiver<Value>,
    _dir: tempfile::TempDir,
}

impl Session {
    fn start() -> Self {
        let (user, guest) = (Terminal::new(), Terminal::new());
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("vmd.sock");
        let calls = daemon::serve(&socket, knows_web_at(&guest.path));
        let before = user.settings();
        let stream = || Stdio::from(user.slave.try_clone().unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_vmctl"))
            .args(["-s", socket.to_str().unwrap(), "console", "web"])
            .stdin(stream())
            .stdout(stream())
            .stderr(stream())
            .spawn()
            .unwrap();
        let session = Self { user, guest, before, child, calls, _dir: dir };
        session.sees(&format!("Connected to {} (escape: ~.)\r\n", session.guest.path.display()));
        assert!(session.user.is_raw());
        session
    }

    fn sees(&self, expected: &str) {
        expect(&self.user.master, expected);
    }

    fn types(&self, text: &str) {
        (&self.user.master).write_all(text.as_bytes()).unwrap();
    }

    /// Waits for the end; the terminal has to be as it was.
    fn ends_with(mut self, status: i32) {
        let deadline = Instant::now() + PATIENCE;
        let ended = loop {
            match self.child.try_wait().unwrap() {
                Some(ended) => break ended,
                None if Instant::now() > deadline => panic!("vmctl does not end"),
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        assert_eq!(ended.code(), Some(status));
        assert_eq!(format!("{:?}", self.user.settings()), format!("{:?}", self.before));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn expect(source: &File, expected: &str) {
    let mut fds = [rustix::event::PollFd::new(source, rustix::event::PollFlags::IN)];
    let mut seen = String::new();
    while seen.len() < expected.len() {
        let timeout = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
        assert_ne!(rustix::event::poll(&mut fds, Some(&timeout)).unwrap(), 0, "after {seen:?}");
        let mut byte = [0];
        { source }.read_exact(&mut byte).unwrap();
        seen.push(byte[0].into());
    }
    assert_eq!(seen, expected);
}

/// Knows one machine, with its console at `tty`.
fn knows_web_at(tty: &Path) -> impl Fn(&str) -> Value + Send + 'static {
    let listing = json!({ "parameters": { "vms": [daemon::web("running", Some(tty))] } });
    move |method| match method {
        "List" => listing.clone(),
        _ => json!({ "parameters": {} }),
    }
}

#[test]
fn a_user_talks_to_the_guest_and_leaves() {
    let session = Session::start();
    session.types("root\r");
    expect(&session.guest.master, "root\r");
    (&session.guest.master).write_all(b"Password: ").unwrap();
    session.sees("Password: ");
    // What the terminal would have taken for itself belongs to the guest.
    session.types("\x03\x04\x1a\x11~");
    expect(&session.guest.master, "\x03\x04\x1a\x11~");
    session.types("\r~.");
    session.ends_with(0);
}

#[test]
fn a_break_goes_through_the_daemon_and_the_session_goes_on() {
    let session = Session::start();
    assert_eq!(session.calls.recv_timeout(PATIENCE).unwrap()["method"], "org.vmd.Manager1.List");
    session.types("~#");
    let call = session.calls.recv_timeout(PATIENCE).unwrap();
    assert_eq!(call, json!({ "method": "org.vmd.Manager1.Break", "parameters": { "vm": "3" } }));
    session.types("~?");
    session.sees("\r\n~.  leave the console\r\n");
    session.types("~.");
    session.ends_with(0);
}

#[test]
fn the_terminal_is_restored_when_a_signal_ends_the_program() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let session = Session::start();
        kill_process(Pid::from_child(&session.child), signal).unwrap();
        session.ends_with(1);
    }
}

#[test]
fn the_end_of_the_machine_ends_the_program() {
    let mut session = Session::start();
    (&session.guest.master).write_all(b"Power down\r\n").unwrap();
    session.sees("Power down\r\n");
    // Closes the machine's end.
    session.guest.master = session.user.slave.try_clone().unwrap();
    session.sees("\nvmctl: the virtual machine has ended\n".replace('\n', "\r\n").as_str());
    session.ends_with(0);
}

#[test]
fn a_machine_without_a_console_is_told_in_the_known_words() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("vmd.sock");
    let vms = json!([daemon::web("running", Some(Path::new("/nonexistent"))), daemon::db()]);
    let _calls = daemon::serve(&socket, move |_| json!({ "parameters": { "vms": vms } }));
    for (vm, expected) in [
        (
            "nosuch",
            "console not found\nvmctl: there is no vm \"nosuch\"; `vmctl status` lists those that there are",
        ),
        ("7", "console not found\nvmctl: there is no vm \"7\"; `vmctl status` lists those that there are"),
        ("db", "console not found\nvmctl: vm \"db\" is stopped, and only one that runs has a console"),
        ("web", "/nonexistent: No such file or directory"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_vmctl"))
            .args(["-s", socket.to_str().unwrap(), "console", vm])
            .output()
            .unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("vmctl: {expected}\n"));
    }
}

#[test]
fn a_console_without_a_daemon_says_what_is_the_matter() {
    let output = Command::new(env!("CARGO_BIN_EXE_vmctl"))
        .args(["-s", "/nonexistent/vmd.sock", "console", "web"])
        .output()
        .unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let expected = "vmctl: connect: /nonexistent/vmd.sock: No such file or directory\n\
                    vmctl: vmd is not running, or its socket is another one (see -s)\n\
                    vmctl: consoles need vmd; a vm that runs on without it keeps its latest output until then\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
}
