//! The PCI functions of a machine, slot by slot.
//!
//! | slot | what |
//! |---|---|
//! | 0 | host bridge |
//! | 1 | bridge to the legacy chips; function 3: power management |
//! | 3 | source of random numbers, which every machine has |
//! | 4 and up | disks in the order of the specification, then the SCSI controller with the CD-ROM drive |

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex};

use proto::{BootDevice, VmSpec};
use virtio::blk::Blk;
use virtio::pci::{PciFunction, VirtioPci};
use virtio::rng::Rng;
use virtio::scsi::{Scsi, Tray};
use virtio::{GuestRam, ThreadHook, VirtioDevice};

use crate::error::BuildError;
use crate::firmware::Shadow;
use crate::layout::{HOST_BRIDGE, ISA_BRIDGE, POWER_FUNCTION};
use crate::pci::{HostBridge, IsaBridge, PciAddress, PirqRouter, PowerFunction, SharedFunction};

/// The first slot for devices that a machine may or may not have.
const FIRST_SLOT: u8 = 3;

/// All functions, what makes the disks among them durable, and the CD-ROM drive if there is one.
pub(crate) struct Devices {
    pub functions: BTreeMap<PciAddress, SharedFunction>,
    pub disks: Vec<disk::Syncer>,
    pub tray: Option<Tray>,
    /// What firmware can start from, each kind in the order of the specification.
    pub bootable: Vec<Bootable>,
}

/// What was opened for the devices.
pub(crate) struct Images {
    pub disks: Vec<File>,
    pub cdrom: Option<File>,
}

/// A device that firmware can start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bootable {
    pub device: BootDevice,
    /// Its path as Open Firmware has it, by which SeaBIOS and OVMF know it.
    pub path: String,
}

impl Bootable {
    /// The virtio disk in this slot.
    fn disk(slot: u8) -> Self {
        Self { device: BootDevice::Disk, path: format!("/pci@i0cf8/scsi@{slot:x}/disk@0,0") }
    }

    /// The drive, target 0 and unit 0, of the SCSI controller in this slot.
    fn drive(slot: u8) -> Self {
        Self { device: BootDevice::Cdrom, path: format!("/pci@i0cf8/scsi@{slot:x}/channel@0/disk@0,0") }
    }
}

impl Devices {
    /// Makes the devices. Each disk starts its thread.
    ///
    /// # Errors
    /// A disk is no image, or the host refuses what a device needs.
    pub fn new(spec: &VmSpec, images: Images, ram: &GuestRam, hook: &ThreadHook) -> Result<Self, BuildError> {
        if spec.disks.len() != images.disks.len() {
            return Err(BuildError::DiskCount { wanted: spec.disks.len(), given: images.disks.len() });
        }
        let mut devices =
            Self { functions: BTreeMap::new(), disks: Vec::new(), tray: None, bootable: Vec::new() };
        let rng = function(Rng::new(), ram);
        devices.add(rng.map_err(|source| BuildError::Device { device: "source of random numbers", source })?);
        for (index, (spec, image)) in spec.disks.iter().zip(images.disks).enumerate() {
            let refused = |source| BuildError::Disk { path: spec.path.clone(), source };
            let blk = Blk::new(index, image, hook).map_err(refused)?;
            devices.disks.push(blk.syncer());
            let slot = devices.add(function(blk, ram).map_err(refused)?);
            devices.bootable.push(Bootable::disk(slot));
        }
        if spec.cdrom.is_some() {
            devices.add_drive(images.cdrom, ram, hook).map_err(BuildError::Cdrom)?;
        }
        Ok(devices)
    }

    /// Adds what every PC of this kind has. Pins of the others lead to `pirq`; `shadow` is what the host bridge governs
    /// for firmware.
    pub fn add_chipset(&mut self, pirq: Arc<PirqRouter>, shadow: Option<Arc<Shadow>>) {
        self.put(HOST_BRIDGE, HostBridge::new(shadow));
        self.put(ISA_BRIDGE, IsaBridge::new(pirq));
        self.put(POWER_FUNCTION, PowerFunction::new());
    }

    /// Adds the SCSI controller with the CD-ROM drive.
    fn add_drive(&mut self, disc: Option<File>, ram: &GuestRam, hook: &ThreadHook) -> io::Result<()> {
        let scsi = Scsi::new(disc, hook)?;
        self.tray = Some(scsi.tray());
        let slot = self.add(function(scsi, ram)?);
        self.bootable.push(Bootable::drive(slot));
        Ok(())
    }

    /// Adds a function in the next slot, and says in which.
    fn add(&mut self, function: impl PciFunction + 'static) -> u8 {
        let last = self.functions.keys().next_back().map(|last| last.slot_number());
        let slot = last.map_or(FIRST_SLOT, |last| last.saturating_add(1).max(FIRST_SLOT));
        self.put(PciAddress::slot(slot), function);
        slot
    }

    fn put(&mut self, address: PciAddress, function: impl PciFunction + 'static) {
        self.functions.insert(address, Arc::new(Mutex::new(function)));
    }
}

fn function(device: impl VirtioDevice + 'static, ram: &GuestRam) -> io::Result<VirtioPci> {
    VirtioPci::new(Box::new(device), ram.clone())
}
