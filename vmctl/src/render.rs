//! What the status of virtual machines looks like.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use proto::api::{Drive, Event, EventKind, Vm};
use proto::{PlanStep, format_scaled};
use serde::Serialize;

use crate::failure::Failure;

/// The longest text in the OWNER column, in characters: more than its width, so that a long one pushes the rest
/// of its row to the right, as it always did.
const MAX_OWNER: usize = 15;

/// The table: a header and a row for each machine.
pub fn table(vms: &[Vm], accounts: &Accounts) -> String {
    let mut text =
        row(["ID", "PID", "VCPUS", "MAXMEM", "CURMEM", "TTY", "OWNER", "STATE", "NAME"].map(String::from));
    for vm in vms {
        text.push_str(&row([
            vm.id.to_string(),
            or_dash(vm.pid.map(|pid| pid.to_string())),
            vm.cpus.get().to_string(),
            vm.max_memory.to_string(),
            or_dash(vm.current_memory.map(format_scaled)),
            or_dash(vm.tty.as_deref().map(device_name)),
            accounts.owner(vm.uid, vm.gid).chars().take(MAX_OWNER).collect(),
            vm.state.to_string(),
            vm.name.to_string(),
        ]));
    }
    text
}

/// One line. The widths are those that programs cut it by.
fn row([id, pid, cpus, max, current, tty, owner, state, name]: [String; 9]) -> String {
    format!("{id:>5} {pid:>5} {cpus:>5} {max:>7} {current:>7} {tty:>7} {owner:>12} {state:>8} {name}\n")
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

/// The name that ps(1) and who(1) show: without `/dev/`.
fn device_name(tty: &Path) -> String {
    tty.strip_prefix("/dev").unwrap_or(tty).display().to_string()
}

/// Everything about each machine, a setting a line.
pub fn details(vms: &[Vm], accounts: &Accounts) -> String {
    let texts: Vec<String> = vms.iter().map(|vm| detail(vm, accounts)).collect();
    texts.join("\n")
}

fn detail(vm: &Vm, accounts: &Accounts) -> String {
    let mut lines = vec![
        ("name", vm.name.to_string()),
        ("id", vm.id.to_string()),
        ("state", vm.state.to_string()),
        ("owner", accounts.owner(vm.uid, vm.gid)),
        ("cpus", vm.cpus.get().to_string()),
        ("memory", vm.max_memory.to_string()),
    ];
    let optional = [
        ("memory in use", vm.current_memory.map(format_scaled)),
        ("cpu time", vm.cpu_time.map(|ms| format!("{}.{:02} s", ms / 1000, ms % 1000 / 10))),
        ("process", vm.pid.map(|pid| pid.to_string())),
        ("console", vm.tty.as_ref().map(|tty| tty.display().to_string())),
        ("last end", vm.last_exit.as_ref().map(|exit| exit.message.clone())),
        ("at next start", (!vm.pending.is_empty()).then(|| vm.pending.join(", "))),
    ];
    lines.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    lines.iter().map(|(name, value)| format!("{:<14} {value}\n", format!("{name}:"))).collect()
}

/// Names alone, a line each.
pub fn names_of(vms: &[Vm]) -> String {
    vms.iter().map(|vm| format!("{}\n", vm.name)).collect()
}

/// What a configuration means for each machine, a line each: `change web: owner; at next start: memory`.
pub fn plan(steps: &[PlanStep]) -> String {
    steps.iter().map(plan_line).collect()
}

fn plan_line(step: &PlanStep) -> String {
    let later = (!step.later.is_empty()).then(|| format!("at next start: {}", step.later.join(", ")));
    let now = (!step.now.is_empty()).then(|| step.now.join(", "));
    let settings: Vec<String> = now.into_iter().chain(later).collect();
    match settings.is_empty() {
        true => format!("{} {}\n", step.action, step.vm),
        false => format!("{} {}: {}\n", step.action, step.vm, settings.join("; ")),
    }
}

/// One line: number, name and what happened.
pub fn event(event: &Event) -> String {
    let what = match (event.event, event.state, &event.exit) {
        (EventKind::State, Some(state), _) => state.to_string(),
        (EventKind::Ended, _, Some(exit)) => format!("ended: {}", exit.message),
        (EventKind::Rebooted, ..) => "rebooted".to_owned(),
        (EventKind::Disc, ..) => "disc changed".to_owned(),
        (EventKind::Forgotten, ..) => "forgotten".to_owned(),
        (EventKind::State | EventKind::Ended, ..) => "changed".to_owned(),
    };
    format!("{} {} {what}\n", event.id, event.name)
}

/// What is in a drive: `/srv/install.iso, locked`.
pub fn drive(drive: &Drive) -> String {
    let disc = drive.disc.as_ref().map_or_else(|| "no medium".to_owned(), |disc| disc.display().to_string());
    let locked = if drive.locked { ", locked by the guest" } else { "" };
    let open = if drive.open { ", tray opened by the guest" } else { "" };
    format!("{disc}{locked}{open}\n")
}

/// Data as JSON, as the daemon sent it.
///
/// # Errors
/// A path that is not UTF-8; none can come out of a reply.
pub fn json<T: Serialize + ?Sized>(data: &T) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(data).map_err(|e| Failure::new(e.to_string()))?;
    Ok(text + "\n")
}

/// The same on one line, for a stream.
///
/// # Errors
/// As above.
pub fn json_line<T: Serialize + ?Sized>(data: &T) -> Result<String, Failure> {
    let text = serde_json::to_string(data).map_err(|e| Failure::new(e.to_string()))?;
    Ok(text + "\n")
}

/// Names of users and groups.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Accounts {
    /// Those in the files of this host. The program is static, and other sources of names need modules that
    /// are loaded at run time: an account that only they know shows as a number.
    pub fn of_this_host() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self::parse(&read("/etc/passwd"), &read("/etc/group"))
    }

    /// Reads passwd(5) and group(5). Lines that are neither are skipped.
    pub fn parse(passwd: &str, group: &str) -> Self {
        Self { users: names(passwd), groups: names(group) }
    }

    /// `user`, or `user:group` if a group is there.
    fn owner(&self, uid: u32, gid: Option<u32>) -> String {
        let name =
            |of: &HashMap<u32, String>, id: u32| of.get(&id).cloned().unwrap_or_else(|| id.to_string());
        let mut text = name(&self.users, uid);
        if let Some(gid) = gid {
            // Writing to a string cannot fail.
            let _ = write!(text, ":{}", name(&self.groups, gid));
        }
        text
    }
}

/// Both files have the name in the first field and the number in the third. The first of two names for one
/// number counts, as it does for getpwuid(3).
fn names(text: &str) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(id))) = (fields.next(), fields.nth(1).map(str::parse)) {
            names.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
#[path = "render_test.rs"]
mod tests;
