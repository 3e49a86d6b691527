//! Debian's kernels for lab hosts and guests, fetched and unpacked but not installed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use vmd_tests::{kernel::Kernel, lab, paths};

use crate::apt::Apt;

/// A kernel with every driver there is: the lab needs a shared file system.
const LAB_PACKAGE: &str = "linux-image-amd64";
/// A smaller one for guests, with the drivers of virtual machines only.
const GUEST_PACKAGE: &str = "linux-image-cloud-amd64";

/// The kernel of lab hosts; it is fetched if it is not there.
///
/// # Errors
/// When it cannot be fetched or unpacked.
pub fn lab_kernel() -> Result<Kernel> {
    kernel(LAB_PACKAGE, &lab::kernel_dir()?)
}

/// The kernel of guests; it is fetched if it is not there.
///
/// # Errors
/// When it cannot be fetched or unpacked.
pub fn guest_kernel() -> Result<Kernel> {
    kernel(GUEST_PACKAGE, &paths::guest_dir()?.join("kernel"))
}

fn kernel(package: &str, root: &Path) -> Result<Kernel> {
    if let Ok(kernel) = Kernel::unpacked(root) {
        return Ok(kernel);
    }
    let apt = Apt::open()?;
    // It gets its name when it is complete, so that an interrupted run leaves nothing that looks like a kernel.
    let unfinished = root.with_extension("new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::create_dir_all(&unfinished)?;
    apt.unpack(&apt.real_package(package)?, &unfinished)?;
    Kernel::unpacked(&unfinished)?.index_modules()?;
    fs::rename(&unfinished, root).with_context(|| format!("cannot create {}", root.display()))?;
    Kernel::unpacked(root)
}
