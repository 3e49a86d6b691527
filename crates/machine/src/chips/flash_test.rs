use proptest::prelude::*;

use super::*;

const BLOCKS: usize = 3;
const LEN: usize = BLOCKS * BLOCK;

/// A chip whose bytes are their offsets.
fn chip() -> Flash {
    let array = Arc::new(MmapRegion::new(LEN).unwrap());
    let bytes: Vec<u8> = (0..LEN).map(|offset| offset as u8).collect();
    array.get_slice(0, LEN).unwrap().write_slice(&bytes, 0).unwrap();
    Flash::new(array)
}

fn byte(flash: &Flash, offset: u64) -> u8 {
    let mut data = [0x5A];
    flash.read(offset, &mut data);
    data[0]
}

fn contents(flash: &Flash) -> Vec<u8> {
    let mut bytes = vec![0; LEN];
    flash.cells().unwrap().read_slice(&mut bytes, 0).unwrap();
    bytes
}

fn write_all(flash: &mut Flash, offset: u64, values: &[u8]) {
    values.iter().for_each(|value| flash.write(offset, &[*value]));
}

#[test]
fn firmware_tells_it_from_ram_and_rom() {
    // What OVMF does to find out: clear the status, look, ask for the status, look, go back to the array.
    let mut flash = chip();
    flash.write(0x123, &[0x50]);
    assert_eq!((flash.mode(), byte(&flash, 0x123)), (Mode::Array, 0x23), "no RAM");
    flash.write(0x123, &[0x70]);
    assert_eq!((flash.mode(), byte(&flash, 0x123)), (Mode::Status, 0), "no ROM, and no error");
    flash.write(0x123, &[0xFF]);
    assert_eq!((flash.mode(), byte(&flash, 0x123)), (Mode::Array, 0x23));
    assert!(!flash.has_changed());
}

#[test]
fn bytes_are_put_where_they_are_written() {
    let mut flash = chip();
    for (offset, value) in (0x1FFE..).zip([0xA0, 0xFF, 0x00, 0x0F]) {
        write_all(&mut flash, offset, &[0x10, value]);
        assert_eq!(byte(&flash, offset), READY);
    }
    flash.write(0x2001, &[0xFF]);
    let mut data = [0; 6];
    flash.read(0x1FFD, &mut data);
    assert_eq!(data, [0xFD, 0xA0, 0xFF, 0x00, 0x0F, 0x02]);
    let changed = flash.take_changed();
    assert_eq!(
        changed.iter().map(|(first, bytes)| (*first, bytes.len())).collect::<Vec<_>>(),
        [(0x1000, BLOCK), (0x2000, BLOCK)]
    );
    assert_eq!(changed[0].1[0xFFE..], [0xA0, 0xFF]);
    assert!(!flash.has_changed());
    flash.put_back(&changed[1..]);
    assert_eq!(flash.take_changed(), changed[1..]);
}

#[test]
fn a_block_is_erased_as_a_whole_and_no_other() {
    let mut flash = chip();
    let before = contents(&flash);
    write_all(&mut flash, 0x1ABC, &[0x20, 0xD0]);
    assert_eq!(byte(&flash, 0), READY);
    let after = contents(&flash);
    assert!(after[BLOCK..2 * BLOCK].iter().all(|byte| *byte == 0xFF));
    assert_eq!((&after[..BLOCK], &after[2 * BLOCK..]), (&before[..BLOCK], &before[2 * BLOCK..]));
}

#[test]
fn what_is_not_confirmed_is_an_error_and_does_nothing() {
    let mut flash = chip();
    let before = contents(&flash);
    write_all(&mut flash, 0, &[0x20, 0xFF]);
    assert_eq!(byte(&flash, 0), READY | ERASE_ERROR | WRITE_ERROR);
    write_all(&mut flash, 0, &[0x50, 0xE8, 1, 0xAA, 0xBB, 0xFF]);
    assert_eq!(byte(&flash, 0), READY | ERASE_ERROR | WRITE_ERROR);
    write_all(&mut flash, 0, &[0x50, 0xE8, BUFFER as u8]);
    assert_eq!(byte(&flash, 0), READY | ERASE_ERROR | WRITE_ERROR);
    write_all(&mut flash, 0, &[0xFF]);
    assert_eq!(contents(&flash), before);
    assert!(!flash.has_changed());
}

#[test]
fn a_buffer_is_put_at_its_confirmation() {
    let mut flash = chip();
    write_all(&mut flash, 0x40, &[0xE8, 2]);
    assert_eq!(byte(&flash, 0x40), READY, "the buffer can be filled");
    for (offset, value) in [(0x41, 1), (0x42, 2), (0x5F, 3)] {
        flash.write(offset, &[value]);
    }
    assert!(!flash.has_changed());
    flash.write(0x40, &[0xD0]);
    assert_eq!(byte(&flash, 0x40), READY);
    flash.write(0x40, &[0xFF]);
    assert_eq!([0x40, 0x41, 0x42, 0x43, 0x5F].map(|offset| byte(&flash, offset)), [0x40, 1, 2, 0x43, 3]);
}

#[test]
fn a_buffer_does_not_reach_into_the_next() {
    let mut flash = chip();
    write_all(&mut flash, 0x5F, &[0xE8, 1, 0xAA]);
    flash.write(0x60, &[0xBB]);
    assert_eq!(byte(&flash, 0), READY | WRITE_ERROR);
    assert!(!flash.has_changed());
}

