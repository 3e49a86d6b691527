//! Writes of the guest that the kernel turns into events.

use std::sync::Arc;

use kvm_ioctls::{IoEventAddress, NoDatamatch};
use vmm_sys_util::eventfd::EventFd;

use crate::{Error, Vm};

/// Which write rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DoorbellAddress {
    /// Whether it is a port, else memory.
    pub port: bool,
    /// The address.
    pub address: u64,
    /// The value that rings, 16 bits wide; any value of any width if `None`.
    pub value: Option<u16>,
}

impl DoorbellAddress {
    fn kvm(&self) -> IoEventAddress {
        if self.port { IoEventAddress::Pio(self.address) } else { IoEventAddress::Mmio(self.address) }
    }
}

/// A doorbell: a write to its address signals its event without a trip to this process.
#[derive(Clone, Debug)]
pub struct Doorbell {
    /// Which write rings.
    pub at: DoorbellAddress,
    /// What it signals.
    pub event: Arc<EventFd>,
}

impl Vm {
    /// Has the kernel listen to this doorbell.
    ///
    /// # Errors
    /// KVM's refusal, among others because there is such a doorbell already. The writes then keep arriving as
    /// exits.
    pub fn add_doorbell(&self, bell: &Doorbell) -> Result<(), Error> {
        let (fd, at) = (&self.inner.fd, bell.at.kvm());
        match bell.at.value {
            Some(value) => fd.register_ioevent(&bell.event, &at, value),
            None => fd.register_ioevent(&bell.event, &at, NoDatamatch),
        }
        .map_err(Error::of("listen to a doorbell"))
    }

    /// Has the kernel stop listening.
    ///
    /// # Errors
    /// There is no such doorbell.
    pub fn remove_doorbell(&self, bell: &Doorbell) -> Result<(), Error> {
        let (fd, at) = (&self.inner.fd, bell.at.kvm());
        match bell.at.value {
            Some(value) => fd.unregister_ioevent(&bell.event, &at, value),
            None => fd.unregister_ioevent(&bell.event, &at, NoDatamatch),
        }
        .map_err(Error::of("stop listening to a doorbell"))
    }
}
