//! Who may do what. The only place where a client's identity is judged.

use proto::{AllowInstance, Given, Owner, Peer, VmSpec};

/// What a client wants to do with one machine, or with all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// See it in the status.
    See,
    /// Start it, stop it, wait for its end, send it a break.
    Operate,
    /// Bring a machine into being that no file defines.
    Define,
    /// Have the configuration read, forget what is known, change the log.
    Manage,
}

/// Whether `peer` may `act` on a machine that belongs to `owner`: root may do everything, everybody who can
/// open the socket sees everything, the owner and the members of the owner's group operate it.
pub fn may(peer: &Peer, act: Act, owner: Owner) -> bool {
    match act {
        _ if peer.uid == 0 => true,
        Act::See => true,
        Act::Operate => peer.uid == owner.uid || owner.gid.is_some_and(|gid| is_member(peer, gid)),
        Act::Define | Act::Manage => false,
    }
}

/// Whether `peer` may make instances of a machine with these rights.
pub fn may_instantiate(peer: &Peer, allow: &AllowInstance) -> bool {
    peer.uid == 0 || allow.owner.is_some_and(|owner| may(peer, Act::Operate, owner))
}

/// Whether `peer` may put a disc into the drive of a machine that belongs to `owner`: who operates it may, but of an
/// instance only if its template lets instances have discs of their own. `template` is what is known of that, `None`
/// inside if it is not known any more.
pub fn may_change_disc(peer: &Peer, owner: Owner, template: Option<Option<&AllowInstance>>) -> bool {
    let chooses = template.is_none_or(|allow| allow.is_some_and(|allow| allow.cdrom));
    peer.uid == 0 || (may(peer, Act::Operate, owner) && chooses)
}

/// What of an instance its template does not let `peer` choose, by the words of vm.conf(5).
pub fn withheld(peer: &Peer, template: &VmSpec, own: &VmSpec, given: Given) -> Option<&'static str> {
    let allow = &template.allow;
    let chosen = [
        ("cpus", false, given.cpus && own.cpus != template.cpus),
        ("memory", allow.memory, given.memory && own.memory != template.memory),
        ("disk", allow.disk, !own.disks.is_empty()),
        ("interface", allow.interface, !own.nics.is_empty() && own.nics != template.nics),
        ("boot", allow.boot, own.boot.is_some() || own.initrd.is_some() || given.cmdline),
        ("firmware", allow.boot, own.firmware.is_some()),
        ("boot device", allow.boot, own.boot_device.is_some()),
        ("cdrom", allow.cdrom, own.cdrom.is_some()),
    ];
    let withheld = chosen.into_iter().find(|(_, allowed, chosen)| *chosen && !allowed);
    withheld.filter(|_| peer.uid != 0).map(|(word, ..)| word)
}

/// A file as access to it is judged: whose it is, and its mode.
#[derive(Clone, Copy, Debug)]
pub struct FileOwner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Permission bits, as in `st_mode`.
    pub mode: u32,
}

/// Whether `peer` could read, and if need be write, a file that the daemon opens on its behalf.
pub fn may_use(peer: &Peer, file: FileOwner, write: bool) -> bool {
    let needed = if write { 0o6 } else { 0o4 };
    let has = |shift: u32| file.mode >> shift & needed == needed;
    peer.uid == 0 || has(0) || (peer.uid == file.uid && has(6)) || (is_member(peer, file.gid) && has(3))
}

fn is_member(peer: &Peer, gid: u32) -> bool {
    peer.gid == gid || peer.groups.contains(&gid)
}

#[cfg(test)]
#[path = "access_test.rs"]
mod tests;
