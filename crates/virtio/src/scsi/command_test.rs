use proptest::prelude::*;

use super::*;

fn parse_bytes(bytes: &[u8]) -> Result<Command, Sense> {
    let mut cdb = [0; CDB];
    cdb[..bytes.len()].copy_from_slice(bytes);
    parse(&cdb)
}

fn blocks(first: u64, count: u64) -> Result<Command, Sense> {
    Ok(Command::Read(Blocks { first, count }))
}

#[test]
fn all_forms_of_a_read_say_where_and_how_much() {
    assert_eq!(parse_bytes(&[0x08, 0xe1, 0x02, 0x03, 4, 0]), blocks(0x1_0203, 4));
    assert_eq!(parse_bytes(&[0x08, 0, 0, 0, 0, 0]), blocks(0, 256), "none is 256");
    assert_eq!(parse_bytes(&[0x28, 0, 1, 2, 3, 4, 0, 0x10, 1, 0]), blocks(0x0102_0304, 0x1001));
    assert_eq!(parse_bytes(&[0xa8, 0, 1, 2, 3, 4, 0, 0, 0x10, 1, 0, 0]), blocks(0x0102_0304, 0x1001));
    let long = [0x88, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0x10, 1, 0, 0];
    assert_eq!(parse_bytes(&long), blocks(0x0102_0304_0506_0708, 0x1001));
    assert_eq!(parse_bytes(&[0xbe, 0x08, 0, 0, 0, 9, 0, 0, 2, 0x10]), blocks(9, 2), "READ CD, user data");
}

#[test]
fn a_read_is_bounded_and_wants_no_protection() {
    assert_eq!(parse_bytes(&[0x28, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), Err(Sense::INVALID_FIELD));
    assert_eq!(parse_bytes(&[0xa8, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), Err(Sense::INVALID_FIELD));
    assert_eq!(parse_bytes(&[0x28, 0x20, 0, 0, 0, 0, 0, 0, 1]), Err(Sense::INVALID_FIELD));
    assert_eq!(parse_bytes(&[0xbe, 0, 0, 0, 0, 0, 0, 0, 1, 0xf8]), Err(Sense::WRONG_MODE), "raw");
}

#[test]
fn what_would_write_is_told_apart_from_what_is_unknown() {
    for code in [0x0a, 0x2a, 0xaa, 0x8a, 0x2e, 0x04] {
        assert_eq!(parse_bytes(&[code]), Err(Sense::READ_ONLY), "{code:#x}");
    }
    for code in [0x02, 0x7f, 0x9f, 0xff] {
        assert_eq!(parse_bytes(&[code]), Err(Sense::UNKNOWN_COMMAND), "{code:#x}");
    }
    assert_eq!(parse_bytes(&[0x9e, 0x11]), Err(Sense::UNKNOWN_COMMAND), "another service action");
}

#[test]
fn the_tray_moves_only_when_it_is_meant_to() {
    let load = |how| parse_bytes(&[0x1b, 0, 0, 0, how]);
    assert_eq!(load(0x02), Ok(Command::StartStop { load: Some(false) }));
    assert_eq!(load(0x03), Ok(Command::StartStop { load: Some(true) }));
    for how in [0x00, 0x01, 0x32] {
        assert_eq!(load(how), Ok(Command::StartStop { load: None }), "{how:#x}");
    }
}

#[test]
fn the_format_of_a_table_of_contents_is_where_old_drivers_put_it_too() {
    let format = |cdb: &[u8]| match parse_bytes(cdb) {
        Ok(Command::ReadToc(ReadToc { format, .. })) => format,
        other => panic!("{other:?}"),
    };
    assert_eq!(format(&[0x43, 0, 1, 0, 0, 0, 0, 0, 12, 0]), 1);
    assert_eq!(format(&[0x43, 0, 0, 0, 0, 0, 0, 0, 12, 0x40]), 1);
    assert_eq!(format(&[0x43, 0, 2, 0, 0, 0, 0, 0, 12, 0x40]), 2);
}

proptest! {
    /// Whatever is let through asks for no more than it may.
    #[test]
    fn no_command_moves_more_than_is_allowed(cdb in any::<[u8; CDB]>(), code in 0..=255u8) {
        for code in [code, 0x08, 0x28, 0x88, 0xa8, 0xbe] {
            let mut cdb = cdb;
            cdb[0] = code;
            if let Ok(Command::Read(range)) = parse(&cdb) {
                prop_assert!(range.count * BLOCK <= MAX_TRANSFER);
            }
        }
    }
}
