//! Taking from a process what it does not need.

mod filter;
mod rule;
#[cfg(any(debug_assertions, feature = "report-violations"))]
mod violation;
#[cfg(not(any(debug_assertions, feature = "report-violations")))]
mod violation {
    pub const ACTION: seccompiler::SeccompAction = seccompiler::SeccompAction::KillProcess;
    pub fn prepare() {}
}

use std::io;
use std::path::Path;

use rustix::fs::{Gid, Uid};
use rustix::process::{DumpableBehavior, Resource, Rlimit, chdir, chroot, set_dumpable_behavior, setrlimit};
pub use rustix::thread::CapabilitySet;
use rustix::thread::{
    CapabilitySets, UnshareFlags, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid, unshare_unsafe,
};

pub use filter::{Filter, FilterError};
pub use rule::{Argument, Rule, Verdict, allow, allow_if, arg, refuse};

/// What is left to a process.
#[derive(Debug)]
pub struct Sandbox<'a> {
    /// The directory that becomes its root, which ought to be empty. `None` leaves the root as it is.
    pub root: Option<&'a Path>,
    /// Whom it runs as. `None` leaves that as it is.
    pub identity: Option<Identity>,
    /// The privileges that it keeps (capabilities(7)) if it has them, and that programs executed by it can at
    /// most have.
    pub capabilities: CapabilitySet,
    /// The system calls that it may make from then on.
    pub filter: Filter,
}

/// A user and its one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user id.
    pub uid: u32,
    /// The group id. There are no supplementary groups.
    pub gid: u32,
}

/// A process could not be confined. It must end, for it has more rights than it should.
#[derive(Debug, thiserror::Error)]
#[error("cannot confine the process: {step}")]
pub struct SandboxError {
    step: &'static str,
    source: io::Error,
}

/// Names the step that failed.
trait Step<T> {
    fn step(self, step: &'static str) -> Result<T, SandboxError>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: &'static str) -> Result<T, SandboxError> {
        self.map_err(|source| SandboxError { step, source: source.into() })
    }
}

impl Sandbox<'_> {
    /// Confines the calling process, for good: no step can be undone, and processes that it executes are
    /// confined at least as much.
    ///
    /// The process must have a single thread. It can not be traced or dump its memory afterwards.
    ///
    /// # Errors
    /// [`SandboxError`] if a step failed. Some of them may have been taken.
    pub fn enter(&self) -> Result<(), SandboxError> {
        require_single_thread().step("it has more than one thread")?;
        set_no_new_privs(true).step("give up gaining privileges by execution")?;
        self.change_root()?;
        limit_bounding_set(self.capabilities).step("limit the capabilities of executed programs")?;
        self.change_identity()?;
        self.drop_capabilities()?;
        hide_memory()?;
        self.filter.install_on_this_thread().map_err(io::Error::other).step("install the system call filter")
    }

    fn change_root(&self) -> Result<(), SandboxError> {
        let Some(root) = self.root else { return Ok(()) };
        chroot(root).step("change the root directory")?;
        // The old working directory would be a way back out.
        chdir("/").step("enter the root directory")
    }

    /// Sets all three ids of both kinds, so that none is left to go back to.
    fn change_identity(&self) -> Result<(), SandboxError> {
        let Some(Identity { uid, gid }) = self.identity else { return Ok(()) };
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        set_thread_groups(&[]).step("drop supplementary groups")?;
        set_thread_res_gid(gid, gid, gid).step("change the group")?;
        // Leaving user 0 takes all capabilities along, unless told otherwise.
        set_keep_capabilities(!self.capabilities.is_empty()).step("keep capabilities")?;
        set_thread_res_uid(uid, uid, uid).step("change the user")
    }

    fn drop_capabilities(&self) -> Result<(), SandboxError> {
        clear_ambient_capability_set().step("clear ambient capabilities")?;
        // In a container root may have less than is wanted; what misses it says so when it comes to that.
        let had = capabilities(None).step("look at the capabilities")?.permitted;
        let kept = had & self.capabilities;
        let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
        set_capabilities(None, sets).step("drop capabilities")
    }
}

/// Fails if there is a second thread, which would stay as it is: the calls here concern one thread.
fn require_single_thread() -> io::Result<()> {
    #![allow(unsafe_code)]
    // SAFETY: parts the thread from the others of its process, of which the kernel demands that there are none:
    // nothing is unshared.
    Ok(unsafe { unshare_unsafe(UnshareFlags::from_bits_retain(libc::CLONE_THREAD.cast_unsigned())) }?)
}

/// Drops everything else from what an executed program can ever have.
fn limit_bounding_set(keep: CapabilitySet) -> io::Result<()> {
    // The kernel may know capabilities without a name here; it refuses the first number that it does not know.
    for capability in (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit)) {
        match capability_is_in_bounding_set(capability) {
            Err(_) => break,
            Ok(true) if !keep.contains(capability) => remove_capability_from_bounding_set(capability)?,
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Keeps guests' memory and clients' data out of core files and from processes of the same user.
fn hide_memory() -> Result<(), SandboxError> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).step("forbid tracing")?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).step("forbid core files")
}
