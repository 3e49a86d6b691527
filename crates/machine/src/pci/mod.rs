//! The PCI bus: one bus of 32 slots with up to eight functions each, reached through configuration mechanism 1.
//!
//! A write to a function may change where it is to be found, which doorbells it listens to, and which
//! messages it sends. It says so with an [`Action`], and [`PciBus::apply`] then asks the function anew and
//! changes what differs. Nothing is told to KVM before a driver has asked for it: such a call can cost
//! milliseconds.
//!
//! Lock order: a function's wiring, then the function, then the buses' tables, the routes, or those of its pin (`pirq`).
//! The guest's accesses take the function's lock alone. Nobody holds the wiring of two.

mod address;
mod allocate;
mod config;
mod host;
mod pirq;
mod routes;
mod setup;
mod south_bridge;
mod wiring;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use virtio::pci::{Action, Bar, BarKind, PciFunction, register};

use crate::bus::{Bus, BusAction, Claim, Target};
use crate::sync::lock;
pub use address::PciAddress;
pub(crate) use config::ConfigPorts;
pub(crate) use host::HostBridge;
pub(crate) use pirq::{PirqRouter, line_of};
pub(crate) use south_bridge::{IsaBridge, PIRQ_ROUTES, PowerFunction};
pub(crate) use wiring::Kernel;
use {routes::Routes, wiring::Wiring};

/// A function that a bus and the machine's owner share.
pub(crate) type SharedFunction = Arc<Mutex<dyn PciFunction>>;

/// Too many functions, or their ranges do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PciError {
    /// No slot is left.
    #[error("the machine has more devices than the {} slots of its PCI bus hold", PciAddress::SLOTS)]
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
    functions: BTreeMap<PciAddress, Place>,
    ports: Arc<Bus>,
    memory: Arc<Bus>,
    kernel: Arc<dyn Kernel>,
    routes: Mutex<Routes>,
}

struct Place {
    function: SharedFunction,
    /// Who answers in its ranges, if it does not itself.
    chip: OnceLock<Arc<dyn Target>>,
    wiring: Mutex<Wiring>,
}

impl PciBus {
    /// A bus with these functions, whose pins lead to `pirq`. [`PciBus::set_up`] gives their ranges addresses.
    ///
    /// # Errors
    /// [`PciError::Slots`] or [`PciError::Messages`].
    pub fn new(
        functions: BTreeMap<PciAddress, SharedFunction>,
        ports: Arc<Bus>,
        memory: Arc<Bus>,
        kernel: Arc<dyn Kernel>,
        pirq: &Arc<PirqRouter>,
    ) -> Result<Self, PciError> {
        let mut routes = Routes::default();
        let mut places = BTreeMap::new();
        for (address, function) in functions {
            if !address.exists() {
                return Err(PciError::Slots);
            }
            let vectors = lock(&function).msix_events().len();
            let wiring = Mutex::new(Wiring::new(routes.reserve(vectors).ok_or(PciError::Messages)?));
            connect(&mut *lock(&function), address, pirq);
            places.insert(address, Place { function, chip: OnceLock::new(), wiring });
        }
        Ok(Self { functions: places, ports, memory, kernel, routes: Mutex::new(routes) })
    }

    /// Has `chip` answer in the ranges of a function, once, before anything is placed. For chips that other ways lead to
    /// as well.
    pub fn set_chip(&self, address: PciAddress, chip: Arc<dyn Target>) {
        if let Some(place) = self.functions.get(&address) {
            place.chip.get_or_init(|| chip);
        }
    }

    /// Notes where the functions are after a reset: nowhere, and firmware is going to place them.
    pub fn unplace(&self) {
        for address in self.functions.keys() {
            self.apply(*address, Action { bars: true, doorbells: true, ..Action::NONE });
        }
    }

    /// The function there, if there is one.
    fn function(&self, address: PciAddress) -> Option<&SharedFunction> {
        self.functions.get(&address).map(|place| &place.function)
    }

