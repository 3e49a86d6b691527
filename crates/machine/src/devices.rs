//! The PCI functions of a machine, slot by slot.
//!
//! | slot | what |
//! |---|---|
//! | 0 | host bridge |
//! | 1 | bridge to the legacy chips |
//! | 3 | source of random numbers, which every machine has |
//! | 4 and up | disks in the order of the specification, then the SCSI controller with the CD-ROM drive |

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex};

use proto::VmSpec;
use virtio::blk::Blk;
use virtio::pci::{PciFunction, VirtioPci};
use virtio::rng::Rng;
use virtio::scsi::{Scsi, Tray};
use virtio::{GuestRam, ThreadHook, VirtioDevice};

use crate::error::BuildError;
use crate::pci::{Bridge, SharedFunction};

/// The first slot for devices that a machine may or may not have.
const FIRST_SLOT: u8 = 3;

/// All functions, what makes the disks among them durable, and the CD-ROM drive if there is one.
pub(crate) struct Devices {
    pub functions: BTreeMap<u8, SharedFunction>,
    pub disks: Vec<disk::Syncer>,
    pub tray: Option<Tray>,
}

/// What was opened for the devices.
pub(crate) struct Images {
    pub disks: Vec<File>,
    pub cdrom: Option<File>,
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
        let mut devices = Self { functions: BTreeMap::new(), disks: Vec::new(), tray: None };
        devices.put(0, Bridge::host());
        devices.put(1, Bridge::isa());
        let rng = function(Rng::new(), ram);
        devices.add(rng.map_err(|source| BuildError::Device { device: "source of random numbers", source })?);
        for (index, (spec, image)) in spec.disks.iter().zip(images.disks).enumerate() {
            let refused = |source| BuildError::Disk { path: spec.path.clone(), source };
            let blk = Blk::new(index, image, hook).map_err(refused)?;
            devices.disks.push(blk.syncer());
            devices.add(function(blk, ram).map_err(refused)?);
        }
        if spec.cdrom.is_some() {
            devices.add_drive(images.cdrom, ram, hook).map_err(BuildError::Cdrom)?;
        }
        Ok(devices)
    }

    /// Adds the SCSI controller with the CD-ROM drive.
    fn add_drive(&mut self, disc: Option<File>, ram: &GuestRam, hook: &ThreadHook) -> io::Result<()> {
        let scsi = Scsi::new(disc, hook)?;
        self.tray = Some(scsi.tray());
        self.add(function(scsi, ram)?);
        Ok(())
    }

    /// Adds a function in the next slot.
    fn add(&mut self, function: VirtioPci) {
        let after_last = self.functions.keys().next_back().map_or(0, |last| last.saturating_add(1));
        self.put(after_last.max(FIRST_SLOT), function);
    }

    fn put(&mut self, slot: u8, function: impl PciFunction + 'static) {
        self.functions.insert(slot, Arc::new(Mutex::new(function)));
    }
}

fn function(device: impl VirtioDevice + 'static, ram: &GuestRam) -> io::Result<VirtioPci> {
    VirtioPci::new(Box::new(device), ram.clone())
}
