//! The emulator of a lab host.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// The kernel's command line. On a busy machine the kernel finds the timer too slow to be connected, and panics: it does
/// not look.
const CMDLINE: &str = "console=ttyS0 quiet panic=-1 no_timer_check";

/// How many commands can run in a lab at the same time.
pub const PORTS: usize = 8;
/// The socket of the port whose end is the end of the lab.
pub const LIFELINE: &str = "lifeline";
/// What the host writes to its serial console.
pub const SERIAL_LOG: &str = "serial.log";
/// What QEMU complains about.
pub const ERROR_LOG: &str = "qemu.log";

/// The socket of a port for commands.
pub fn port_socket(number: usize) -> String {
    format!("port{number}")
}

/// What a machine is made of.
pub struct Hardware<'a> {
    /// The kernel.
    pub kernel: &'a Path,
    /// Its initial file system.
    pub initramfs: &'a Path,
    /// What its command line says besides where the console is.
    pub cmdline: &'a str,
    /// Main memory in MiB.
    pub memory: u32,
    /// Number of processors.
    pub cpus: u32,
    /// Disks, in the order in which the machine finds them.
    pub drives: &'a [Drive],
}

/// A disk of a machine.
pub struct Drive {
    /// Its serial number, at most 20 bytes.
    pub serial: String,
    /// The image.
    pub image: PathBuf,
    /// What becomes of writes.
    pub writes: Writes,
}

/// What becomes of writes to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// They are thrown away at the end; the image is a raw one.
    Forgotten,
    /// They stay, in an image of the format qcow2.
    Kept,
}

/// Starts QEMU with its sockets and logs in `directory`.
pub fn start(directory: &Path, hardware: &Hardware<'_>) -> Result<Child> {
    let log = File::create(directory.join(ERROR_LOG)).context("cannot create a log for QEMU")?;
    Command::new("qemu-system-x86_64")
        // The short relative paths of the sockets fit into an address however deep the directory is.
        .current_dir(directory)
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        // Two emulating threads: with one the nested guest starves its host.
        .args(["-accel", "tcg,thread=multi"])
        .args(["-cpu", "EPYC,+svm,+npt,+nrip-save,+tsc-deadline"])
        .args(["-smp", &hardware.cpus.to_string(), "-m", &hardware.memory.to_string()])
        .args(["-serial", &format!("file:{SERIAL_LOG}")])
        .arg("-kernel")
        .arg(hardware.kernel)
        .arg("-initrd")
        .arg(hardware.initramfs)
        .args(["-append", &format!("{CMDLINE} {}", hardware.cmdline)])
        .args(["-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"])
        .args(["-device", "virtio-9p-pci,fsdev=host,mount_tag=host"])
        .args(disks(hardware.drives))
        .args(ports())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("cannot run qemu-system-x86_64: run `cargo xtask prepare`")
}

/// What a machine writes to its serial console, and QEMU to its standard error. It can be read, as text, even when the
/// directory is gone.
pub struct Logs([File; 2]);

impl Logs {
    /// Opens the logs of the machine that was started in `directory`.
    pub fn open(directory: &Path) -> io::Result<Self> {
        // QEMU may not have come to make this one.
        let serial = File::options().read(true).append(true).create(true).open(directory.join(SERIAL_LOG))?;
        Ok(Self([serial, File::open(directory.join(ERROR_LOG))?]))
    }
}

impl fmt::Display for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = |mut file: &File| -> io::Result<String> {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(0))?;
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let [serial, error] = &self.0;
        let text = |file| read(file).unwrap_or_else(|error| error.to_string());
        write!(f, "---- console of the host ----\n{}\n---- QEMU ----\n{}", text(serial), text(error))
    }
}

fn disks(drives: &[Drive]) -> Vec<OsString> {
    let mut arguments = Vec::new();
    for (number, drive) in drives.iter().enumerate() {
        let how = match drive.writes {
            Writes::Forgotten => "format=raw,snapshot=on",
            // It has to outlive QEMU, not this machine: nothing is flushed.
            Writes::Kept => "format=qcow2,cache=unsafe",
        };
        let mut option = OsString::from(format!("if=none,id=disk{number},{how},file="));
        option.push(escaped(&drive.image));
        let device = format!("virtio-blk-pci,drive=disk{number},serial={}", drive.serial);
        arguments.extend(["-drive".into(), option, "-device".into(), device.into()]);
    }
    arguments
}

fn ports() -> Vec<String> {
    let mut arguments = vec!["-device".to_owned(), "virtio-serial-pci".to_owned()];
    let sockets = std::iter::once(LIFELINE.to_owned()).chain((0..PORTS).map(port_socket));
    // The numbers of the ports start at 1, which the agent knows to be the lifeline.
    for (socket, number) in sockets.zip(1..) {
        arguments.extend([
            "-chardev".to_owned(),
            format!("socket,id={socket},path={socket},server=on,wait=off"),
            "-device".to_owned(),
            format!("virtserialport,chardev={socket},nr={number}"),
        ]);
    }
    arguments
}

/// A path as a value in an option of QEMU, where a comma would begin the next one.
fn escaped(path: &Path) -> OsString {
    match path.to_str() {
        Some(text) => text.replace(',', ",,").into(),
        None => path.into(),
    }
}
