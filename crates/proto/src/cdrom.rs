//! CD-ROM drives: what was asked for, and how one is while its machine runs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::VmId;

/// A CD-ROM drive, as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdromSpec {
    /// The image of the disc that is in it when the machine starts; it is empty without one.
    pub disc: Option<PathBuf>,
}

impl CdromSpec {
    /// A drive with a disc in it.
    pub fn with(disc: PathBuf) -> Self {
        Self { disc: Some(disc) }
    }
}

/// What a client wants with a drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriveRequest {
    /// How it is.
    Look,
    /// The disc that is in it is taken out, and one is put in, if one is named.
    Change {
        /// The image, an absolute path.
        disc: Option<PathBuf>,
        /// Whether a disc that the guest has locked in is taken out too.
        force: bool,
    },
}

/// What a machine's process is told to do with its drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriveOrder {
    /// Say how it is.
    Look,
    /// Take the disc out, and put that in whose image is beside the message, if there is one.
    Change {
        /// Whether a disc that the guest has locked in is taken out too.
        force: bool,
    },
}

/// How a drive is, as far as its machine knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveState {
    /// The guest has locked the tray.
    pub locked: bool,
    /// The guest has opened the tray.
    pub open: bool,
}

/// What became of a [`DriveOrder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriveAnswer {
    /// It was done; so is the drive now.
    Done(DriveState),
    /// The guest has locked the disc in, and was told that it is wanted.
    Locked,
    /// The image is none, or an empty one.
    Unusable,
    /// The machine has no drive.
    NoDrive,
}

/// A drive as a client is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveInfo {
    /// The machine's number.
    pub id: VmId,
    /// The image of the disc that is in it.
    pub disc: Option<PathBuf>,
    /// How it is.
    pub state: DriveState,
}
