//! `/dev/kvm`: is it fit, and what is it made of.

#![allow(unsafe_code)]

use std::arch::x86_64::__cpuid;
use std::fmt;
use std::io::ErrorKind;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use kvm_bindings::KVM_MAX_CPUID_ENTRIES;
use kvm_ioctls::{Cap, Kvm as KvmFd};
use rustix::io::Errno;
use vm_memory::GuestMemoryMmap;

use crate::vm::Features;
use crate::{Error, MemoryLayout, Vm, kick};

/// What runs the guest's privileged code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hardware {
    /// The processor's virtualisation: VMX or SVM.
    Native,
    /// Neither is there: this KVM carries out the guest's kernel instruction by instruction in software.
    Emulated,
}

impl Hardware {
    /// What this host's processor has (CPUID; needs no file).
    pub fn detect() -> Self {
        const VMX: u32 = 1 << 5;
        const SVM: u32 = 1 << 2;
        let extended = __cpuid(0x8000_0000).eax >= 0x8000_0001;
        let svm = extended && __cpuid(0x8000_0001).ecx & SVM != 0;
        match svm || __cpuid(1).ecx & VMX != 0 {
            true => Self::Native,
            false => Self::Emulated,
        }
    }
}

impl fmt::Display for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "hardware virtualisation",
            Self::Emulated => "software emulation (no VMX or SVM)",
        })
    }
}

/// `/dev/kvm`, open and checked.
pub struct Kvm {
    fd: KvmFd,
}

/// What a machine needs of the kernel, and its name for people.
const NEEDED: [(Cap, &str); 9] = [
    (Cap::UserMemory, "memory of a process as guest memory (KVM_CAP_USER_MEMORY)"),
    (Cap::ReadonlyMem, "memory that the guest can not write to (KVM_CAP_READONLY_MEM)"),
    (Cap::Irqchip, "interrupt controllers in the kernel (KVM_CAP_IRQCHIP)"),
    (Cap::Pit2, "an interval timer in the kernel (KVM_CAP_PIT2)"),
    (Cap::IrqRouting, "interrupt routing (KVM_CAP_IRQ_ROUTING)"),
    (Cap::Irqfd, "interrupts by event (KVM_CAP_IRQFD)"),
    (Cap::IoeventfdNoLength, "doorbells as events (KVM_CAP_IOEVENTFD_NO_LENGTH)"),
    (Cap::ImmediateExit, "leaving a guest at once (KVM_CAP_IMMEDIATE_EXIT)"),
    (Cap::ExtCpuid, "extended CPUID (KVM_CAP_EXT_CPUID)"),
];

impl Kvm {
    /// Takes `/dev/kvm`, open for reading and writing.
    ///
    /// # Errors
    /// The interface or something needed is missing.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, Error> {
        // SAFETY: the descriptor is open and owned, and its ownership goes over.
        let fd = unsafe { KvmFd::from_raw_fd(fd.into_raw_fd()) };
        match fd.get_api_version() {
            12 => {}
            other => return Err(Error::Version(other)),
        }
        for (cap, name) in NEEDED {
            if !fd.check_extension(cap) {
                return Err(Error::Capability(name));
            }
        }
        kick::prepare_kicks()?;
        Ok(Self { fd })
    }

    /// What runs the guest's privileged code on this host.
    pub fn hardware(&self) -> Hardware {
        Hardware::detect()
    }

    /// Makes a machine with this RAM, shown as `layout` says, and with the interrupt controllers (8259s, I/O
    /// APIC, local APICs) and the interval timer of a PC.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Memory`], or another refusal of KVM's.
    pub fn create_vm(&self, memory: GuestMemoryMmap<()>, layout: MemoryLayout) -> Result<Vm, Error> {
        let vm = self.fd.create_vm().map_err(create_error)?;
        Vm::new(vm, memory, self.features()?, layout)
    }

    fn features(&self) -> Result<Features, Error> {
        let fd = &self.fd;
        let cpuid = fd
            .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
            .map_err(Error::of("tell which processor features it supports"))?;
        let msrs = fd.get_msr_index_list().map_err(Error::of("tell which registers it saves"))?;
        let tsc_deadline = fd.check_extension(Cap::TscDeadlineTimer);
        Ok(Features { cpuid, tsc_deadline, msrs: msrs.as_slice().to_vec() })
    }
}

/// The two refusals that a user can do something about have words of their own.
fn create_error(errno: kvm_ioctls::Error) -> Error {
    let source = std::io::Error::from(errno);
    match source.kind() {
        ErrorKind::ResourceBusy => Error::Busy,
        _ if source.raw_os_error() == Some(Errno::NOMEM.raw_os_error()) => {
            Error::Memory { call: "create a virtual machine" }
        }
        _ => Error::Call { call: "create a virtual machine", source },
    }
}
