//! Kernels of others that `cargo xtask prepare` unpacks from their packages.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::paths;

/// Where the packages are unpacked.
///
/// # Errors
/// When the target directory cannot be found.
pub fn directory() -> Result<PathBuf> {
    Ok(paths::target_dir()?.join("foreign"))
}

/// The hypervisor Xen, a Multiboot kernel packed with gzip.
///
/// # Errors
/// When it has not been unpacked.
pub fn xen() -> Result<PathBuf> {
    find("xen-", ".gz")
}

/// Memtest86+, a bzImage.
///
/// # Errors
/// When it has not been unpacked.
pub fn memtest() -> Result<PathBuf> {
    find("memtest86+x64", ".bin")
}

/// The file that begins and ends so among those that are booted.
fn find(start: &str, end: &str) -> Result<PathBuf> {
    let boot = paths::existing(directory()?.join("boot"), "cargo xtask prepare")?;
    let named = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(start) && name.ends_with(end)
    };
    let mut files = boot.read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|path| named(path));
    files.pop().with_context(|| format!("{} has no {start}*{end}", boot.display()))
}
