//! Commands of a driver: command descriptor blocks, copied out of the guest and checked as far as they can be
//! without the drive.

use super::sense::Sense;

/// The most bytes of a command descriptor block (virtio 1.2, 5.6.4: `cdb_size`). What a driver leaves out is zero.
pub(super) const CDB: usize = 32;

/// The most bytes that one command moves, 32 MiB less a sector: what the device's configuration says.
pub(super) const MAX_TRANSFER: u64 = MAX_SECTORS as u64 * 512;
pub(super) const MAX_SECTORS: u32 = 0xffff;

/// The size of a block of a disc in bytes.
pub(super) const BLOCK: u64 = 2048;

/// What a driver wants. The allocation is how much of the answer it takes at most, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    TestUnitReady,
    RequestSense {
        descriptor: bool,
        allocation: u64,
    },
    /// Standard data, or a page of vital product data.
    Inquiry {
        page: Option<u8>,
        allocation: u64,
    },
    ReportLuns {
        which: u8,
        allocation: u64,
    },
    ModeSense(ModeSense),
    ModeSelect {
        len: u64,
    },
    /// Closes the tray (`true`) or opens it; `None` leaves it as it is.
    StartStop {
        load: Option<bool>,
    },
    /// Locks the tray, or unlocks it.
    PreventRemoval(bool),
    ReadCapacity,
    ReadCapacityLong {
        allocation: u64,
    },
    Read(Blocks),
    /// Something of which, on a disc that is only read, nothing but its range can be wrong.
    Touch(Blocks),
    ReadToc(ReadToc),
    ReadSubchannel(ReadSubchannel),
    ReadDiscInformation {
        allocation: u64,
    },
    ReadTrackInformation {
        by: TrackBy,
        allocation: u64,
    },
    ReadDiscStructure {
        format: u8,
        allocation: u64,
    },
    GetConfiguration {
        which: Features,
        first: u16,
        allocation: u64,
    },
    GetEventStatus {
        classes: u8,
        allocation: u64,
    },
    MechanismStatus {
        allocation: u64,
    },
    /// Something that this drive has nothing to do for.
    Nothing,
}

/// A range of a disc in blocks, not checked against the disc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    pub first: u64,
    pub count: u64,
}

/// MODE SENSE (SPC-4, 6.11 and 6.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ModeSense {
    /// The ten-byte command, whose answer has a longer header.
    pub long: bool,
    /// Which values: 0 current, 1 what can be changed, 2 default. There are no saved ones.
    pub control: u8,
    pub page: u8,
    pub subpage: u8,
    pub allocation: u64,
}

/// READ TOC/PMA/ATIP (MMC-6, 6.25).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadToc {
    /// Addresses as minutes, seconds and frames.
    pub msf: bool,
    pub format: u8,
    pub track: u8,
    pub allocation: u64,
}

/// READ SUB-CHANNEL (MMC-4, 6.34).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadSubchannel {
    pub msf: bool,
    /// Whether more than the header is wanted.
    pub data: bool,
    pub format: u8,
    pub allocation: u64,
}

/// How a track is named (MMC-6, 6.27).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrackBy {
    Block(u32),
    Track(u32),
    Session(u32),
}

/// Which features are wanted (MMC-6, 6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Features {
    /// All from the first one on.
    All,
    /// Of these the current ones.
    Current,
    /// The first one alone.
    One,
}

