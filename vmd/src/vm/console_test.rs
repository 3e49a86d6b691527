use std::fs::{File, OpenOptions};
use std::io::{Read, Write};

use proto::Owner;

use super::*;
use crate::parent::console::Console as Terminal;

/// A console, and how a user opens its terminal.
fn console() -> (Console, impl Fn() -> File) {
    let owner = Owner { uid: rustix::process::getuid().as_raw(), gid: None };
    let terminal = Terminal::open(owner).unwrap();
    let open = move || OpenOptions::new().read(true).write(true).open(&terminal.tty).unwrap();
    (Console::new(terminal.master).unwrap(), open)
}

fn read(user: &mut File, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    user.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn output_of_the_time_when_nobody_was_there_is_shown_to_who_comes() {
    let (mut console, open) = console();
    console.output().write(b"booting\r\n");
    assert_eq!(console.wants(), None, "a deserted terminal is not watched");
    let mut user = open();
    console.opened().unwrap();
    assert_eq!(read(&mut user, 9), b"booting\r\n");
    console.output().write(b"login: ");
    console.send().unwrap();
    assert_eq!(read(&mut user, 7), b"login: ");
}

#[test]
fn only_the_latest_output_is_kept() {
    let (console, _) = console();
    let output = console.output();
    output.write(&vec![b'a'; BACKLOG]);
    output.write(b"bcd");
    let inner = console.backlog.lock();
    assert_eq!(inner.bytes.len(), BACKLOG);
    assert!(inner.bytes.iter().rev().take(4).eq(b"dcba"));
    drop(inner);
    output.write(&vec![b'e'; 3 * BACKLOG]);
    assert!(console.backlog.lock().bytes.iter().all(|byte| *byte == b'e'));
}

#[test]
fn a_reader_who_stops_reading_loses_nothing_that_fits() {
    let (mut console, open) = console();
    let mut user = open();
    console.opened().unwrap();
    console.output().write(&vec![b'x'; BACKLOG]);
    console.send().unwrap();
    assert_eq!(console.wants(), Some(Wants { read: true, write: true }), "the terminal is full");
    let mut seen = 0;
    while seen < BACKLOG {
        let mut chunk = [0; 4096];
        seen += user.read(&mut chunk).unwrap();
        console.send().unwrap();
    }
    assert_eq!(console.wants(), Some(Wants { read: true, write: false }));
}

#[test]
fn input_that_the_machine_does_not_take_waits_and_is_not_read_on() {
    let (mut console, open) = console();
    let mut user = open();
    console.opened().unwrap();
    user.write_all(b"root\r").unwrap();
    console.receive(|_| 2).unwrap();
    assert_eq!(console.wants(), Some(Wants { read: false, write: false }));
    let mut rest: Vec<u8> = Vec::new();
    console
        .receive(|bytes| {
            rest.extend(bytes);
            bytes.len()
        })
        .unwrap();
    assert_eq!(rest, b"ot\r");
    assert_eq!(console.wants(), Some(Wants { read: true, write: false }));
}

#[test]
fn who_leaves_takes_their_unread_input_along_and_not_the_output() {
    let (mut console, open) = console();
    let mut user = open();
    console.opened().unwrap();
    user.write_all(b"rm -rf").unwrap();
    console.receive(|_| 0).unwrap();
    drop(user);
    console.closed();
    assert!(console.input.is_empty());
    console.output().write(b"still here");
    let mut next = open();
    console.opened().unwrap();
    assert_eq!(read(&mut next, 10), b"still here");
}

#[test]
fn who_opens_and_closes_at_once_attaches_nobody() {
    let (mut console, open) = console();
    drop(open());
    console.opened().unwrap();
    assert_eq!(console.wants(), None);
}
