//! The SCSI controller with its CD-ROM drive, as its transport sees it, and the drive as the host does.

use std::fs::File;
use std::io;
use std::sync::Arc;

use virtio_bindings::virtio_scsi::{VIRTIO_SCSI_F_CHANGE, VIRTIO_SCSI_F_HOTPLUG};
use vmm_sys_util::eventfd::EventFd;

use super::command::{CDB, MAX_SECTORS};
use super::disc::Disc;
use super::drive::{Drive, DriveState};
use super::request::SENSE;
use super::service::EVENT;
use super::worker::{Command, Ear, Worker};
use crate::{DeviceType, Queue, ThreadHook, VirtioDevice};

/// What it is called in the log, and its thread.
const NAME: &str = "vioscsi0";

/// The size of each of the three queues: control, events, requests (virtio 1.2, 5.6.2).
const QUEUE_SIZE: u16 = 128;

/// The most descriptors for data in a request: those of a full queue but for header and response.
const MAX_SEGMENTS: u32 = QUEUE_SIZE as u32 - 2;

const CHANGE: u64 = 1 << VIRTIO_SCSI_F_CHANGE;
/// No logical unit ever comes or goes; but without this feature Linux gives no buffers for events.
const HOTPLUG: u64 = 1 << VIRTIO_SCSI_F_HOTPLUG;

/// A SCSI controller with a CD-ROM drive, and the thread that serves it.
pub struct Scsi {
    config: Vec<u8>,
    worker: Worker,
}

impl Scsi {
    /// A drive, with an image in it that is open for reading, or empty. Starts its thread, which calls `hook` first.
    ///
    /// # Errors
    /// The file is no image or an empty one, or the host gives no thread or no events.
    pub fn new(disc: Option<File>, hook: &ThreadHook) -> io::Result<Self> {
        let disc = disc.map(Disc::from_fd).transpose()?;
        let worker = Worker::spawn(NAME.to_owned(), Drive::new(disc), hook)?;
        Ok(Self { config: config(), worker })
    }

    /// The drive, for whoever changes its discs.
    pub fn tray(&self) -> Tray {
        Tray { ear: self.worker.ear().clone() }
    }
}

/// The drive from the side of the host, for use from any thread, whether the device is paused or not.
#[derive(Clone)]
pub struct Tray {
    ear: Ear,
}

/// Why a disc was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The guest has locked the disc in. It has been told that the disc is wanted.
    #[error("the guest has locked the tray")]
    Locked,
    /// The image can not be used.
    #[error(transparent)]
    Unusable(#[from] io::Error),
    /// There is no drive any more.
    #[error("the drive is gone")]
    Gone,
}

impl Tray {
    /// How the drive is.
    pub fn state(&self) -> DriveState {
        self.ear.tell(Command::Look).and_then(Result::ok).unwrap_or_default()
    }

    /// Takes out the disc that is in, if there is one, and puts in another, an image that is open for reading, if one
    /// is given. The tray is closed then, and the guest is told. `force` takes out a disc that is locked in too.
    ///
    /// # Errors
    /// [`ChangeError`]: the disc stays.
    pub fn change(&self, disc: Option<File>, force: bool) -> Result<DriveState, ChangeError> {
        let disc = disc.map(Disc::from_fd).transpose()?;
        let told = self.ear.tell(Command::Change { disc, force }).ok_or(ChangeError::Gone)?;
        told.map_err(|_| ChangeError::Locked)
    }
}

/// `struct virtio_scsi_config` (5.6.4). A driver may change the sizes of sense data and commands; those known write
/// what is there already.
fn config() -> Vec<u8> {
    let mut config = Vec::with_capacity(36);
    config.extend(1u32.to_le_bytes()); // request queues
    config.extend(MAX_SEGMENTS.to_le_bytes());
    config.extend(MAX_SECTORS.to_le_bytes());
    config.extend(u32::from(QUEUE_SIZE).to_le_bytes()); // commands for each logical unit
    config.extend(EVENT.to_le_bytes());
    config.extend((SENSE as u32).to_le_bytes());
    config.extend((CDB as u32).to_le_bytes());
    config.extend([0; 2]); // the last channel
    config.extend([0; 2]); // the last target
    config.extend([0; 4]); // the last logical unit
    config
}

impl VirtioDevice for Scsi {
    fn name(&self) -> &str {
        NAME
    }

    fn device_type(&self) -> DeviceType {
        DeviceType::Scsi
    }

    fn features(&self) -> u64 {
        HOTPLUG | CHANGE
    }

    fn queue_sizes(&self) -> &[u16] {
        &[QUEUE_SIZE; 3]
    }

    fn config(&self) -> &[u8] {
        &self.config
    }

    fn activate(&mut self, features: u64, queues: Vec<Queue>) {
        self.worker.ear().tell(Command::Activate { queues, hears: features & CHANGE != 0 });
    }

    fn deactivate(&mut self) {
        self.worker.ear().tell(Command::Deactivate);
    }

    /// One for all queues: there is one thread.
    fn doorbell(&self, _queue: u16) -> Option<Arc<EventFd>> {
        Some(self.worker.doorbell().clone())
    }

    /// Never called: the queues have a doorbell.
    fn notify(&mut self, _queue: u16) {}

    fn pause(&mut self) {
        self.worker.ear().tell(Command::Pause);
    }

    fn resume(&mut self) {
        self.worker.ear().tell(Command::Resume);
    }
}

#[cfg(test)]
#[path = "device_test.rs"]
mod tests;
