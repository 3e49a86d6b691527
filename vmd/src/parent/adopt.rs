//! Taking charge of the machines that an earlier daemon has left running.
//!
//! The daemon believes its own record, and the kernel. The process that listens on the machine's socket has to be
//! the one of the record, which its number and its start time tell together; a pidfd, opened before that is
//! looked at, keeps them from passing to another process meanwhile. The process itself is asked nothing: it
//! runs a guest, who may have got hold of it. What does not check out is reported and left running.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use anyhow::Context;
use privsep::event::is_readable;
use proto::{ParentToVmm, Reply, RequestId, VmName};
use rustix::net::sockopt;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::record::{Record, Survivor};
use super::runtime_dir::RuntimeDir;
use super::table::Event;
use super::{Ending, Parent, process};

/// How long vmm has for taking a machine.
const TAKE_TIME: Duration = Duration::from_secs(10);

/// What is left of a machine.
pub enum Found {
    /// Its process, which is who the record says.
    Alive(Box<Adoptable>),
    /// Nothing but files.
    Gone,
    /// Something that does not check out, and why.
    Strange(Strange),
}

/// A machine and the ways to its process.
pub struct Adoptable {
    /// The machine.
    pub survivor: Survivor,
    /// A connection to the process's own socket.
    connection: OwnedFd,
    /// The process.
    pidfd: OwnedFd,
}

/// Why a process is left alone.
#[derive(Debug)]
pub struct Strange {
    why: String,
    /// The process, as far as it is known.
    pid: Option<Pid>,
}

impl Strange {
    fn new(pid: Option<Pid>, why: impl fmt::Display) -> Self {
        Self { why: why.to_string(), pid }
    }
}

impl fmt::Display for Strange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, pid } = self;
        match pid.map(Pid::as_raw_nonzero) {
            Some(pid) => write!(
                f,
                "{why}; process {pid} is left running, `kill {pid}` ends it and keeps its disks safe"
            ),
            None => write!(f, "{why}; whatever process it has is left running"),
        }
    }
}

impl Parent {
    /// Takes charge of every machine that an earlier daemon has left, and clears away what is left of those that
    /// have ended meanwhile.
    pub(super) fn adopt_survivors(&mut self) -> anyhow::Result<()> {
        for name in self.dir.vm_names()? {
            match look(&self.dir, &name) {
                Found::Alive(found) => self.adopt(&name, *found)?,
                Found::Gone => self.forget(&name),
                Found::Strange(strange) => {
                    tracing::error!(vm = %name, event = "strange", "vm \"{name}\" can not be taken over: {strange}");
                }
            }
        }
        Ok(())
    }

    fn adopt(&mut self, name: &VmName, found: Adoptable) -> anyhow::Result<()> {
        let Adoptable { mut survivor, connection, pidfd } = found;
        survivor.id = self.table.reserve(survivor.id);
        let (id, pid) = (survivor.id, survivor.pid);
        tracing::info!(vm = %name, id = id.0, event = "adopted", "vm \"{name}\" runs on in process {pid}");
        let message = ParentToVmm::Adopt { id: survivor.id, name: name.clone(), pid: survivor.pid };
        let descriptors = [connection.as_fd(), pidfd.as_fd()];
        self.vmm.send_wait(&self.poller, &message, &descriptors, TAKE_TIME).context("the vmm role")?;
        if let Err(why) = self.openings.watch(survivor.id, &survivor.tty) {
            let tty = survivor.tty.display();
            tracing::warn!(vm = %name, id = id.0, "vm \"{name}\": its console {tty} is not shown: {why}");
        }
        self.apply(Event::Adopted(Box::new(survivor)))
    }

    /// Ends this daemon so that the next one takes charge.
    pub(super) fn hand_over(&mut self, client: RequestId) -> anyhow::Result<()> {
        tracing::info!("leaving the virtual machines to the next vmd");
        self.ending = Some(Ending::HandedOver);
        self.reply(client, Reply::Leaving { command: self.service.successor().to_vec() })
    }

