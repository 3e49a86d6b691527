//! A file that is loaded into the guest: reads that can not leave the file.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use virtio::GuestRam;
use vm_memory::{Address, Bytes, GuestAddress, GuestMemoryError};

use super::BootError;

/// The most bytes of one read, well below what the system call takes at once (2 GiB less a page).
const CHUNK: usize = 1 << 30;

/// A file, its length when it was opened, and what to call it in errors.
pub(super) struct Image<'a> {
    name: &'static str,
    file: &'a File,
    len: u64,
}

impl<'a> Image<'a> {
    pub(super) fn new(name: &'static str, file: &'a File) -> Result<Self, BootError> {
        let metadata = file.metadata().map_err(|source| BootError::Read { name, source })?;
        Ok(Self { name, file, len: metadata.len() })
    }

    /// The length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Up to eight bytes from the start.
    pub(super) fn beginning(&self) -> Result<Vec<u8>, BootError> {
        let mut bytes = vec![0; usize::try_from(self.len).unwrap_or(usize::MAX).min(8)];
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Whether these bytes are at `offset`. A file that is too short has others.
    pub(super) fn starts_with(&self, offset: u64, bytes: &[u8; 4]) -> Result<bool, BootError> {
        let mut found = [0; 4];
        match self.read(offset, &mut found) {
            Err(BootError::Truncated { .. }) => Ok(false),
            result => result.map(|()| found == *bytes),
        }
    }

    /// Fills `bytes` from `offset`.
    pub(super) fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), BootError> {
        self.check(offset, bytes.len() as u64)?;
        self.file.read_exact_at(bytes, offset).map_err(|source| self.error(source))
    }

    /// Fails unless the file has `len` bytes at `offset`.
    pub(super) fn check(&self, offset: u64, len: u64) -> Result<(), BootError> {
        let needed = offset.saturating_add(len);
        if needed > self.len {
            return Err(BootError::Truncated { name: self.name, len: self.len, needed });
        }
        Ok(())
    }

    /// Reads `len` bytes at `offset` into guest memory at `address`, without a copy between.
    pub(super) fn copy_to(
        &self,
        memory: &GuestRam,
        offset: u64,
        len: u64,
        address: GuestAddress,
    ) -> Result<(), BootError> {
        self.check(offset, len)?;
        let mut file = self.file;
        file.seek(SeekFrom::Start(offset)).map_err(|source| self.error(source))?;
        let mut done = 0;
        while done < len {
            let to = address.unchecked_add(done);
            let rest = usize::try_from(len.saturating_sub(done)).unwrap_or(CHUNK).min(CHUNK);
            match memory.read_volatile_from(to, &mut file, rest) {
                Ok(0) => return Err(self.error(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => done = done.saturating_add(read as u64),
                Err(GuestMemoryError::IOError(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(GuestMemoryError::IOError(error)) => return Err(self.error(error)),
                Err(error) => return Err(BootError::Memory(error)),
            }
        }
        Ok(())
    }

    fn error(&self, source: io::Error) -> BootError {
        BootError::Read { name: self.name, source }
    }
}
