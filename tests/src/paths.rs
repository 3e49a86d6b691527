//! Where things are: everything that is built or fetched lies under cargo's target directory.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The target directory of the running test or task.
///
/// It is found from the program itself, so that `CARGO_TARGET_DIR` and `--target-dir` need no attention.
///
/// # Errors
/// When the program was not built by cargo.
pub fn target_dir() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find out where this program is")?;
    // Cargo marks the target directory, and the directory of a named target inside it, with this file.
    program
        .ancestors()
        .filter(|directory| directory.join("CACHEDIR.TAG").is_file())
        .last()
        .map(Path::to_path_buf)
        .with_context(|| format!("{} is not in a target directory of cargo", program.display()))
}

/// A program of the workspace as `cargo build --release` makes it.
///
/// # Errors
/// When it has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    existing(built_dir()?.join("release").join(name), "cargo build --release")
}

/// The target that programs are built for, as cargo names it.
///
/// # Errors
/// When the running program was not built by cargo.
pub fn target_name() -> Result<String> {
    let directory = built_dir()?;
    let name = directory.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).with_context(|| format!("{} is named after no target", directory.display()))
}

/// The directory, inside the target directory, of what is built for the target of the running program.
fn built_dir() -> Result<PathBuf> {
    let running = std::env::current_exe().context("cannot find out where this program is")?;
    let directory = running.ancestors().find(|directory| directory.join("CACHEDIR.TAG").is_file());
    let missing = || format!("{} is not in a target directory of cargo", running.display());
    directory.map(Path::to_path_buf).with_context(missing)
}

/// What a lab host is made from.
///
/// # Errors
/// When the target directory cannot be found.
pub fn lab_dir() -> Result<PathBuf> {
    Ok(target_dir()?.join("lab"))
}

/// What a Debian guest is made from.
///
/// # Errors
/// When the target directory cannot be found.
pub fn guest_dir() -> Result<PathBuf> {
    Ok(target_dir()?.join("guest"))
}

/// Where the small test guests are, each a file with the name of the guest.
///
/// # Errors
/// When the target directory cannot be found.
pub fn test_guests_dir() -> Result<PathBuf> {
    Ok(target_dir()?.join("guests"))
}

/// A small test guest, an ELF file with a PVH entry.
///
/// # Errors
/// When it has not been built.
pub fn test_guest(name: &str) -> Result<PathBuf> {
    existing(test_guests_dir()?.join(name), "cargo xtask test native")
}

/// The path itself if something is there.
///
/// # Errors
/// When nothing is there; the message names the command that makes it.
pub fn existing(path: PathBuf, maker: &str) -> Result<PathBuf> {
    anyhow::ensure!(path.exists(), "{} is missing: run `{maker}`", path.display());
    Ok(path)
}
