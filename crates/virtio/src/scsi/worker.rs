//! The thread of the drive.
//!
//! It exists as long as the drive and sleeps until the control event or the doorbell of the queues is written. What
//! it is told comes one command at a time, and the teller waits until it is done.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

use super::disc::Disc;
use super::drive::{Drive, DriveState, Locked};
use super::service::{Service, Turn};
use crate::{Queue, ThreadHook, ThreadKind};

/// Enough for a worker. The usual 8 MiB may be backed by huge pages, of which a worker would own one.
const STACK: usize = 256 << 10;

/// What an event is about.
const CONTROL: u64 = 0;
const DOORBELL: u64 = 1;

/// What a worker is told.
pub(super) enum Command {
    /// Serve these queues; `hears` says whether the driver takes events about its discs.
    Activate { queues: Vec<Queue>, hears: bool },
    /// Forget the queues; the drive is reset.
    Deactivate,
    /// Begin nothing.
    Pause,
    /// Go on.
    Resume,
    /// Say how the drive is.
    Look,
    /// Exchange the disc.
    Change { disc: Option<Disc>, force: bool },
    /// End.
    Exit,
}

/// How the drive is when a command was obeyed; an error if the guest has locked the disc in.
type Told = Result<DriveState, Locked>;

/// The way to tell a worker something.
#[derive(Clone)]
pub(super) struct Ear {
    commands: Sender<(Command, Sender<Told>)>,
    control: Arc<EventFd>,
}

impl Ear {
    /// Waits until the worker has done what it is told; `None` if it has ended.
    pub(super) fn tell(&self, command: Command) -> Option<Told> {
        let (done, wait) = channel();
        self.commands.send((command, done)).ok()?;
        self.control.write(1).ok()?;
        wait.recv().ok()
    }
}

/// A running worker, from the side of the device. Dropping it ends the thread.
pub(super) struct Worker {
    ear: Ear,
    doorbell: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a thread named `name`, which calls `hook` first and then waits for something to do with the drive.
    ///
    /// # Errors
    /// The host gives no thread or no events.
    pub(super) fn spawn(name: String, drive: Drive, hook: &ThreadHook) -> io::Result<Self> {
        let event = || EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK).map(Arc::new);
        let (control, doorbell) = (event()?, event()?);
        let (commands, receiver) = channel();
        let events = Epoll::new()?;
        for (source, event) in [(CONTROL, &control), (DOORBELL, &doorbell)] {
            let interest = EpollEvent::new(EventSet::IN, source);
            events.ctl(ControlOperation::Add, event.as_raw_fd(), interest)?;
        }
        let state = Thread {
            name: name.clone(),
            events,
            drive,
            commands: receiver,
            control: control.clone(),
            doorbell: doorbell.clone(),
            service: None,
            paused: false,
        };
        let hook = hook.clone();
        let thread = Builder::new().name(name).stack_size(STACK).spawn(move || {
            hook(ThreadKind::Drive);
            state.run();
        })?;
        Ok(Self { ear: Ear { commands, control }, doorbell, thread: Some(thread) })
    }

    /// The event that says that there may be something in a queue.
    pub(super) fn doorbell(&self) -> &Arc<EventFd> {
        &self.doorbell
    }

    /// The way to tell it something, for others too.
    pub(super) fn ear(&self) -> &Ear {
        &self.ear
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.ear.tell(Command::Exit);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The worker from its own side.
struct Thread {
    name: String,
    events: Epoll,
    drive: Drive,
    commands: Receiver<(Command, Sender<Told>)>,
    control: Arc<EventFd>,
    doorbell: Arc<EventFd>,
    service: Option<Service>,
    paused: bool,
}

impl Thread {
    fn run(mut self) {
        let mut next = Turn::Idle;
        loop {
            if self.wait(next) && !self.obey() {
                return;
            }
            next = match &mut self.service {
                Some(service) if !self.paused => service.turn(&mut self.drive),
                _ => Turn::Idle,
            };
        }
    }

    /// Does what it is told, until there is nothing more or it is to end: `false` then.
    fn obey(&mut self) -> bool {
        while let Ok((command, done)) = self.commands.try_recv() {
            let exit = matches!(command, Command::Exit);
            let told = self.perform(command);
            // Whoever asked is waiting, or has gone.
            let _ = done.send(told);
            if exit {
                return false;
            }
        }
        true
    }

    fn perform(&mut self, command: Command) -> Told {
        match command {
            Command::Activate { queues, hears } => {
                self.service = Some(Service::new(self.name.clone(), queues, hears));
            }
            Command::Deactivate => {
                self.service = None;
                self.drive.reset();
            }
            Command::Pause => self.paused = true,
            Command::Resume => self.paused = false,
            Command::Change { disc, force } => {
                self.drive.change(disc, force)?;
                if let Some(service) = &mut self.service {
                    service.note_change();
                }
            }
            Command::Look => {}
            Command::Exit => self.service = None,
        }
        Ok(self.drive.state())
    }

    /// Sleeps until there is something to do. `true` if there are commands.
    fn wait(&self, next: Turn) -> bool {
        let timeout = if next == Turn::More { 0 } else { -1 };
        let mut events = [EpollEvent::default(); 2];
        // An interrupted sleep is a short one: what there is to do is looked for anyway.
        let count = self.events.wait(timeout, &mut events).unwrap_or(0);
        let mut commands = false;
        for event in events.iter().take(count) {
            match event.data() {
                CONTROL => commands = self.control.read().is_ok(),
                _ => drop(self.doorbell.read()),
            }
        }
        commands
    }
}
