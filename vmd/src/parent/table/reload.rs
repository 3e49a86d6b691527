//! Configurations that are read while the daemon runs.

use std::collections::BTreeMap;

use proto::{
    Globals, Owner, PlanAction, PlanStep, Reply, RequestId, ResetKind, StopMode, VmId, VmName, VmSpec,
};

use super::entry::{Entry, State};
use super::{Effect, Manner, Reading, VmTable, failed};
use crate::parent::plan::{Extent, plan};

impl VmTable {
    /// A configuration was read, or it could not be. All or nothing: whatever is wrong has been found before this.
    pub(super) fn read(
        &mut self,
        reading: Reading,
        outcome: Result<(Globals, Vec<VmSpec>), String>,
    ) -> Vec<Effect> {
        let Reading { client, manner } = reading;
        let (globals, wanted) = match outcome {
            Ok(read) => read,
            Err(why) => return vec![unread(client, why)],
        };
        let extent = if matches!(manner, Manner::Load(_)) { Extent::Addition } else { Extent::Whole };
        let steps = plan(self.entries.values().map(Entry::known), &wanted, extent);
        let mut effects = match manner {
            Manner::Plan => Vec::new(),
            Manner::Reload => {
                let mut effects = self.configure(globals);
                effects.extend(self.follow(&steps, wanted));
                effects
            }
            Manner::Load(_) => self.follow(&steps, wanted),
        };
        effects.extend(client.into_iter().flat_map(|client| answer(client, &steps)));
        effects
    }

    /// Brings the plan about.
    fn follow(&mut self, steps: &[PlanStep], wanted: Vec<VmSpec>) -> Vec<Effect> {
        let ids: BTreeMap<VmName, VmId> =
            self.entries.iter().map(|(id, entry)| (entry.spec.name.clone(), *id)).collect();
        let (mut effects, mut starts) = (Vec::new(), Vec::new());
        for (step, spec) in steps.iter().zip(wanted) {
            let id = match ids.get(&step.vm) {
                Some(id) => {
                    effects.extend(self.follow_one(*id, spec));
                    *id
                }
                None => self.insert(spec, Owner::ROOT.uid, false),
            };
            if step.action == PlanAction::Start {
                starts.push(id);
            }
        }
        let forgotten = steps.iter().filter(|step| step.action == PlanAction::Forget);
        effects.extend(forgotten.filter_map(|step| ids.get(&step.vm)).filter_map(|id| self.forget(*id)));
        starts.retain(|id| self.entries.get(id).is_some_and(|entry| matches!(entry.state, State::Stopped)));
        effects.extend(self.queue_up(starts));
        effects
    }

    fn follow_one(&mut self, id: VmId, spec: VmSpec) -> Option<Effect> {
        let entry = self.entries.get_mut(&id)?;
        entry.follow(spec);
        entry.note(id)
    }

    /// At once, or at its end if it has a process.
    fn forget(&mut self, id: VmId) -> Option<Effect> {
        let entry = self.entries.get_mut(&id)?;
        if entry.live().is_none() {
            self.entries.remove(&id);
            return None;
        }
        entry.outlive_file();
        entry.note(id)
    }

    /// Forgets machines and numbers. There is nothing to forget of switches but what the machines have of them.
    pub(super) fn reset(&mut self, client: RequestId, what: ResetKind) -> Vec<Effect> {
        let mut effects = vec![Effect::Reply(client, Reply::Done)];
        if what == ResetKind::Switches {
            return effects;
        }
        self.call_turns_off();
        self.entries.retain(|_, entry| entry.live().is_some());
        self.entries.values_mut().for_each(|entry| entry.transient = true);
        effects.extend(self.stop_all(StopMode::Force));
        self.ids.clear();
        self.last_id = 0;
        self.adopted = self.entries.keys().copied().collect();
        effects
    }
}

fn answer(client: RequestId, steps: &[PlanStep]) -> impl Iterator<Item = Effect> {
    let steps = steps.iter().cloned().map(Reply::Step);
    steps.chain([Reply::Done]).map(move |reply| Effect::Reply(client, reply))
}

fn unread(client: Option<RequestId>, why: String) -> Effect {
    match client {
        Some(client) => Effect::Reply(client, Reply::Refused(failed(why))),
        None => Effect::ReportUnread(why),
    }
}
