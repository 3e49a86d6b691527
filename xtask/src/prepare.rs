//! What has to be there before a machine can be booted: packages, kernels, the lab and the Debian guest.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use vmd_tests::lab;

use crate::packages::Package;
use crate::step::step;
use crate::{guest_image, host_image, kernels, packages, uefi_image};

/// The packages of everything.
const ALL: [&[Package]; 5] =
    [packages::INITRAMFS, packages::GUEST, packages::LAB, packages::FIRMWARE, packages::TEST];

/// Prepares everything that demo and test need.
///
/// # Errors
/// When a package cannot be installed, or something cannot be built.
pub fn run() -> Result<()> {
    packages::ensure(&ALL)?;
    guest()?;
    self::lab()?;
    host()
}

/// Prepares the Debian guests.
///
/// # Errors
/// As [`run`].
pub fn guest() -> Result<()> {
    packages::ensure(&[packages::INITRAMFS, packages::GUEST])?;
    let kernel = step("kernel of the guest", kernels::guest_kernel)?;
    step("Debian guest", || guest_image::prepare(&kernel))?;
    step("Debian guest for UEFI", || uefi_image::prepare(&kernel))
}

/// Prepares the lab. The guest must be there: the lab gets it on a disk.
///
/// # Errors
/// As [`run`].
pub fn lab() -> Result<()> {
    packages::ensure(&[packages::INITRAMFS, packages::GUEST, packages::LAB])?;
    self::emulator()?;
    let kernel = step("kernel of the lab", kernels::lab_kernel)?;
    step("kernels of others", kernels::foreign)?;
    step("initial file system of the lab", || lab::prepare(&kernel))?;
    step("disk of the lab with the guest on it", guest_image::prepare_lab_disk)
}

/// Prepares the emulator of both kinds of lab, once.
fn emulator() -> Result<()> {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    if !step("emulator of the lab", lab::emulator::prepare)? {
        println!(
            "         without the fault that is known of some versions, or in a build that is not known"
        );
    }
    Ok(())
}

/// Prepares the lab host with systemd. The guest and the lab's kernel must be there.
///
/// # Errors
/// As [`run`].
pub fn host() -> Result<()> {
    packages::ensure(&ALL)?;
    self::emulator()?;
    let kernel = step("kernel of the lab", kernels::lab_kernel)?;
    step("lab host with systemd", || host_image::prepare(&kernel))
}
