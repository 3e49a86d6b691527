//! What KVM has been told about one function: doorbells and interrupt messages.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use hv::{Doorbell, DoorbellAddress, MsiRoute, Vm};
use virtio::pci::{Bar, BarKind, MsixVector, PciFunction};
use vmm_sys_util::eventfd::EventFd;

use super::routes::{Routes, gsi};
use crate::sync::lock;

/// The calls to KVM that wire functions up.
pub(crate) trait Kernel: Send + Sync {
    /// As [`Vm::add_doorbell`].
    fn add_doorbell(&self, bell: &Doorbell) -> Result<(), hv::Error>;
    /// As [`Vm::remove_doorbell`].
    fn remove_doorbell(&self, bell: &Doorbell) -> Result<(), hv::Error>;
    /// As [`Vm::route_messages`].
    fn route_messages(&self, routes: &[MsiRoute]) -> Result<(), hv::Error>;
    /// As [`Vm::attach_interrupt`].
    fn attach_interrupt(&self, event: &EventFd, gsi: u32) -> Result<(), hv::Error>;
}

impl Kernel for Vm {
    fn add_doorbell(&self, bell: &Doorbell) -> Result<(), hv::Error> {
        self.add_doorbell(bell)
    }

    fn remove_doorbell(&self, bell: &Doorbell) -> Result<(), hv::Error> {
        self.remove_doorbell(bell)
    }

    fn route_messages(&self, routes: &[MsiRoute]) -> Result<(), hv::Error> {
        self.route_messages(routes)
    }

    fn attach_interrupt(&self, event: &EventFd, gsi: u32) -> Result<(), hv::Error> {
        self.attach_interrupt(event, gsi)
    }
}

/// The doorbells and messages of one function.
pub(super) struct Wiring {
    bells: Vec<Doorbell>,
    /// Where its vectors start in the routes.
    first: usize,
    /// The vectors whose events raise their interrupts already.
    attached: BTreeSet<usize>,
    warned: bool,
}

/// The doorbells of a function at the addresses where those of its ranges are that `shows` says can be found there.
pub(super) fn doorbells(function: &dyn PciFunction, shows: impl Fn(&Bar) -> bool) -> Vec<Doorbell> {
    let mut bars = function.bars();
    bars.retain(shows);
    let place = |bell: virtio::pci::Doorbell| {
        let bar = bars.iter().find(|bar| bar.index == bell.bar)?;
        let address = bar.address.checked_add(bell.offset)?;
        let at = DoorbellAddress { port: bar.kind == BarKind::Io, address, value: bell.value };
        Some(Doorbell { at, event: bell.event })
    };
    function.doorbells().into_iter().filter_map(place).collect()
}

impl Wiring {
    /// A function whose vectors start at `first`.
    pub fn new(first: usize) -> Self {
        Self { bells: Vec::new(), first, attached: BTreeSet::new(), warned: false }
    }

    /// Has KVM listen to none but these doorbells.
    pub fn keep_doorbells(&mut self, bells: &[Doorbell], kernel: &dyn Kernel) {
        for old in std::mem::take(&mut self.bells) {
            if bells.iter().any(|new| same(new, &old)) {
                self.bells.push(old);
            } else {
                self.warn(kernel.remove_doorbell(&old));
            }
        }
    }

    /// Has KVM listen to exactly these doorbells. One that KVM does not take works all the same, as an
    /// ordinary write.
    pub fn set_doorbells(&mut self, bells: Vec<Doorbell>, kernel: &dyn Kernel) {
        self.keep_doorbells(&bells, kernel);
        for new in bells {
            if !self.bells.iter().any(|old| same(old, &new)) && self.warn(kernel.add_doorbell(&new)) {
                self.bells.push(new);
            }
        }
    }

    /// Has each event raise the message of its vector, where there is one. Whether all went well.
    pub fn set_messages(
        &mut self,
        vectors: &[Option<MsixVector>],
        events: &[Arc<EventFd>],
        routes: &Mutex<Routes>,
        kernel: &dyn Kernel,
    ) -> bool {
        let mut fine = self.route(vectors, routes, kernel);
        for (n, (vector, event)) in vectors.iter().zip(events).enumerate() {
            let number = gsi(self.first.saturating_add(n));
            if vector.is_none() || self.attached.contains(&n) {
                continue;
            }
            if self.warn(kernel.attach_interrupt(event, number)) {
                self.attached.insert(n);
            } else {
                fine = false;
            }
        }
        fine
    }

    /// Has KVM know the messages of these vectors; no call if it does. The table stays locked until KVM has
    /// it, so that an older one never replaces a newer.
    fn route(&mut self, vectors: &[Option<MsixVector>], routes: &Mutex<Routes>, kernel: &dyn Kernel) -> bool {
        let mut routes = lock(routes);
        !routes.set(self.first, vectors) || self.warn(kernel.route_messages(&routes.table()))
    }

    /// Whether it went well. The log hears of the first problem only: the guest could make many.
    fn warn(&mut self, result: Result<(), hv::Error>) -> bool {
        if let Err(error) = &result
            && !std::mem::replace(&mut self.warned, true)
        {
            tracing::warn!(%error, "a PCI device of the guest is slow or without interrupts");
        }
        result.is_ok()
    }
}

fn same(a: &Doorbell, b: &Doorbell) -> bool {
    a.at == b.at && Arc::ptr_eq(&a.event, &b.event)
}
