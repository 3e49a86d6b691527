//! Giving a machine's drive another disc.

use std::os::fd::AsFd;

use proto::{DriveOrder, DriveRequest, ParentToVmm, Peer, VmId};

use super::table::Event;
use super::{Parent, open};

impl Parent {
    /// Opens the disc that is put in, if one is, and passes the order on. A client gets nothing opened that it could
    /// not open itself; root can, and names devices too.
    pub(super) fn order_drive(
        &mut self,
        id: VmId,
        peer: &Peer,
        what: DriveRequest,
    ) -> anyhow::Result<Option<Event>> {
        let (order, disc) = match what {
            DriveRequest::Look => (DriveOrder::Look, None),
            DriveRequest::Change { disc, force } => (DriveOrder::Change { force }, disc),
        };
        let client = (peer.uid != 0).then_some(peer);
        let disc = match disc.map(|path| open::disc(&path, client)).transpose() {
            Ok(disc) => disc,
            Err(refusal) => return Ok(Some(Event::NoDisc(id, refusal))),
        };
        let descriptors: Vec<_> = disc.iter().map(AsFd::as_fd).collect();
        self.vmm.send(&self.poller, &ParentToVmm::Drive(id, order), &descriptors)?;
        Ok(None)
    }
}
