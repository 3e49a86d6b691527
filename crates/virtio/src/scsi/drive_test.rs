use std::fs::File;
use std::os::unix::fs::FileExt;

use super::super::command::{self, CDB};
use super::*;

/// An image of so many bytes.
fn image(size: u64) -> File {
    let image = tempfile::tempfile().unwrap();
    image.set_len(size).unwrap();
    image
}

fn disc(size: u64) -> Disc {
    Disc::from_fd(image(size)).unwrap()
}

/// A drive of which the driver has heard that it was reset.
fn drive(disc: Option<Disc>) -> Drive {
    let mut drive = Drive::new(disc);
    assert_eq!(ask(&mut drive, &[0x00]), Err(Sense::RESET));
    drive
}

fn ask(drive: &mut Drive, bytes: &[u8]) -> Result<Answer, Sense> {
    let mut cdb = [0; CDB];
    cdb[..bytes.len()].copy_from_slice(bytes);
    drive.execute(command::parse(&cdb)?)
}

fn data_of(drive: &mut Drive, bytes: &[u8]) -> Vec<u8> {
    match ask(drive, bytes) {
        Ok(Answer::Data(data)) => data,
        other => panic!("{bytes:x?}: {other:?}"),
    }
}

const READY: [u8; 1] = [0x00];
const EJECT: [u8; 5] = [0x1b, 0, 0, 0, 2];
const LOAD: [u8; 5] = [0x1b, 0, 0, 0, 3];
const LOCK: [u8; 5] = [0x1e, 0, 0, 0, 1];
const UNLOCK: [u8; 5] = [0x1e, 0, 0, 0, 0];
const EVENTS: [u8; 9] = [0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8];

/// Event and presence, as the driver is told.
fn event(drive: &mut Drive) -> (u8, u8) {
    let data = data_of(drive, &EVENTS);
    assert_eq!(data[..4], [0, 4, 4, 0x10]);
    (data[4], data[5])
}

