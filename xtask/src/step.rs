//! Progress on the terminal: what is being done, and how long it took.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use vmd_tests::paths;

/// How many lines of a failed command's output are shown.
const SHOWN_LINES: usize = 60;

/// Does something with a line on the terminal that says what, and in the end how long it took.
///
/// # Errors
/// Those of `work`.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let terminal = std::io::stdout().is_terminal();
    if terminal {
        print!("  .....  {name}");
        std::io::stdout().flush()?;
    }
    let result = work();
    let word = if result.is_ok() { "ok" } else { "FAILED" };
    // On a terminal the line takes the place of the one that announced the step.
    let start_of_line = if terminal { "\r\x1b[K" } else { "" };
    println!("{start_of_line}  {word:<6} {name}  ({})", seconds(start.elapsed()));
    result
}

/// A duration for people: `3.2 s`.
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// A line that begins a part of the output.
pub fn heading(text: &str) {
    println!("\n== {text}");
}

/// Runs a command with its output in a log file under the target directory.
///
/// # Errors
/// When it cannot be run or fails: with the end of the log.
pub fn logged(name: &str, command: &mut Command) -> Result<()> {
    let path = log_path(name)?;
    let log = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let status = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(status.success(), "{name}: {status}; the end of {}:\n{}", path.display(), end_of(&path));
    Ok(())
}

/// Runs a command and gives its standard output.
///
/// # Errors
/// When it cannot be run or fails: with its standard error.
pub fn captured(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_owned();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{}: {}\n{}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The file for what a step writes.
///
/// # Errors
/// When its directory cannot be made.
pub fn log_path(name: &str) -> Result<PathBuf> {
    let directory = paths::target_dir()?.join("log");
    std::fs::create_dir_all(&directory)?;
    Ok(directory.join(format!("{}.log", name.replace([' ', ',', '/'], "-"))))
}

/// The end of a long text.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn end_of(log: &Path) -> String {
    last_lines(&String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()), SHOWN_LINES)
}
