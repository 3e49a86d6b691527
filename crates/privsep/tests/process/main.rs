//! Processes that are really made, and really confined.
//!
//! Each test starts this binary again, with the name of what it should do as its argument. Those that give
//! up rights need to be root to have some; without it they are skipped, and counted.

// The usual harness, in which these are allowed, is not there.
#![allow(clippy::panic, clippy::unwrap_used)]
#![allow(unsafe_code)] // forbidden calls are made by their numbers

mod sandbox;
mod spawn;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use privsep::{Channel, ChannelError, Child, Executable, Exit, inherited_channel};

/// What a child tells its test.
type ToTest = Channel<String, ()>;
/// What a test hears from its child.
type FromChild = Channel<(), String>;

/// What a child does, by name.
type Act = (&'static str, fn(ToTest, &[String]));

/// A test, by name, and whether it needs to be root.
type Test = (&'static str, Needs, fn());

#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Root,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let named = |(name, _): &&Act| Some(*name) == args.first().map(String::as_str);
    match spawn::ACTS.iter().chain(sandbox::ACTS).find(named) {
        Some((_, act)) => {
            act(Channel::from_fd(inherited_channel().unwrap()).unwrap(), args.get(1..).unwrap_or_default());
            ExitCode::SUCCESS
        }
        None => run_tests(args.iter().find(|arg| !arg.starts_with('-'))),
    }
}

fn run_tests(filter: Option<&String>) -> ExitCode {
    let (mut passed, mut failed, mut ignored) = (0, 0, 0);
    let wanted = |(name, _, _): &&Test| filter.is_none_or(|filter| name.contains(filter.as_str()));
    for (name, needs, test) in spawn::TESTS.iter().chain(sandbox::TESTS).filter(wanted) {
        if *needs == Needs::Root && !rustix::process::geteuid().is_root() {
            println!("test {name} ... ignored, only root has rights to give up");
            ignored += 1;
        } else if catch_unwind(AssertUnwindSafe(test)).is_ok() {
            println!("test {name} ... ok");
            passed += 1;
        } else {
            println!("test {name} ... FAILED");
            failed += 1;
        }
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    // As the usual harness says it.
    println!("\ntest result: {result}. {passed} passed; {failed} failed; {ignored} ignored");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A child and the way to it.
struct Running {
    child: Child,
    channel: FromChild,
}

fn start(act: &str, args: &[&str]) -> Running {
    start_with(&Executable::open().unwrap(), act, args)
}

fn start_with(exe: &Executable, act: &str, args: &[&str]) -> Running {
    let (channel, theirs) = Channel::pair().unwrap();
    let args = [&[act], args].concat();
    Running { child: privsep::spawn(exe, "test: child", &args, theirs).unwrap(), channel }
}

impl Running {
    fn hear(&mut self) -> Result<String, ChannelError> {
        Ok(self.channel.recv_wait(Duration::from_secs(60))?.0)
    }

    /// What it said before it ended well.
    fn finish(mut self) -> Vec<String> {
        let said = std::iter::from_fn(|| self.hear().ok()).collect();
        assert_eq!(self.child.wait().unwrap(), Exit::Status(0), "{said:?}");
        said
    }
}

fn say(channel: &mut ToTest, text: impl Into<String>) {
    channel.send(&text.into(), &[]).unwrap();
}
