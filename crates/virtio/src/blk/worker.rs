//! The thread of a disk.
//!
//! It exists as long as the disk and sleeps until one of three descriptors is readable: the control event, the
//! doorbell of the queue, the disk's completions. What it is told comes one command at a time, and the teller waits
//! until it is done.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use disk::BlockBackend;
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

use super::service::{Service, Turn};
use crate::{Queue, ThreadHook, ThreadKind};

/// Enough for a worker. The usual 8 MiB may be backed by huge pages, of which a worker would own one.
const STACK: usize = 256 << 10;

/// How soon to try again when the host was short of resources, in milliseconds.
const RETRY_MS: i32 = 10;

/// What an event is about.
const CONTROL: u64 = 0;
const DOORBELL: u64 = 1;
const COMPLETIONS: u64 = 2;

/// What a worker is told.
enum Command {
    /// Serve this queue.
    Activate { queue: Queue, write_through: bool },
    /// Complete what was begun and forget the queue.
    Deactivate,
    /// Complete what was begun and begin nothing.
    Pause,
    /// Go on.
    Resume,
    /// End.
    Exit,
}

/// A running worker, from the side of the device. Dropping it ends the thread.
pub(super) struct Worker {
    commands: Sender<(Command, Sender<()>)>,
    control: Arc<EventFd>,
    doorbell: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a thread named `name`, which calls `hook` first and then waits for something to do with `disk`.
    ///
    /// # Errors
    /// The host gives no thread or no events.
    pub(super) fn spawn(name: String, disk: Box<dyn BlockBackend>, hook: &ThreadHook) -> io::Result<Self> {
        let event = || EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK).map(Arc::new);
        let (control, doorbell) = (event()?, event()?);
        let (commands, receiver) = channel();
        let own = [(CONTROL, control.as_raw_fd()), (DOORBELL, doorbell.as_raw_fd())];
        let ready: Vec<_> = disk.ready().iter().map(|fd| (COMPLETIONS, fd.as_raw_fd())).collect();
        let state = Thread {
            name: name.clone(),
            events: watch(&[&own, &ready[..]].concat())?,
            completions: watch(&ready)?,
            disk,
            commands: receiver,
            control: control.clone(),
            doorbell: doorbell.clone(),
            service: None,
            paused: false,
        };
        let hook = hook.clone();
        let thread = Builder::new().name(name).stack_size(STACK).spawn(move || {
            hook(ThreadKind::Disk);
            state.run();
        })?;
        Ok(Self { commands, control, doorbell, thread: Some(thread) })
    }

    /// The event that says that there may be something in the queue.
    pub(super) fn doorbell(&self) -> &Arc<EventFd> {
        &self.doorbell
    }

    /// Serves a queue from now on.
    pub(super) fn activate(&self, queue: Queue, write_through: bool) {
        self.tell(Command::Activate { queue, write_through });
    }

    /// Forgets the queue, when all that was begun is completed.
    pub(super) fn deactivate(&self) {
        self.tell(Command::Deactivate);
    }

    /// Begins nothing new; on return all that was begun is completed.
    pub(super) fn pause(&self) {
        self.tell(Command::Pause);
    }

    /// Goes on after [`Worker::pause`].
    pub(super) fn resume(&self) {
        self.tell(Command::Resume);
    }

    /// Waits until the worker has done what it is told.
    fn tell(&self, command: Command) {
        let (done, wait) = channel();
        if self.commands.send((command, done)).is_ok() && self.control.write(1).is_ok() {
            // An error says that the thread has ended: then there is nothing to wait for.
            let _ = wait.recv();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.tell(Command::Exit);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The worker from its own side.
struct Thread {
    name: String,
    disk: Box<dyn BlockBackend>,
    /// All that it sleeps for, and the disk's completions alone.
    events: Epoll,
    completions: Epoll,
    commands: Receiver<(Command, Sender<()>)>,
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
            next = self.turn();
        }
    }

    fn turn(&mut self) -> Turn {
        match &mut self.service {
            Some(service) if !self.paused => service.turn(&mut *self.disk),
            _ => Turn::Idle,
        }
    }

    /// Does what it is told, until there is nothing more or it is to end: `false` then.
    fn obey(&mut self) -> bool {
        while let Ok((command, done)) = self.commands.try_recv() {
            let exit = matches!(command, Command::Exit);
            self.perform(command);
            // Whoever asked is waiting, or has gone.
            let _ = done.send(());
            if exit {
                return false;
            }
        }
        true
    }

    fn perform(&mut self, command: Command) {
        match command {
            Command::Activate { queue, write_through } => {
                let service = Service::new(self.name.clone(), queue, write_through, self.disk.depth());
                self.disk.attach(service.memory().clone());
                self.service = Some(service);
            }
            Command::Pause => {
                self.drain();
                self.paused = true;
            }
            Command::Resume => self.paused = false,
            Command::Deactivate | Command::Exit => {
                self.drain();
                self.service = None;
            }
        }
    }

    /// Completes all that was begun.
    fn drain(&mut self) {
        let Some(service) = &mut self.service else { return };
        let mut next = service.finish(&mut *self.disk);
        while service.is_busy() {
            let mut events = [EpollEvent::default(); 1];
            let _ = self.completions.wait(milliseconds(next), &mut events);
            next = service.finish(&mut *self.disk);
        }
    }

    /// Sleeps until there is something to do. `true` if there are commands.
    fn wait(&self, next: Turn) -> bool {
        let mut events = [EpollEvent::default(); 3];
        // An interrupted sleep is a short one: what there is to do is looked for anyway.
        let count = self.events.wait(milliseconds(next), &mut events).unwrap_or(0);
        let mut commands = false;
        for event in events.iter().take(count) {
            match event.data() {
                CONTROL => commands = self.control.read().is_ok(),
                DOORBELL => drop(self.doorbell.read()),
                _ => {}
            }
        }
        commands
    }
}

/// What all that a worker sleeps for is registered with.
fn watch(descriptors: &[(u64, RawFd)]) -> io::Result<Epoll> {
    let epoll = Epoll::new()?;
    for &(source, fd) in descriptors {
        epoll.ctl(ControlOperation::Add, fd, EpollEvent::new(EventSet::IN, source))?;
    }
    Ok(epoll)
}

/// How long to sleep for an event at most, as `epoll_wait` takes it.
fn milliseconds(next: Turn) -> i32 {
    match next {
        Turn::Idle => -1,
        Turn::More => 0,
        Turn::Retry => RETRY_MS,
    }
}
