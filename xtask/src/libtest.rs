//! What test programs print, counted.
//!
//! The tests run under `cargo test` and not under a runner that starts a process for each: those of one
//! program share a lab, whose start takes as long as most of them.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use vmd_tests::{Host, quote};

use crate::cargo::cargo;
use crate::step::{last_lines, log_path, step};

/// How often a test in an emulated lab is tried.
const ATTEMPTS: u32 = 3;

/// How long a test program may run on another host.
const HOST_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Runs tests with `cargo test` and these arguments, and counts them.
///
/// A failing test is counted, shown, and no error.
///
/// # Errors
/// When cargo cannot be run.
pub fn cargo_test(total: &mut Tally, name: &str, arguments: &[&str]) -> Result<()> {
    total.add(run_cargo_test(name, arguments, &[])?);
    Ok(())
}

/// As [`cargo_test`], for tests in an emulated lab: what fails is tried again, a few times and by itself, and counts as
/// failed only if it fails each time. What passed then is named in the summary.
///
/// QEMU's emulation of a processor with nested virtualisation goes wrong now and then, more often on a busy machine: a guest
/// that has done nothing unusual meets a triple fault, or the emulator itself ends.
///
/// # Errors
/// As [`cargo_test`].
pub fn cargo_test_in_lab(total: &mut Tally, name: &str, arguments: &[&str]) -> Result<()> {
    let mut tally = run_cargo_test(name, arguments, &[])?;
    for attempt in 2..=ATTEMPTS {
        let failed = std::mem::take(&mut tally.failures);
        if failed.is_empty() {
            break;
        }
        tally.failed = 0;
        // Without a test to blame it was the program.
        let only = if failed == [name] { &[][..] } else { &failed[..] };
        let again = run_cargo_test(&format!("{name}, attempt {attempt}"), arguments, only)?;
        tally.repeated.extend(failed.into_iter().filter(|test| !again.failures.contains(test)));
        tally.add(again);
    }
    total.add(tally);
    Ok(())
}

/// Runs all tests, or `only` those of these names.
fn run_cargo_test(name: &str, arguments: &[&str], only: &[String]) -> Result<Tally> {
    let mut command = cargo()?;
    // A message says what is wrong; where the test called what found it is of no use beside it.
    command
        .env("RUST_BACKTRACE", "0")
        .arg("test")
        .arg("--no-fail-fast")
        .args(arguments)
        .args(["--", "--show-output"]);
    if !only.is_empty() {
        command.arg("--exact").args(only);
    }
    Ok(run(name, || {
        let output = command.output().context("cannot run cargo")?;
        let text = format!(
            "{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
        Ok((output.status.success(), text))
    }))
}

/// Runs a test program of the whole-vmd tests on another host that has this file system.
///
/// # Errors
/// When the program cannot be built.
pub fn in_host(total: &mut Tally, name: &str, program: &str, host: &dyn Host) -> Result<()> {
    let path = test_program(program)?;
    total.add(run(name, || {
        let command = format!("{} --show-output 2>&1", quote(&path.display().to_string()));
        let output = host.run_within(&command, HOST_LIMIT)?;
        Ok((output.status == 0, output.stdout))
    }));
    Ok(())
}

/// Builds a test program and finds it.
fn test_program(name: &str) -> Result<PathBuf> {
    let arguments = ["test", "--no-run", "--package", "vmd-tests", "--test", name];
    let output = cargo()?.args(arguments).output().context("cannot run cargo")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the test program {name} does not compile:\n{text}");
    let line = text.lines().find(|line| line.trim_start().starts_with("Executable"));
    let path = line.and_then(|line| line.rsplit_once('(')?.1.strip_suffix(')'));
    Ok(crate::cargo::workspace()?.join(path.with_context(|| format!("no test program {name}"))?))
}

/// Runs a group of tests and counts them.
fn run(name: &str, work: impl FnOnce() -> Result<(bool, String)>) -> Tally {
    let mut tally = Tally::default();
    let done = step(name, || {
        let (success, output) = work()?;
        let log = log_path(name)?;
        std::fs::write(&log, &output)?;
        tally = Tally::of_output(&output);
        ensure!(success, "{}\nall of it is in {}", failures(&output), log.display());
        Ok(())
    });
    if let Err(error) = done {
        println!("{error:#}");
        // A program that does not compile, or dies, has no failed test to show for it.
        tally.failed = tally.failed.max(1);
        if tally.failures.is_empty() {
            tally.failures.push(name.to_owned());
        }
    }
    println!("         {tally}");
    tally
}

/// What the output says about failed tests: which ones, what each of them printed, and what cargo says of the
/// programs, one of which may have died without a word of its own.
fn failures(output: &str) -> String {
    let mut shown = Vec::new();
    let (mut told, mut panicked) = (false, false);
    for line in output.lines() {
        match line {
            "failures:" => told = true,
            "successes:" => told = false,
            _ if line.starts_with("test result: ") => told = false,
            _ => {}
        }
        // A program with a harness of its own panics outside of any list.
        panicked = !line.is_empty() && (panicked || line.starts_with("thread '"));
        let by_cargo = line.starts_with("error: ") || line.contains("process didn't exit successfully");
        if told || panicked || failed(line).is_some() || by_cargo {
            shown.push(line);
        }
    }
    if shown.is_empty() { last_lines(output, 60) } else { shown.join("\n") }
}

/// Counted tests.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: usize,
    /// How many tests failed.
    pub failed: usize,
    /// Names of tests that failed, as far as they have one.
    pub failures: Vec<String>,
    /// Tests that passed, though not at the first attempt.
    pub repeated: Vec<String>,
    /// Tests that were not run, and why.
    pub skipped: Vec<Skipped>,
}

