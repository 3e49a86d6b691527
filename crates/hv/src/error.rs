//! Why the kernel's hypervisor can not be used.

use std::io;

/// A refusal of KVM's, or a KVM that is not fit.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The device speaks another protocol.
    #[error("/dev/kvm speaks version {0} of its interface, not 12; this Linux kernel can not be used")]
    Version(i32),
    /// Something needed is not built into this kernel.
    #[error("KVM on this host lacks {0}; a newer Linux kernel is needed")]
    Capability(&'static str),
    /// The processor is taken.
    #[error(
        "KVM can not create a virtual machine: another hypervisor on this host (VirtualBox, VMware, Xen) \
         holds the processor's virtualisation; stop it and try again"
    )]
    Busy,
    /// The kernel is out of memory for its own tables.
    #[error("the host has not enough memory for KVM's own tables ({call})")]
    Memory {
        /// The call that failed.
        call: &'static str,
    },
    /// Any other refusal.
    #[error("KVM refused: {call}")]
    Call {
        /// What was asked.
        call: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl Error {
    /// Puts the call's name to the kernel's answer.
    pub(crate) fn of(call: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> Self {
        move |errno| match io::Error::from(errno) {
            source if source.kind() == io::ErrorKind::OutOfMemory => Self::Memory { call },
            source => Self::Call { call, source },
        }
    }
}
