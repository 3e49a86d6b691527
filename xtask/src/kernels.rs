//! Debian's kernels for lab hosts and guests, fetched and unpacked but not installed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vmd_tests::{foreign, kernel::Kernel, lab, paths};

use crate::apt::Apt;

/// A kernel with every driver there is: the lab needs a shared file system.
const LAB_PACKAGE: &str = "linux-image-amd64";
/// A smaller one for guests, with the drivers of virtual machines only.
const GUEST_PACKAGE: &str = "linux-image-cloud-amd64";

/// Kernels of others that are tried in the lab. The first stands for the current version of Xen.
const XEN_PACKAGE: &str = "xen-system-amd64";
const MEMTEST_PACKAGE: &str = "memtest86+";

/// Fetches kernels of others, if they are not there.
///
/// # Errors
/// When they cannot be fetched or unpacked.
pub fn foreign() -> Result<()> {
    let root = foreign::directory()?;
    if root.exists() {
        return Ok(());
    }
    let apt = Apt::open()?;
    let packages = [apt.real_package(XEN_PACKAGE)?, MEMTEST_PACKAGE.to_owned()];
    let unfinished = empty(&root)?;
    for package in &packages {
        apt.unpack(package, &unfinished)?;
    }
    fs::rename(&unfinished, &root).with_context(|| format!("cannot create {}", root.display()))
}

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
    let unfinished = empty(root)?;
    apt.unpack(&apt.real_package(package)?, &unfinished)?;
    Kernel::unpacked(&unfinished)?.index_modules()?;
    fs::rename(&unfinished, root).with_context(|| format!("cannot create {}", root.display()))?;
    Kernel::unpacked(root)
}

/// An empty directory for what will be `root`. It gets its name when it is complete, so that an interrupted run leaves
/// nothing that looks like a kernel.
fn empty(root: &Path) -> Result<PathBuf> {
    let unfinished = root.with_extension("new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::create_dir_all(&unfinished)?;
    Ok(unfinished)
}
