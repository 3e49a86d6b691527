//! One virtual processor.

use std::io::ErrorKind;
use std::sync::Arc;

use kvm_bindings::{
    KVM_EXIT_FAIL_ENTRY, KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_INTR, KVM_EXIT_MEMORY_FAULT, KVM_EXIT_SHUTDOWN,
};
use kvm_ioctls::VcpuFd;
use vm_memory::{Bytes as _, GuestAddress};

use crate::kick::{self, Armed};
use crate::run_page::{self, Transfer};
use crate::vm::Inner;
use crate::{Bytes, Entry, Error, Exit, Failure};

/// What runs a guest's instructions.
pub trait Processor: Send {
    /// Runs the guest until something has to be done for it. `entry` answers the exit before; the first time
    /// it is [`Entry::Resume`]. A failed processor fails again.
    fn run(&mut self, entry: Entry) -> Exit;

    /// Has the next [`Processor::run`] complete what the guest has begun and return
    /// [`Exit::Interrupted`], unless completing leads to another exit first.
    fn leave(&mut self);
}

/// A virtual processor of KVM's. All calls of [`Processor::run`] come from one thread.
///
/// System calls after the start: `ioctl(KVM_RUN)`; after a failure also `KVM_GET_REGS` and `KVM_TRANSLATE`;
/// while it does not run, whoever holds it reads and replaces its state (`KVM_GET_*`, `KVM_SET_*`).
pub struct Vcpu {
    pub(crate) fd: VcpuFd,
    /// Keeps the guest's memory and the machine for as long as the processor.
    pub(crate) vm: Arc<Inner>,
    transfer: Option<Transfer>,
    leave: bool,
}

impl Vcpu {
    pub(crate) fn new(fd: VcpuFd, vm: Arc<Inner>) -> Self {
        Self { fd, vm, transfer: None, leave: false }
    }

    /// Takes the answer to the item that was reported last, if there is one.
    fn take(&mut self, entry: Entry) {
        let answer = match entry {
            Entry::Data(data) => data,
            Entry::Resume => Bytes::ones(0),
        };
        if let Some(transfer) = &mut self.transfer {
            transfer.finish_item(&mut self.fd, self.vm.run_size, answer);
        }
    }

    /// The next item of the access under way.
    fn next_item(&mut self) -> Option<Exit> {
        self.transfer = self.transfer.filter(Transfer::pending);
        let transfer = self.transfer?;
        let data = transfer.item(&mut self.fd, self.vm.run_size);
        let (space, address) = (transfer.space, transfer.address);
        Some(match transfer.write {
            true => Exit::Write { space, address, data },
            false => Exit::Read { space, address, len: data.as_slice().len() as u8 },
        })
    }

    /// One call. Says whether it came back with an exit reason (`Ok(true)`), was interrupted, or failed.
    fn enter(&mut self) -> Result<bool, Failure> {
        let armed = Armed::new(&mut self.fd);
        if self.leave {
            self.fd.set_kvm_immediate_exit(1);
        }
        let result = self.fd.run().map(|_| ());
        drop(armed);
        let Err(errno) = result else { return Ok(true) };
        match std::io::Error::from(errno) {
            error if error.kind() == ErrorKind::Interrupted => {
                self.fd.set_kvm_immediate_exit(0);
                self.leave = false;
                kick::forget();
                Ok(false)
            }
            source => Err(Failure::Call(Error::Call { call: "run a virtual processor", source })),
        }
    }

    /// What the exit reason in the shared page means.
    fn exit(&mut self) -> Option<Exit> {
        self.transfer = Transfer::of(&mut self.fd);
        if self.transfer.is_some() {
            return self.next_item();
        }
        match self.fd.get_kvm_run().exit_reason {
            // A signal that was no kick of ours: go on.
            KVM_EXIT_INTR => None,
            KVM_EXIT_SHUTDOWN => Some(Exit::Shutdown),
            KVM_EXIT_FAIL_ENTRY => Some(Exit::Failed(self.entry_failure())),
            KVM_EXIT_INTERNAL_ERROR => Some(Exit::Failed(self.internal_failure())),
            KVM_EXIT_MEMORY_FAULT => {
                let address = run_page::memory_fault(self.fd.get_kvm_run());
                Some(Exit::Failed(Failure::Memory { address }))
            }
            other => Some(Exit::Failed(Failure::Unexpected(other))),
        }
    }

    fn entry_failure(&mut self) -> Failure {
        Failure::Entry { reason: run_page::entry_failure(self.fd.get_kvm_run()), rip: self.rip() }
    }

    fn internal_failure(&mut self) -> Failure {
        let suberror = run_page::internal_error(self.fd.get_kvm_run());
        let rip = self.rip();
        Failure::Internal { suberror, rip, code: self.code(rip) }
    }

    fn rip(&self) -> u64 {
        self.fd.get_regs().map_or(0, |regs| regs.rip)
    }

    /// The guest's instruction at this address, at most 15 bytes, less at the end of a page.
    fn code(&self, rip: u64) -> Vec<u8> {
        const LONGEST: u64 = 15;
        const PAGE: u64 = 4096;
        let base = self.fd.get_sregs().map_or(0, |sregs| sregs.cs.base);
        let linear = base.wrapping_add(rip);
        let Ok(place) = self.fd.translate_gva(linear) else { return Vec::new() };
        let mut code = vec![0; LONGEST.min(PAGE - linear % PAGE) as usize];
        match self.vm.memory.read_slice(&mut code, GuestAddress(place.physical_address)) {
            Ok(()) if place.valid != 0 => code,
            _ => Vec::new(),
        }
    }
}

impl Processor for Vcpu {
    fn run(&mut self, entry: Entry) -> Exit {
        self.take(entry);
        if let Some(exit) = self.next_item() {
            return exit;
        }
        loop {
            match self.enter() {
                Ok(true) => {
                    if let Some(exit) = self.exit() {
                        return exit;
                    }
                }
                Ok(false) => return Exit::Interrupted,
                // A processor that waited to be started has been: enter again.
                Err(Failure::Call(Error::Call { source, .. })) if source.kind() == ErrorKind::WouldBlock => {}
                Err(failure) => return Exit::Failed(failure),
            }
        }
    }

    fn leave(&mut self) {
        self.leave = true;
    }
}