#[test]
fn it_says_what_it_is() {
    let mut flash = chip();
    flash.write(0x55, &[0x98]);
    let query: Vec<u8> = (0x10..0x36).map(|offset| byte(&flash, offset)).collect();
    assert_eq!(query[..6], [b'Q', b'R', b'Y', 1, 0, 0x31]);
    let blocks = usize::from(u16::from_le_bytes([query[0x1D], query[0x1E]])) + 1;
    let size = usize::from(u16::from_le_bytes([query[0x1F], query[0x20]])) * 256;
    assert_eq!((blocks, size), (BLOCKS, BLOCK));
    assert_eq!(1 << query[0x1A], BUFFER);
    assert_eq!(query[0x21..0x24], *b"PRI");
    flash.write(0, &[0x90]);
    assert_eq!(flash.mode(), Mode::Identifiers);
    assert_eq!([0, 1].map(|offset| byte(&flash, offset)), [0, 0]);
}

#[test]
fn a_reset_keeps_what_is_stored_and_forgets_what_was_begun() {
    let mut flash = chip();
    write_all(&mut flash, 0, &[0x10, 0xAA, 0xE8, 3, 1]);
    flash.reset();
    assert_eq!((flash.mode(), byte(&flash, 0)), (Mode::Array, 0xAA));
    assert_eq!(flash.state, FlashState::default());
    assert!(flash.has_changed(), "it is still to be written to the file");
}

#[test]
fn a_wide_access_is_one_for_each_byte() {
    let mut flash = chip();
    flash.write(0x10, &[0x10, 0xAA, 0xFF]);
    let mut data = [0; 4];
    flash.read(0x10, &mut data);
    assert_eq!(data, [0x10, 0xAA, 0x12, 0x13]);
}

/// What the chip makes of a sequence of writes, told the other way: each command with all that belongs to it at once.
fn model(writes: &[(usize, u8)]) -> (Vec<u8>, bool) {
    let mut array = contents(&chip());
    let mut reads_array = true;
    let mut rest = writes;
    while let [(_, command), after @ ..] = rest {
        let begins_with =
            |confirmed: &[(usize, u8)]| confirmed.first().is_some_and(|(_, value)| *value == 0xD0);
        let took;
        (took, reads_array) = match command {
            0x10 | 0x40 => {
                if let Some((offset, value)) = after.first() {
                    array[*offset] = *value;
                }
                (1, false)
            }
            0x20 => {
                if begins_with(after) {
                    let first = after[0].0 / BLOCK * BLOCK;
                    array[first..first + BLOCK].fill(0xFF);
                }
                (1, false)
            }
            0x60 => (1, false),
            0xE8 => match after.first() {
                Some((_, less_one)) if usize::from(*less_one) < BUFFER => {
                    let count = usize::from(*less_one) + 1;
                    let bytes = &after[1..after.len().min(1 + count)];
                    let outside = bytes.iter().position(|(offset, _)| offset / BUFFER != bytes[0].0 / BUFFER);
                    match outside {
                        Some(at) => (2 + at, false),
                        None => {
                            if bytes.len() == count && begins_with(&after[1 + count..]) {
                                bytes.iter().for_each(|(offset, value)| array[*offset] = *value);
                            }
                            (2 + count, false)
                        }
                    }
                }
                _ => (1, false),
            },
            0x70 | 0x90 | 0x98 => (0, false),
            _ => (0, true),
        };
        rest = after.get(took..).unwrap_or_default();
    }
    (array, reads_array)
}

fn writes() -> impl Strategy<Value = Vec<(usize, u8)>> {
    let known = prop::sample::select(vec![
        0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0x90, 0x98, 0xD0, 0xE8, 0xE8, 0xFF, 0, 1, 2, 3,
    ]);
    let value = prop_oneof![4 => known, 1 => any::<u8>()];
    // Mostly close together, so that buffered writes come to their end.
    let offset = prop_oneof![4 => 0x20..0x40_usize, 1 => 0..LEN];
    prop::collection::vec((offset, value), 0..200)
}

proptest! {
    #[test]
    fn whatever_is_written_the_array_is_what_the_commands_make_of_it(writes in writes()) {
        let mut flash = chip();
        for (offset, value) in &writes {
            flash.write(*offset as u64, &[*value]);
        }
        let (array, reads_array) = model(&writes);
        prop_assert_eq!(flash.mode() == Mode::Array, reads_array);
        prop_assert_eq!(contents(&flash), array.clone());
        flash.reset();
        let mut read = vec![0; LEN];
        flash.read(0, &mut read);
        prop_assert_eq!(read, array.clone());
        // And the file that takes over what changed is never behind.
        let mut file = contents(&chip());
        for (first, bytes) in flash.take_changed() {
            file[first as usize..][..bytes.len()].copy_from_slice(&bytes);
        }
        prop_assert_eq!(file, array);
    }

    #[test]
    fn no_access_anywhere_reaches_a_panic(
        accesses in prop::collection::vec((any::<u64>(), any::<u64>(), 1..=8_usize, any::<bool>()), 0..100)
    ) {
        let mut flash = chip();
        for (offset, value, width, near) in accesses {
            let offset = if near { offset % (LEN as u64 + 16) } else { offset };
            flash.write(offset, &value.to_le_bytes()[..width]);
            flash.read(offset, &mut [0; 8][..width]);
        }
        prop_assert!(flash.take_changed().len() <= BLOCKS);
    }
}
