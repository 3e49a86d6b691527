//! The lock that keeps a second writer away from an image.
//!
//! It follows the convention of QEMU's file driver, so that QEMU and its tools keep away from our images and
//! we from theirs: for each right that a user of an image has, it holds a shared lock on one byte of the file;
//! for each right that it allows nobody else, on another byte. Whoever comes checks the opposite bytes. The locks
//! belong to the open file (`F_OFD_SETLK`): they go along when the descriptor is passed on, and end with its
//! last copy.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// The byte for right 0 in use; right *n* is *n* bytes further.
const USED: i64 = 100;
/// The byte for right 0 that is not shared.
const UNSHARED: i64 = 200;

/// Reading what was last written.
const CONSISTENT_READ: i64 = 0;
/// Writing.
const WRITE: i64 = 1;
/// Changing the size.
const RESIZE: i64 = 3;

/// The rights that the only writer of an image needs.
const WRITER: [i64; 2] = [CONSISTENT_READ, WRITE];
/// The rights that a reader needs.
const READER: [i64; 1] = [CONSISTENT_READ];
/// The rights that nobody else may have, whether one writes to an image or relies on what is in it.
const EXCLUSIVE: [i64; 2] = [WRITE, RESIZE];

/// Why an image could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody has it.
    #[error("{}: the disk image is in use by another virtual machine or program", .0.display())]
    InUse(PathBuf),
    /// The host refused.
    #[error("{path}: cannot lock the disk image: {1}", path = .0.display())]
    System(PathBuf, io::Error),
}

/// Locks an image for its only writer, without waiting. `path` is what messages call it.
///
/// The lock lasts until the last copy of this open file is closed.
///
/// # Errors
/// [`LockError::InUse`] if anybody writes to the image or insists that nobody does.
pub fn lock_exclusive(image: &File, path: &Path) -> Result<(), LockError> {
    lock(image, path, &WRITER)
}

/// Locks an image for one of any number of readers, without waiting. It is enough that it is open for reading.
///
/// The lock lasts until the last copy of this open file is closed.
///
/// # Errors
/// [`LockError::InUse`] if anybody writes to the image.
pub fn lock_shared(image: &File, path: &Path) -> Result<(), LockError> {
    lock(image, path, &READER)
}

fn lock(image: &File, path: &Path, needed: &[i64]) -> Result<(), LockError> {
    let system = |error| LockError::System(path.to_owned(), error);
    // Take first, look afterwards: of two who come together both may fail, but never both succeed.
    let taken = needed.iter().map(|right| USED.saturating_add(*right));
    for byte in taken.chain(EXCLUSIVE.map(|right| UNSHARED.saturating_add(right))) {
        share(image, byte).map_err(|error| match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => LockError::InUse(path.to_owned()),
            _ => system(error),
        })?;
    }
    let opposed = needed.iter().map(|right| UNSHARED.saturating_add(*right));
    for byte in opposed.chain(EXCLUSIVE.map(|right| USED.saturating_add(right))) {
        if held_by_other(image, byte).map_err(system)? {
            return Err(LockError::InUse(path.to_owned()));
        }
    }
    Ok(())
}

/// Takes a shared lock on one byte.
fn share(image: &File, byte: i64) -> io::Result<()> {
    fcntl(image, libc::F_OFD_SETLK, &mut flock(libc::F_RDLCK, byte))
}

/// Whether another open file has any lock on a byte.
fn held_by_other(image: &File, byte: i64) -> io::Result<bool> {
    let mut lock = flock(libc::F_WRLCK, byte);
    fcntl(image, libc::F_OFD_GETLK, &mut lock)?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

fn flock(kind: i32, byte: i64) -> libc::flock {
    libc::flock {
        l_type: i16::try_from(kind).unwrap_or_default(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: byte,
        l_len: 1,
        // Has to be zero for locks of open files.
        l_pid: 0,
    }
}

fn fcntl(image: &File, command: i32, lock: &mut libc::flock) -> io::Result<()> {
    // SAFETY: the descriptor is open, and both lock commands read and write one `flock`, which `lock` is.
    match unsafe { libc::fcntl(image.as_raw_fd(), command, std::ptr::from_mut(lock)) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "lock_test.rs"]
mod tests;
