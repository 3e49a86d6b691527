//! What is on a disc (MMC-6): one session, whose one track holds data.

use super::command::{ReadSubchannel, ReadToc, TrackBy};
use super::disc::Disc;
use super::sense::Sense;

/// The track behind the last one (MMC-6, 6.25.3).
const LEAD_OUT: u8 = 0xaa;
/// A track of data, whose position is in the Q channel (MMC-6, 6.25.2: ADR and CONTROL).
const DATA_TRACK: u8 = 0x14;

/// The answer to READ TOC.
///
/// # Errors
/// A format that only discs have which can be written, or a track that is not there.
pub(super) fn toc(disc: &Disc, asked: ReadToc) -> Result<Vec<u8>, Sense> {
    let body = match asked.format {
        0 => tracks(disc, asked.track, asked.msf)?,
        1 => [&[1, 1][..], &track(1, 0, asked.msf)].concat(),
        2 => full(disc, asked.track)?,
        _ => return Err(Sense::INVALID_FIELD),
    };
    Ok(with_len(body))
}

/// The tracks from `first` on: the only one, and what is behind it.
fn tracks(disc: &Disc, first: u8, msf: bool) -> Result<Vec<u8>, Sense> {
    let lead_out = track(LEAD_OUT, disc.blocks(), msf);
    match first {
        0 | 1 => Ok([&[1, 1][..], &track(1, 0, msf), &lead_out].concat()),
        LEAD_OUT => Ok([&[1, 1][..], &lead_out].concat()),
        _ => Err(Sense::INVALID_FIELD),
    }
}

fn track(number: u8, block: u64, msf: bool) -> Vec<u8> {
    [&[0, DATA_TRACK, number, 0][..], &address(block, msf)].concat()
}

/// The table as it is in the lead-in (MMC-6, 6.25.5): first and last track, lead-out, the track itself. Always in
/// minutes, seconds and frames.
fn full(disc: &Disc, session: u8) -> Result<Vec<u8>, Sense> {
    if session > 1 {
        return Err(Sense::INVALID_FIELD);
    }
    let entry = |point: u8, place: [u8; 4]| {
        let [_, place @ ..] = place;
        [&[1, DATA_TRACK, 0, point, 0, 0, 0, 0][..], &place].concat()
    };
    let entries = [
        entry(0xa0, [0, 1, 0, 0]),
        entry(0xa1, [0, 1, 0, 0]),
        entry(0xa2, address(disc.blocks(), true)),
        entry(0x01, address(0, true)),
    ];
    Ok([&[1, 1][..], &entries.concat()].concat())
}

/// The place of a block: its number, or minutes, seconds and frames, which begin two seconds before it (MMC-6,
/// 4.2.1). A place that is too far away for its form is the last one of that form.
fn address(block: u64, msf: bool) -> [u8; 4] {
    if !msf {
        return u32::try_from(block).unwrap_or(u32::MAX).to_be_bytes();
    }
    let frames = u32::try_from(block).unwrap_or(u32::MAX).saturating_add(150);
    let [seconds, frame] = [frames.wrapping_div(75), frames.wrapping_rem(75)];
    let [minutes, second] = [seconds.wrapping_div(60), seconds.wrapping_rem(60)];
    [0, minutes, second, frame].map(low_byte_or_last)
}

fn low_byte_or_last(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// With its length in front, which does not count itself.
fn with_len(body: Vec<u8>) -> Vec<u8> {
    [&u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes()[..], &body].concat()
}

/// The answer to READ SUB-CHANNEL: nothing is played, and the disc has neither number nor codes.
///
/// # Errors
/// An unknown format.
pub(super) fn subchannel(asked: ReadSubchannel) -> Result<Vec<u8>, Sense> {
    const NOT_PLAYING: u8 = 0x15;
    let body = match asked.format {
        _ if !asked.data => Vec::new(),
        1 => [&[1, DATA_TRACK, 1, 1][..], &address(0, asked.msf), &address(0, asked.msf)].concat(),
        format @ (2 | 3) => [&[format][..], &[0; 19]].concat(),
        _ => return Err(Sense::INVALID_FIELD),
    };
    Ok([&[0, NOT_PLAYING][..], &with_len(body)].concat())
}

/// The answer to READ DISC INFORMATION: complete, one session, one track.
pub(super) fn disc_information() -> Vec<u8> {
    let mut body = vec![0x0e, 1, 1, 1, 1, 0x20];
    body.resize(32, 0);
    with_len(body)
}

/// The answer to READ TRACK INFORMATION: track and session 1, data in mode 1.
///
/// # Errors
/// There is no such track.
pub(super) fn track_information(disc: &Disc, by: TrackBy) -> Result<Vec<u8>, Sense> {
    match by {
        TrackBy::Block(block) if u64::from(block) >= disc.blocks() => return Err(Sense::OUT_OF_RANGE),
        TrackBy::Track(number) | TrackBy::Session(number) if number != 1 => return Err(Sense::INVALID_FIELD),
        _ => {}
    }
    let mut body = vec![1, 1, 0, 0x04, 0x01, 0, 0, 0, 0, 0];
    body.resize(22, 0);
    body.extend(address(disc.blocks(), false));
    body.resize(34, 0);
    Ok(with_len(body))
}

/// The answer to READ DISC STRUCTURE (MMC-6, 6.22): of a DVD with one layer and no protection.
///
/// # Errors
/// The disc is a CD, or has no such structure.
pub(super) fn disc_structure(disc: &Disc, format: u8) -> Result<Vec<u8>, Sense> {
    if !disc.is_dvd() {
        return Err(Sense::WRONG_FORMAT);
    }
    let body = match format {
        0x00 => physical(disc),
        0x01 => vec![0; 4],
        0x04 => vec![0; 2048],
        // Which of these there are: format, readable, size.
        0xff => vec![0x00, 0x40, 0x08, 0x04, 0x01, 0x40, 0x00, 0x08, 0x04, 0x40, 0x08, 0x04],
        _ => return Err(Sense::INVALID_FIELD),
    };
    Ok(with_len([&[0, 0][..], &body].concat()))
}

/// The physical format: a DVD-ROM of 120 mm, from sector 0x30000 on.
fn physical(disc: &Disc) -> Vec<u8> {
    const FIRST: u32 = 0x3_0000;
    let last = u32::try_from(disc.blocks()).unwrap_or(u32::MAX).saturating_add(FIRST).saturating_sub(1);
    let mut body = vec![0x01, 0x02, 0x01, 0x00];
    body.extend(FIRST.to_be_bytes());
    body.extend(last.to_be_bytes());
    body.resize(2048, 0);
    body
}
