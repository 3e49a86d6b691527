use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;

use proto::Owner;

use super::*;
use crate::parent::console::Console;

const ID: VmId = VmId(1);

/// The console of a machine that printed `text` and has ended `age` after its start. Its own descriptor is closed.
fn parting(text: &str, age: Duration, user: impl FnOnce(&Path) -> Option<File>) -> (Partings, Option<File>) {
    let Console { master, tty } =
        Console::open(Owner { uid: rustix::process::getuid().as_raw(), gid: None }).unwrap();
    let mut partings = Partings::default();
    let now = Instant::now();
    partings.started(ID, master.try_clone().unwrap(), now.checked_sub(age).unwrap());
    let user = user(&tty);
    rustix::io::write(&master, text.as_bytes()).unwrap();
    drop(master);
    partings.ended(ID, now);
    (partings, user)
}

fn open(tty: &Path) -> Option<File> {
    let flags = (rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::NONBLOCK).bits();
    OpenOptions::new().read(true).write(true).custom_flags(flags.cast_signed()).open(tty).ok()
}

/// Looks again and again, at most so often.
fn look(partings: &mut Partings, times: usize) {
    for _ in 0..times {
        let Some(next) = partings.next_look() else { return };
        sleep(next.saturating_duration_since(Instant::now()));
        partings.look(Instant::now());
    }
}

fn read(user: &mut File, length: usize) -> String {
    let mut bytes = vec![0; length];
    let limit = Instant::now() + Duration::from_secs(60);
    while let Err(error) = user.read_exact(&mut bytes) {
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(Instant::now() < limit, "nothing to read");
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn what_was_not_read_yet_waits_for_its_reader() {
    let (mut partings, user) = parting("good bye", Duration::from_secs(60), open);
    let mut user = user.unwrap();
    look(&mut partings, 5);
    assert_eq!(read(&mut user, 8), "good bye");
    look(&mut partings, 50);
    assert_eq!(partings.next_look(), None);
    assert_eq!(user.read(&mut [0]).unwrap(), 0, "the terminal has gone");
}

#[test]
fn the_starter_of_a_short_life_can_still_open_its_console() {
    let mut path = None;
    let (mut partings, _) = parting("hello", Duration::ZERO, |tty| {
        path = Some(tty.to_owned());
        None
    });
    look(&mut partings, 3);
    let mut user = open(&path.unwrap()).unwrap();
    assert_eq!(read(&mut user, 5), "hello");
    drop(user);
    partings.look(Instant::now() + PAUSE);
    partings.look(Instant::now() + PATIENCE);
    assert_eq!(partings.next_look(), None);
}

#[test]
fn nobody_is_waited_for_for_long() {
    let (mut partings, _) = parting("hello", Duration::ZERO, |_| None);
    partings.look(Instant::now() + PATIENCE);
    assert_eq!(partings.next_look(), None);
    let (mut partings, _user) = parting("hello", Duration::ZERO, open);
    partings.look(Instant::now() + PATIENCE);
    assert_eq!(partings.next_look(), None, "who does not read is not waited for either");
    let (partings, _) = parting("hello", PATIENCE, |_| None);
    assert_eq!(partings.next_look(), None, "nobody is on the way to an old machine");
}

#[test]
fn there_are_never_many() {
    let mut partings = Partings::default();
    let now = Instant::now();
    for id in 0..=MOST as u32 {
        let owner = Owner { uid: rustix::process::getuid().as_raw(), gid: None };
        partings.started(VmId(id), Console::open(owner).unwrap().master, now);
        partings.ended(VmId(id), now);
    }
    assert_eq!(partings.ended.len(), MOST);
}
