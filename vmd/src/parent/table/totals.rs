//! The table as a whole.

use proto::{VmId, VmName, VmRef, VmSpec};

use super::VmTable;

impl VmTable {
    /// The machines that have a process, or are about to have one.
    pub fn live(&self) -> impl Iterator<Item = (VmId, &VmSpec)> {
        self.entries.iter().filter(|(_, entry)| entry.live().is_some()).map(|(id, entry)| (*id, &entry.spec))
    }

    /// Number and name of the machine that is meant.
    pub fn identify(&self, vm: &VmRef) -> Option<(VmId, &VmName)> {
        let found = match vm {
            VmRef::Id(id) => self.entries.get_key_value(id),
            VmRef::Name(_) => self.entries.iter().find(|(id, entry)| entry.is(**id, vm)),
        };
        found.map(|(id, entry)| (*id, &entry.spec.name))
    }

    /// How many machines there are, whether they run or not.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether everything is being stopped.
    pub fn is_going_down(&self) -> bool {
        self.going_down
    }
}