    /// Notes what a later daemon has to know of a machine. One that ended just now needs no note.
    pub(super) fn note(&self, survivor: Survivor) {
        let Some(start_time) = process::start_time(survivor.pid) else { return };
        let name = survivor.spec.name.clone();
        let text = Record { survivor, start_time }.encode().map_err(std::io::Error::from);
        if let Err(why) = text.and_then(|text| self.dir.write_record(&name, &text)) {
            tracing::warn!(
                vm = %name,
                "vm \"{name}\": cannot write its record, so no later vmd will take it over: {why}"
            );
        }
    }

    fn forget(&self, name: &VmName) {
        tracing::warn!(vm = %name, event = "ended", "vm \"{name}\" ended while there was no vmd");
        if let Err(why) = self.dir.remove_vm(name) {
            tracing::warn!(vm = %name, "vm \"{name}\": cannot remove its directory: {why}");
        }
    }
}

/// Looks what is left of a machine.
pub fn look(dir: &RuntimeDir, name: &VmName) -> Found {
    match find(dir, name) {
        Ok(Some(found)) => Found::Alive(Box::new(found)),
        Ok(None) => Found::Gone,
        Err(strange) => Found::Strange(strange),
    }
}

fn find(dir: &RuntimeDir, name: &VmName) -> Result<Option<Adoptable>, Strange> {
    let record = read_record(dir, name);
    let noted = record.as_ref().ok().and_then(|record| pid(record.survivor.pid));
    let connection = dir.connect(name);
    let connection = connection
        .map_err(|why| Strange::new(noted, format_args!("its process takes no connection: {why}")))?;
    let Some(connection) = connection else {
        return match record.ok().filter(lives) {
            Some(_) => Err(Strange::new(noted, "its process does not listen on its socket any more")),
            None => Ok(None),
        };
    };
    let peer = sockopt::socket_peercred(&connection).ok().map(|peer| peer.pid);
    let record = record.map_err(|why| Strange::new(peer, why))?;
    let pidfd = check(&record, peer)?;
    Ok(Some(Adoptable { survivor: record.survivor, connection, pidfd }))
}

fn read_record(dir: &RuntimeDir, name: &VmName) -> Result<Record, String> {
    let text = dir.read_record(name).map_err(|why| format!("its record can not be read: {why}"))?;
    let text = text.ok_or("there is no record of it")?;
    Record::decode(&text, name).map_err(|why| why.to_string())
}

/// Holds on to the process that listens, if it is that of the record.
fn check(record: &Record, peer: Option<Pid>) -> Result<OwnedFd, Strange> {
    let noted = record.survivor.pid;
    if peer.is_none() || peer != pid(noted) {
        return Err(Strange::new(
            peer,
            format_args!("its record says process {noted}, but another one listens"),
        ));
    }
    let strange = |why: &dyn fmt::Display| Strange::new(peer, why);
    let peer = peer.ok_or_else(|| strange(&"it has no process"))?;
    let pidfd = pidfd_open(peer, PidfdFlags::empty()).map_err(|why| strange(&why))?;
    if !lives(record) {
        return Err(strange(&format_args!("process {noted} is another one than that of its record")));
    }
    // Only now is it sure that what was looked at is what the pidfd holds.
    match has_ended(&pidfd) {
        false => Ok(pidfd),
        true => Err(strange(&"its process ended just now")),
    }
}

fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

/// Whether the process of the record runs.
fn lives(record: &Record) -> bool {
    process::start_time(record.survivor.pid) == Some(record.start_time)
}

fn has_ended(pidfd: &OwnedFd) -> bool {
    is_readable(pidfd, Duration::ZERO).unwrap_or(true)
}

#[cfg(test)]
#[path = "adopt_test.rs"]
mod tests;
