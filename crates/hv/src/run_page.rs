//! The pages that KVM and a processor's thread share: why the guest stopped, and the bytes of its accesses.

#![allow(unsafe_code)]

use std::mem::offset_of;

use kvm_bindings::{KVM_EXIT_IO, KVM_EXIT_IO_OUT, KVM_EXIT_MMIO, kvm_run};
use kvm_ioctls::VcpuFd;

use crate::{Bytes, Space};

/// An access of the guest that is being carried out: one item after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    pub space: Space,
    pub address: u64,
    pub write: bool,
    /// Bytes of one item.
    size: usize,
    /// Items that are left.
    left: usize,
    /// Where the next item is in the shared pages.
    at: usize,
}

impl Transfer {
    /// The access for which the guest has stopped, if it is one.
    pub fn of(vcpu: &mut VcpuFd) -> Option<Self> {
        let run = vcpu.get_kvm_run();
        match run.exit_reason {
            KVM_EXIT_IO => Some(Self::of_port(run)),
            KVM_EXIT_MMIO => Some(Self::of_memory(run)),
            _ => None,
        }
    }

    fn of_port(run: &kvm_run) -> Self {
        // SAFETY: the exit reason says that the kernel has filled this member.
        let io = unsafe { run.__bindgen_anon_1.io };
        Self {
            space: Space::Port,
            address: io.port.into(),
            write: u32::from(io.direction) == KVM_EXIT_IO_OUT,
            size: io.size.into(),
            left: io.count as usize,
            at: io.data_offset as usize,
        }
    }

    fn of_memory(run: &kvm_run) -> Self {
        // SAFETY: the exit reason says that the kernel has filled this member.
        let mmio = unsafe { run.__bindgen_anon_1.mmio };
        let data = offset_of!(kvm_run, __bindgen_anon_1.mmio.data);
        Self {
            space: Space::Memory,
            address: mmio.phys_addr,
            write: mmio.is_write != 0,
            size: mmio.len as usize,
            left: 1,
            at: data,
        }
    }

    /// Whether an item is left.
    pub fn pending(&self) -> bool {
        self.left > 0
    }

    /// The next item, as the guest wrote it or as many ones.
    pub fn item(&self, vcpu: &mut VcpuFd, pages: usize) -> Bytes {
        bytes(vcpu, pages).get(self.range()).map_or(Bytes::ones(self.size), Bytes::new)
    }

    /// Puts the answer to the next item, if it is a read, and passes on to the one after it.
    pub fn finish_item(&mut self, vcpu: &mut VcpuFd, pages: usize, answer: Bytes) {
        if !self.write
            && let Some(to) = bytes(vcpu, pages).get_mut(self.range())
        {
            to.fill(0xFF);
            to.iter_mut().zip(answer.as_slice()).for_each(|(to, from)| *to = *from);
        }
        self.at = self.at.saturating_add(self.size);
        self.left = self.left.saturating_sub(1);
    }

    fn range(&self) -> std::ops::Range<usize> {
        self.at..self.at.saturating_add(self.size)
    }
}

/// The hardware's reason; only for `KVM_EXIT_FAIL_ENTRY`.
pub(crate) fn entry_failure(run: &kvm_run) -> u64 {
    // SAFETY: every bit pattern is a valid value of this member.
    unsafe { run.__bindgen_anon_1.fail_entry.hardware_entry_failure_reason }
}

/// KVM's number for its problem; only for `KVM_EXIT_INTERNAL_ERROR`.
pub(crate) fn internal_error(run: &kvm_run) -> u32 {
    // SAFETY: every bit pattern is a valid value of this member.
    unsafe { run.__bindgen_anon_1.internal.suberror }
}

/// The guest's physical address; only for `KVM_EXIT_MEMORY_FAULT`.
pub(crate) fn memory_fault(run: &kvm_run) -> u64 {
    // SAFETY: every bit pattern is a valid value of this member.
    unsafe { run.__bindgen_anon_1.memory_fault.gpa }
}

/// The shared pages as bytes; `pages` is the size with which they were mapped.
fn bytes(vcpu: &mut VcpuFd, pages: usize) -> &mut [u8] {
    let start = std::ptr::from_mut(vcpu.get_kvm_run()).cast::<u8>();
    // SAFETY: the mapping has this size and lives as long as `vcpu`, which is borrowed for as long as the
    // slice. The kernel touches it only during KVM_RUN, which needs the same exclusive borrow.
    unsafe { std::slice::from_raw_parts_mut(start, pages) }
}
