//! What the administrator reads about virtual machines in the log. vmd(8) lists the words in `event`.

use std::time::Duration;

use proto::{
    DriveAnswer, DriveRequest, ExitReason, Peer, Request, ResetCause, StopMode, VmId, VmName, VmRef,
};

use super::table::VmTable;

/// A client asks. What changes something is always told, the rest to who wants to know more.
pub fn asked(table: &VmTable, peer: &Peer, request: &Request) {
    let Peer { uid, pid, .. } = peer;
    let Some((what, about)) = change(request) else {
        tracing::debug!(client_uid = uid, client_pid = pid, "uid {uid} (pid {pid}) asks: {request:?}");
        return;
    };
    let found = about.as_ref().and_then(|vm| table.identify(vm));
    tracing::info!(
        vm = found.map(|(_, name)| display(name)),
        id = found.map(|(id, _)| id.0),
        event = "request",
        request = what,
        client_uid = uid,
        client_pid = pid,
        "uid {uid} (pid {pid}) asks: {what}{}",
        about.map(|vm| format!(" \"{vm}\"")).unwrap_or_default()
    );
}

/// What a request changes, by the word of vmctl(8), and of which machine.
fn change(request: &Request) -> Option<(&'static str, Option<VmRef>)> {
    Some(match request {
        Request::Start(vm) => ("start", Some(vm.clone())),
        Request::StartNew(spec) | Request::StartInstance { spec, .. } => {
            ("start", Some(VmRef::Name(spec.name.clone())))
        }
        Request::Stop { vm, mode: StopMode::Graceful, .. } => ("stop", Some(vm.clone())),
        Request::Stop { vm, mode: StopMode::Force, .. } => ("stop -f", Some(vm.clone())),
        Request::Break(vm) => ("break", Some(vm.clone())),
        Request::Pause(vm) => ("pause", Some(vm.clone())),
        Request::Unpause(vm) => ("unpause", Some(vm.clone())),
        Request::Drive(vm, DriveRequest::Change { .. }) => ("cdrom", Some(vm.clone())),
        Request::Reload { dry_run: false } => ("reload", None),
        Request::Load(_) => ("load", None),
        Request::Reset(_) => ("reset", None),
        Request::Log(_) => ("log", None),
        Request::Restart => ("restart-daemon", None),
        Request::Status(_)
        | Request::Wait(_)
        | Request::Drive(_, DriveRequest::Look)
        | Request::Reload { dry_run: true }
        | Request::Events => {
            return None;
        }
    })
}

/// A client was refused what it asked for.
pub fn refused(why: &str) {
    tracing::info!(event = "refused", "refused: {why}");
}

/// A machine is about to have a process.
pub fn starting(id: VmId, name: &VmName) {
    tracing::debug!(vm = %name, id = id.0, event = "starting", "vm \"{name}\" is starting");
}

/// A machine was not started.
pub fn unstarted(id: VmId, name: &VmName, why: &str) {
    tracing::error!(vm = %name, id = id.0, event = "unstarted", reason = why, "vm \"{name}\" was not started: {why}");
}

/// A guest is asked to power off, or its machine told to halt.
pub fn stopping(id: VmId, name: &VmName, mode: StopMode, time: Duration) {
    let how = match mode {
        StopMode::Graceful => format!("is asked to power off within {} s", time.as_secs()),
        StopMode::Force => "is told to halt".to_owned(),
    };
    tracing::info!(vm = %name, id = id.0, event = "stopping", "vm \"{name}\" {how}");
}

/// A machine's process has ended. What was not wanted is a warning.
pub fn ended(id: VmId, name: &VmName, how: &ExitReason) {
    match how {
        ExitReason::PoweredOff | ExitReason::Forced => {
            tracing::info!(vm = %name, id = id.0, event = "ended", reason = %how, "vm \"{name}\" {how}");
        }
        _ => tracing::warn!(vm = %name, id = id.0, event = "ended", reason = %how, "vm \"{name}\" {how}"),
    }
}

impl VmTable {
    /// Tells what a machine has done, by its word.
    pub fn report(&self, id: VmId, event: &'static str) {
        let Some((_, name)) = self.identify(&VmRef::Id(id)) else { return };
        tracing::info!(vm = %name, id = id.0, event, "vm \"{name}\" {event}");
    }

    /// Tells that a machine's disc was changed, if that is what is answered.
    pub fn report_disc(&self, id: VmId, answer: DriveAnswer) {
        let found = self.identify(&VmRef::Id(id)).filter(|_| self.changes_disc(id, answer));
        let Some((_, name)) = found else { return };
        tracing::info!(vm = %name, id = id.0, event = "disc", "vm \"{name}\": the disc in its drive was changed");
    }

    /// Tells that a guest has reset its machine, and how.
    pub fn report_reset(&self, id: VmId, cause: ResetCause) {
        let Some((_, name)) = self.identify(&VmRef::Id(id)) else { return };
        tracing::info!(
            vm = %name, id = id.0, event = "rebooted", reason = %cause, "vm \"{name}\" rebooted by {cause}"
        );
    }
}
