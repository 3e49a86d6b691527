//! This machine as a host.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::console::{Console, Event, Events};
use crate::host::{Host, Output, limited};

/// The machine the tests themselves run on.
#[derive(Clone, Copy, Debug)]
pub struct Direct;

impl Host for Direct {
    fn run_within(&self, command: &str, limit: Duration) -> Result<Output> {
        let output = Command::new("sh")
            .args(["-c", &limited(command, limit)])
            .stdin(Stdio::null())
            .output()
            .context("cannot run sh")?;
        Ok(Output {
            command: command.to_owned(),
            status: shell_status(output.status),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    fn console(&self, command: &str) -> Result<Console> {
        // script(1) is the terminal: without it a pty would have to be made, and made the controlling one, here.
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", command, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run script")?;
        let input = child.stdin.take().context("script has no input")?;
        let output = child.stdout.take().context("script has no output")?;
        let child = Arc::new(Mutex::new(child));
        let (console, events) = Console::new(Box::new(input), kill(Arc::clone(&child)));
        std::thread::spawn(move || forward(output, &child, &events));
        Ok(console)
    }
}

/// What ends a console's command early.
fn kill(child: Arc<Mutex<Child>>) -> Box<dyn FnOnce() + Send> {
    Box::new(move || {
        let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have ended by itself a moment ago, which is as good.
        let _ = child.kill();
        let _ = child.wait();
    })
}

/// Hands on what a command writes, and in the end its status.
fn forward(mut output: impl Read, child: &Mutex<Child>, events: &Events) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = output.read(&mut buffer) {
        if events.send(Event::Output(buffer[..count].to_vec())).is_err() {
            return;
        }
    }
    let ended = child.lock().unwrap_or_else(PoisonError::into_inner).wait();
    // Nobody listens any more when the console was dropped.
    let _ = events.send(Event::Ended(ended.map_or(-1, shell_status)));
}

/// A status as a shell would give it.
fn shell_status(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn a_command_gives_status_and_both_outputs() {
        let output = Direct.run("echo out; echo err >&2; exit 3").unwrap();
        assert_eq!((output.status, output.stdout.as_str(), output.stderr.as_str()), (3, "out\n", "err\n"));
    }

    #[test]
    fn a_command_over_its_limit_is_killed() {
        assert_eq!(Direct.run_within("sleep 60", Duration::from_secs(1)).unwrap().status, 124);
    }

    #[test]
    fn a_console_talks_and_gives_the_status() {
        let mut console = Direct.console("tty -s && read -r name && echo hello $name; exit 7").unwrap();
        console.send("world\n").unwrap();
        console.expect("hello world", LIMIT).unwrap();
        assert_eq!(console.wait(LIMIT).unwrap(), 7);
    }

    #[test]
    fn what_is_not_seen_is_reported_with_the_transcript() {
        let mut console = Direct.console("echo something else; sleep 60").unwrap();
        let error = console.expect("login:", Duration::from_secs(1)).unwrap_err().to_string();
        assert!(error.contains("login:") && error.contains("something else"), "{error}");
    }

    #[test]
    fn an_ended_command_is_not_waited_for() {
        let mut console = Direct.console("exit 5").unwrap();
        let error = console.expect("login:", LIMIT).unwrap_err().to_string();
        assert!(error.contains("status 5"), "{error}");
    }
}
