//! The Debian package that `cargo xtask package` makes.

use std::path::PathBuf;

use anyhow::Result;

use crate::paths;

/// The revisions that tests need: one to install, and one to upgrade to.
pub const REVISIONS: [u32; 2] = [1, 2];

/// Where a revision of the package is.
///
/// # Errors
/// When the target directory cannot be found.
pub fn path(revision: u32) -> Result<PathBuf> {
    let name = format!("vmd_{}-{revision}_{}.deb", env!("CARGO_PKG_VERSION"), architecture());
    // Not in the directory that cargo-deb takes by default: there it keeps one revision only.
    Ok(paths::target_dir()?.join("package").join(name))
}

/// What Debian calls the architecture of the running program.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
