//! The directory of what lives as long as the daemon: lock, control socket, a directory for each machine.
//!
//! ```text
//! /run/vmd.sock           the control socket, root's, mode 0660
//! /run/vmd/lock           held by the daemon that lives
//! /run/vmd/empty/         the root directory of the roles
//! /run/vmd/vm/NAME/sock   on which the process of machine NAME can be found by a later daemon
//! /run/vmd/vm/NAME/record what that daemon has to know of it (`record.rs`)
//! ```
//!
//! All of it belongs to root; only the control socket can be opened by somebody else.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use proto::VmName;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with, sockopt,
};
use rustix::process::Pid;

/// How often a lock that is held is tried again, and how long after the last time.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// The longest record that is read, in bytes: many times what a machine needs.
const MAX_RECORD: u64 = 1 << 20;

/// The daemon's directory, locked.
pub struct RuntimeDir {
    path: PathBuf,
    _lock: File,
}

impl RuntimeDir {
    /// Makes the directory and takes its lock.
    ///
    /// # Errors
    /// When another daemon holds it, when the directory is not root's alone to write to, or can not be made.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        make_dir(path, 0o755)?;
        let path = fs::canonicalize(path).with_context(|| format!("{}", path.display()))?;
        let lock = take_lock(&path)?;
        let dir = Self { path, _lock: lock };
        make_dir(&dir.empty(), 0o755)?;
        make_dir(&dir.path.join("vm"), 0o700)?;
        Ok(dir)
    }

    /// The directory with nothing in it.
    pub fn empty(&self) -> PathBuf {
        self.path.join("empty")
    }

    /// Makes the listening socket of a machine's process.
    ///
    /// # Errors
    /// When a process of an earlier daemon still listens there, or the socket can not be made.
    pub fn listen_for(&self, name: &VmName) -> anyhow::Result<OwnedFd> {
        let dir = self.vm_dir(name);
        let socket = dir.join("sock");
        if let Some(pid) = self.survivor(name) {
            bail!(
                "vm \"{name}\" still runs in process {}, which an earlier vmd left behind; \
                 `kill {0}` ends it and keeps its disks safe",
                pid.as_raw_nonzero()
            );
        }
        make_dir(&dir, 0o700)?;
        remove_if_there(&socket)?;
        let listener = listener(&socket).with_context(|| format!("{}", socket.display()))?;
        Ok(listener)
    }

    /// Exchanges the record of a machine, as a whole: whoever reads it finds the old one or the new one.
    ///
    /// # Errors
    /// When the file can not be written.
    pub fn write_record(&self, name: &VmName, text: &[u8]) -> io::Result<()> {
        let (file, new) = (self.vm_dir(name).join("record"), self.vm_dir(name).join("record.new"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).open(&new)?.write_all(text)?;
        fs::rename(new, file)
    }

    /// The record of a machine; `None` if there is none.
    ///
    /// # Errors
    /// When the file can not be read.
    pub fn read_record(&self, name: &VmName) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.vm_dir(name).join("record")) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut text = Vec::new();
        file.take(MAX_RECORD).read_to_end(&mut text)?;
        Ok(Some(text))
    }

    /// The machines that have a directory.
    ///
    /// # Errors
    /// When the directory can not be read.
    pub fn vm_names(&self) -> io::Result<Vec<VmName>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path.join("vm"))? {
            let name = entry?.file_name();
            // What is not named like a machine is not ours.
            names.extend(name.to_str().and_then(|name| VmName::new(name).ok()));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Connects to the process of a machine; `None` if nobody listens there any more. Never waits.
    ///
    /// # Errors
    /// When the process is there, but does not take connections.
    pub fn connect(&self, name: &VmName) -> io::Result<Option<OwnedFd>> {
        let address = SocketAddrUnix::new(self.vm_dir(name).join("sock"))?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        match connect(&socket, &address) {
            Ok(()) => Ok(Some(socket)),
            Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what belonged to a machine whose process is gone.
    ///
    /// # Errors
    /// When it can not be removed.
    pub fn remove_vm(&self, name: &VmName) -> io::Result<()> {
        match fs::remove_dir_all(self.vm_dir(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn vm_dir(&self, name: &VmName) -> PathBuf {
        self.path.join("vm").join(name.as_str())
    }

    /// The process of this machine that an earlier daemon has left: it still listens.
    fn survivor(&self, name: &VmName) -> Option<Pid> {
        let connection = self.connect(name).ok()??;
        sockopt::socket_peercred(&connection).ok().map(|peer| peer.pid)
    }
}

/// Opens the control socket. Call it with the lock held: a socket that is in the way is a dead one.
///
/// # Errors
/// When something other than a socket is in the way, or the socket can not be made.
pub fn control_socket(path: &Path) -> anyhow::Result<OwnedFd> {
    let name = || format!("control socket {}", path.display());
    match fs::symlink_metadata(path) {
        Ok(found) if !is_socket(&found) => bail!("{} is in the way and is no socket", path.display()),
        _ => remove_if_there(path).with_context(name)?,
    }
    let listener = UnixListener::bind(path).with_context(name)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).with_context(name)?;
    Ok(listener.into())
}

fn is_socket(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    metadata.file_type().is_socket()
}

fn take_lock(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join("lock");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("{}", path.display()))?;
    if !is_locked_soon(&lock) {
        bail!(
            "another vmd uses {}; stop it first, or start this one with --runtime-dir and another directory",
            dir.display()
        );
    }
    Ok(lock)
}

/// Takes the lock, if need be from a daemon that is just ending.
fn is_locked_soon(lock: &File) -> bool {
    let take = || flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok();
    take()
        || (0..LOCK_TRIES).any(|_| {
            std::thread::sleep(LOCK_PAUSE);
            take()
        })
}

/// Makes a directory of ours, or takes one that is there if nobody else can have a hand in it.
fn make_dir(path: &Path, mode: u32) -> anyhow::Result<()> {
    match DirBuilder::new().mode(mode).recursive(false).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        other => other.with_context(|| format!("directory {}", path.display()))?,
    }
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() {
        bail!("{} is in the way and is no directory", path.display());
    }
    let me = rustix::process::geteuid().as_raw();
    if found.uid() != me || found.mode() & 0o022 != 0 {
        bail!(
            "directory {} can be changed by others than uid {me}; remove it or mend its mode",
            path.display()
        );
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A sequenced-packet socket that only root can reach.
fn listener(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listen(&socket, 1)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> VmName {
        VmName::new("web").unwrap()
    }

    #[test]
    fn a_second_daemon_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let first = RuntimeDir::open(dir.path()).unwrap();
        let refusal = RuntimeDir::open(dir.path()).err().unwrap();
        assert!(refusal.to_string().contains("another vmd"), "{refusal}");
        drop(first);
        assert!(RuntimeDir::open(dir.path()).is_ok());
    }

    #[test]
    fn a_machine_that_still_listens_is_not_started_again() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = RuntimeDir::open(dir.path()).unwrap();
        let listener = runtime.listen_for(&name()).unwrap();
        let refusal = runtime.listen_for(&name()).unwrap_err();
        assert!(refusal.to_string().contains(&format!("process {}", std::process::id())), "{refusal}");
        drop(listener);
        assert!(runtime.listen_for(&name()).is_ok());
        runtime.remove_vm(&name()).unwrap();
        assert!(!dir.path().join("vm/web").exists());
    }

    #[test]
    fn a_record_is_exchanged_and_goes_with_its_machine() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = RuntimeDir::open(dir.path()).unwrap();
        assert_eq!(runtime.read_record(&name()).unwrap(), None);
        let _listener = runtime.listen_for(&name()).unwrap();
        for text in [b"a longer one".as_slice(), b"short"] {
            runtime.write_record(&name(), text).unwrap();
            assert_eq!(runtime.read_record(&name()).unwrap().as_deref(), Some(text));
        }
        assert_eq!(runtime.vm_names().unwrap(), [name()]);
        runtime.remove_vm(&name()).unwrap();
        assert!(runtime.vm_names().unwrap().is_empty());
    }

    #[test]
    fn a_file_in_the_way_of_the_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmd.sock");
        fs::write(&path, "precious").unwrap();
        assert!(control_socket(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
        drop(control_socket(&path).unwrap());
        let socket = control_socket(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        drop(socket);
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(RuntimeDir::open(dir.path()).is_err());
    }
}
