//! Why a machine can not be built, reset or halted.

use std::io;
use std::path::PathBuf;

use vm_memory::GuestMemoryError;

use crate::MemoryError;
use crate::acpi::AcpiError;
use crate::boot::BootError;
use crate::firmware::FirmwareError;
use crate::pci::PciError;

/// Why a machine could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// KVM is not fit, or refuses.
    #[error(transparent)]
    Kvm(#[from] hv::Error),
    /// There is no RAM for the guest.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The guest's system could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A disk can not be used.
    #[error("can not use {} as a disk", .path.display())]
    Disk {
        /// The image as the specification names it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The CD-ROM drive could not be made, or its disc can not be used.
    #[error("can not make the CD-ROM drive with its disc")]
    Cdrom(#[source] io::Error),
    /// A device could not be made.
    #[error("can not make the {device} of the machine")]
    Device {
        /// What it is.
        device: &'static str,
        /// The host's answer.
        source: io::Error,
    },
    /// The variables of the firmware can not be used.
    #[error("can not use the file with the variables of the firmware")]
    Variables(#[source] io::Error),
    /// The host gives no thread for a processor.
    #[error("the host refuses a thread for a virtual processor; it may have too many processes")]
    Thread(#[source] io::Error),
    /// The host gives no event descriptor.
    #[error("the host refuses an event descriptor; it may have too many open files")]
    Event(#[source] io::Error),
    /// What was opened is not what was asked for.
    #[error("the machine has {wanted} disks and {given} were opened for it")]
    DiskCount {
        /// Disks of the specification.
        wanted: usize,
        /// Files that came with it.
        given: usize,
    },
}

/// Why the guest's system could not be put into the machine.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The kernel or its RAM disk.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The firmware.
    #[error(transparent)]
    Firmware(#[from] FirmwareError),
    /// The ACPI tables.
    #[error(transparent)]
    Acpi(#[from] AcpiError),
    /// What the first processor needs to start.
    #[error("the machine has too little memory to start a kernel")]
    Start(#[from] GuestMemoryError),
    /// The PCI devices.
    #[error(transparent)]
    Pci(#[from] PciError),
    /// The first processor.
    #[error(transparent)]
    Processor(#[from] hv::Error),
}

/// Why a machine could not be reset. It does not run; all that is left is to halt it.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// KVM refuses to take a processor or the controllers back.
    #[error(transparent)]
    Kvm(#[from] hv::Error),
    /// The guest's memory could not be cleared.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The guest's system could not be loaded again.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// A disk may lack what the guest wrote last. All else of the machine was ended properly.
#[derive(Debug, thiserror::Error)]
#[error("disk {index} could not be synced: what the guest wrote last may be lost")]
pub struct HaltError {
    /// The first disk concerned, from 0.
    pub index: usize,
    /// The host's answer.
    pub source: io::Error,
}
