//! Opens everything that a machine needs. The vm process opens nothing itself.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use disk::LockError;
use proto::{DiskSpec, Firmware, Owner, Peer, Refusal, RefusalKind, Slot, VmName, VmSpec};
use rustix::fs::OFlags;

use super::access::{FileOwner, may_use};
use super::console::Console;
use super::runtime_dir::RuntimeDir;
use super::table::Supplied;
use super::variables;

/// How often a locked image is tried again, and how long after the last time.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// What was opened for a machine: descriptors with their use, and the console's terminal.
pub struct Opened {
    /// What each descriptor is for.
    pub slots: Vec<Slot>,
    /// The descriptors, in the order of the slots.
    pub descriptors: Vec<OwnedFd>,
    /// The machine's side of the console once more, to be kept.
    pub console: OwnedFd,
    /// The user's side of the console.
    pub tty: PathBuf,
}

/// Opens what `spec` names, for a machine that `owner` starts. `user_of` tells which other machine uses an image;
/// what was `supplied` by a client has to be open to that client too.
///
/// # Errors
/// The first thing that could not be opened, in words for the client. Nothing is left open then.
pub fn open<'a>(
    spec: &VmSpec,
    owner: Owner,
    (dir, state_dir): (&RuntimeDir, &Path),
    supplied: Option<&Supplied>,
    user_of: impl Fn(&Path) -> Option<&'a VmName>,
) -> Result<Opened, Refusal> {
    check_memory(spec)?;
    let mut slots = Slots::default();
    slots.add(Slot::Kvm, kvm()?);
    let booter = supplied.filter(|supplied| supplied.boot).map(|supplied| &supplied.peer);
    let client = supplied.map(|supplied| &supplied.peer);
    match &spec.boot {
        Some(boot) => slots.add(Slot::Kernel, boot_image(boot, "boot image", booter)?),
        None if spec.firmware == Some(Firmware::Uefi) => slots.add_uefi(spec, owner, state_dir)?,
        None => slots.add(Slot::Firmware, firmware(spec.firmware.as_ref(), booter)?),
    }
    if let Some(initrd) = &spec.initrd {
        slots.add(Slot::Initrd, boot_image(initrd, "initial RAM disk", booter)?);
    }
    for (index, disk) in (0..).zip(&spec.disks) {
        slots.add(Slot::Disk(index), image(disk, user_of(&disk.path), client)?);
    }
    if let Some(disc) = spec.cdrom.as_ref().and_then(|cdrom| cdrom.disc.as_deref()) {
        let client = supplied.filter(|supplied| supplied.disc).map(|supplied| &supplied.peer);
        slots.add(Slot::Cdrom, self::disc(disc, client)?);
    }
    let without_console = |why: io::Error| failed(format!("cannot make a console: {why}"));
    let Console { master, tty } = Console::open(owner).map_err(without_console)?;
    let console = master.try_clone().map_err(without_console)?;
    slots.add(Slot::Console, master);
    let listener = dir.listen_for(&spec.name).map_err(|why| failed(format!("{why:#}")))?;
    slots.add(Slot::Listener, listener);
    Ok(Opened { slots: slots.slots, descriptors: slots.descriptors, console, tty })
}

/// Opens KVM's device.
///
/// # Errors
/// Why it can not be used, and what to do.
pub fn kvm() -> Result<OwnedFd, Refusal> {
    let advice = |why: &io::Error| match why.kind() {
        io::ErrorKind::NotFound => {
            "this kernel has no KVM, or its module (kvm_intel, kvm_amd) is not loaded, or virtualization is \
             switched off in the firmware"
        }
        io::ErrorKind::PermissionDenied => {
            "vmd must be started by root, outside of a container that hides it"
        }
        _ => "see the kernel's log",
    };
    let open = OpenOptions::new().read(true).write(true).open("/dev/kvm");
    open.map(OwnedFd::from).map_err(|why| failed(format!("cannot open /dev/kvm: {why}; {}", advice(&why))))
}

#[derive(Default)]
struct Slots {
    slots: Vec<Slot>,
    descriptors: Vec<OwnedFd>,
}

impl Slots {
    fn add(&mut self, slot: Slot, descriptor: impl Into<OwnedFd>) {
        self.slots.push(slot);
        self.descriptors.push(descriptor.into());
    }

    /// Adds UEFI firmware and its variables, locked.
    fn add_uefi(&mut self, spec: &VmSpec, owner: Owner, state_dir: &Path) -> Result<(), Refusal> {
        let uefi = variables::open(&variables::OVMF, state_dir, &spec.name, owner).map_err(no_image)?;
        lock(&uefi.variables, &uefi.path, disk::lock_exclusive).map_err(|why| {
            let path = uefi.path.display();
            no_image(match why {
                LockError::InUse(_) => format!("the firmware variables {path} are in use by another program"),
                LockError::System(_, why) => format!("cannot lock the firmware variables {path}: {why}"),
            })
        })?;
        self.add(Slot::Firmware, uefi.code);
        self.add(Slot::FirmwareVars, uefi.variables);
        Ok(())
    }
}

/// Memory is given to a guest page by page as it touches it; a machine that could never have it all would
/// be killed in the middle of its work.
fn check_memory(spec: &VmSpec) -> Result<(), Refusal> {
    let info = rustix::system::sysinfo();
    let host = info.totalram.saturating_mul(u64::from(info.mem_unit));
    if spec.memory.bytes() <= host {
        return Ok(());
    }
    let (asked, host) = (spec.memory, proto::format_scaled(host));
    let message = format!("vm \"{}\": memory {asked} is more than this host has ({host})", spec.name);
    Err(Refusal { kind: RefusalKind::Memory, message })
}

