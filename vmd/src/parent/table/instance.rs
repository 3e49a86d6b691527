//! Machines that clients make after the pattern of others.

use proto::{Firmware, Given, Peer, Refusal, RefusalKind, RequestId, VmName, VmRef, VmSpec};

use super::{Answer, VmTable, failed, refuse};
use crate::parent::access::{may_instantiate, withheld};

/// Files of a machine which a client has named, so that its own rights count when they are opened.
#[derive(Clone, Debug)]
pub struct Supplied {
    /// The client.
    pub peer: Peer,
    /// Whether the kernel and its RAM disk, or the firmware, are the client's. Disks always are.
    pub boot: bool,
    /// Whether the disc in the drive is.
    pub disc: bool,
}

impl VmTable {
    /// What of the files of a machine is the client's.
    pub fn supplied(&self, id: proto::VmId) -> Option<&Supplied> {
        self.entries.get(&id)?.supplied.as_ref()
    }

    pub(super) fn start_instance(
        &mut self,
        request: RequestId,
        peer: &Peer,
        template: &VmName,
        own: VmSpec,
        given: Given,
    ) -> Answer {
        self.refuse_while_going_down()?;
        let firmware = matches!(own.firmware, Some(Firmware::Path(_)));
        let supplied = Supplied {
            peer: peer.clone(),
            boot: own.boot.is_some() || own.initrd.is_some() || firmware,
            disc: own.cdrom.is_some(),
        };
        let spec = self.instance(peer, template, own, given)?;
        let id = self.insert(spec, peer.uid, true);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.supplied = Some(supplied);
        }
        Ok(self.launch(id, peer.uid, Some(request)))
    }

    /// The complete instance, if the client may have it.
    fn instance(
        &mut self,
        peer: &Peer,
        template: &VmName,
        own: VmSpec,
        given: Given,
    ) -> Result<VmSpec, Refusal> {
        let Some((_, pattern)) = self.find(&VmRef::Name(template.clone())) else {
            return Err(refuse(
                RefusalKind::Template,
                format!("there is no vm \"{template}\" to be a template"),
            ));
        };
        let pattern = pattern.spec.clone();
        if !may_instantiate(peer, &pattern.allow) {
            return Err(not_permitted(format!(
                "vm \"{template}\" does not allow you to make instances of it"
            )));
        }
        self.refuse_used_name(&own.name)?;
        if let Some(setting) = withheld(peer, &pattern, &own, given) {
            let text = format!("vm \"{template}\" does not allow its instances to choose their {setting}");
            return Err(not_permitted(text));
        }
        let name = own.name.clone();
        let wrong = |why: &dyn std::fmt::Display| failed(format!("vm \"{name}\": {why}"));
        let spec = own.instance_of(&pattern, given).map_err(|why| wrong(&why))?;
        spec.validate().map_err(|why| wrong(&why))?;
        Ok(spec)
    }
}

fn not_permitted(text: String) -> Refusal {
    refuse(RefusalKind::NotPermitted, text)
}

#[cfg(test)]
#[path = "instance_test.rs"]
mod tests;
