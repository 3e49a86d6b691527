//! CD-ROM drives: what clients want with them.
//!
//! A machine answers orders in their turn. What is in a drive is what the last change that was done put into it; a
//! machine that starts again has the disc that it was defined with.

use std::path::PathBuf;

use proto::{
    DriveAnswer, DriveInfo, DriveRequest, DriveState, Peer, Refusal, RefusalKind, Reply, RequestId, VmId,
    VmRef,
};

use super::entry::{Entry, Live, State};
use super::{Answer, Effect, VmTable, refuse};
use crate::parent::access::may_change_disc;

/// The most orders about one drive that may be under way.
const MAX_ORDERS: usize = 64;

/// Something that a client wants with a drive and that the machine has not answered yet.
#[derive(Debug)]
pub struct Order {
    /// The client, unless it has gone.
    pub client: Option<RequestId>,
    what: DriveRequest,
}

impl Order {
    /// The client has gone.
    pub fn forget_client(&mut self, request: RequestId) {
        self.client.take_if(|client| *client == request);
    }

    /// The disc that is in the drive when this was done to one with `before` in it.
    fn leaves(&self, before: Option<PathBuf>) -> Option<PathBuf> {
        match &self.what {
            DriveRequest::Look => before,
            DriveRequest::Change { disc, .. } => disc.clone(),
        }
    }
}

impl VmTable {
    pub(super) fn order_drive(
        &mut self,
        request: RequestId,
        peer: &Peer,
        vm: &VmRef,
        what: DriveRequest,
    ) -> Answer {
        let (id, _) = self.operable(peer, vm)?;
        if matches!(what, DriveRequest::Change { disc: Some(_), .. }) {
            self.refuse_disc(id, peer)?;
        }
        let (_, entry) = self.operable(peer, vm)?;
        if entry.spec.cdrom.is_none() {
            return Err(entry.no_drive());
        }
        let refusal = entry.not_running();
        match &mut entry.state {
            State::Running(live) | State::Paused(live) => {
                live.order(request, what.clone())?;
                Ok(vec![Effect::Drive(id, peer.clone(), what)])
            }
            State::Stopping(_) => Err(entry.already_stopping()),
            State::Stopped | State::Waiting | State::Starting { .. } => Err(refusal),
        }
    }

    /// Refuses a client that may not choose the disc of this machine.
    fn refuse_disc(&self, id: VmId, peer: &Peer) -> Result<(), Refusal> {
        let Some(Entry { spec, .. }) = self.entries.get(&id) else { return Ok(()) };
        let owner = self.entries.get(&id).map_or(spec.owner, Entry::owner);
        let template = spec.template.as_ref().map(|name| {
            let pattern = self.entries.values().find(|entry| entry.spec.name == *name);
            pattern.map(|pattern| &pattern.spec.allow)
        });
        match may_change_disc(peer, owner, template) {
            true => Ok(()),
            false => {
                let text = format!("the template of vm \"{}\" does not allow it discs of its own", spec.name);
                Err(refuse(RefusalKind::NotPermitted, text))
            }
        }
    }

    /// Whether an answer says that the disc was changed.
    pub fn changes_disc(&self, id: VmId, answer: DriveAnswer) -> bool {
        let live = self.entries.get(&id).and_then(Entry::live);
        let order = live.and_then(|live| live.orders.front());
        matches!(answer, DriveAnswer::Done(_))
            && order.is_some_and(|order| matches!(order.what, DriveRequest::Change { .. }))
    }

    /// What is in the drive has to be known to a later daemon as soon as it is in.
    pub(super) fn drive_answered(&mut self, id: VmId, answer: DriveAnswer) -> Vec<Effect> {
        let changed = self.changes_disc(id, answer);
        let Some(entry) = self.entries.get_mut(&id) else { return Vec::new() };
        let Some(order) = entry.live_mut().and_then(|live| live.orders.pop_front()) else {
            return Vec::new();
        };
        let reply = match answer {
            DriveAnswer::Done(state) => entry.drive_done(id, &order, state),
            DriveAnswer::Locked => Reply::Refused(entry.disc_locked()),
            DriveAnswer::Unusable => Reply::Refused(entry.disc_unusable()),
            DriveAnswer::NoDrive => Reply::Refused(entry.no_drive()),
        };
        let note = changed.then(|| entry.note(id)).flatten();
        let reply = order.client.map(|client| Effect::Reply(client, reply));
        note.into_iter().chain(reply).collect()
    }

    pub(super) fn disc_unopened(&mut self, id: VmId, refusal: Refusal) -> Vec<Effect> {
        let live = self.entries.get_mut(&id).and_then(Entry::live_mut);
        let client = live.and_then(|live| live.orders.pop_back()).and_then(|order| order.client);
        client.map(|client| Effect::Reply(client, Reply::Refused(refusal))).into_iter().collect()
    }
}

impl Live {
    /// Remembers an order that is given.
    fn order(&mut self, client: RequestId, what: DriveRequest) -> Result<(), Refusal> {
        if self.orders.len() >= MAX_ORDERS {
            let text = "too many clients want something with the drive at the same time".to_owned();
            return Err(refuse(RefusalKind::Failed, text));
        }
        self.orders.push_back(Order { client: Some(client), what });
        Ok(())
    }
}

impl Entry {
    fn drive_done(&mut self, id: VmId, order: &Order, state: DriveState) -> Reply {
        let disc = self.live_mut().and_then(|live| {
            live.disc = order.leaves(live.disc.take());
            live.disc.clone()
        });
        Reply::Drive(DriveInfo { id, disc, state })
    }

    fn no_drive(&self) -> Refusal {
        let name = &self.spec.name;
        let text = format!("vm \"{name}\" has no CD-ROM drive; give it one with cdrom in vm.conf");
        refuse(RefusalKind::Cdrom, text)
    }

    fn disc_locked(&self) -> Refusal {
        let name = &self.spec.name;
        let text = format!(
            "the guest of vm \"{name}\" has locked the tray and was asked for the disc; \
             try again when it has let go of it, or take the disc away with -f"
        );
        refuse(RefusalKind::Locked, text)
    }

    fn disc_unusable(&self) -> Refusal {
        let text = format!("vm \"{}\" can not use the disc: its image is empty", self.spec.name);
        refuse(RefusalKind::Cdrom, text)
    }
}

#[cfg(test)]
#[path = "drive_test.rs"]
mod tests;
