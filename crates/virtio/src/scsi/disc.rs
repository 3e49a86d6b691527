//! A disc: an image of 2048-byte blocks, open for reading.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};

use super::command::{BLOCK, Blocks};

/// What fits on a CD of 80 minutes, in blocks. A larger image is a DVD to the guest.
const CD_BLOCKS: u64 = 80 * 60 * 75;

/// An image in a drive.
#[derive(Debug)]
pub(super) struct Disc {
    image: File,
    /// In bytes; what is missing of the last block reads as zeroes.
    size: u64,
}

impl Disc {
    /// Takes an image.
    ///
    /// # Errors
    /// It is neither a regular file nor a block device, or empty, or the host does not tell its size.
    pub fn from_fd(mut image: File) -> io::Result<Self> {
        let kind = image.metadata()?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(io::Error::other("not a disc image: neither a regular file nor a block device"));
        }
        // The metadata of a block device has no size, its end has.
        match image.seek(SeekFrom::End(0))? {
            0 => Err(io::Error::other("the disc image is empty")),
            size => Ok(Self { image, size }),
        }
    }

    /// Its size in blocks, at least one.
    pub fn blocks(&self) -> u64 {
        self.size.div_ceil(BLOCK)
    }

    /// Whether it is to be called a DVD.
    pub fn is_dvd(&self) -> bool {
        self.blocks() > CD_BLOCKS
    }

    /// Whether a range lies on the disc. An empty one may begin at its end.
    pub fn has(&self, range: Blocks) -> bool {
        range.first.checked_add(range.count).is_some_and(|end| end <= self.blocks())
    }

    /// Reads bytes; behind the end of the image there are zeroes.
    ///
    /// # Errors
    /// Those of the host.
    pub fn read(&self, offset: u64, data: &mut [u8]) -> io::Result<()> {
        let mut rest = data;
        let mut at = offset;
        while !rest.is_empty() {
            match self.image.read_at(rest, at) {
                Ok(0) => break,
                Ok(count) => {
                    at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                    rest = rest.get_mut(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        rest.fill(0);
        Ok(())
    }
}
