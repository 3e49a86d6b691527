//! A firmware image, and where the guest finds it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use hv::{Shown, Window};
use vm_memory::bitmap::BitmapSlice;
use vm_memory::{MmapRegion, VolatileMemory, VolatileSlice};

use crate::layout::{EXTENDED_RAM_START, FIRMWARE_ALIAS, FIRMWARE_MAX, HIGH_RAM_START};

/// A page, of which windows are made.
const PAGE: u64 = 4096;
/// The processor starts so many bytes before the end (Intel SDM volume 3, 11.1.4).
const RESET_VECTOR: usize = 16;
/// What a code that begins there can begin with: a jump, or `nop`, `cli` or `wbinvd` before it.
const FIRST_BYTES: [u8; 6] = [0xEA, 0xE9, 0xEB, 0x90, 0xFA, 0x0F];

/// Why a file is no firmware.
#[derive(Debug, thiserror::Error)]
pub enum FirmwareError {
    /// It could not be read.
    #[error("cannot read the firmware")]
    Read(#[source] io::Error),
    /// It is larger than there is room for.
    #[error("the firmware has {0} bytes, and at most {max} fit below 4 GiB", max = FIRMWARE_MAX)]
    TooLarge(u64),
    /// There is no code where a processor starts.
    #[error("this is no firmware: a PC starts 16 bytes before its end, and there is no code")]
    NoCode,
    /// There is no memory for it.
    #[error("the host has no memory for the firmware")]
    Memory(#[source] io::Error),
    /// Somebody wants to tell it what only a kernel listens to.
    #[error("this boot image is firmware, which has no use for an initial RAM disk or a command line")]
    ForKernel,
}

/// Firmware in memory of its own, padded at its start to whole pages. The guest can not change it, so that a reset
/// does not have to read it again.
#[derive(Clone, Debug)]
pub(crate) struct Rom {
    memory: Arc<MmapRegion>,
}

impl Rom {
    /// Reads the firmware in this file.
    ///
    /// # Errors
    /// [`FirmwareError`]
    pub fn read(file: &File) -> Result<Self, FirmwareError> {
        let len = file.metadata().map_err(FirmwareError::Read)?.len();
        if len > FIRMWARE_MAX {
            return Err(FirmwareError::TooLarge(len));
        }
        let mut image = vec![0; usize::try_from(len).unwrap_or_default()];
        file.read_exact_at(&mut image, 0).map_err(FirmwareError::Read)?;
        if !is_code(&image) {
            return Err(FirmwareError::NoCode);
        }
        Self::new(&image).map_err(FirmwareError::Memory)
    }

    /// Takes an image that is not empty.
    pub fn new(image: &[u8]) -> io::Result<Self> {
        let size = image.len().next_multiple_of(PAGE as usize);
        let memory = MmapRegion::new(size).map_err(io::Error::other)?;
        let padding = size.saturating_sub(image.len());
        let all: VolatileSlice<'_, _> = memory.as_volatile_slice();
        copy(&all.offset(padding).map_err(io::Error::other)?, image);
        Ok(Self { memory: Arc::new(memory) })
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.memory.size() as u64
    }

    /// All of it, up to 4 GiB.
    pub fn window(&self) -> Window {
        let len = self.size();
        let address = HIGH_RAM_START.saturating_sub(len);
        Window { address, len, shows: Shown::Memory(self.memory.clone(), 0), writable: false }
    }

    /// What shows the bytes that belong at `address` below 1 MiB; `None` where there are none.
    pub fn below_1_mib(&self, address: u64) -> Option<Shown> {
        self.offset(address).map(|offset| Shown::Memory(self.memory.clone(), offset))
    }

    /// The byte at `address` below 1 MiB.
    pub fn byte_below_1_mib(&self, address: u64) -> Option<u8> {
        let offset = usize::try_from(self.offset(address)?).ok()?;
        let mut byte = [0];
        self.memory.as_volatile_slice().offset(offset).ok()?.copy_to(&mut byte);
        Some(byte[0])
    }

    /// The offset of what is at `address` below 1 MiB.
    fn offset(&self, address: u64) -> Option<u64> {
        if !(FIRMWARE_ALIAS..EXTENDED_RAM_START).contains(&address) {
            return None;
        }
        self.size().checked_sub(EXTENDED_RAM_START.saturating_sub(address))
    }
}

fn copy(to: &VolatileSlice<'_, impl BitmapSlice>, from: &[u8]) {
    to.copy_from(from);
}

/// Whether a processor that starts with this image finds something to do.
pub(crate) fn is_code(image: &[u8]) -> bool {
    let first = image.len().checked_sub(RESET_VECTOR).and_then(|at| image.get(at));
    first.is_some_and(|byte| FIRST_BYTES.contains(byte))
}
