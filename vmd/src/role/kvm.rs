//! The requests to KVM, by number (linux/kvm.h).

use libc::SYS_ioctl;
use privsep::sandbox::{Rule, allow_if, arg};

/// Running a processor, and finding out why it could not.
pub const PROCESSOR: &[Rule] = &[
    allow_if(SYS_ioctl, &[arg(1).one_of(&[KVM_RUN])], "let the guest run until its next exit"),
    allow_if(
        SYS_ioctl,
        &[arg(1).one_of(&[KVM_GET_REGS, KVM_GET_SREGS, KVM_TRANSLATE])],
        "where the guest was when it could not go on",
    ),
];

/// Interrupts and doorbells, which the guest moves while it runs.
pub const INTERRUPTS: &[Rule] = &[allow_if(
    SYS_ioctl,
    &[arg(1).one_of(&[KVM_IRQ_LINE, KVM_IRQFD, KVM_IOEVENTFD, KVM_SET_GSI_ROUTING])],
    "interrupt lines and messages, doorbells",
)];

/// Memory, which firmware has the machine show and hide, and a reset shows again.
pub const MEMORY: &[Rule] = &[allow_if(
    SYS_ioctl,
    &[arg(1).one_of(&[KVM_SET_USER_MEMORY_REGION])],
    "the firmware's ROM or RAM below 1 MiB, as the host bridge's registers say; its flash chip's array",
)];

/// The interrupt pin of a device, which its own thread drives.
pub const PIN: &[Rule] =
    &[allow_if(SYS_ioctl, &[arg(1).one_of(&[KVM_IRQ_LINE])], "the guest's driver does without messages")];

/// Back to the power-on state.
pub const RESET: &[Rule] = &[
    allow_if(
        SYS_ioctl,
        &[arg(1).one_of(&[
            KVM_SET_REGS,
            KVM_SET_SREGS,
            KVM_SET_MSRS,
            KVM_SET_LAPIC,
            KVM_GET_MP_STATE,
            KVM_SET_MP_STATE,
            KVM_SET_VCPU_EVENTS,
            KVM_SET_DEBUGREGS,
            KVM_SET_XSAVE,
            KVM_SET_XCRS,
        ])],
        "power-on state of a processor",
    ),
    allow_if(
        SYS_ioctl,
        &[arg(1).one_of(&[KVM_GET_REGS, KVM_GET_SREGS])],
        "what the state at the kernel's entry has in common with that",
    ),
    allow_if(
        SYS_ioctl,
        &[arg(1).one_of(&[KVM_SET_IRQCHIP, KVM_SET_PIT2])],
        "power-on state of the interrupt controllers and the timer",
    ),
];

/// Going on after a pause.
pub const PAUSE: &[Rule] = &[
    allow_if(
        SYS_ioctl,
        &[arg(1).one_of(&[KVM_GET_CLOCK, KVM_SET_CLOCK, KVM_KVMCLOCK_CTRL])],
        "the clock of a guest that stands still does not run on",
    ),
    allow_if(
        SYS_ioctl,
        &[arg(1).one_of(&[KVM_HAS_DEVICE_ATTR, KVM_GET_DEVICE_ATTR, KVM_SET_DEVICE_ATTR])],
        "nor do the counters of its processors",
    ),
];

/// Making a machine.
pub const SETUP: &[Rule] = &[
    allow_if(
        SYS_ioctl,
        &[arg(1).one_of(&[
            KVM_GET_API_VERSION,
            KVM_CHECK_EXTENSION,
            KVM_GET_VCPU_MMAP_SIZE,
            KVM_GET_SUPPORTED_CPUID,
            KVM_GET_MSR_INDEX_LIST,
        ])],
        "what this host can do",
    ),
    allow_if(
        SYS_ioctl,
        &[arg(1).one_of(&[
            KVM_CREATE_VM,
            KVM_SET_USER_MEMORY_REGION,
            KVM_SET_TSS_ADDR,
            KVM_SET_IDENTITY_MAP_ADDR,
            KVM_CREATE_IRQCHIP,
            KVM_CREATE_PIT2,
        ])],
        "the machine, its memory, its interrupt controllers and timer",
    ),
    allow_if(
        SYS_ioctl,
        &[arg(1).one_of(&[KVM_CREATE_VCPU, KVM_SET_CPUID2])],
        "the processors and what they say that they can do",
    ),
    allow_if(
        SYS_ioctl,
        &[arg(1).one_of(&[
            KVM_GET_MSRS,
            KVM_GET_LAPIC,
            KVM_GET_VCPU_EVENTS,
            KVM_GET_DEBUGREGS,
            KVM_GET_XSAVE,
            KVM_GET_XCRS,
            KVM_GET_IRQCHIP,
            KVM_GET_PIT2,
        ])],
        "the power-on state, to go back to",
    ),
];

/// The requests' type, `KVMIO`.
const KVMIO: u32 = 0xae;

