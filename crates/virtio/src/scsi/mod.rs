//! vioscsi: a SCSI controller (virtio 1.2, 5.6) with one CD-ROM drive, target 0, logical unit 0.
//!
//! * `device`: what the transport sees, and [`Tray`], through which the host changes discs;
//! * `worker`: the drive's thread, what it waits for and what it is told;
//! * `service`: the queues, and one command after the other between them and the drive;
//! * `request`: what a driver hands over around a command, and what it is answered;
//! * `command`: command descriptor blocks, checked;
//! * `drive`: the drive: its disc, tray, lock, and what it has to tell;
//! * `disc`: the image;
//! * `inquiry`, `mode`, `toc`, `feature`, `sense`: the data that the drive answers with.
//!
//! The commands are those of MMC-6, SPC-4 and SBC-3, as far as systems and firmware send them to a drive that only
//! reads. A disc has one session with one data track of 2048-byte blocks.

mod command;
mod device;
mod disc;
mod drive;
mod feature;
mod inquiry;
mod mode;
mod request;
mod sense;
mod service;
mod toc;
mod worker;

pub use device::{ChangeError, Scsi, Tray};
pub use drive::DriveState;
