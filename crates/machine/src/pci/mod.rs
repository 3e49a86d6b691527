//! The PCI bus: one bus of 32 slots with one function each, reached through configuration mechanism 1.
//!
//! A write to a function may change where it is to be found, which doorbells it listens to, and which
//! messages it sends. It says so with an [`Action`], and [`PciBus::apply`] then asks the function anew and
//! changes what differs. Nothing is told to KVM before a driver has asked for it: such a call can cost
//! milliseconds.
//!
//! Lock order: the slot's wiring, then its function, then the buses' tables or the routes. The guest's
//! accesses take the function's lock alone.

mod allocate;
mod bridge;
mod config;
mod host;
mod routes;
mod wiring;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use virtio::pci::{Action, Bar, BarKind, PciFunction};

use crate::bus::{Bus, BusAction, Claim, Target};
use crate::sync::lock;
pub(crate) use bridge::Bridge;
pub(crate) use config::ConfigPorts;
pub(crate) use host::HostBridge;
pub(crate) use wiring::Kernel;
use {routes::Routes, wiring::Wiring};

/// A function that a bus and the machine's owner share.
pub(crate) type SharedFunction = Arc<Mutex<dyn PciFunction>>;

/// Too many functions, or their ranges do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PciError {
    /// No slot is left.
    #[error("the machine has more devices than the {} slots of its PCI bus hold", PciBus::SLOTS)]
    Slots,
    /// No interrupt message is left.
    #[error("the machine's devices want more than {} interrupt messages", hv::MAX_MSI_ROUTES)]
    Messages,
    /// A window is full.
    #[error("the address ranges of the machine's PCI devices do not fit")]
    Window,
}

/// The bus with its functions.
pub(crate) struct PciBus {
    slots: BTreeMap<u8, Slot>,
    ports: Arc<Bus>,
    memory: Arc<Bus>,
    kernel: Arc<dyn Kernel>,
    routes: Mutex<Routes>,
}

struct Slot {
    function: SharedFunction,
    wiring: Mutex<Wiring>,
}

impl PciBus {
    /// How many functions there can be.
    pub const SLOTS: u8 = 32;

    /// A bus with these functions, each in a slot below [`PciBus::SLOTS`]. [`PciBus::place`] gives their
    /// ranges addresses.
    ///
    /// # Errors
    /// [`PciError::Slots`] or [`PciError::Messages`].
    pub fn new(
        functions: BTreeMap<u8, SharedFunction>,
        ports: Arc<Bus>,
        memory: Arc<Bus>,
        kernel: Arc<dyn Kernel>,
    ) -> Result<Self, PciError> {
        let mut routes = Routes::default();
        let mut slots = BTreeMap::new();
        for (number, function) in functions {
            if number >= Self::SLOTS {
                return Err(PciError::Slots);
            }
            let vectors = lock(&function).msix_events().len();
            let wiring = Mutex::new(Wiring::new(routes.reserve(vectors).ok_or(PciError::Messages)?));
            slots.insert(number, Slot { function, wiring });
        }
        Ok(Self { slots, ports, memory, kernel, routes: Mutex::new(routes) })
    }

    /// Does what firmware does: gives each range an address and has the functions decode them. Once at
    /// power-on and after each reset.
    ///
    /// # Errors
    /// [`PciError::Window`].
    pub fn place(&self) -> Result<(), PciError> {
        let mut windows = allocate::Windows::default();
        for (number, slot) in &self.slots {
            windows.place(&mut *lock(&slot.function))?;
            self.apply(*number, Action { bars: true, doorbells: true, ..Action::NONE });
        }
        Ok(())
    }

    /// Notes where the functions are after a reset: nowhere, and firmware is going to place them.
    pub fn unplace(&self) {
        for number in self.slots.keys() {
            self.apply(*number, Action { bars: true, doorbells: true, ..Action::NONE });
        }
    }

    /// The function in slot `number`, if there is one.
    fn function(&self, number: u8) -> Option<&SharedFunction> {
        self.slots.get(&number).map(|slot| &slot.function)
    }

    /// Carries out what the function in slot `number` asks for.
    pub fn apply(&self, number: u8, action: Action) {
        if action == Action::NONE {
            return;
        }
        let Some(slot) = self.slots.get(&number) else { return };
        // Held all the while, so that of two processors the later finds and leaves the newest state.
        let mut wiring = lock(&slot.wiring);
        if action.bars {
            self.apply_bars(number, &slot.function);
        }
        if action.bars || action.doorbells {
            let bells = wiring::doorbells(&*lock(&slot.function));
            wiring.set_doorbells(bells, &*self.kernel);
        }
        if action.msix {
            let (vectors, events) = {
                let function = lock(&slot.function);
                (function.msix(), function.msix_events().to_vec())
            };
            if wiring.set_messages(&vectors, &events, &self.routes, &*self.kernel) {
                lock(&slot.function).msix_routed(&vectors);
            }
        }
    }

    fn apply_bars(&self, number: u8, function: &SharedFunction) {
        let bars = lock(function).bars();
        for (kind, bus) in [(BarKind::Io, &self.ports), (BarKind::Memory, &self.memory)] {
            let claims = bars.iter().filter(|bar| bar.kind == kind);
            bus.set_slot(number, claims.filter_map(|bar| claim(number, function, bar)).collect());
        }
    }
}

fn claim(slot: u8, function: &SharedFunction, bar: &Bar) -> Option<Claim> {
    let range = Range { slot, bar: bar.index, function: function.clone() };
    Claim::new(bar.address, bar.size, Arc::new(range))
}

/// One range of a function, as a bus sees it.
struct Range {
    slot: u8,
    bar: u8,
    function: SharedFunction,
}

impl Target for Range {
    fn read(&self, offset: u64, data: &mut [u8]) {
        lock(&self.function).read_bar(self.bar, offset, data);
    }

    fn write(&self, offset: u64, data: &[u8]) -> BusAction {
        action(self.slot, lock(&self.function).write_bar(self.bar, offset, data))
    }
}

/// What a bus has to do for a function.
fn action(slot: u8, action: Action) -> BusAction {
    match action {
        Action::NONE => BusAction::None,
        action => BusAction::Pci(slot, action),
    }
}

#[cfg(test)]
#[path = "pci_test.rs"]
mod tests;
