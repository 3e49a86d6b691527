//! What a processor reports when it stops running the guest, and what it is told to go on.

use crate::Error;

/// One or two hands full of bytes: what one access of a processor carries, 1 to 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Bytes {
    /// The most that one access carries.
    pub const MAX: usize = 8;

    /// The first [`Bytes::MAX`] bytes of `data`.
    pub fn new(data: &[u8]) -> Self {
        let mut new = Self::ones(data.len());
        new.as_mut_slice().iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        new
    }

    /// `len` bytes that are all ones, as a bus on which nobody answers.
    pub fn ones(len: usize) -> Self {
        Self { bytes: [0xFF; Self::MAX], len: len.min(Self::MAX) as u8 }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }

    /// The bytes, to change them.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len.into()).unwrap_or_default()
    }
}

/// The address space of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// Ports, 0 to 0xFFFF.
    Port,
    /// Physical memory where no RAM is.
    Memory,
}

/// Why a processor stopped running the guest.
#[derive(Debug)]
pub enum Exit {
    /// The guest reads. Answer with [`Entry::Data`]. An instruction that repeats gives one exit for each
    /// item.
    Read {
        /// Where.
        space: Space,
        /// Which address, any.
        address: u64,
        /// How many bytes, 1 to 8.
        len: u8,
    },
    /// The guest writes.
    Write {
        /// Where.
        space: Space,
        /// Which address, any.
        address: u64,
        /// What.
        data: Bytes,
    },
    /// It was kicked, or told to leave. Whatever the guest had begun (an access that was answered before) is
    /// complete: the processor's state can be read and replaced.
    Interrupted,
    /// The guest is in a state that resets a real processor (a triple fault).
    Shutdown,
    /// It can not go on.
    Failed(Failure),
}

/// How a processor goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Nothing was asked, or what was asked is done.
    Resume,
    /// What the guest reads. Bytes that are missing are ones.
    Data(Bytes),
}

/// Why a processor can not go on.
#[derive(Debug)]
pub enum Failure {
    /// KVM had to carry out an instruction itself and does not know it, or met another inner problem.
    Internal {
        /// KVM's number for the kind of problem; 1 is an instruction that it can not emulate.
        suberror: u32,
        /// Where the guest was.
        rip: u64,
        /// The guest's code there, as far as it could be read; at most 15 bytes.
        code: Vec<u8>,
    },
    /// The hardware refused to enter the guest.
    Entry {
        /// The hardware's reason (Intel: basic exit reason of the VM-entry failure; AMD: exit code).
        reason: u64,
        /// Where the guest was.
        rip: u64,
    },
    /// The guest's memory could not be had from the host.
    Memory {
        /// The guest's physical address.
        address: u64,
    },
    /// A reason that this program does not know or never asked for.
    Unexpected(u32),
    /// The call itself failed.
    Call(Error),
}

impl Failure {
    /// [`Failure::Internal`]'s number for an instruction that KVM can not emulate.
    pub const EMULATION: u32 = 1;
}
