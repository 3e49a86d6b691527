//! The lab host with systemd: a Debian like the guest, with the lab's agent as a service, the lab's kernel, and two
//! guests on its disk.
//!
//! It is built once and again when its recipe, its kernel or the guest changes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use vmd_tests::kernel::Kernel;
use vmd_tests::lab::{self, SystemdHost};
use vmd_tests::{Guest, initramfs, quote};

use crate::debian::{Recipe, make_filesystem, make_tree, remove_tree, unless_stamped};
use crate::guest_image;

/// What it has beyond the guest's packages.
const PACKAGES: &str = "kmod,procps";
/// Modules for its devices, for guests, and for the file system of the machine it runs on, where the others are.
const MODULES: [&str; 10] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_console",
    "virtio_rng",
    "9pnet_virtio",
    "9p",
    "ext4",
    "kvm_amd",
    "tun",
    "autofs4",
];
/// The size of its disk, a file that takes as much space as is in use.
const DISK_SIZE: &str = "8G";

const CUSTOMIZE: &str = include_str!("customize.sh");
const AGENT_SERVICE: &str = include_str!("agent.service");
/// This file, as a part of the recipe.
const RECIPE: &str = include_str!("mod.rs");

/// Builds the host unless it is there. The guest must be there.
///
/// # Errors
/// When a package cannot be fetched or a file cannot be written.
pub fn prepare(kernel: &Kernel) -> Result<()> {
    let directory = SystemdHost::directory()?;
    fs::create_dir_all(&directory)?;
    let guest = guest_image::made_from()?;
    let recipe =
        format!("{}\n{CUSTOMIZE}\n{AGENT_SERVICE}\n{}\n{RECIPE}\n{guest}", kernel.version(), lab::AGENT);
    unless_stamped(&directory.join("stamp"), &recipe, || build(&directory, kernel))
}

fn build(directory: &Path, kernel: &Kernel) -> Result<()> {
    initramfs::write(&SystemdHost::initramfs()?, kernel, guest_image::INIT, &MODULES, &[])?;
    let tree = directory.join("tree");
    let packages = format!("{},{PACKAGES}", guest_image::PACKAGES);
    let scripts = [guest_image::script(directory)?, script(directory, kernel)?];
    make_tree(&Recipe { name: "host", packages: &packages, scripts: &scripts }, &tree)?;
    make_filesystem("disk of the host", &tree, &SystemdHost::disk()?, DISK_SIZE)?;
    remove_tree(&tree)
}

/// Writes the script that makes a guest a host, and the files that it installs, to `directory`.
fn script(directory: &Path, kernel: &Kernel) -> Result<PathBuf> {
    fs::write(directory.join("agent"), lab::AGENT)?;
    fs::write(directory.join("agent.service"), AGENT_SERVICE)?;
    let script = directory.join("customize-host.sh");
    let set = |name: &str, path: &Path| format!("{name}={}\n", quote(&path.display().to_string()));
    let guest = Guest::built()?.disk;
    let variables = [
        set("KERNEL", Path::new(kernel.version())),
        set("MODULES", &kernel.modules_dir()),
        set("GUEST", guest.parent().unwrap_or(&guest)),
    ];
    fs::write(&script, variables.concat() + CUSTOMIZE)?;
    Ok(script)
}
