//! What the drive says about itself (SPC-4, 6.6, 6.33 and 7.8).

use super::sense::Sense;

/// A CD-ROM device (SPC-4, 6.6.2: peripheral device type).
const CD_ROM: u8 = 0x05;
/// No such logical unit, and there can be none (SPC-4, 6.6.2: peripheral qualifier).
const NO_UNIT: u8 = 0x7f;

const VENDOR: &[u8; 8] = b"VMD     ";
const PRODUCT: &[u8; 16] = b"CD-ROM          ";
const REVISION: &[u8; 4] = b"1.0 ";
/// One drive of a machine is like that of any other.
const SERIAL: &[u8; 8] = b"vioscsi0";

/// The standard data of the drive.
pub(super) fn standard() -> Vec<u8> {
    // Removable; SPC-3; the usual format; 31 more bytes; commands are queued.
    let mut data = vec![CD_ROM, 0x80, 0x05, 0x02, 31, 0, 0, 0x02];
    data.extend(VENDOR);
    data.extend(PRODUCT);
    data.extend(REVISION);
    data
}

/// The standard data of a logical unit that is not there.
pub(super) fn of_no_unit() -> Vec<u8> {
    let mut data = standard();
    if let Some(device) = data.first_mut() {
        *device = NO_UNIT;
    }
    data
}

/// A page of vital product data.
///
/// # Errors
/// There is no such page.
pub(super) fn page(number: u8) -> Result<Vec<u8>, Sense> {
    let body = match number {
        0x00 => vec![0x00, 0x80, 0x83],
        0x80 => SERIAL.to_vec(),
        0x83 => identification(),
        _ => return Err(Sense::INVALID_FIELD),
    };
    let len = u8::try_from(body.len()).unwrap_or(u8::MAX);
    Ok([&[CD_ROM, number, 0, len][..], &body].concat())
}

/// One designator of the logical unit: text, by vendor (SPC-4, 7.8.6.3).
fn identification() -> Vec<u8> {
    let text = [&VENDOR[..], PRODUCT, SERIAL].concat();
    let len = u8::try_from(text.len()).unwrap_or(u8::MAX);
    [&[0x02, 0x01, 0, len][..], &text].concat()
}

/// The list of logical units: number 0, which is no well-known one.
pub(super) fn units(which: u8) -> Vec<u8> {
    let count: usize = if which == 1 { 0 } else { 1 };
    let mut data = vec![0, 0, 0, if count == 0 { 0 } else { 8 }];
    data.resize(count.saturating_add(1).saturating_mul(8), 0);
    data
}
