//! The CD-ROM drive, as the machine's owner has it.

use std::fs::File;

use virtio::scsi::{ChangeError, DriveState};

use crate::Machine;

impl Machine {
    /// How the CD-ROM drive is; `None` if the machine has none.
    pub fn drive_state(&self) -> Option<DriveState> {
        self.devices.tray.as_ref().map(|tray| tray.state())
    }

    /// Takes the disc out of the CD-ROM drive and puts in another one, open for reading, if one is given. The guest is
    /// told; one that is paused when it goes on. The disc stays over resets: its image is not opened again.
    ///
    /// # Errors
    /// [`ChangeError`]: the disc stays. Without `force`, one that the guest has locked in does. A machine without a
    /// drive is [`ChangeError::Gone`].
    pub fn change_medium(&self, disc: Option<File>, force: bool) -> Result<DriveState, ChangeError> {
        self.devices.tray.as_ref().ok_or(ChangeError::Gone)?.change(disc, force)
    }
}
