//! The drive: its disc, its tray, and what it does for a command.
//!
//! A disc that the guest ejects lies in the open tray until the guest closes the tray or the host takes the disc
//! out. A reset of the machine moves no tray: an installer that ejects its disc and reboots does not find it again.
//! What the host does leaves the tray closed.

use super::command::{BLOCK, Blocks, Command};
use super::disc::Disc;
use super::sense::Sense;
use super::{feature, inquiry, mode, toc};

/// What can be seen of a drive from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriveState {
    /// A disc is in it, or lies in the open tray.
    pub loaded: bool,
    /// The guest has locked the tray.
    pub locked: bool,
    /// The guest has opened the tray.
    pub open: bool,
}

/// What has become of the disc since the guest asked for the last time (MMC-6, 6.7.2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Event {
    #[default]
    None,
    /// The host wants the disc, which the guest has locked in.
    EjectRequest,
    NewMedia,
    MediaRemoval,
}

impl Event {
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::EjectRequest => 1,
            Self::NewMedia => 2,
            Self::MediaRemoval => 3,
        }
    }
}

/// The guest has locked the disc in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Locked;

/// What a command comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// These bytes for the driver, cut to what it takes.
    Data(Vec<u8>),
    /// This range of the disc for the driver, which lies on the disc.
    Disc { offset: u64, len: u64 },
    /// So many bytes of the driver, which change nothing.
    Swallow { len: u64 },
}

impl Answer {
    const NOTHING: Self = Self::Data(Vec::new());
}

/// A CD-ROM drive.
#[derive(Debug)]
pub(super) struct Drive {
    disc: Option<Disc>,
    locked: bool,
    open: bool,
    /// Unit attentions that are to be told (SPC-4, 5.6.8 of SAM-5): a reset, another disc.
    reset: bool,
    changed: bool,
    event: Event,
}

impl Drive {
    /// A drive after power-on, with a disc or without.
    pub fn new(disc: Option<Disc>) -> Self {
        Self { disc, locked: false, open: false, reset: true, changed: false, event: Event::None }
    }

    /// As after a reset of the bus: the lock is gone, the disc is not.
    pub fn reset(&mut self) {
        self.locked = false;
        self.reset = true;
        self.changed = false;
        self.event = Event::None;
    }

    pub fn state(&self) -> DriveState {
        DriveState { loaded: self.disc.is_some(), locked: self.locked, open: self.open }
    }

    /// The disc, unless there is none or the tray is open.
    pub fn disc(&self) -> Result<&Disc, Sense> {
        match &self.disc {
            _ if self.open => Err(Sense::TRAY_OPEN),
            None => Err(Sense::NO_DISC),
            Some(disc) => Ok(disc),
        }
    }

    /// The host takes out what is in and puts something in; the tray is closed then. One that the guest has locked in
    /// stays, unless it has to give way, and the guest is told that it is wanted.
    ///
    /// # Errors
    /// The disc stays.
    pub fn change(&mut self, disc: Option<Disc>, force: bool) -> Result<(), Locked> {
        if self.locked && !self.open && self.disc.is_some() && !force {
            self.event = Event::EjectRequest;
            return Err(Locked);
        }
        if self.disc.is_none() && disc.is_none() {
            return Ok(());
        }
        self.event = if disc.is_some() { Event::NewMedia } else { Event::MediaRemoval };
        self.changed = true;
        self.open = false;
        // A lock is about the disc that the guest knows.
        self.locked = false;
        self.disc = disc;
        Ok(())
    }

    /// Carries out a command for logical unit 0.
    pub fn execute(&mut self, command: Command) -> Result<Answer, Sense> {
        if !is_always_answered(command) {
            self.tell_attention()?;
        }
        match command {
            Command::RequestSense { descriptor, allocation } => {
                let sense = self.tell_attention().err().unwrap_or(Sense::NONE);
                Ok(sense_data(sense, descriptor, allocation))
            }
            Command::Inquiry { page, allocation } => {
                let all = page.map_or_else(|| Ok(inquiry::standard()), inquiry::page)?;
                Ok(data(all, allocation))
            }
            Command::ReportLuns { which, allocation } => Ok(data(inquiry::units(which), allocation)),
            Command::ModeSense(asked) => Ok(data(mode::sense(asked, self.locked)?, asked.allocation)),
            Command::ModeSelect { len } => Ok(Answer::Swallow { len }),
            Command::StartStop { load } => self.start_stop(load),
            Command::PreventRemoval(locked) => {
                self.locked = locked;
                Ok(Answer::NOTHING)
            }
            Command::GetConfiguration { which, first, allocation } => {
                let dvd = self.disc().ok().map(Disc::is_dvd);
                Ok(data(feature::configuration(which, first, dvd), allocation))
            }
            Command::GetEventStatus { classes, allocation } => {
                let state = self.state();
                Ok(data(feature::event_status(classes, state, &mut self.event), allocation))
            }
            Command::MechanismStatus { allocation } => Ok(data(feature::mechanism(self.state()), allocation)),
            Command::Nothing => Ok(Answer::NOTHING),
            command => of_disc(self.disc()?, command),
        }
    }