#[test]
fn it_says_what_it_is() {
    let mut drive = drive(None);
    let inquiry = data_of(&mut drive, &[0x12, 0, 0, 0, 36]);
    assert_eq!(inquiry.len(), 36);
    assert_eq!(inquiry[..5], [5, 0x80, 5, 2, 31]);
    assert_eq!(&inquiry[8..], b"VMD     CD-ROM          1.0 ");
    assert_eq!(data_of(&mut drive, &[0x12, 0, 0, 0, 5]).len(), 5, "no more than is asked for");
    assert_eq!(data_of(&mut drive, &[0x12, 1, 0, 0, 255]), [5, 0, 0, 3, 0, 0x80, 0x83]);
    assert_eq!(data_of(&mut drive, &[0x12, 1, 0x80, 0, 255])[4..], *b"vioscsi0");
    let ids = data_of(&mut drive, &[0x12, 1, 0x83, 0, 255]);
    assert_eq!((ids.len(), ids[3], ids[7]), (4 + 4 + 32, 36, 32));
    assert_eq!(ask(&mut drive, &[0x12, 1, 0xb0, 0, 255]), Err(Sense::INVALID_FIELD));
    assert_eq!(ask(&mut drive, &[0x12, 0, 0x80, 0, 255]), Err(Sense::INVALID_FIELD));
    let luns = data_of(&mut drive, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16]);
    assert_eq!(luns, [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn the_size_counts_a_last_block_that_is_not_whole() {
    let mut drive = drive(Some(disc(2048 * 10 + 1)));
    assert_eq!(data_of(&mut drive, &[0x25]), [0, 0, 0, 10, 0, 0, 8, 0]);
    let mut long = [0; 14];
    (long[0], long[1], long[13]) = (0x9e, 0x10, 32);
    assert_eq!(data_of(&mut drive, &long)[..12], [0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 8, 0]);
    let read = |drive: &mut Drive, first: u8, count: u8| ask(drive, &[0x28, 0, 0, 0, 0, first, 0, 0, count]);
    assert_eq!(read(&mut drive, 10, 1), Ok(Answer::Disc { offset: 20480, len: 2048 }));
    assert_eq!(read(&mut drive, 10, 2), Err(Sense::OUT_OF_RANGE));
    assert_eq!(read(&mut drive, 11, 0), Ok(Answer::Disc { offset: 22528, len: 0 }));
    assert_eq!(read(&mut drive, 12, 0), Err(Sense::OUT_OF_RANGE));
    let mut far = [0xff; 16];
    (far[0], far[1]) = (0x88, 0);
    far[10..14].copy_from_slice(&[0, 0, 0, 1]);
    assert_eq!(ask(&mut drive, &far), Err(Sense::OUT_OF_RANGE));
}

#[test]
fn the_image_is_read_with_zeroes_behind_its_end() {
    let image = image(2049);
    image.write_all_at(&[7; 2049], 0).unwrap();
    let disc = Disc::from_fd(image).unwrap();
    let mut data = [0xaa; 4096];
    disc.read(0, &mut data).unwrap();
    assert!(data[..2049].iter().all(|&byte| byte == 7) && data[2049..].iter().all(|&byte| byte == 0));
}

#[test]
fn what_is_no_image_is_no_disc() {
    let error = |file| Disc::from_fd(file).unwrap_err().to_string();
    assert!(error(File::open("/dev/null").unwrap()).contains("neither a regular file"));
    assert!(error(image(0)).contains("empty"));
}

#[test]
fn without_a_disc_it_is_not_ready_and_says_why() {
    let mut drive = drive(None);
    for command in [&READY[..], &[0x25], &[0x28], &[0x43, 0, 0, 0, 0, 0, 0, 0, 12], &[0x51], &[0x35]] {
        assert_eq!(ask(&mut drive, command), Err(Sense::NO_DISC), "{command:x?}");
    }
    assert_eq!(data_of(&mut drive, &[0x46, 0, 0, 0, 0, 0, 0, 0, 8]), [0, 0, 0, 84, 0, 0, 0, 0]);
    assert_eq!(event(&mut drive), (0, 0));
    assert_eq!(ask(&mut drive, &EJECT), Ok(Answer::NOTHING));
    assert_eq!(ask(&mut drive, &READY), Err(Sense::TRAY_OPEN));
}

#[test]
fn another_disc_is_told_once_by_a_failing_command_and_once_by_an_event() {
    let mut drive = drive(Some(disc(4096)));
    assert_eq!(ask(&mut drive, &READY), Ok(Answer::NOTHING));
    drive.change(Some(disc(1 << 20)), false).unwrap();
    assert_eq!(data_of(&mut drive, &[0x12, 0, 0, 0, 36]).len(), 36, "that is answered all the same");
    assert_eq!(event(&mut drive), (2, 2));
    assert_eq!(event(&mut drive), (0, 2));
    assert_eq!(ask(&mut drive, &[0x28, 0, 0, 0, 0, 0, 0, 0, 1]), Err(Sense::CHANGED));
    assert_eq!(ask(&mut drive, &READY), Ok(Answer::NOTHING));
    assert_eq!(data_of(&mut drive, &[0x25])[..4], 511u32.to_be_bytes());
    drive.change(None, false).unwrap();
    assert_eq!(event(&mut drive), (3, 0));
    assert_eq!(ask(&mut drive, &READY), Err(Sense::CHANGED));
    assert_eq!(ask(&mut drive, &READY), Err(Sense::NO_DISC));
    drive.change(None, false).unwrap();
    assert_eq!(ask(&mut drive, &READY), Err(Sense::NO_DISC), "nothing was changed");
}

#[test]
fn who_asks_for_sense_data_gets_what_would_have_failed() {
    let mut drive = Drive::new(None);
    let sense = data_of(&mut drive, &[0x03, 0, 0, 0, 18]);
    assert_eq!((sense[0], sense[2], sense[12]), (0x70, 6, 0x29));
    let sense = data_of(&mut drive, &[0x03, 1, 0, 0, 8]);
    assert_eq!(sense, [0x72, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_locked_disc_stays_until_it_is_forced_out_and_the_guest_hears_of_the_wish() {
    let mut drive = drive(Some(disc(4096)));
    ask(&mut drive, &LOCK).unwrap();
    assert_eq!(ask(&mut drive, &EJECT), Err(Sense::LOCKED));
    assert_eq!(drive.change(None, false), Err(Locked));
    assert_eq!(event(&mut drive), (1, 2));
    assert_eq!(drive.state(), DriveState { loaded: true, locked: true, open: false });
    drive.change(Some(disc(4096)), true).unwrap();
    assert_eq!(drive.state(), DriveState { loaded: true, locked: false, open: false });
    ask(&mut drive, &READY).unwrap_err();
    ask(&mut drive, &LOCK).unwrap();
    ask(&mut drive, &UNLOCK).unwrap();
    assert_eq!(drive.change(None, false), Ok(()));
}

#[test]
fn a_disc_that_the_guest_ejects_lies_in_the_tray_over_a_reset() {
    let mut drive = drive(Some(disc(4096)));
    ask(&mut drive, &EJECT).unwrap();
    assert_eq!(ask(&mut drive, &READY), Err(Sense::TRAY_OPEN));
    assert_eq!(event(&mut drive), (0, 1));
    drive.reset();
    assert_eq!(ask(&mut drive, &READY), Err(Sense::RESET));
    assert_eq!(ask(&mut drive, &READY), Err(Sense::TRAY_OPEN));
    ask(&mut drive, &LOAD).unwrap();
    assert_eq!(event(&mut drive), (2, 2));
    assert_eq!(ask(&mut drive, &READY), Err(Sense::CHANGED));
    assert_eq!(ask(&mut drive, &READY), Ok(Answer::NOTHING));
    ask(&mut drive, &EJECT).unwrap();
    ask(&mut drive, &LOCK).unwrap();
    drive.change(None, false).unwrap();
    assert_eq!(drive.state(), DriveState::default(), "from an open tray it can be taken");
}

#[test]
fn a_reset_takes_the_lock_away() {
    let mut drive = drive(Some(disc(4096)));
    ask(&mut drive, &LOCK).unwrap();
    drive.reset();
    assert!(!drive.state().locked && drive.state().loaded);
}

#[test]
fn a_table_of_contents_has_one_track_of_data() {
    let mut drive = drive(Some(disc(2048 * 4350)));
    let toc =
        |drive: &mut Drive, msf, format, track| data_of(drive, &[0x43, msf, format, 0, 0, 0, track, 1, 0, 0]);
    let first = [0, 0x14, 1, 0, 0, 0, 0, 0];
    let last = [0, 0x14, 0xaa, 0, 0, 0, 0x10, 0xfe];
    assert_eq!(toc(&mut drive, 0, 0, 0), [&[0, 18, 1, 1][..], &first, &last].concat());
    assert_eq!(toc(&mut drive, 0, 0, 0xaa), [&[0, 10, 1, 1][..], &last].concat());
    let msf = toc(&mut drive, 2, 0, 1);
    assert_eq!((&msf[8..12], &msf[16..]), (&[0, 0, 2, 0][..], &[0, 1, 0, 0][..]), "a minute is 4500 frames");
    assert_eq!(toc(&mut drive, 0, 1, 0), [&[0, 10, 1, 1][..], &first].concat());
    let full = toc(&mut drive, 2, 2, 0);
    assert_eq!((full.len(), full[1]), (4 + 44, 46));
    assert_eq!((full[7], full[18], full[29], full[40]), (0xa0, 0xa1, 0xa2, 1), "points");
    assert_eq!(full[34..37], [1, 0, 0]);
    for (format, track) in [(0, 2), (3, 0), (5, 0), (2, 2)] {
        let asked = [0x43, 0, format, 0, 0, 0, track, 1, 0, 0];
        assert_eq!(ask(&mut drive, &asked), Err(Sense::INVALID_FIELD));
    }
}

#[test]
fn what_else_is_known_of_a_disc() {
    let mut drive = drive(Some(disc(2048 * 100)));
    let info = data_of(&mut drive, &[0x51, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!((info.len(), &info[..8]), (34, &[0, 32, 0x0e, 1, 1, 1, 1, 0x20][..]));
    let track = data_of(&mut drive, &[0x52, 1, 0, 0, 0, 1, 0, 1, 0]);
    assert_eq!((track.len(), &track[24..28]), (36, &[0, 0, 0, 100][..]));
    assert_eq!(ask(&mut drive, &[0x52, 1, 0, 0, 0, 2, 0, 1, 0]), Err(Sense::INVALID_FIELD));
    assert_eq!(ask(&mut drive, &[0x52, 0, 0, 0, 0, 100, 0, 1, 0]), Err(Sense::OUT_OF_RANGE));
    let channel = data_of(&mut drive, &[0x42, 2, 0x40, 1, 0, 0, 0, 1, 0]);
    assert_eq!((channel.len(), channel[1], channel[3], channel[4]), (16, 0x15, 12, 1));
    assert_eq!(data_of(&mut drive, &[0x42, 0, 0, 0, 0, 0, 0, 1, 0]), [0, 0x15, 0, 0]);
    assert_eq!(data_of(&mut drive, &[0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8]), [0; 8]);
    assert_eq!(ask(&mut drive, &[0xad, 0, 0, 0, 0, 0, 0, 0, 1, 0]), Err(Sense::WRONG_FORMAT), "it is a CD");
}

#[test]
fn a_large_disc_is_a_dvd() {
    let mut drive = drive(Some(disc(1 << 32)));
    let profile = |drive: &mut Drive| data_of(drive, &[0x46, 0, 0, 0, 0, 0, 0, 1, 0])[6..8].to_vec();
    assert_eq!(profile(&mut drive), [0, 0x10]);
    let one = data_of(&mut drive, &[0x46, 2, 0, 0x1f, 0, 0, 0, 1, 0]);
    assert_eq!(one[8..], [0, 0x1f, 5, 4, 0, 0, 0, 0]);
    let physical = data_of(&mut drive, &[0xad, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    assert_eq!((physical.len(), &physical[8..12]), (2052, &[0, 3, 0, 0][..]));
    assert_eq!(physical[12..16], (0x3_0000u32 + (1 << 21) - 1).to_be_bytes());
    drive.change(Some(disc(4096)), false).unwrap();
    assert_eq!(profile(&mut drive), [0, 0x08]);
}

#[test]
fn mode_pages_tell_the_lock_and_nothing_can_be_changed() {
    let mut drive = drive(None);
    let page = |drive: &mut Drive, page| data_of(drive, &[0x5a, 0, page, 0, 0, 0, 0, 1, 0]);
    let long = page(&mut drive, 0x2a);
    assert_eq!((long.len(), long[1], long[8], long[9], long[14]), (30, 28, 0x2a, 20, 0x29));
    ask(&mut drive, &LOCK).unwrap();
    assert_eq!(page(&mut drive, 0x2a)[14], 0x2b);
    let short = data_of(&mut drive, &[0x1a, 0, 0x01, 0, 255]);
    assert_eq!((short.len(), short[0], short[4]), (16, 15, 1));
    assert_eq!(page(&mut drive, 0x3f).len(), 8 + 12 + 12 + 22, "all of them");
    assert!(page(&mut drive, 0x6a)[10..].iter().all(|&byte| byte == 0), "what can be changed");
    assert_eq!(ask(&mut drive, &[0x5a, 0, 0xea, 0, 0, 0, 0, 1, 0]), Err(Sense::NOT_SAVED));
    assert_eq!(ask(&mut drive, &[0x5a, 0, 0x0e, 0, 0, 0, 0, 1, 0]), Err(Sense::INVALID_FIELD));
    assert_eq!(ask(&mut drive, &[0x55, 0x10, 0, 0, 0, 0, 0, 0, 20]), Ok(Answer::Swallow { len: 20 }));
    assert_eq!(ask(&mut drive, &[0x55, 0x11, 0, 0, 0, 0, 0, 0, 20]), Err(Sense::INVALID_FIELD));
}

#[test]
fn a_unit_that_is_not_there_is_told_apart() {
    let answer = |cdb: &[u8]| {
        let mut all = [0; CDB];
        all[..cdb.len()].copy_from_slice(cdb);
        execute_for_no_unit(command::parse(&all))
    };
    let Ok(Answer::Data(inquiry)) = answer(&[0x12, 0, 0, 0, 36]) else { panic!("no inquiry") };
    assert_eq!(inquiry[0], 0x7f);
    assert!(matches!(answer(&[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16]), Ok(Answer::Data(luns)) if luns[3] == 8));
    assert!(matches!(answer(&[0x03, 0, 0, 0, 18]), Ok(Answer::Data(sense)) if sense[12] == 0x25));
    assert_eq!(answer(&[0x00]), Err(Sense::NO_UNIT));
    assert_eq!(answer(&[0xff]), Err(Sense::NO_UNIT));
}