/// A test that was not run.
#[derive(Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why it was not run.
    pub reason: String,
}

impl Tally {
    /// Counts what test programs printed under `--show-output`.
    ///
    /// A test that passed and printed a line `SKIP: reason` was skipped.
    pub fn of_output(output: &str) -> Self {
        let mut tally = Self::default();
        let mut shown = "";
        let mut not_run: usize = 0;
        for line in output.lines() {
            if let Some(name) = shown_test(line) {
                shown = name;
            } else if let Some(reason) = line.strip_prefix("SKIP: ") {
                tally.skip(shown, reason);
                not_run += 1;
            } else if let Some((name, reason)) = ignored(line) {
                tally.skip(name, reason);
            } else if let Some(name) = failed(line) {
                tally.failures.push(name.to_owned());
            } else if let Some(counts) = line.strip_prefix("test result: ") {
                tally.passed += count(counts, "passed");
                tally.failed += count(counts, "failed");
            }
        }
        // To the test program they passed.
        tally.passed = tally.passed.saturating_sub(not_run);
        tally
    }

    /// Adds a test that was not run.
    pub fn skip(&mut self, name: &str, reason: &str) {
        self.skipped.push(Skipped { name: name.to_owned(), reason: reason.to_owned() });
    }

    /// Adds all of another tally.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.repeated.extend(other.repeated);
        self.skipped.extend(other.skipped);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped.len())
    }
}

/// The test whose output follows a line such as `---- lab::boots stdout ----`.
fn shown_test(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

/// The name in a line such as `test lab::boots ... FAILED`.
fn failed(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// Name and reason from a line such as `test lab::boots ... ignored, too slow`.
fn ignored(line: &str) -> Option<(&str, &str)> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let reason = result.strip_prefix("ignored")?;
    Some((name, reason.strip_prefix(", ").unwrap_or("ignored without a reason")))
}

/// The number in front of a word, as in `ok. 3 passed; 0 failed; 1 ignored`.
fn count(counts: &str, word: &str) -> usize {
    counts
        .split(&['.', ';'][..])
        .filter_map(|part| part.trim().split_once(' '))
        .find(|(_, counted)| *counted == word)
        .and_then(|(number, _)| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_programs_are_counted_together() {
        let output = "\
running 3 tests
test a::works ... ok
test a::later ... ignored, needs a network
test a::cannot ... ok

successes:

---- a::cannot stdout ----
SKIP: no /dev/kvm


successes:
    a::cannot
    a::works

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

running 1 test
test b::breaks ... FAILED

test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
        let tally = Tally::of_output(output);
        assert_eq!(tally.to_string(), "1 passed, 1 failed, 2 skipped");
        assert_eq!(tally.failures, ["b::breaks"]);
        let reasons: Vec<_> =
            tally.skipped.iter().map(|skip| (skip.name.as_str(), skip.reason.as_str())).collect();
        assert_eq!(reasons, [("a::later", "needs a network"), ("a::cannot", "no /dev/kvm")]);
    }

    #[test]
    fn of_a_long_output_what_failed_is_shown() {
        let output = "\
error: test failed, to rerun pass `-p a --lib`

Caused by:
  process didn't exit successfully: `a` (signal: 9, SIGKILL: kill)

thread 'main' panicked at a.rs:1:
no child

running 2 tests
test b::breaks ... FAILED
test b::works ... ok

successes:

---- b::works stdout ----
chatter

successes:
    b::works

failures:

---- b::breaks stdout ----
it is broken


failures:
    b::breaks

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

running 0 tests

successes:
";
        let shown = failures(output);
        for line in ["signal: 9", "no child", "test b::breaks ... FAILED", "it is broken"] {
            assert!(shown.contains(line), "{line} in {shown}");
        }
        for line in ["chatter", "b::works", "running 0 tests"] {
            assert!(!shown.contains(line), "{line} in {shown}");
        }
        assert_eq!(failures("the lab does not answer"), "the lab does not answer");
    }

    #[test]
    fn output_without_a_result_counts_nothing() {
        assert_eq!(Tally::of_output("error: could not compile"), Tally::default());
    }
}
