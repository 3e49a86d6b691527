//! What a machine starts, from the opened file to its place in the machine.

use std::path::Path;
use std::sync::Arc;

use hv::{MemoryLayout, Vm};
use proto::{BootDevice, VmSpec};
use virtio::GuestRam;

use crate::boot::{self, BootError};
use crate::bus::Bus;
use crate::devices::Devices;
use crate::error::LoadError;
use crate::firmware::{self, Firmware, FirmwareError, Rom, Shadow};
use crate::layout::KVM_PRIVATE;
use crate::machine::{BootFiles, Kernel, System};

/// What there is to start, before there is a machine.
pub(crate) enum Source {
    Kernel(Kernel),
    Firmware(Rom),
}

/// The same, when there is a machine with its memory.
pub(crate) enum Inserted {
    Kernel(Kernel),
    Firmware(Arc<Shadow>),
}

impl Source {
    /// Looks at what was opened. A boot image that is no kernel may be firmware.
    ///
    /// # Errors
    /// It is neither, or can not be read.
    pub fn of(spec: &VmSpec, files: BootFiles) -> Result<Self, LoadError> {
        let (image, initrd) = match files {
            BootFiles::Firmware(file) => return Ok(Self::Firmware(Rom::read(&file)?)),
            BootFiles::Image { image, initrd } => (image, initrd),
        };
        match boot::check(&image) {
            Ok(()) => Ok(Self::Kernel(Kernel {
                image,
                name: file_name(spec.boot.as_deref()),
                initrd,
                initrd_name: file_name(spec.initrd.as_deref()),
                cmdline: spec.cmdline.clone(),
                boot_mac: boot_mac(spec),
                cpus: spec.cpus,
            })),
            Err(BootError::NotAKernel(beginning)) => match Rom::read(&image) {
                Ok(_) if initrd.is_some() || !spec.cmdline.is_empty() => Err(FirmwareError::ForKernel.into()),
                Ok(rom) => Ok(Self::Firmware(rom)),
                Err(_) => Err(BootError::NotAKernel(beginning).into()),
            },
            Err(other) => Err(other.into()),
        }
    }

    /// How many bytes below 4 GiB it takes.
    pub fn firmware_size(&self) -> u64 {
        match self {
            Self::Kernel(_) => 0,
            Self::Firmware(rom) => rom.size(),
        }
    }

    /// What the machine shows of its memory at power-on.
    pub fn layout(&self) -> MemoryLayout {
        match self {
            Self::Kernel(_) => MemoryLayout { private_pages: KVM_PRIVATE, ..MemoryLayout::default() },
            Self::Firmware(rom) => firmware::layout(rom),
        }
    }

    /// Puts it into a machine with this layout.
    pub fn insert(self, vm: &Vm, ram: &GuestRam) -> Inserted {
        match self {
            Self::Kernel(kernel) => Inserted::Kernel(kernel),
            Self::Firmware(rom) => Inserted::Firmware(firmware::shadow(vm, ram, rom)),
        }
    }
}

/// What a guest is told about a file: its name without the path, which is the host's affair.
fn file_name(path: Option<&Path>) -> String {
    let name = path.and_then(Path::file_name);
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The address of the network card that the system is to start from, if it was given one.
fn boot_mac(spec: &VmSpec) -> Option<[u8; 6]> {
    let first = spec.nics.first().filter(|_| spec.boot_device == Some(BootDevice::Net));
    first.and_then(|nic| nic.lladdr).map(|address| address.0)
}

impl Inserted {
    /// The area below 1 MiB that firmware governs.
    pub fn shadow(&self) -> Option<Arc<Shadow>> {
        match self {
            Self::Kernel(_) => None,
            Self::Firmware(shadow) => Some(shadow.clone()),
        }
    }

    /// Puts what it needs on the ports and the memory bus.
    pub fn start(self, spec: &VmSpec, devices: &Devices, ram: &GuestRam, buses: (&Bus, &Bus)) -> System {
        match self {
            Self::Kernel(kernel) => System::Kernel(kernel),
            Self::Firmware(shadow) => {
                System::Firmware(Firmware::new(spec, &devices.bootable, ram, shadow, buses))
            }
        }
    }
}
