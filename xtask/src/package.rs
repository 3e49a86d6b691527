//! `cargo xtask package`: the Debian package. Its description and its list of files are in vmd's manifest.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use vmd_tests::paths;

use crate::cargo;
use crate::step::{logged, step};

/// Options of `cargo xtask package`.
#[derive(clap::Args)]
pub struct Options {
    /// Version of the package, behind that of the programs
    #[arg(long, value_name = "number", default_value = "1")]
    revision: u32,
}

/// Builds the programs and makes a package of them.
///
/// # Errors
/// When the programs do not compile, or cargo-deb cannot be installed or fails.
pub fn run(options: &Options) -> Result<()> {
    cargo::build_programs()?;
    println!("\n{}", make(options.revision)?.display());
    Ok(())
}

/// Makes the package that the tests install, and the one to which they upgrade it.
///
/// # Errors
/// As [`run`]; the programs must have been built.
pub fn for_tests() -> Result<()> {
    for revision in vmd_tests::package::REVISIONS {
        make(revision)?;
    }
    Ok(())
}

fn make(revision: u32) -> Result<PathBuf> {
    let cargo_deb = cargo::tool("cargo-deb")?;
    let package = vmd_tests::package::path(revision)?;
    fs::create_dir_all(package.parent().context("the package has no directory")?)?;
    let mut command = Command::new(cargo_deb);
    command
        .current_dir(cargo::workspace()?)
        .args(["deb", "--no-build", "--package", "vmd", "--target", paths::target_name()?.as_str()])
        .args(["--deb-revision", &revision.to_string(), "--output"])
        .arg(&package);
    step(&format!("package, revision {revision}"), || logged("package", &mut command))?;
    Ok(package)
}
