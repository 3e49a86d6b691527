//! Tightening the sandbox of each thread when the machine is set up.

use std::sync::Arc;

use anyhow::Context;
use machine::{ThreadHook, ThreadKind};

use crate::role::VmThread;

/// What each new thread of the machine does first: give up what its work does not need. A thread that can
/// not, must not run. Only a machine with a CD-ROM drive has a thread for it.
///
/// # Errors
/// If a filter can not be compiled.
pub fn thread_hook(has_drive: bool) -> anyhow::Result<ThreadHook> {
    let vcpu = VmThread::Vcpu.filter()?;
    let disk = VmThread::Disk.filter()?;
    let drive = has_drive.then(|| VmThread::Drive.filter()).transpose()?;
    Ok(Arc::new(move |kind| {
        let filter = match kind {
            ThreadKind::Vcpu => Some(&vcpu),
            ThreadKind::Disk => Some(&disk),
            ThreadKind::Drive => drive.as_ref(),
        };
        let installed = filter
            .context("there is no filter for it")
            .and_then(|filter| filter.install_on_this_thread().context("it can not be installed"));
        if let Err(why) = installed {
            tracing::error!("cannot close the sandbox of a thread: {why:#}");
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
