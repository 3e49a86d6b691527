//! The interrupt pins of PCI functions, on their way to the interrupt controllers.
//!
//! ```text
//!   pin A to D of each function                 four lines           route registers        inputs of the
//!   ───────────────────────────> slot and pin ─> PIRQ A to D ──────> of the ISA bridge ───> controllers
//! ```
//!
//! All of these are level triggered and shared. The levels that KVM gets are exact: each change of what a pin, or a
//! register, makes of an input is told with a call (`KVM_IRQ_LINE`) by the thread that makes it. Events (irqfd) would need
//! somebody who listens for the end of each interrupt, since KVM lowers their inputs by itself; here a function lowers
//! its pin when its driver reads the reason, and no thread has to exist for that.

use std::sync::{Arc, Mutex};

use virtio::pci::Pin;

use super::PciAddress;
use crate::IrqLine;
use crate::irq::{Lines, Output};
use crate::sync::lock;

/// How many lines there are from the slots to the ISA bridge.
pub(super) const PIRQS: usize = 4;

/// A route register (Intel 82371SB data sheet, PIRQRC): no route at all; the input of the controllers.
const DISABLED: u8 = 1 << 7;
const INPUT: u8 = 0x0F;
/// Inputs that no line can be routed to: timer, keyboard, the second 8259, clock, coprocessor.
const RESERVED: u16 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 8 | 1 << 13;
/// What the registers say after a reset.
pub(super) const UNROUTED: [u8; PIRQS] = [DISABLED; PIRQS];

/// The lines, and where they lead to.
pub(crate) struct PirqRouter {
    /// The outputs to all inputs, by number.
    outputs: Vec<Output>,
    state: Mutex<State>,
}

struct State {
    registers: [u8; PIRQS],
    /// How many pins assert each line.
    asserted: [usize; PIRQS],
    /// The inputs that are driven high, a bit for each.
    high: u16,
}

impl PirqRouter {
    /// The lines, all low and without routes.
    pub fn new(lines: &Lines) -> Self {
        let outputs = (0..Lines::COUNT).map(|number| lines.output(number.into())).collect();
        let state = Mutex::new(State { registers: UNROUTED, asserted: [0; PIRQS], high: 0 });
        Self { outputs, state }
    }

    /// The way of pin `pin` (1 for A to 4 for D, as register 0x3D says) of a function to its line.
    pub(super) fn pin(self: &Arc<Self>, address: PciAddress, pin: u8) -> Arc<dyn Pin> {
        let line = line_of(address, pin);
        Arc::new(RoutedPin { router: self.clone(), line, asserted: Mutex::new(false) })
    }

    /// The guest, or a reset, has written the route registers. What is asserted moves along.
    pub(super) fn set_routes(&self, registers: [u8; PIRQS]) {
        let mut state = lock(&self.state);
        state.registers = registers;
        self.drive(&mut state);
    }

    fn change(&self, line: usize, asserted: bool) {
        let mut state = lock(&self.state);
        if let Some(count) = state.asserted.get_mut(line) {
            *count = if asserted { count.saturating_add(1) } else { count.saturating_sub(1) };
        }
        self.drive(&mut state);
    }

    /// Has each input be what the lines make of it. The lock is held until KVM knows, so that changes do not overtake
    /// one another.
    fn drive(&self, state: &mut State) {
        let high = state.inputs();
        let changed = high ^ state.high;
        state.high = high;
        for (number, output) in self.outputs.iter().enumerate() {
            let bit = 1u16.checked_shl(u32::try_from(number).unwrap_or(u32::MAX)).unwrap_or(0);
            if changed & bit != 0 {
                output.set(high & bit != 0);
            }
        }
    }
}

impl State {
    /// The inputs that the lines drive high.
    fn inputs(&self) -> u16 {
        let lines = self.registers.iter().zip(&self.asserted).filter(|(_, count)| **count > 0);
        lines.fold(0, |inputs, (register, _)| inputs | input_of(*register))
    }
}

/// The input that a route register names, as a bit; none if it names none that can be.
fn input_of(register: u8) -> u16 {
    let input = 1u16.checked_shl((register & INPUT).into()).unwrap_or(0);
    if register & DISABLED != 0 { 0 } else { input & !RESERVED }
}

/// The line that a pin is connected to. From slot to slot they rotate, as on the boards with this chipset and as
/// firmware and the ACPI tables have it: slot 1 has its pin A on the first.
pub(crate) fn line_of(address: PciAddress, pin: u8) -> usize {
    let sum = usize::from(address.slot_number()).wrapping_add(pin.into()).wrapping_sub(2);
    sum & PIRQS.wrapping_sub(1)
}

/// The pin of one function.
struct RoutedPin {
    router: Arc<PirqRouter>,
    line: usize,
    asserted: Mutex<bool>,
}

impl Pin for RoutedPin {
    fn set(&self, asserted: bool) {
        let mut before = lock(&self.asserted);
        if std::mem::replace(&mut *before, asserted) != asserted {
            self.router.change(self.line, asserted);
        }
    }
}

#[cfg(test)]
#[path = "pirq_test.rs"]
mod tests;
