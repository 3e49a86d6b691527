//! What a new thread is, told to whoever has to confine it.

use std::sync::Arc;

/// What the threads of a machine are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadKind {
    /// Runs one virtual processor.
    Vcpu,
    /// Serves the queue of one disk, or keeps the variables of the firmware in their file.
    Disk,
    /// Serves the queues of the CD-ROM drive.
    Drive,
}

/// Called by each new thread before anything else, with what it is for: the place to take from the thread
/// what it does not need.
pub type ThreadHook = Arc<dyn Fn(ThreadKind) + Send + Sync>;
