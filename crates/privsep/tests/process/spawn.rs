//! What a process made by `spawn` has, and how it ends.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use privsep::{Channel, Executable, Exit};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, getsid};

use super::{Act, Needs, Test, ToTest, say, start};

pub const TESTS: &[Test] = &[
    ("a_child_has_its_title_and_arguments_and_no_environment", Needs::Nothing, title_and_arguments),
    ("a_child_has_no_descriptors_but_its_own", Needs::Nothing, no_stray_descriptors),
    ("a_child_has_no_signal_blocked_or_ignored", Needs::Nothing, signals_are_reset),
    ("a_child_leads_its_own_session", Needs::Nothing, own_session),
    ("an_end_is_seen_as_it_was", Needs::Nothing, ends),
    ("a_child_without_a_channel_knows", Needs::Nothing, channel_is_taken_once),
    ("a_program_that_does_not_execute_is_an_error", Needs::Nothing, execution_fails),
    ("a_string_with_a_nul_is_refused", Needs::Nothing, nul_is_refused),
];

pub const ACTS: &[Act] = &[
    ("arguments", arguments),
    ("descriptors", descriptors),
    ("signals", signals),
    ("session", session),
    ("exit", exit),
    ("wait", wait),
    ("take-twice", take_twice),
];

fn title_and_arguments() {
    let said = start("arguments", &["one", "two words", ""]).finish();
    assert_eq!(said, ["test: child", "arguments", "one", "two words", "", "0 variables"]);
}

fn arguments(mut channel: ToTest, _: &[String]) {
    std::env::args().for_each(|arg| say(&mut channel, arg));
    say(&mut channel, format!("{} variables", std::env::vars().count()));
}

fn no_stray_descriptors() {
    // Not close-on-exec, low and high.
    let stray = rustix::io::dup(rustix::stdio::stderr()).unwrap();
    let _high = rustix::io::fcntl_dupfd_cloexec(&stray, 500).unwrap();
    rustix::io::fcntl_setfd(&_high, rustix::io::FdFlags::empty()).unwrap();
    assert_eq!(start("descriptors", &[]).finish(), ["[0, 1, 2, 3]", "/dev/null", "/dev/null"]);
}

fn descriptors(mut channel: ToTest, _: &[String]) {
    let is_open = |fd: &i32| {
        // SAFETY: only asked whether it is open.
        rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(*fd) }).is_ok()
    };
    say(&mut channel, format!("{:?}", (0..2000).filter(is_open).collect::<Vec<_>>()));
    for link in ["/proc/self/fd/0", "/proc/self/fd/1"] {
        say(&mut channel, std::fs::read_link(link).unwrap().display().to_string());
    }
}

fn signals_are_reset() {
    let _blocked = privsep::event::Signals::new(&[Signal::USR2, Signal::TERM]).unwrap();
    // SAFETY: no handler is installed.
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };
    // The standard library ignores SIGPIPE (bit 12) at its start.
    assert_eq!(start("signals", &[]).finish(), ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000001000"]);
}

fn signals(mut channel: ToTest, _: &[String]) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = |start| status.lines().find(|line: &&str| line.starts_with(start)).unwrap();
    say(&mut channel, line("SigBlk"));
    say(&mut channel, line("SigIgn"));
}

fn own_session() {
    let mut running = start("session", &[]);
    let session = running.hear().unwrap();
    assert_eq!(session, running.child.pid().to_string());
    running.finish();
}

fn session(mut channel: ToTest, _: &[String]) {
    assert_eq!(getsid(None).unwrap(), getpid());
    say(&mut channel, getsid(None).as_ref().map(Pid::to_string).unwrap());
}

fn ends() {
    assert_eq!(start("exit", &["7"]).child.wait().unwrap(), Exit::Status(7));
    let mut running = start("wait", &[]);
    assert_eq!(running.hear().unwrap(), "here");
    assert_eq!(running.child.try_wait().unwrap(), None);
    running.child.kill(Signal::KILL).unwrap();
    assert_eq!(running.child.wait().unwrap(), Exit::Signal(9));
    assert!(running.child.try_wait().is_err(), "it ends only once");
    assert!(running.child.kill(Signal::KILL).is_err(), "nobody is there");
}

fn exit(_: ToTest, args: &[String]) {
    #[allow(clippy::exit)] // what is tested
    std::process::exit(args.first().unwrap().parse().unwrap());
}

/// Stays until the test is gone.
fn wait(mut channel: ToTest, _: &[String]) {
    say(&mut channel, "here");
    let _ = channel.recv_wait(std::time::Duration::from_secs(60));
}

fn channel_is_taken_once() {
    assert_eq!(start("take-twice", &[]).finish(), ["false"]);
}

fn take_twice(mut channel: ToTest, _: &[String]) {
    say(&mut channel, privsep::inherited_channel().is_ok().to_string());
}

fn nul_is_refused() {
    let (_ours, theirs) = Channel::<(), ()>::pair().unwrap();
    let error = privsep::spawn(&Executable::open().unwrap(), "a\0b", &[], theirs).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

fn execution_fails() {
    let (_ours, theirs) = Channel::<(), ()>::pair().unwrap();
    let text = Executable::at(Path::new("/etc/passwd")).unwrap();
    let error = privsep::spawn(&text, "test: child", &[], theirs).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    let nobody_left = rustix::process::waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    assert_eq!(nobody_left.unwrap_err(), rustix::io::Errno::CHILD);
}
