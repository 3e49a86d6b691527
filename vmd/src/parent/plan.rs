//! What a configuration that was read again means for the machines that there are.

use std::collections::BTreeMap;

use proto::{PlanAction, PlanStep, VmName, VmSpec};

/// A machine that there is.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What it is like: the settings with which it runs, else those of its next start.
    pub spec: &'a VmSpec,
    /// Whether it has a process.
    pub live: bool,
    /// Whether a client brought it into being, not a file.
    pub transient: bool,
}

/// How far a configuration reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// It is all that there shall be: what it does not name is forgotten, what it enables is started.
    Whole,
    /// It adds to what there is: only machines that are new are started.
    Addition,
}

/// What is to be done so that the machines are as `wanted`, in the order of the configuration, and then what is to
/// be forgotten.
pub fn plan<'a>(known: impl Iterator<Item = Known<'a>>, wanted: &[VmSpec], extent: Extent) -> Vec<PlanStep> {
    let mut rest: BTreeMap<&VmName, Known<'a>> = known.map(|known| (&known.spec.name, known)).collect();
    let mut steps: Vec<PlanStep> = Vec::with_capacity(wanted.len());
    for spec in wanted {
        steps.push(match rest.remove(&spec.name) {
            None => step(&spec.name, if spec.enabled { PlanAction::Start } else { PlanAction::Add }),
            Some(known) => known.becomes(spec, extent),
        });
    }
    if extent == Extent::Whole {
        let forgotten = rest.into_values().filter(|known| !known.transient);
        steps.extend(forgotten.map(|known| step(&known.spec.name, PlanAction::Forget)));
    }
    steps
}

impl Known<'_> {
    fn becomes(self, wanted: &VmSpec, extent: Extent) -> PlanStep {
        let (now, later) = if self.live {
            split(self.spec, wanted)
        } else {
            let (mut now, later) = split(self.spec, wanted);
            now.extend(later);
            (now, Vec::new())
        };
        let action = match (now.is_empty() && later.is_empty(), extent) {
            _ if !self.live && wanted.enabled && extent == Extent::Whole => PlanAction::Start,
            (true, _) => PlanAction::Keep,
            (false, _) => PlanAction::Change,
        };
        PlanStep { vm: wanted.name.clone(), action, now, later }
    }
}

fn step(vm: &VmName, action: PlanAction) -> PlanStep {
    PlanStep { vm: vm.clone(), action, now: Vec::new(), later: Vec::new() }
}

/// The settings in which two specifications differ, by the words of vm.conf(5): those that can change while the
/// machine runs, and those that can not.
pub fn split(old: &VmSpec, new: &VmSpec) -> (Vec<String>, Vec<String>) {
    let now = [
        ("enable", old.enabled != new.enabled),
        ("owner", old.owner != new.owner),
        ("allow instance", old.allow != new.allow),
        ("restart", old.restart != new.restart),
        ("stop timeout", old.stop_timeout != new.stop_timeout),
    ];
    let later = [
        ("memory", old.memory != new.memory),
        ("cpus", old.cpus != new.cpus),
        ("boot", old.boot != new.boot),
        ("firmware", old.firmware != new.firmware),
        ("initrd", old.initrd != new.initrd),
        ("cmdline", old.cmdline != new.cmdline),
        ("disk", old.disks != new.disks),
        ("cdrom", old.cdrom != new.cdrom),
        ("interface", old.nics != new.nics),
        ("boot device", old.boot_device != new.boot_device),
        ("instance", old.template != new.template),
    ];
    let (now, mut later) = (changed(&now), changed(&later));
    // Whatever a specification has besides.
    let mut rest = new.clone();
    follow_live(&mut rest, old);
    if later.is_empty() && rest != *old {
        later.push("other settings".to_owned());
    }
    (now, later)
}

fn changed(settings: &[(&str, bool)]) -> Vec<String> {
    settings.iter().filter(|(_, differs)| *differs).map(|(word, _)| (*word).to_owned()).collect()
}

/// Takes over those settings of `new` that can change while the machine runs.
pub fn follow_live(spec: &mut VmSpec, new: &VmSpec) {
    spec.enabled = new.enabled;
    spec.owner = new.owner;
    spec.allow = new.allow;
    spec.restart = new.restart;
    spec.stop_timeout = new.stop_timeout;
}

#[cfg(test)]
#[path = "plan_test.rs"]
mod tests;
