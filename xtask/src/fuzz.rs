//! `cargo xtask fuzz`: the targets in `fuzz/`, one after the other.
//!
//! What is found on the way is kept under the target directory and read again the next time. `fuzz/corpus` has the few
//! inputs to begin with, which the tests of the crates run too; what is worth it goes there by hand.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use vmd_tests::paths;

use crate::cargo::{tool, workspace};
use crate::step::{logged, step};

/// The longest input in bytes: what a loader looks at fits in.
const MAX_LEN: usize = 16 << 10;
/// How long one input may take, in seconds, with the sanitizer and on a busy machine.
const TIMEOUT: u32 = 20;
/// How the programs say in the end how many inputs they have tried.
const EXECUTED: &str = "stat::number_of_executed_units:";

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub struct Options {
    /// Only these targets
    targets: Vec<String>,
    /// How long each of them runs
    #[arg(long, default_value_t = 20)]
    minutes: u64,
}

/// Builds the targets and runs them.
///
/// # Errors
/// When there is no such target, when they do not compile, and when one finds something.
pub fn run(options: &Options) -> Result<()> {
    let all = targets()?;
    if let Some(unknown) = options.targets.iter().find(|name| !all.contains(name)) {
        bail!("there is no target {unknown}; there are {}", all.join(", "));
    }
    let chosen = if options.targets.is_empty() { &all } else { &options.targets };
    step("fuzz targets", build)?;
    for name in chosen {
        let executed = step(&format!("{name} for {} min", options.minutes), || fuzz(name, options.minutes))?;
        println!("         {executed} executions, nothing found");
    }
    Ok(())
}

/// The names of all targets.
fn targets() -> Result<Vec<String>> {
    let directory = workspace()?.join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in directory.read_dir().with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry?.path();
        names.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Where all is that must not be committed.
fn directory() -> Result<PathBuf> {
    Ok(paths::target_dir()?.join("fuzz"))
}

fn build() -> Result<()> {
    let mut build = Command::new(tool("cargo-fuzz")?);
    build.current_dir(workspace()?).args(["build", "--fuzz-dir", "fuzz", "--target-dir"]).arg(directory()?);
    // The task itself runs with the stable one, and says so to whom it starts.
    build.env("RUSTUP_TOOLCHAIN", "nightly").env_remove("CARGO").env_remove("RUSTC");
    logged("fuzz targets", &mut build)
        .context("a nightly compiler is needed: `rustup toolchain install nightly`")
}

/// Runs a target with low priority and gives the number of executions.
fn fuzz(name: &str, minutes: u64) -> Result<String> {
    let directory = directory()?;
    let (found, kept) = (directory.join("artifacts").join(name), directory.join("corpus").join(name));
    for directory in [&found, &kept] {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
    }
    let program = directory.join("x86_64-unknown-linux-gnu/release").join(name);
    let output = Command::new("nice")
        .args(["-n", "19"])
        .arg(&program)
        .args([&kept, &workspace()?.join("fuzz/corpus").join(name)])
        .arg(format!("-artifact_prefix={}/", found.display()))
        .arg(format!("-max_total_time={}", minutes.saturating_mul(60)))
        .arg(format!("-max_len={MAX_LEN}"))
        .arg(format!("-timeout={TIMEOUT}"))
        .args(["-print_final_stats=1", "-verbosity=0"])
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} found something, kept in {}:\n{text}", found.display());
    let executed = text.lines().find_map(|line| line.strip_prefix(EXECUTED));
    Ok(executed.with_context(|| format!("{name} does not say what it did:\n{text}"))?.trim().to_owned())
}
