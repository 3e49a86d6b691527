//! Cargo, called from a task.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use vmd_tests::paths;

use crate::step::{logged, step};

/// The cargo that runs this task, in the workspace.
///
/// # Errors
/// When the workspace cannot be found.
pub fn cargo() -> Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace()?).env("CARGO_TERM_COLOR", "never");
    Ok(command)
}

/// The directory of the workspace.
///
/// # Errors
/// When this was not started by cargo.
pub fn workspace() -> Result<PathBuf> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let parent = PathBuf::from(manifest).parent().map(PathBuf::from);
    parent.context("the package of this task is not in a workspace")
}

/// Builds vmd and vmctl as they are shipped.
///
/// # Errors
/// When they do not compile.
pub fn build_programs() -> Result<()> {
    step("vmd and vmctl, release build", || {
        logged(
            "release build",
            cargo()?.args(["build", "--release", "--package", "vmd", "--package", "vmctl"]),
        )
    })
}

/// Builds the small test guests.
///
/// # Errors
/// When they do not compile.
pub fn build_guests() -> Result<()> {
    let output = format!("OUT={}", paths::test_guests_dir()?.display());
    step("test guests", || {
        logged("test guests", Command::new("make").arg("-C").arg(workspace()?.join("guests")).arg(output))
    })
}

/// Finds a program that extends cargo, or installs it under the target directory, which takes some minutes.
///
/// # Errors
/// When it cannot be fetched or does not compile.
pub fn tool(name: &str) -> Result<PathBuf> {
    let tools = paths::target_dir()?.join("tools");
    let installed = tools.join("bin").join(name);
    if installed.exists() {
        return Ok(installed);
    }
    if Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok(name.into());
    }
    let mut install = cargo()?;
    install.args(["install", name, "--locked", "--root"]).arg(&tools);
    step(&format!("install {name}, once"), || logged(name, &mut install))?;
    Ok(installed)
}
