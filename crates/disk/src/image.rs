//! Opened images.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;
use std::sync::{Arc, Once};

use crate::BlockBackend;
use crate::blocking::Blocking;
use crate::uring::Uring;

/// The unit of a disk's size in bytes.
pub const SECTOR: u64 = 512;

/// A raw image: a regular file or a block device that holds the bytes of the disk and nothing else.
#[derive(Debug)]
pub struct RawImage {
    file: Arc<File>,
    capacity: u64,
}

/// Why a file cannot serve as an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A directory, a pipe, a terminal…
    #[error("not a disk image: neither a regular file nor a block device")]
    Kind,
    /// Less than one sector.
    #[error("the disk image is empty: a disk has at least {SECTOR} bytes")]
    Empty,
    /// The host does not tell.
    #[error("cannot get the size of the disk image: {0}")]
    Size(io::Error),
}

impl RawImage {
    /// Takes an image that is open for reading and writing. What follows the last whole sector is left alone.
    ///
    /// # Errors
    /// [`ImageError`] if it is no image, or an empty one.
    pub fn from_fd(mut file: File) -> Result<Self, ImageError> {
        let kind = file.metadata().map_err(ImageError::Size)?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(ImageError::Kind);
        }
        // The metadata of a block device has no size, its end has.
        let size = file.seek(SeekFrom::End(0)).map_err(ImageError::Size)?;
        let capacity = size.saturating_sub(size.checked_rem(SECTOR).unwrap_or(0));
        if capacity == 0 {
            return Err(ImageError::Empty);
        }
        Ok(Self { file: Arc::new(file), capacity })
    }

    /// The size of the disk in bytes, a multiple of [`SECTOR`].
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// An engine for the image with up to `depth` requests in flight: io_uring where the host allows it, else
    /// one that does one request after the other. Which of them is said in the log, once.
    pub fn backend(&self, depth: u16) -> Box<dyn BlockBackend> {
        match Uring::new(self.file.clone(), self.capacity, depth) {
            Ok(engine) => Box::new(engine),
            Err(error) => {
                warn_refused(&error);
                self.blocking_backend(depth)
            }
        }
    }

    /// The engine that needs nothing of the host but reading and writing.
    pub fn blocking_backend(&self, depth: u16) -> Box<dyn BlockBackend> {
        Box::new(Blocking::new(self.file.clone(), self.capacity, depth))
    }

    /// A handle that makes the image durable at the end.
    pub fn syncer(&self) -> Syncer {
        Syncer { file: self.file.clone() }
    }
}

fn warn_refused(error: &io::Error) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::warn!(
            "io_uring is not available ({error}); disks do one request at a time. \
             See /proc/sys/kernel/io_uring_disabled"
        );
    });
}

/// Makes an image durable, from any thread.
#[derive(Clone, Debug)]
pub struct Syncer {
    file: Arc<File>,
}

impl Syncer {
    /// Waits until everything that was written to the image survives a power failure of the host.
    ///
    /// # Errors
    /// What the host could not write. It is lost to a later call too.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
#[path = "image_test.rs"]
mod tests;
