//! The console's terminal: a pty whose master goes to the vm process and whose slave is the user's.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use proto::Owner;
use rustix::fs::{Gid, Mode, Uid, fchmod, fchown};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::accounts;

/// A console, as the parent hands it on.
pub struct Console {
    /// The side of the machine.
    pub master: OwnedFd,
    /// The user's side.
    pub tty: PathBuf,
}

impl Console {
    /// Makes a terminal for a machine that `owner` started.
    ///
    /// # Errors
    /// What the system says when there are no more terminals, or `/dev/pts` is not there.
    pub fn open(owner: Owner) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        unlockpt(&master)?;
        let tty = PathBuf::from(OsStr::from_bytes(ptsname(&master, Vec::new())?.as_bytes()));
        // Opened and closed again, so that the master knows from the start that nobody is there.
        let slave = ioctl_tiocgptpeer(&master, flags)?;
        make_raw(&slave)?;
        give_to(&slave, owner)?;
        drop(slave);
        rustix::io::ioctl_fionbio(&master, true)?;
        Ok(Self { master, tty })
    }
}

/// Without echo and line editing: what the guest prints must not come back as its input.
fn make_raw(slave: &OwnedFd) -> io::Result<()> {
    let mut termios = tcgetattr(slave)?;
    termios.make_raw();
    Ok(tcsetattr(slave, OptionalActions::Now, &termios)?)
}

/// To the user, and to the machine's group if it has one, else to the group `tty` for messages only.
fn give_to(slave: &OwnedFd, owner: Owner) -> io::Result<()> {
    let (gid, mode) = match (owner.gid, accounts::group("tty").ok().flatten()) {
        (Some(gid), _) => (Some(gid), 0o660),
        (None, Some(tty)) => (Some(tty), 0o620),
        (None, None) => (None, 0o600),
    };
    fchown(slave, Some(Uid::from_raw(owner.uid)), gid.map(Gid::from_raw))?;
    Ok(fchmod(slave, Mode::from_raw_mode(mode))?)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::MetadataExt;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn polled(fd: &OwnedFd, flags: PollFlags) -> PollFlags {
        let mut fds = [PollFd::new(fd, flags)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
        fds[0].revents()
    }

    #[test]
    fn the_master_knows_whether_somebody_is_there() {
        let console = Console::open(Owner { uid: rustix::process::getuid().as_raw(), gid: None }).unwrap();
        assert!(polled(&console.master, PollFlags::IN).contains(PollFlags::HUP));
        let user = OpenOptions::new().read(true).write(true).open(&console.tty).unwrap();
        assert!(!polled(&console.master, PollFlags::IN).contains(PollFlags::HUP));
        drop(user);
        assert!(polled(&console.master, PollFlags::IN).contains(PollFlags::HUP));
    }

    #[test]
    fn the_terminal_is_its_owners_alone() {
        let uid = rustix::process::getuid().as_raw();
        let console = Console::open(Owner { uid, gid: None }).unwrap();
        let metadata = std::fs::metadata(&console.tty).unwrap();
        assert_eq!(metadata.uid(), uid);
        assert_eq!(metadata.mode() & 0o007, 0, "nothing for others");
    }
}
