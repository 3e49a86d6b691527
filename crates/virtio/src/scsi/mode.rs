//! Mode pages (SPC-4, 6.11 and MMC-6, 7).

use super::command::ModeSense;
use super::sense::Sense;

/// All pages together.
const ALL: u8 = 0x3f;

/// The page that says what the drive can do, and whether its tray is locked.
const CAPABILITIES: u8 = 0x2a;

/// 50 times the speed of music, in kB/s.
const SPEED: [u8; 2] = 8820u16.to_be_bytes();
/// Size of its buffer in KiB, which means nothing.
const BUFFER: [u8; 2] = 512u16.to_be_bytes();

/// The answer to MODE SENSE: a header and the pages that are asked for.
///
/// # Errors
/// There are no such pages, or no saved values.
pub(super) fn sense(asked: ModeSense, locked: bool) -> Result<Vec<u8>, Sense> {
    if asked.control == 3 {
        return Err(Sense::NOT_SAVED);
    }
    if !matches!(asked.subpage, 0 | 0xff) {
        return Err(Sense::INVALID_FIELD);
    }
    let pages = [error_recovery(), power_condition(), capabilities(locked)];
    let wanted = pages.into_iter().filter(|page| asked.page == ALL || page.first() == Some(&asked.page));
    let body: Vec<u8> = wanted.flat_map(|page| only_changeable(page, asked.control)).collect();
    if body.is_empty() {
        return Err(Sense::INVALID_FIELD);
    }
    Ok([header(asked.long, body.len()), body].concat())
}

/// Length of what follows its own field, and no block descriptors.
fn header(long: bool, body: usize) -> Vec<u8> {
    let size: usize = if long { 8 } else { 4 };
    let len = u16::try_from(size.saturating_add(body)).unwrap_or(u16::MAX);
    let mut header = match long {
        true => len.saturating_sub(2).to_be_bytes().to_vec(),
        false => vec![u8::try_from(len.saturating_sub(1)).unwrap_or(u8::MAX)],
    };
    header.resize(size, 0);
    header
}

/// Nothing of a page can be changed but what the guest changes in other ways.
fn only_changeable(mut page: Vec<u8>, control: u8) -> Vec<u8> {
    if control == 1 {
        page.iter_mut().skip(2).for_each(|byte| *byte = 0);
    }
    page
}

/// Read error recovery (MMC-6, 7.3): as it comes, tried again five times.
fn error_recovery() -> Vec<u8> {
    vec![0x01, 10, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Power condition (MMC-6, 7.8): none but the active one.
fn power_condition() -> Vec<u8> {
    vec![0x1a, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// CD/DVD capabilities and mechanical status (MMC-3, 6.3.11).
fn capabilities(locked: bool) -> Vec<u8> {
    let lock = if locked { 0x02 } else { 0 };
    // Reads CD-R, CD-RW and DVD; forms 1 and 2, several sessions; a tray that can be locked and opened.
    let mut page = vec![CAPABILITIES, 20, 0x0b, 0x00, 0x70, 0x00, 0x29 | lock, 0x00];
    page.extend(SPEED);
    page.extend([0, 0]); // levels of volume
    page.extend(BUFFER);
    page.extend(SPEED);
    page.resize(22, 0);
    page
}
