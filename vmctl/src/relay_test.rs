use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::*;

/// A relay between a pty, whose other side is the guest, and two socket pairs, whose other sides are the user.
struct Session {
    guest: File,
    keyboard: UnixStream,
    screen: UnixStream,
    relay: Relay,
}

fn session(escapes: bool) -> Session {
    let (master, slave) = pty();
    let (keyboard, input) = UnixStream::pair().unwrap();
    let (screen, output) = UnixStream::pair().unwrap();
    // A signal that no other test sends.
    let signals = Signals::new(&[Signal::WINCH]).unwrap();
    let file = |stream: UnixStream| File::from(OwnedFd::from(stream));
    let relay = Relay::new(slave, file(input), file(output), signals, escapes);
    screen.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    Session { guest: master, keyboard, screen, relay }
}

fn pty() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let slave = open(name, flags, Mode::empty()).unwrap();
    let mut termios = tcgetattr(&slave).unwrap();
    termios.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &termios).unwrap();
    (File::from(master), File::from(slave))
}

fn expect(mut source: impl Read, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    source.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(expected));
}

#[test]
fn text_goes_both_ways_until_the_user_leaves() {
    let Session { mut guest, mut keyboard, screen, mut relay } = session(true);
    let relaying = thread::spawn(move || relay.next_event().unwrap());
    guest.write_all(b"login: ").unwrap();
    expect(&screen, b"login: ");
    keyboard.write_all(b"root\r").unwrap();
    expect(&guest, b"root\r");
    keyboard.write_all(b"~.").unwrap();
    assert_eq!(relaying.join().unwrap(), Event::End(End::Detached));
}

#[test]
fn a_break_interrupts_what_is_typed_around_it() {
    let Session { guest, mut keyboard, screen: _screen, mut relay } = session(true);
    keyboard.write_all(b"a\r~#b\r~#~.").unwrap();
    assert_eq!(relay.next_event().unwrap(), Event::Break);
    expect(&guest, b"a\r");
    assert_eq!(relay.next_event().unwrap(), Event::Break);
    expect(&guest, b"b\r");
    assert_eq!(relay.next_event().unwrap(), Event::End(End::Detached));
}

#[test]
fn a_pipe_is_sent_to_its_end_as_it_is() {
    let Session { guest, mut keyboard, screen: _screen, mut relay } = session(false);
    keyboard.write_all(b"~.\r~#\r").unwrap();
    drop(keyboard);
    assert_eq!(relay.next_event().unwrap(), Event::End(End::InputEnded));
    expect(&guest, b"~.\r~#\r");
}

#[test]
fn the_end_of_the_machine_ends_it_after_its_last_words() {
    let Session { mut guest, keyboard: _keyboard, screen, mut relay } = session(true);
    let relaying = thread::spawn(move || relay.next_event().unwrap());
    guest.write_all(b"reboot: Power down\r\n").unwrap();
    expect(&screen, b"reboot: Power down\r\n");
    drop(guest);
    assert_eq!(relaying.join().unwrap(), Event::End(End::HungUp));
}

#[test]
fn nobody_who_reads_ends_it() {
    let Session { guest: _guest, keyboard: _keyboard, screen, mut relay } = session(true);
    drop(screen);
    assert_eq!(relay.next_event().unwrap(), Event::End(End::OutputGone));
}

#[test]
fn a_flood_is_passed_on_at_the_pace_of_the_reader() {
    let Session { mut guest, keyboard: _keyboard, mut screen, mut relay } = session(true);
    let relaying = thread::spawn(move || relay.next_event().unwrap());
    let flood: Vec<u8> = (0..1u32 << 20).map(|i| b'a' + (i % 26) as u8).collect();
    let sent = flood.clone();
    let writing = thread::spawn(move || guest.write_all(&sent).map(|()| guest).unwrap());
    let mut seen = vec![0; flood.len()];
    screen.read_exact(&mut seen).unwrap();
    assert!(seen == flood);
    drop(writing.join().unwrap());
    assert_eq!(relaying.join().unwrap(), Event::End(End::HungUp));
}
