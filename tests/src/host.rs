//! A host: a machine on which commands run as root and vmd can be tried.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::Console;

/// How long a command may take when nobody said otherwise.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// A machine that runs shell commands, either this one or a lab.
pub trait Host {
    /// Runs a shell command to its end, without a terminal and without input, and collects what it writes.
    ///
    /// A command that takes longer than `limit` is killed, and its status is 124.
    ///
    /// # Errors
    /// When the host does not answer. A command that fails is not an error here, see [`Output::success`].
    fn run_within(&self, command: &str, limit: Duration) -> Result<Output>;

    /// Runs a shell command on a terminal of its own and stays connected to it.
    ///
    /// # Errors
    /// When the host does not answer.
    fn console(&self, command: &str) -> Result<Console>;

    /// [`Host::run_within`] a minute.
    ///
    /// # Errors
    /// As [`Host::run_within`].
    fn run(&self, command: &str) -> Result<Output> {
        self.run_within(command, COMMAND_LIMIT)
    }

    /// Repeats a command every `interval` until it succeeds.
    ///
    /// # Errors
    /// When it has not succeeded after `limit`: with what the last try wrote.
    fn wait_until(&self, command: &str, interval: Duration, limit: Duration) -> Result<Output> {
        let start = std::time::Instant::now();
        loop {
            let output = self.run(command)?;
            if output.status == 0 || start.elapsed() > limit {
                return output.success();
            }
            std::thread::sleep(interval);
        }
    }
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The command itself, for messages.
    pub command: String,
    /// Its exit status as a shell gives it: 128 and the number of the signal for one that was killed.
    pub status: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Output {
    /// The output again, if the command succeeded.
    ///
    /// # Errors
    /// When the status is not 0: with all that the command wrote.
    pub fn success(self) -> Result<Self> {
        ensure!(
            self.status == 0,
            "`{}` ended with status {}\n{}{}",
            self.command,
            self.status,
            self.stdout,
            self.stderr
        );
        Ok(self)
    }
}

/// A word as a POSIX shell reads it back unchanged.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The shell command that runs `command` and kills it after `limit`.
pub(crate) fn limited(command: &str, limit: Duration) -> String {
    format!("timeout --kill-after=5 {} sh -c {}", limit.as_secs().max(1), quote(command))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Direct;

    #[test]
    fn quoted_words_survive_the_shell() {
        for word in ["plain", "two words", "it's", "$HOME `id` \"x\" \\n", "a\nb", ""] {
            let output = Direct.run(&format!("printf %s {}", quote(word))).unwrap();
            assert_eq!(output.stdout, word);
        }
    }

    #[test]
    fn waiting_ends_at_the_limit_with_the_last_output() {
        let error = Direct.wait_until("echo not yet; false", Duration::ZERO, Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("not yet"), "{error}");
    }
}
