//! Instances: virtual machines that are made after the pattern of another one, their template.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{AllowInstance, Owner, TapName, VmSpec};

/// Which settings an instance has of its own, of those whose values do not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// [`VmSpec::memory`]
    pub memory: bool,
    /// [`VmSpec::cpus`]
    pub cpus: bool,
    /// [`VmSpec::cmdline`]
    pub cmdline: bool,
    /// [`VmSpec::owner`]
    pub owner: bool,
    /// [`VmSpec::restart`]
    pub restart: bool,
    /// [`VmSpec::allow`]
    pub allow: bool,
}

/// Why an instance can not be as it was asked for, whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstanceError {
    /// A disk of its template: both would write to it.
    #[error("disk {0:?} is one of its template; an instance needs disks of its own")]
    Disk(PathBuf),
    /// A tap of its template.
    #[error("{0} belongs to an interface of its template")]
    Tap(TapName),
    /// The address of an interface of its template.
    #[error("an interface has the address of an interface of its template")]
    Lladdr,
    /// Another owner than that of the template.
    #[error("an instance belongs to root or to the owner of its template, and to the same group")]
    Owner,
    /// Rights for instances of its own.
    #[error("an instance can not set \"allow instance\"; it gets the rights of its template or none")]
    Allow,
}

impl VmSpec {
    /// Completes an instance: what it has not of its own it gets from its template.
    ///
    /// It inherits processors, memory, the CD-ROM, the owner, how it is restarted and stopped, the firmware, the
    /// kernel with its RAM disk and command line, and each interface beyond its own, but never a disk, the boot device, a tap or
    /// the address of an interface: two machines can not share those. Whether somebody may set what is `given` is
    /// for the caller to decide, by [`VmSpec::allow`] of the template.
    ///
    /// # Errors
    /// [`InstanceError`]
    pub fn instance_of(mut self, template: &Self, given: Given) -> Result<Self, InstanceError> {
        self.check_exclusive(template)?;
        if given.allow {
            return Err(InstanceError::Allow);
        }
        if given.owner && !self.has_owner_of(template) {
            return Err(InstanceError::Owner);
        }
        self.template = Some(template.name.clone());
        self.inherit_settings(template, given);
        self.inherit_boot(template, given);
        self.inherit_nics(template);
        Ok(self)
    }

    fn check_exclusive(&self, template: &Self) -> Result<(), InstanceError> {
        let shared = |path: &PathBuf| template.disks.iter().any(|disk| disk.path == *path);
        if let Some(disk) = self.disks.iter().find(|disk| shared(&disk.path)) {
            return Err(InstanceError::Disk(disk.path.clone()));
        }
        for nic in &self.nics {
            match &nic.tap {
                Some(tap) if template.nics.iter().any(|theirs| theirs.tap.as_ref() == Some(tap)) => {
                    return Err(InstanceError::Tap(tap.clone()));
                }
                _ if nic.lladdr.is_some()
                    && template.nics.iter().any(|theirs| theirs.lladdr == nic.lladdr) =>
                {
                    return Err(InstanceError::Lladdr);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether its owner is one that an instance of the template may have.
    fn has_owner_of(&self, template: &Self) -> bool {
        let Owner { uid, gid } = self.owner;
        (uid == 0 || uid == template.owner.uid) && gid == template.owner.gid
    }

    fn inherit_settings(&mut self, template: &Self, given: Given) {
        if !given.memory {
            self.memory = template.memory;
        }
        if !given.cpus {
            self.cpus = template.cpus;
        }
        if !given.owner {
            self.owner = template.owner;
        }
        if !given.restart {
            self.restart = template.restart;
        }
        self.stop_timeout = self.stop_timeout.or(template.stop_timeout);
        self.cdrom = self.cdrom.take().or_else(|| template.cdrom.clone());
        // Instances may have instances only if the template says so.
        self.allow = if template.allow.instance { template.allow } else { AllowInstance::default() };
    }

    /// A kernel of its own comes without the RAM disk and the command line of the other one, and firmware of its
    /// own without the kernel.
    fn inherit_boot(&mut self, template: &Self, given: Given) {
        if self.boot.is_some() || self.firmware.is_some() {
            return;
        }
        self.boot.clone_from(&template.boot);
        self.firmware.clone_from(&template.firmware);
        self.initrd = self.initrd.take().or_else(|| template.initrd.clone());
        if !given.cmdline {
            self.cmdline.clone_from(&template.cmdline);
        }
    }

    fn inherit_nics(&mut self, template: &Self) {
        for nic in template.nics.iter().skip(self.nics.len()) {
            let mut nic = nic.clone();
            (nic.tap, nic.lladdr) = (None, None);
            self.nics.push(nic);
        }
    }
}

#[cfg(test)]
#[path = "instance_test.rs"]
mod tests;
