//! What the parent does for the administrator of the daemon.

use proto::{LogLevel, Owner, ParentToControl, ParentToPriv, ParentToVmm};
use rustix::fs::{Gid, Uid};

use super::table::{Event, Manner, Reading};
use super::{Parent, config};

impl Parent {
    /// Reads a configuration. Nothing else happens meanwhile: it takes milliseconds.
    pub(super) fn read(&self, reading: Reading) -> Event {
        let source = match &reading.manner {
            Manner::Load(path) => self.source.with_path(path.clone()),
            Manner::Reload | Manner::Plan => self.source.clone(),
        };
        let outcome = match source.read() {
            Err(why) => Err(why.to_string()),
            Ok(config) => {
                config::warn(&config);
                Ok((config.globals, config.vms))
            }
        };
        Event::Read(reading, outcome)
    }

    /// Lets a user and a group connect besides root. Whoever is connected stays so.
    pub(super) fn give_socket(&self, owner: Option<Owner>) {
        let Owner { uid, gid } = owner.unwrap_or(Owner::ROOT);
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid.unwrap_or(0)));
        if let Err(why) = rustix::fs::chown(&self.socket, Some(uid), Some(gid)) {
            tracing::error!("cannot give {} to its owner: {why}", self.socket.display());
        }
    }

    /// In every role.
    pub(super) fn set_log_level(&mut self, level: LogLevel) -> anyhow::Result<()> {
        crate::log::set_level(level);
        self.control.send(&self.poller, &ParentToControl::Log(level), &[])?;
        self.privileged.send(&self.poller, &ParentToPriv::Log(level), &[])?;
        Ok(self.vmm.send(&self.poller, &ParentToVmm::Log(level), &[])?)
    }
}
