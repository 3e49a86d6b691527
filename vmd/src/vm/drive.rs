//! What the daemon wants with the CD-ROM drive.

use std::fs::File;
use std::os::fd::OwnedFd;

use machine::{ChangeError, Machine};
use proto::{DriveAnswer, DriveOrder, DriveState};

/// Does it. The image of a disc that is put in is the one descriptor that came along.
pub fn obey(machine: &Machine, order: DriveOrder, descriptors: Vec<OwnedFd>) -> DriveAnswer {
    if machine.drive_state().is_none() {
        return DriveAnswer::NoDrive;
    }
    match order {
        DriveOrder::Look => DriveAnswer::Done(machine.drive_state().map(state).unwrap_or_default()),
        DriveOrder::Change { force } => {
            let disc = descriptors.into_iter().next().map(File::from);
            match machine.change_medium(disc, force) {
                Ok(drive) => DriveAnswer::Done(state(drive)),
                Err(ChangeError::Locked) => DriveAnswer::Locked,
                Err(ChangeError::Gone) => DriveAnswer::NoDrive,
                Err(ChangeError::Unusable(why)) => {
                    tracing::warn!("the disc can not be used: {why}");
                    DriveAnswer::Unusable
                }
            }
        }
    }
}

fn state(drive: machine::DriveState) -> DriveState {
    DriveState { locked: drive.locked, open: drive.open }
}