/// A request without an argument that is pointed to (`_IO` of asm-generic/ioctl.h).
const fn plain(number: u32) -> u32 {
    KVMIO << 8 | number
}

/// A request that the kernel reads `size` bytes for (`_IOW`).
const fn takes(number: u32, size: u32) -> u32 {
    1 << 30 | size << 16 | plain(number)
}

/// A request that the kernel answers with `size` bytes (`_IOR`).
const fn gives(number: u32, size: u32) -> u32 {
    2 << 30 | size << 16 | plain(number)
}

/// A request with `size` bytes both ways (`_IOWR`).
const fn exchanges(number: u32, size: u32) -> u32 {
    3 << 30 | size << 16 | plain(number)
}

const KVM_GET_API_VERSION: u32 = plain(0x00);
const KVM_CREATE_VM: u32 = plain(0x01);
const KVM_GET_MSR_INDEX_LIST: u32 = exchanges(0x02, 4);
const KVM_CHECK_EXTENSION: u32 = plain(0x03);
const KVM_GET_VCPU_MMAP_SIZE: u32 = plain(0x04);
const KVM_GET_SUPPORTED_CPUID: u32 = exchanges(0x05, 8);

const KVM_CREATE_VCPU: u32 = plain(0x41);
const KVM_SET_USER_MEMORY_REGION: u32 = takes(0x46, 32);
const KVM_SET_TSS_ADDR: u32 = plain(0x47);
const KVM_SET_IDENTITY_MAP_ADDR: u32 = takes(0x48, 8);
const KVM_CREATE_IRQCHIP: u32 = plain(0x60);
const KVM_IRQ_LINE: u32 = takes(0x61, 8);
const KVM_GET_IRQCHIP: u32 = exchanges(0x62, 520);
/// Declared the wrong way round in the kernel's header.
const KVM_SET_IRQCHIP: u32 = gives(0x63, 520);
const KVM_SET_GSI_ROUTING: u32 = takes(0x6a, 8);
const KVM_IRQFD: u32 = takes(0x76, 32);
const KVM_CREATE_PIT2: u32 = takes(0x77, 64);
const KVM_IOEVENTFD: u32 = takes(0x79, 64);
const KVM_SET_CLOCK: u32 = takes(0x7b, 48);
const KVM_GET_CLOCK: u32 = gives(0x7c, 48);
const KVM_GET_PIT2: u32 = gives(0x9f, 112);
const KVM_SET_PIT2: u32 = takes(0xa0, 112);

const KVM_RUN: u32 = plain(0x80);
const KVM_GET_REGS: u32 = gives(0x81, 144);
const KVM_SET_REGS: u32 = takes(0x82, 144);
const KVM_GET_SREGS: u32 = gives(0x83, 312);
const KVM_SET_SREGS: u32 = takes(0x84, 312);
const KVM_TRANSLATE: u32 = exchanges(0x85, 24);
const KVM_GET_MSRS: u32 = exchanges(0x88, 8);
const KVM_SET_MSRS: u32 = takes(0x89, 8);
const KVM_GET_LAPIC: u32 = gives(0x8e, 1024);
const KVM_SET_LAPIC: u32 = takes(0x8f, 1024);
const KVM_SET_CPUID2: u32 = takes(0x90, 8);
const KVM_GET_MP_STATE: u32 = gives(0x98, 4);
const KVM_SET_MP_STATE: u32 = takes(0x99, 4);
const KVM_GET_VCPU_EVENTS: u32 = gives(0x9f, 64);
const KVM_SET_VCPU_EVENTS: u32 = takes(0xa0, 64);
const KVM_GET_DEBUGREGS: u32 = gives(0xa1, 128);
const KVM_SET_DEBUGREGS: u32 = takes(0xa2, 128);
const KVM_GET_XSAVE: u32 = gives(0xa4, 4096);
const KVM_SET_XSAVE: u32 = takes(0xa5, 4096);
const KVM_GET_XCRS: u32 = gives(0xa6, 392);
const KVM_SET_XCRS: u32 = takes(0xa7, 392);
const KVM_KVMCLOCK_CTRL: u32 = plain(0xad);
const KVM_SET_DEVICE_ATTR: u32 = takes(0xe1, 24);
const KVM_GET_DEVICE_ATTR: u32 = takes(0xe2, 24);
const KVM_HAS_DEVICE_ATTR: u32 = takes(0xe3, 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_numbers_of_the_kernels_header() {
        // One of each form, and the odd one, as a C program prints them that includes linux/kvm.h.
        assert_eq!(KVM_RUN, 0xae80);
        assert_eq!(KVM_SET_USER_MEMORY_REGION, 0x4020_ae46);
        assert_eq!(KVM_GET_REGS, 0x8090_ae81);
        assert_eq!(KVM_GET_SUPPORTED_CPUID, 0xc008_ae05);
        assert_eq!(KVM_SET_IRQCHIP, 0x8208_ae63);
    }
}