/// Checks a command.
///
/// # Errors
/// What the driver is told: the command is unknown, would write, or has a field that makes no sense.
pub(super) fn parse(cdb: &[u8; CDB]) -> Result<Command, Sense> {
    let cdb = Fields(cdb);
    Ok(match cdb.byte(0) {
        0x00 => Command::TestUnitReady,
        0x03 => Command::RequestSense { descriptor: cdb.bit(1, 0x01), allocation: cdb.number(4, 1) },
        0x08 => read(cdb.number(1, 3) & 0x1f_ffff, six_byte_count(cdb.number(4, 1)))?,
        0x12 => Command::Inquiry { page: inquiry_page(cdb)?, allocation: cdb.number(3, 2) },
        0x15 => mode_select(cdb, cdb.number(4, 1))?,
        0x1a => mode_sense(cdb, false, cdb.number(4, 1)),
        0x1b => start_stop(cdb),
        0x1e => Command::PreventRemoval(cdb.bit(4, 0x01)),
        0x25 => Command::ReadCapacity,
        0x28 => protected_read(cdb, cdb.number(2, 4), cdb.number(7, 2))?,
        0x2b => Command::Touch(Blocks { first: cdb.number(2, 4), count: 0 }),
        0x2f => verify(cdb)?,
        0x35 | 0x91 => Command::Touch(Blocks { first: 0, count: 0 }),
        0x42 => subchannel(cdb),
        0x43 => Command::ReadToc(toc(cdb)),
        0x46 => get_configuration(cdb)?,
        0x4a => get_event_status(cdb)?,
        0x51 => disc_information(cdb)?,
        0x52 => track_information(cdb)?,
        0x55 => mode_select(cdb, cdb.number(7, 2))?,
        0x5a => mode_sense(cdb, true, cdb.number(7, 2)),
        0x88 => protected_read(cdb, cdb.number(2, 8), cdb.number(10, 4))?,
        0x9e if cdb.byte(1) & 0x1f == 0x10 => Command::ReadCapacityLong { allocation: cdb.number(10, 4) },
        0xa0 => report_luns(cdb)?,
        0xa8 => protected_read(cdb, cdb.number(2, 4), cdb.number(6, 4))?,
        0xad => Command::ReadDiscStructure { format: cdb.byte(7), allocation: cdb.number(8, 2) },
        0xbd => Command::MechanismStatus { allocation: cdb.number(8, 4) },
        0xbe => read_cd(cdb)?,
        // Reserving and releasing for the only initiator, a self-test, another speed.
        0x16 | 0x17 | 0x1d | 0xbb => Command::Nothing,
        // WRITE, WRITE AND VERIFY, FORMAT UNIT, WRITE SAME, CLOSE TRACK, BLANK and others of their kind.
        0x04 | 0x0a | 0x2a | 0x2e | 0x41 | 0x53 | 0x54 | 0x5b | 0x8a | 0x8e | 0x93 | 0xa1 | 0xaa | 0xae => {
            return Err(Sense::READ_ONLY);
        }
        _ => return Err(Sense::UNKNOWN_COMMAND),
    })
}

/// A block as bytes and numbers; what is behind its end is zero.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8; CDB]);

impl Fields<'_> {
    /// A number of up to 8 bytes, the most significant first.
    fn number(self, at: usize, len: usize) -> u64 {
        let bytes = self.0.iter().skip(at).take(len);
        bytes.fold(0, |number, byte| number.wrapping_shl(8) | u64::from(*byte))
    }

    fn byte(self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }

    fn bit(self, at: usize, mask: u8) -> bool {
        self.byte(at) & mask != 0
    }
}

/// In the six-byte commands none means 256 (SBC-3, 5.10).
fn six_byte_count(count: u64) -> u64 {
    if count == 0 { 256 } else { count }
}

fn read(first: u64, count: u64) -> Result<Command, Sense> {
    match count.checked_mul(BLOCK) {
        Some(len) if len <= MAX_TRANSFER => Ok(Command::Read(Blocks { first, count })),
        _ => Err(Sense::INVALID_FIELD),
    }
}

/// There is no protection information that could be asked for (SBC-3, 5.11).
fn protected_read(cdb: Fields<'_>, first: u64, count: u64) -> Result<Command, Sense> {
    if cdb.byte(1) & 0xe0 != 0 { Err(Sense::INVALID_FIELD) } else { read(first, count) }
}

/// Without comparing with data of the driver (SBC-3, 5.28).
fn verify(cdb: Fields<'_>) -> Result<Command, Sense> {
    if cdb.bit(1, 0x06) {
        return Err(Sense::INVALID_FIELD);
    }
    Ok(Command::Touch(Blocks { first: cdb.number(2, 4), count: cdb.number(7, 2) }))
}

/// READ CD (MMC-6, 6.15), as far as it wants what there is: the 2048 bytes of user data in each block, or nothing.
fn read_cd(cdb: Fields<'_>) -> Result<Command, Sense> {
    let (first, count) = (cdb.number(2, 4), cdb.number(6, 3));
    let expected = cdb.byte(1).wrapping_shr(2) & 0x07;
    if cdb.byte(10) & 0x07 != 0 {
        return Err(Sense::INVALID_FIELD);
    }
    match (cdb.byte(9), expected) {
        (0x00, _) => Ok(Command::Touch(Blocks { first, count })),
        (0x10, 0 | 2) => read(first, count),
        _ => Err(Sense::WRONG_MODE),
    }
}

