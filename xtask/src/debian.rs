//! Small Debian systems on ext4 images: a tree that mmdebstrap installs, and the file system that holds it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::apt::Apt;
use crate::step::logged;

/// This file, as a part of what a system is made from.
pub const RECIPE: &str = include_str!("debian.rs");

/// What is installed to a tree.
pub struct Recipe<'a> {
    /// What it is for, for the log.
    pub name: &'a str,
    /// Packages beyond Debian's smallest set, separated by commas.
    pub packages: &'a str,
    /// Scripts that run one after the other when all packages are there, with the tree as their argument.
    pub scripts: &'a [PathBuf],
}

/// Installs Debian to the directory `tree`, which is made anew.
///
/// # Errors
/// When a package cannot be fetched or a script fails.
pub fn make_tree(recipe: &Recipe<'_>, tree: &Path) -> Result<()> {
    remove_tree(tree)?;
    let apt = Apt::open()?;
    let mut command = Command::new("mmdebstrap");
    command
        .args(["--variant=minbase", &format!("--include={}", recipe.packages)])
        .args(
            ["doc", "info", "locale", "man"]
                .map(|kind| format!("--dpkgopt=path-exclude=/usr/share/{kind}/*")),
        )
        .args(recipe.scripts.iter().map(|script| format!("--customize-hook=sh {} \"$1\"", script.display())))
        .arg(apt.codename())
        .arg(tree)
        .args(apt.machine_sources());
    logged(&format!("Debian tree of the {}", recipe.name), &mut command)
}

/// Makes an image of `size` with an ext4 file system that holds what is in `source`.
///
/// # Errors
/// When it cannot be written.
pub fn make_filesystem(name: &str, source: &Path, image: &Path, size: &str) -> Result<()> {
    // It gets its name when it is complete: an interrupted run leaves nothing that looks like an image.
    let unfinished = image.with_extension("new");
    let mut command = Command::new("mke2fs");
    command.args(["-q", "-F", "-t", "ext4", "-d"]).arg(source).arg(&unfinished).arg(size);
    logged(name, &mut command)?;
    fs::rename(&unfinished, image).with_context(|| format!("cannot create {}", image.display()))
}

/// Does `work` unless `stamp` says that it has been done to the same end.
///
/// # Errors
/// Those of `work`; when the stamp cannot be written.
pub fn unless_stamped(stamp: &Path, content: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    if fs::read_to_string(stamp).is_ok_and(|done| done == content) {
        return Ok(());
    }
    work()?;
    fs::write(stamp, content).with_context(|| format!("cannot write {}", stamp.display()))
}

/// Removes a directory and all that is in it, if it is there.
///
/// # Errors
/// When something cannot be removed.
pub fn remove_tree(tree: &Path) -> Result<()> {
    match fs::remove_dir_all(tree) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", tree.display()))
        }
        _ => Ok(()),
    }
}
