//! Who has opened a console's terminal just now.
//!
//! A pty tells its master when the last user has left, but not when somebody comes. So the parent watches the
//! terminals of all machines with one inotify instance (hosts allow few of them), and passes on what it sees.

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use proto::VmId;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

/// Room for this many events at once; none of ours comes with a name.
const BUFFER: usize = 1024;

/// The watched terminals.
pub struct Openings {
    inotify: OwnedFd,
    machines: BTreeMap<i32, VmId>,
}

impl Openings {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// When the host gives no more inotify instances.
    pub fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { inotify, machines: BTreeMap::new() })
    }

    /// Watches the terminal of a machine, as long as there is such a terminal.
    ///
    /// # Errors
    /// When there is none, or the host watches no more files.
    pub fn watch(&mut self, id: VmId, tty: &Path) -> io::Result<()> {
        let watch = inotify::add_watch(&self.inotify, tty, WatchFlags::OPEN)?;
        self.machines.insert(watch, id);
        Ok(())
    }

    /// The machines whose terminal was opened since the last call.
    ///
    /// # Errors
    /// When the kernel's queue can not be read.
    pub fn read(&mut self) -> io::Result<Vec<VmId>> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut opened = Vec::new();
        loop {
            match events.next() {
                Ok(event) if event.events().contains(ReadFlags::IGNORED) => {
                    // The terminal has gone with its machine.
                    self.machines.remove(&event.wd());
                }
                // The kernel has dropped events: anybody may have come.
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => {
                    opened.extend(self.machines.values());
                }
                Ok(event) => opened.extend(self.machines.get(&event.wd())),
                Err(Errno::AGAIN) => return Ok(opened),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl AsFd for Openings {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use proto::Owner;

    use super::*;
    use crate::parent::console::Console;

    #[test]
    fn each_opening_is_told_with_its_machine_until_the_terminal_is_gone() {
        let owner = Owner { uid: rustix::process::getuid().as_raw(), gid: None };
        let [web, db] = [(); 2].map(|()| Console::open(owner).unwrap());
        let mut openings = Openings::new().unwrap();
        openings.watch(VmId(1), &web.tty).unwrap();
        openings.watch(VmId(2), &db.tty).unwrap();
        assert_eq!(openings.read().unwrap(), []);
        let open = |console: &Console| OpenOptions::new().read(true).write(true).open(&console.tty).unwrap();
        drop(open(&db));
        drop(open(&web));
        drop(open(&db));
        assert_eq!(openings.read().unwrap(), [VmId(2), VmId(1), VmId(2)]);
        drop(db);
        assert_eq!(openings.read().unwrap(), []);
        assert_eq!(openings.machines.len(), 1);
    }
}
