//! Features, events and mechanics (MMC-6, 5, 6.6, 6.7 and 6.11).

use super::command::Features;
use super::drive::{DriveState, Event};

/// Profiles (MMC-6, 5.3.1).
const CD_ROM: u16 = 0x0008;
const DVD_ROM: u16 = 0x0010;

/// The class of events about discs, and its bit (MMC-6, 6.7.2.1).
const MEDIA: u8 = 4;
const MEDIA_BIT: u8 = 1 << MEDIA;
/// No event of a class that was asked for.
const NO_EVENT: u8 = 0x80;

/// The answer to GET CONFIGURATION with a disc that is a DVD (`Some(true)`), one that is none, or no disc.
pub(super) fn configuration(which: Features, first: u16, dvd: Option<bool>) -> Vec<u8> {
    let profile = match dvd {
        None => 0,
        Some(false) => CD_ROM,
        Some(true) => DVD_ROM,
    };
    let mut body = vec![0, 0];
    body.extend(profile.to_be_bytes());
    for (code, version, current, data) in features(profile) {
        let wanted = match which {
            Features::All => code >= first,
            Features::Current => code >= first && current,
            Features::One => code == first,
        };
        if wanted {
            body.extend(code.to_be_bytes());
            body.extend([version | u8::from(current), u8::try_from(data.len()).unwrap_or(u8::MAX)]);
            body.extend(data);
        }
    }
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&len.to_be_bytes()[..], &body].concat()
}

/// Every feature (MMC-6, 5.3): its code, its version and whether it stays, whether it is current, its data.
fn features(profile: u16) -> [(u16, u8, bool, Vec<u8>); 10] {
    let (cd, dvd) = (profile == CD_ROM, profile == DVD_ROM);
    let [dvd_high, dvd_low] = DVD_ROM.to_be_bytes();
    let [cd_high, cd_low] = CD_ROM.to_be_bytes();
    let profiles = vec![dvd_high, dvd_low, u8::from(dvd), 0, cd_high, cd_low, u8::from(cd), 0];
    [
        (0x0000, 0x02, true, profiles),
        // Core: on SCSI, with events of another class possible.
        (0x0001, 0x0a, true, vec![0, 0, 0, 1, 0x01, 0, 0, 0]),
        // Morphing: no operational change is announced.
        (0x0002, 0x06, true, vec![0x02, 0, 0, 0]),
        // Removable medium: a tray that can be opened and locked.
        (0x0003, 0x02, true, vec![0x29, 0, 0, 0]),
        // Random readable: blocks of 2048 bytes, one at a time.
        (0x0010, 0x00, cd || dvd, vec![0, 0, 0x08, 0, 0, 1, 0, 0]),
        (0x001d, 0x00, cd, vec![]),
        // CD read.
        (0x001e, 0x08, cd, vec![0, 0, 0, 0]),
        // DVD read.
        (0x001f, 0x04, dvd, vec![0, 0, 0, 0]),
        // Power management, and time-outs.
        (0x0100, 0x02, true, vec![]),
        (0x0105, 0x02, true, vec![]),
    ]
}

/// The answer to GET EVENT STATUS NOTIFICATION. An event is told once.
pub(super) fn event_status(classes: u8, state: DriveState, event: &mut Event) -> Vec<u8> {
    if classes & MEDIA_BIT == 0 {
        return vec![0, 0, NO_EVENT, MEDIA_BIT];
    }
    let code = std::mem::take(event).code();
    let present = u8::from(state.loaded && !state.open).wrapping_shl(1) | u8::from(state.open);
    vec![0, 4, MEDIA, MEDIA_BIT, code, present, 0, 0]
}

/// The answer to MECHANISM STATUS: no changer.
pub(super) fn mechanism(state: DriveState) -> Vec<u8> {
    vec![0, u8::from(state.open).wrapping_shl(4), 0, 0, 0, 0, 0, 0]
}
