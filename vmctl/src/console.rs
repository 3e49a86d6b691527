//! `vmctl console id`

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use privsep::event::Signals;
use proto::VmId;
use proto::api::{Listing, Vm};
use rustix::fs::OFlags;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::Signal;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use serde_json::json;

use crate::client::{Client, ClientError};
use crate::failure::{Failure, Outcome};
use crate::options::Arguments;
use crate::relay::{End, Event, Relay};
use crate::target::Target;
use crate::terminal::RawTerminal;
use crate::{Settings, output};

/// Signals that end the program, and must not end it with a raw terminal.
const FATAL: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];

pub fn run(settings: &Settings, arguments: &Arguments) -> Outcome {
    let target = Target::parse(arguments.operand()?)?;
    let vm = find(settings, &target)?;
    let Some(Vm { tty: Some(tty), id, .. }) = &vm else { return Err(without_console(&target, vm)) };
    attach(settings, tty, *id)
}

fn find(settings: &Settings, target: &Target) -> Result<Option<Vm>, Failure> {
    let mut client = Client::connect(&settings.socket, settings.verbose).map_err(without_daemon)?;
    let Listing { vms } = client.call("List", json!({}))?;
    Ok(vms.into_iter().find(|vm| target.is(vm)))
}

/// The terminal of a machine that runs on without the daemon shows nothing to those who come.
fn without_daemon(error: ClientError) -> Failure {
    let absent = error.is_absence();
    let failure = Failure::from(error);
    match absent {
        true => {
            failure.hint("consoles need vmd; a vm that runs on without it keeps its latest output until then")
        }
        false => failure,
    }
}

fn without_console(target: &Target, vm: Option<Vm>) -> Failure {
    Failure::new("console not found").hint(match vm {
        None => format!("there is no vm \"{target}\"; `vmctl status` lists those that there are"),
        Some(Vm { name, state, .. }) => {
            format!("vm \"{name}\" is {state}, and only one that runs has a console")
        }
    })
}

/// Joins the user's terminal to the console of a machine until the user leaves, the input ends or the machine
/// does. A machine that reboots keeps its console.
///
/// # Errors
/// The console cannot be opened or fails.
pub fn attach(settings: &Settings, tty: &Path, id: VmId) -> Outcome {
    let failed = |e: io::Error| failed(tty, &e);
    let console = open(tty).map_err(failed)?;
    let signals = Signals::new(&FATAL).map_err(failed)?;
    let raw = RawTerminal::enter().map_err(failed)?;
    if raw.is_some() {
        output::say(&format!("Connected to {} (escape: ~.)\r\n", tty.display()));
    }
    let input = duplicate(rustix::stdio::stdin()).map_err(failed)?;
    let output = duplicate(rustix::stdio::stdout()).map_err(failed)?;
    let mut relay = Relay::new(console, input, output, signals, raw.is_some());
    let end = loop {
        match relay.next_event().map_err(failed)? {
            Event::Break => send_break(settings, id),
            Event::End(end) => break end,
        }
    };
    drop(raw);
    farewell(end)
}

fn failed(tty: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(format!("{}: {}", tty.display(), output::errno_text(error)));
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            failure.hint("a console is for root, whoever started or owns the vm, and the group that owns it")
        }
        _ => failure,
    }
}

/// Opens the console without making it the controlling terminal, and raw: echo and line editing are for the
/// guest to do.
fn open(tty: &Path) -> io::Result<File> {
    let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits();
    let console = OpenOptions::new().read(true).write(true).custom_flags(flags.cast_signed()).open(tty)?;
    let mut termios = tcgetattr(&console)?;
    termios.make_raw();
    tcsetattr(&console, OptionalActions::Now, &termios)?;
    Ok(console)
}

/// A standard stream without the buffer of the library, which poll(2) cannot see.
fn duplicate(stream: BorrowedFd<'_>) -> io::Result<File> {
    Ok(File::from(fcntl_dupfd_cloexec(stream, 0)?))
}

/// A break that cannot be sent is told, and the session goes on.
fn send_break(settings: &Settings, id: VmId) {
    let parameters = json!({ "vm": id.to_string() });
    let sent = settings
        .connect()
        .and_then(|mut client| client.call::<serde_json::Value>("Break", parameters).map_err(Failure::from));
    if let Err(failure) = sent {
        // The terminal is raw: a line does not begin by itself.
        output::say(&failure.hint("the break was not sent").text().replace('\n', "\r\n"));
    }
}

fn farewell(end: End) -> Outcome {
    match end {
        End::Signal => return Err(Failure::new("console: ended by a signal")),
        End::HungUp => output::say("\nvmctl: the virtual machine has ended\n"),
        End::Detached => output::say("\n[EOT]\n"),
        End::InputEnded | End::OutputGone => {}
    }
    Ok(())
}
