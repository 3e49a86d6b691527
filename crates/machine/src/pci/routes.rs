//! The one table of interrupt messages that KVM has for the whole machine.

use hv::{FIRST_MSI_GSI, MAX_MSI_ROUTES, MsiRoute};
use virtio::pci::MsixVector;

/// Numbers for the vectors of all functions, and the message that each stands for. A vector that is masked
/// keeps its message, so that unmasking it again costs nothing.
#[derive(Default)]
pub(super) struct Routes {
    messages: Vec<Option<MsixVector>>,
}

impl Routes {
    /// Sets numbers aside for `vectors` vectors; the first one, counted from 0. `None` if there are not
    /// enough.
    pub fn reserve(&mut self, vectors: usize) -> Option<usize> {
        let first = self.messages.len();
        let end = first.checked_add(vectors).filter(|end| *end <= MAX_MSI_ROUTES)?;
        self.messages.resize(end, None);
        Some(first)
    }

    /// Gives the numbers from `first` on these messages, where there is one. Says whether anything changed.
    pub fn set(&mut self, first: usize, vectors: &[Option<MsixVector>]) -> bool {
        let mut changed = false;
        for (message, vector) in self.messages.iter_mut().skip(first).zip(vectors) {
            if vector.is_some() && message != vector {
                *message = *vector;
                changed = true;
            }
        }
        changed
    }

    /// The whole table.
    pub fn table(&self) -> Vec<MsiRoute> {
        let numbered = self.messages.iter().enumerate();
        numbered
            .filter_map(|(n, message)| {
                message.map(|m| MsiRoute { gsi: gsi(n), address: m.address, data: m.data })
            })
            .collect()
    }
}

/// KVM's number for entry `n`.
pub(super) fn gsi(n: usize) -> u32 {
    FIRST_MSI_GSI.saturating_add(u32::try_from(n).unwrap_or(u32::MAX))
}
