//! A file that is loaded into the guest: reads that can not leave the file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use virtio::GuestRam;
use vm_memory::{Address, Bytes, GuestAddress, GuestMemoryError};

use super::BootError;

/// The most bytes of one read, well below what the system call takes at once (2 GiB less a page).
const CHUNK: usize = 1 << 30;

/// A file, its length when it was opened, and what to call it in errors.
pub(super) struct Image<'a> {
    name: &'static str,
    content: Content<'a>,
    len: u64,
}

/// Where the bytes are.
enum Content<'a> {
    File(&'a File),
    /// What was in a packed file.
    Bytes(Vec<u8>),
}

impl<'a> Image<'a> {
    pub(super) fn new(name: &'static str, file: &'a File) -> Result<Self, BootError> {
        let metadata = file.metadata().map_err(|source| BootError::Read { name, source })?;
        Ok(Self { name, content: Content::File(file), len: metadata.len() })
    }

    /// What is in memory already.
    pub(super) fn of_bytes(name: &'static str, bytes: Vec<u8>) -> Self {
        Self { name, len: bytes.len() as u64, content: Content::Bytes(bytes) }
    }

    /// The length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Up to eight bytes from the start.
    pub(super) fn beginning(&self) -> Result<Vec<u8>, BootError> {
        self.first(8)
    }

    /// Up to `limit` bytes from the start.
    pub(super) fn first(&self, limit: usize) -> Result<Vec<u8>, BootError> {
        let mut bytes = vec![0; usize::try_from(self.len).unwrap_or(usize::MAX).min(limit)];
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Whether these bytes are at `offset`. A file that is too short has others.
    pub(super) fn starts_with<const N: usize>(
        &self,
        offset: u64,
        bytes: &[u8; N],
    ) -> Result<bool, BootError> {
        let mut found = [0; N];
        match self.read(offset, &mut found) {
            Err(BootError::Truncated { .. }) => Ok(false),
            result => result.map(|()| found == *bytes),
        }
    }

    /// Fills `bytes` from `offset`.
    pub(super) fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), BootError> {
        self.check(offset, bytes.len() as u64)?;
        match &self.content {
            Content::File(file) => file.read_exact_at(bytes, offset).map_err(|source| self.error(source)),
            Content::Bytes(all) => {
                let from = all.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
                bytes.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                Ok(())
            }
        }
    }

    /// Fails unless the file has `len` bytes at `offset`.
    pub(super) fn check(&self, offset: u64, len: u64) -> Result<(), BootError> {
        let needed = offset.saturating_add(len);
        if needed > self.len {
            return Err(BootError::Truncated { name: self.name, len: self.len, needed });
        }
        Ok(())
    }

    /// All of it from the start, piece by piece.
    pub(super) fn stream(&self) -> Result<Box<dyn Read + '_>, BootError> {
        match &self.content {
            Content::File(file) => {
                let mut file: &File = file;
                file.seek(SeekFrom::Start(0)).map_err(|source| self.error(source))?;
                Ok(Box::new(file))
            }
            Content::Bytes(bytes) => Ok(Box::new(bytes.as_slice())),
        }
    }

    /// Puts `len` bytes from `offset` into guest memory at `address`; those of a file without a copy between.
    pub(super) fn copy_to(
        &self,
        memory: &GuestRam,
        offset: u64,
        len: u64,
        address: GuestAddress,
    ) -> Result<(), BootError> {
        self.check(offset, len)?;
        match &self.content {
            Content::File(file) => self.read_to(file, memory, offset, len, address),
            Content::Bytes(all) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let end = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
                let bytes = all.get(start..end).unwrap_or_default();
                memory.write_slice(bytes, address).map_err(BootError::Memory)
            }
        }
    }

    fn read_to(
        &self,
        mut file: &File,
        memory: &GuestRam,
        offset: u64,
        len: u64,
        address: GuestAddress,
    ) -> Result<(), BootError> {
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
