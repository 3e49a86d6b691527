//! Tightening the sandbox of each thread when the machine is set up.

use std::sync::Arc;

use anyhow::Context;
use machine::{ThreadHook, ThreadKind};

use crate::role::VmThread;

/// What each new thread of the machine does first: give up what its work does not need. A thread that can
/// not, must not run.
///
/// # Errors
/// If a filter can not be compiled.
pub fn thread_hook() -> anyhow::Result<ThreadHook> {
    let vcpu = VmThread::Vcpu.filter()?;
    let disk = VmThread::Disk.filter()?;
    Ok(Arc::new(move |kind| {
        let filter = match kind {
            ThreadKind::Vcpu => &vcpu,
            ThreadKind::Disk => &disk,
        };
        if let Err(why) = filter.install_on_this_thread() {
            tracing::error!("cannot close the sandbox of a thread: {why}");
            std::process::abort();
        }
    }))
}

/// Does the same for the calling thread, which owns the machine.
///
/// # Errors
/// If the filter can not be installed.
pub fn confine_owner() -> anyhow::Result<()> {
    let filter = VmThread::Owner.filter()?;
    filter.install_on_this_thread().context("cannot close the sandbox")
}