fn inquiry_page(cdb: Fields<'_>) -> Result<Option<u8>, Sense> {
    match (cdb.byte(1) & 0x03, cdb.byte(2)) {
        (0, 0) => Ok(None),
        (1, page) => Ok(Some(page)),
        _ => Err(Sense::INVALID_FIELD),
    }
}

fn report_luns(cdb: Fields<'_>) -> Result<Command, Sense> {
    // Fewer bytes than for one entry are not allowed (SPC-4, 6.33).
    match (cdb.byte(2), cdb.number(6, 4)) {
        (which @ 0..=2, allocation @ 16..) => Ok(Command::ReportLuns { which, allocation }),
        _ => Err(Sense::INVALID_FIELD),
    }
}

fn mode_sense(cdb: Fields<'_>, long: bool, allocation: u64) -> Command {
    let (control, page) = (cdb.byte(2).wrapping_shr(6), cdb.byte(2) & 0x3f);
    Command::ModeSense(ModeSense { long, control, page, subpage: cdb.byte(3), allocation })
}

/// Nothing can be saved (SPC-4, 6.9).
fn mode_select(cdb: Fields<'_>, len: u64) -> Result<Command, Sense> {
    if cdb.bit(1, 0x01) { Err(Sense::INVALID_FIELD) } else { Ok(Command::ModeSelect { len }) }
}

fn start_stop(cdb: Fields<'_>) -> Command {
    let how = cdb.byte(4);
    // With a power condition the other bits mean nothing (MMC-6, 6.42).
    let moves = how & 0xf0 == 0 && how & 0x02 != 0;
    Command::StartStop { load: moves.then_some(how & 0x01 != 0) }
}

fn toc(cdb: Fields<'_>) -> ReadToc {
    // Older drivers have the format in the last byte (SFF-8020i, 10.8.20).
    let format = match cdb.byte(2) & 0x0f {
        0 => cdb.byte(9).wrapping_shr(6),
        format => format,
    };
    ReadToc { msf: cdb.bit(1, 0x02), format, track: cdb.byte(6), allocation: cdb.number(7, 2) }
}

fn subchannel(cdb: Fields<'_>) -> Command {
    Command::ReadSubchannel(ReadSubchannel {
        msf: cdb.bit(1, 0x02),
        data: cdb.bit(2, 0x40),
        format: cdb.byte(3),
        allocation: cdb.number(7, 2),
    })
}

fn get_configuration(cdb: Fields<'_>) -> Result<Command, Sense> {
    let which = match cdb.byte(1) & 0x03 {
        0 => Features::All,
        1 => Features::Current,
        2 => Features::One,
        _ => return Err(Sense::INVALID_FIELD),
    };
    let first = u16::try_from(cdb.number(2, 2)).unwrap_or(u16::MAX);
    Ok(Command::GetConfiguration { which, first, allocation: cdb.number(7, 2) })
}

/// An event is told to who asks, not to who wants to wait for it (MMC-6, 6.7).
fn get_event_status(cdb: Fields<'_>) -> Result<Command, Sense> {
    match cdb.bit(1, 0x01) {
        true => Ok(Command::GetEventStatus { classes: cdb.byte(4), allocation: cdb.number(7, 2) }),
        false => Err(Sense::INVALID_FIELD),
    }
}

/// The standard information; that about resources is for drives that write (MMC-6, 6.21).
fn disc_information(cdb: Fields<'_>) -> Result<Command, Sense> {
    match cdb.byte(1) & 0x07 {
        0 => Ok(Command::ReadDiscInformation { allocation: cdb.number(7, 2) }),
        _ => Err(Sense::INVALID_FIELD),
    }
}

fn track_information(cdb: Fields<'_>) -> Result<Command, Sense> {
    let number = u32::try_from(cdb.number(2, 4)).unwrap_or(u32::MAX);
    let by = match cdb.byte(1) & 0x03 {
        0 => TrackBy::Block(number),
        1 => TrackBy::Track(number),
        2 => TrackBy::Session(number),
        _ => return Err(Sense::INVALID_FIELD),
    };
    Ok(Command::ReadTrackInformation { by, allocation: cdb.number(7, 2) })
}

#[cfg(test)]
#[path = "command_test.rs"]
mod tests;