fn boot_image(path: &Path, what: &str, client: Option<&Peer>) -> Result<File, Refusal> {
    let file = open_regular(path, OpenOptions::new().read(true))
        .and_then(|file| check_client(&file, client, false).map(|()| file));
    file.map_err(|why| no_image(format!("cannot use {what} {}: {why}", path.display())))
}

/// The firmware of a machine without a kernel. What a client names has to be open to it; the host's is to everybody.
fn firmware(firmware: Option<&Firmware>, client: Option<&Peer>) -> Result<File, Refusal> {
    match firmware {
        Some(Firmware::Path(path)) => boot_image(path, "firmware", client),
        Some(Firmware::Bios | Firmware::Uefi) | None => bios(),
    }
}

/// The BIOS of the host: the administrator's, else the distribution's.
fn bios() -> Result<File, Refusal> {
    let local = Path::new(Firmware::LOCAL_BIOS);
    let stock = Path::new(Firmware::STOCK_BIOS);
    let missing =
        |path: &Path| path.symlink_metadata().is_err_and(|why| why.kind() == io::ErrorKind::NotFound);
    match (missing(local), missing(stock)) {
        (false, _) => boot_image(local, "firmware", None),
        (true, false) => boot_image(stock, "firmware", None),
        (true, true) => Err(no_image(format!(
            "there is no BIOS on this host: neither {} nor {} exists; install the package seabios, or name a kernel \
             with boot or a BIOS with firmware",
            local.display(),
            stock.display()
        ))),
    }
}

fn no_image(message: String) -> Refusal {
    Refusal { kind: RefusalKind::BootImage, message }
}

/// A client gets nothing opened that it could not open itself, and an image of its own is a regular file.
fn check_client(file: &File, client: Option<&Peer>, write: bool) -> Result<(), String> {
    let Some(client) = client else { return Ok(()) };
    let metadata = file.metadata().map_err(|why| why.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let owner = FileOwner { uid: metadata.uid(), gid: metadata.gid(), mode: metadata.mode() };
    match may_use(client, owner, write) {
        true => Ok(()),
        false => Err(format!("the user with id {} may not use it", client.uid)),
    }
}

/// Without following what could make the parent wait: a FIFO opens at once and is then refused.
fn open_regular(path: &Path, options: &mut OpenOptions) -> Result<File, String> {
    let file = options.custom_flags(nonblocking()).open(path).map_err(|why| why.to_string())?;
    let kind = file.metadata().map_err(|why| why.to_string())?.file_type();
    if kind.is_file() { Ok(file) } else { Err("it is not a regular file".to_owned()) }
}

/// Opens and locks the image of a disc. Several drives may have the same.
///
/// # Errors
/// Why it can not be used, in words for the client.
pub fn disc(path: &Path, client: Option<&Peer>) -> Result<File, Refusal> {
    let refuse = |message| Refusal { kind: RefusalKind::Cdrom, message };
    let unusable = |why: &dyn Display| refuse(format!("cannot use disc {}: {why}", path.display()));
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(nonblocking());
    let file = open_image(path, options, client, false).map_err(|why| unusable(&why))?;
    lock(&file, path, disk::lock_shared).map_err(|why| refuse(why.to_string()))?;
    Ok(file)
}

/// Opens an image: a regular file or, if no client has named it, also a block device.
fn open_image(
    path: &Path,
    options: &OpenOptions,
    client: Option<&Peer>,
    write: bool,
) -> Result<File, String> {
    let file = options.open(path).map_err(|why| why.to_string())?;
    let kind = file.metadata().map_err(|why| why.to_string())?.file_type();
    if !kind.is_file() && !kind.is_block_device() {
        return Err("it is neither a regular file nor a block device".to_owned());
    }
    check_client(&file, client, write).map(|()| file)
}

/// Opens and locks an image. `user` is the machine of ours that already has it, for the message.
fn image(spec: &DiskSpec, user: Option<&VmName>, client: Option<&Peer>) -> Result<File, Refusal> {
    let refuse = |message| Refusal { kind: RefusalKind::Disk, message };
    let unusable = |why: &dyn Display| refuse(format!("cannot use disk {}: {why}", spec.path.display()));
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).custom_flags(nonblocking());
    let file = open_image(&spec.path, options, client, true).map_err(|why| unusable(&why))?;
    if let Some(user) = user {
        return Err(refuse(format!("disk {} is in use by vm \"{user}\"", spec.path.display())));
    }
    lock(&file, &spec.path, disk::lock_exclusive).map_err(|why| refuse(why.to_string()))?;
    Ok(file)
}

/// Locks an image. The kernel closes the image of a process that has ended a moment later than it reports the end,
/// if there was an io_uring with it; so a lock that nobody of ours has is tried for again a few times.
fn lock(
    image: &File,
    path: &Path,
    take: impl Fn(&File, &Path) -> Result<(), LockError>,
) -> Result<(), LockError> {
    for _ in 0..LOCK_TRIES {
        match take(image, path) {
            Err(LockError::InUse(_)) => std::thread::sleep(LOCK_PAUSE),
            done => return done,
        }
    }
    take(image, path)
}

fn failed(message: String) -> Refusal {
    Refusal { kind: RefusalKind::Failed, message }
}

fn nonblocking() -> i32 {
    OFlags::NONBLOCK.bits().cast_signed()
}
