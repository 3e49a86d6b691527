//! Telling clients what happens.

use std::collections::BTreeMap;

use proto::{Happening, Reply, VmEvent, VmId, VmName, VmState};

use super::{Effect, Event, VmTable};

/// Where the machines were before something happened.
pub struct Before {
    states: BTreeMap<VmId, (VmName, VmState)>,
    /// What is told besides the states.
    happening: Option<(VmId, Happening)>,
}

impl VmTable {
    /// Remembers how things are before `event`, if there is a client to be told.
    pub(super) fn before(&self, event: &Event) -> Option<Before> {
        if self.subscribers.is_empty() {
            return None;
        }
        let happening = match event {
            Event::Ended(id, how) => Some((*id, Happening::Ended(how.clone()))),
            Event::Rebooted(id) => Some((*id, Happening::Rebooted)),
            Event::Drive(id, answer) if self.changes_disc(*id, *answer) => {
                Some((*id, Happening::DiscChanged))
            }
            _ => None,
        };
        Some(Before { states: self.states(), happening })
    }

    /// Tells every client what has changed since `before`.
    pub(super) fn tell_news(&self, before: Before) -> Vec<Effect> {
        let news = before.until(self.states());
        let to_all = |event: VmEvent| {
            self.subscribers.iter().map(move |client| Effect::Reply(*client, Reply::Event(event.clone())))
        };
        news.into_iter().flat_map(to_all).collect()
    }

    fn states(&self) -> BTreeMap<VmId, (VmName, VmState)> {
        self.entries.iter().map(|(id, entry)| (*id, (entry.spec.name.clone(), entry.word()))).collect()
    }
}

impl Before {
    /// What has happened until `after`: what was seen, then what became of it.
    fn until(self, after: BTreeMap<VmId, (VmName, VmState)>) -> Vec<VmEvent> {
        let Self { states: before, happening } = self;
        let seen = happening
            .and_then(|(id, what)| before.get(&id).map(|(name, _)| VmEvent { id, name: name.clone(), what }));
        let changed =
            after.iter().filter(|(id, now)| before.get(id) != Some(now)).map(|(id, (name, state))| VmEvent {
                id: *id,
                name: name.clone(),
                what: Happening::State(*state),
            });
        let forgotten = before
            .iter()
            .filter(|(id, _)| !after.contains_key(id))
            .map(|(id, (name, _))| VmEvent { id: *id, name: name.clone(), what: Happening::Forgotten });
        seen.into_iter().chain(changed).chain(forgotten).collect()
    }
}