    /// A unit attention is told once, by the first command that fails with it.
    fn tell_attention(&mut self) -> Result<(), Sense> {
        if std::mem::take(&mut self.reset) {
            return Err(Sense::RESET);
        }
        if std::mem::take(&mut self.changed) {
            return Err(Sense::CHANGED);
        }
        Ok(())
    }

    fn start_stop(&mut self, load: Option<bool>) -> Result<Answer, Sense> {
        match load {
            Some(false) if self.locked && !self.open => return Err(Sense::LOCKED),
            Some(false) => self.open = true,
            Some(true) if self.open => {
                self.open = false;
                if self.disc.is_some() {
                    (self.changed, self.event) = (true, Event::NewMedia);
                }
            }
            Some(true) | None => {}
        }
        Ok(Answer::NOTHING)
    }
}

/// Carries out a command for a logical unit that is not there (SPC-4, 6.6.2, 6.33, 6.39).
pub(super) fn execute_for_no_unit(command: Result<Command, Sense>) -> Result<Answer, Sense> {
    match command {
        Ok(Command::Inquiry { page: None, allocation }) => Ok(data(inquiry::of_no_unit(), allocation)),
        Ok(Command::ReportLuns { which, allocation }) => Ok(data(inquiry::units(which), allocation)),
        Ok(Command::RequestSense { descriptor, allocation }) => {
            Ok(sense_data(Sense::NO_UNIT, descriptor, allocation))
        }
        _ => Err(Sense::NO_UNIT),
    }
}

/// Commands that no unit attention is told to (SPC-4, 5.13 of SAM-5; MMC-6, 6.6 and 6.7).
fn is_always_answered(command: Command) -> bool {
    matches!(
        command,
        Command::Inquiry { .. }
            | Command::ReportLuns { .. }
            | Command::RequestSense { .. }
            | Command::GetConfiguration { .. }
            | Command::GetEventStatus { .. }
    )
}

/// What needs a disc.
fn of_disc(disc: &Disc, command: Command) -> Result<Answer, Sense> {
    match command {
        Command::Read(range) => on_disc(disc, range).map(|(offset, len)| Answer::Disc { offset, len }),
        Command::Touch(range) => on_disc(disc, range).map(|_| Answer::NOTHING),
        Command::ReadCapacity => Ok(Answer::Data(capacity(disc))),
        Command::ReadCapacityLong { allocation } => Ok(data(long_capacity(disc), allocation)),
        Command::ReadToc(asked) => Ok(data(toc::toc(disc, asked)?, asked.allocation)),
        Command::ReadSubchannel(asked) => Ok(data(toc::subchannel(asked)?, asked.allocation)),
        Command::ReadDiscInformation { allocation } => Ok(data(toc::disc_information(), allocation)),
        Command::ReadTrackInformation { by, allocation } => {
            Ok(data(toc::track_information(disc, by)?, allocation))
        }
        Command::ReadDiscStructure { format, allocation } => {
            Ok(data(toc::disc_structure(disc, format)?, allocation))
        }
        // What is left needs a disc and nothing of it.
        _ => Ok(Answer::NOTHING),
    }
}

/// A range as offset and length in bytes.
fn on_disc(disc: &Disc, range: Blocks) -> Result<(u64, u64), Sense> {
    if !disc.has(range) {
        return Err(Sense::OUT_OF_RANGE);
    }
    Ok((range.first.saturating_mul(BLOCK), range.count.saturating_mul(BLOCK)))
}

/// The last block and the size of one (MMC-6, 6.24).
fn capacity(disc: &Disc) -> Vec<u8> {
    let last = u32::try_from(disc.blocks().saturating_sub(1)).unwrap_or(u32::MAX);
    [last.to_be_bytes(), (BLOCK as u32).to_be_bytes()].concat()
}

/// The same for large discs (SBC-3, 5.16).
fn long_capacity(disc: &Disc) -> Vec<u8> {
    let last = disc.blocks().saturating_sub(1);
    let mut data = [&last.to_be_bytes()[..], &(BLOCK as u32).to_be_bytes()].concat();
    data.resize(32, 0);
    data
}

fn sense_data(sense: Sense, descriptor: bool, allocation: u64) -> Answer {
    let all = if descriptor { sense.descriptor().to_vec() } else { sense.fixed().to_vec() };
    data(all, allocation)
}

/// As much of an answer as the driver takes.
fn data(mut all: Vec<u8>, allocation: u64) -> Answer {
    all.truncate(usize::try_from(allocation).unwrap_or(usize::MAX));
    Answer::Data(all)
}

#[cfg(test)]
#[path = "drive_test.rs"]
mod tests;