    /// Whether there are other functions in the same slot.
    fn is_shared(&self, address: PciAddress) -> bool {
        self.functions.keys().any(|other| other.slot_number() == address.slot_number() && *other != address)
    }

    /// Carries out what a function asks for.
    pub fn apply(&self, address: PciAddress, action: Action) {
        if action == Action::NONE {
            return;
        }
        let Some(place) = self.functions.get(&address) else { return };
        // Held all the while, so that of two processors the later finds and leaves the newest state.
        let mut wiring = lock(&place.wiring);
        if action.bars {
            self.apply_bars(address, place);
        }
        if action.doorbells && !action.bars {
            wiring.set_doorbells(self.doorbells(address, place), &*self.kernel);
        }
        if action.msix {
            let (vectors, events) = {
                let function = lock(&place.function);
                (function.msix(), function.msix_events().to_vec())
            };
            if wiring.set_messages(&vectors, &events, &self.routes, &*self.kernel) {
                lock(&place.function).msix_routed(&vectors);
            }
        }
        drop(wiring);
        if action.bars {
            self.apply_doorbells();
        }
    }

    fn apply_bars(&self, address: PciAddress, place: &Place) {
        let bars = lock(&place.function).bars();
        for (kind, bus) in [(BarKind::Io, &self.ports), (BarKind::Memory, &self.memory)] {
            let claims = bars.iter().filter(|bar| bar.kind == kind);
            bus.set_function(address, claims.filter_map(|bar| claim(address, place, bar)).collect());
        }
    }

    /// Ranges have moved: that may have hidden those of other functions, or shown them. What is not to be heard any
    /// more goes first, since of two doorbells at one place KVM refuses the second.
    fn apply_doorbells(&self) {
        for (address, place) in &self.functions {
            let mut wiring = lock(&place.wiring);
            wiring.keep_doorbells(&self.doorbells(*address, place), &*self.kernel);
        }
        for (address, place) in &self.functions {
            let mut wiring = lock(&place.wiring);
            wiring.set_doorbells(self.doorbells(*address, place), &*self.kernel);
        }
    }

    /// The doorbells of a function that the buses lead to.
    fn doorbells(&self, address: PciAddress, place: &Place) -> Vec<hv::Doorbell> {
        let shows = |bar: &Bar| match bar.kind {
            BarKind::Io => self.ports.shows(address, bar.address),
            BarKind::Memory => self.memory.shows(address, bar.address),
        };
        wiring::doorbells(&*lock(&place.function), shows)
    }
}

/// Connects the interrupt pin of a function, if it has one.
fn connect(function: &mut dyn PciFunction, address: PciAddress, pirq: &Arc<PirqRouter>) {
    let mut pin = [0];
    function.read_config(register::INTERRUPT_PIN, &mut pin);
    if let [pin @ 1..=4] = pin {
        function.connect_pin(pirq.pin(address, pin));
    }
}

fn claim(address: PciAddress, place: &Place, bar: &Bar) -> Option<Claim> {
    let range = || Range { address, bar: bar.index, function: place.function.clone() };
    let target = place.chip.get().cloned().unwrap_or_else(|| Arc::new(range()));
    Claim::new(bar.address, bar.size, target)
}

/// One range of a function, as a bus sees it.
struct Range {
    address: PciAddress,
    bar: u8,
    function: SharedFunction,
}

impl Target for Range {
    fn read(&self, offset: u64, data: &mut [u8]) {
        lock(&self.function).read_bar(self.bar, offset, data);
    }

    fn write(&self, offset: u64, data: &[u8]) -> BusAction {
        action(self.address, lock(&self.function).write_bar(self.bar, offset, data))
    }
}

/// What a bus has to do for a function.
fn action(address: PciAddress, action: Action) -> BusAction {
    match action {
        Action::NONE => BusAction::None,
        action => BusAction::Pci(address, action),
    }
}

#[cfg(test)]
#[path = "pci_test.rs"]
mod tests;

#[cfg(test)]
mod sequence_test;
