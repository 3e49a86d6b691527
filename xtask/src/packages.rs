//! The Debian packages that the tasks need on the machine, and how they get there.

use std::process::Command;

use anyhow::{Result, bail};

use crate::apt::Apt;
use crate::step::{captured, logged, step};

/// A package, and the oldest version that will do.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    name: &'static str,
    minimum: Option<&'static str>,
}

const fn any(name: &'static str) -> Package {
    Package { name, minimum: None }
}

/// For initial file systems of guests and lab hosts.
pub const INITRAMFS: &[Package] = &[any("busybox-static"), any("kmod")];

/// For the Debian guests; those after the first two for the ones that firmware starts.
pub const GUEST: &[Package] = &[
    any("mmdebstrap"),
    any("e2fsprogs"),
    any("dosfstools"),
    any("fdisk"),
    any("grub-common"),
    any("grub-efi-amd64-bin"),
    any("grub-pc-bin"),
    any("mtools"),
];

/// For lab hosts, and the discs that are made in them. Older versions of QEMU hang with a guest inside the guest.
pub const LAB: &[Package] = &[Package { name: "qemu-system-x86", minimum: Some("1:10.0") }, any("xorriso")];

/// For machines without a kernel.
pub const FIRMWARE: &[Package] = &[any("seabios"), any("ovmf")];

/// For the test guests and what the tests check with.
pub const TEST: &[Package] =
    &[any("gcc"), any("make"), any("acpica-tools"), any("qemu-utils"), any("dmidecode")];

/// Sees to it that all these packages are installed.
///
/// # Errors
/// When something is missing and this is not root, with the commands to run; when apt fails.
pub fn ensure(sets: &[&[Package]]) -> Result<()> {
    let missing: Vec<Package> = sets.concat().into_iter().filter(|package| !package.is_installed()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let apt = step("package lists", Apt::open)?;
    let (newer, usual) = missing.into_iter().partition::<Vec<_>, _>(|package| package.minimum.is_some());
    let runs: Vec<Vec<String>> = [(newer, Some(apt.backports())), (usual, None)]
        .into_iter()
        .filter(|(packages, _)| !packages.is_empty())
        .map(|(packages, suite)| install_arguments(&packages, suite))
        .collect();
    if !rustix::process::geteuid().is_root() {
        bail!("packages are missing; run as root:\n{}", lines(&apt, &runs));
    }
    runs.iter().try_for_each(|arguments| install(&apt, arguments))
}

impl Package {
    fn is_installed(&self) -> bool {
        let query =
            captured(Command::new("dpkg-query").args(["-W", "-f${db:Status-Status} ${Version}", self.name]));
        match query.as_deref().unwrap_or_default().split_once(' ') {
            Some(("installed", version)) => self.minimum.is_none_or(|minimum| is_at_least(version, minimum)),
            _ => false,
        }
    }
}

fn is_at_least(version: &str, minimum: &str) -> bool {
    let compare = Command::new("dpkg").args(["--compare-versions", version, "ge", minimum]).status();
    compare.is_ok_and(|status| status.success())
}

fn install_arguments(packages: &[Package], suite: Option<String>) -> Vec<String> {
    let suite = suite.into_iter().flat_map(|suite| ["--target-release".to_owned(), suite]);
    let fixed = ["install", "--yes", "--no-install-recommends"].map(str::to_owned);
    let names = packages.iter().map(|package| package.name.to_owned());
    fixed.into_iter().chain(suite).chain(names).collect()
}

fn install(apt: &Apt, arguments: &[String]) -> Result<()> {
    let names = arguments.iter().skip(3).filter(|word| !word.starts_with('-')).cloned().collect::<Vec<_>>();
    step(&format!("install {}", names.join(" ")), || logged("install", apt.get().args(arguments)))
}

/// The commands for somebody else to run.
fn lines(apt: &Apt, runs: &[Vec<String>]) -> String {
    let command =
        |arguments: &Vec<String>| format!("  apt-get {} {}\n", apt.options().join(" "), arguments.join(" "));
    runs.iter().map(command).collect()
}
