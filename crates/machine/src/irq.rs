//! Interrupt lines of the legacy chips, and the inputs of the controllers where they arrive.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::sync::lock;

/// One input of the interrupt controllers, as a chip drives it.
///
/// A chip calls [`IrqLine::set`] whenever its output may have changed; setting a level that the line already
/// has does nothing. An input that is edge triggered sees the change from low to high, one that is level
/// triggered interrupts as long as it is high. A chip whose line is high must lower it when the cause has
/// gone, and when it is reset.
pub trait IrqLine: Send + Sync {
    /// Drives the line high (`true`) or low.
    fn set(&self, high: bool);
}

impl<T: IrqLine + ?Sized> IrqLine for Arc<T> {
    fn set(&self, high: bool) {
        (**self).set(high);
    }
}

/// An input of KVM's controllers.
impl IrqLine for hv::IrqLine {
    fn set(&self, high: bool) {
        if let Err(error) = self.set(high) {
            // The inputs are fixed and exist: this does not happen, and were it to, not at the guest's will.
            tracing::error!(%error, "an interrupt is lost");
        }
    }
}

/// The inputs 0 to 15 of the controllers, which 8259s and I/O APIC have in common.
///
/// The guest decides where the pins of PCI functions arrive, so any number of outputs may drive one input: it is high
/// as long as any of them is. Nobody else drives these inputs, and only a change costs a call to KVM.
pub(crate) struct Lines(Vec<Arc<Input>>);

struct Input {
    line: Box<dyn IrqLine>,
    /// How many outputs are high.
    high: Mutex<usize>,
}

/// One output that drives an input, low at first.
pub(crate) struct Output {
    input: Option<Arc<Input>>,
    high: AtomicBool,
}

impl Lines {
    /// How many there are.
    pub const COUNT: u8 = 16;

    /// The inputs, all low; `line` gives the one of a number.
    pub fn new<L: IrqLine + 'static>(line: impl Fn(u32) -> L) -> Self {
        let input = |number: u8| Input { line: Box::new(line(number.into())), high: Mutex::default() };
        Self((0..Self::COUNT).map(|number| Arc::new(input(number))).collect())
    }

    /// One more output that drives input `number`, or nothing if there is no such input.
    pub fn output(&self, number: u32) -> Output {
        let input = usize::try_from(number).ok().and_then(|number| self.0.get(number)).cloned();
        Output { input, high: AtomicBool::new(false) }
    }
}

impl IrqLine for Output {
    /// Whoever owns the output calls this under a lock of its own, so that two changes do not overtake one another.
    fn set(&self, high: bool) {
        if self.high.swap(high, Ordering::Relaxed) != high
            && let Some(input) = &self.input
        {
            input.change(high);
        }
    }
}

impl Input {
    /// One output more is high, or one less. The lock is held until KVM knows.
    fn change(&self, high: bool) {
        let mut count = lock(&self.high);
        let before = *count;
        *count = if high { before.saturating_add(1) } else { before.saturating_sub(1) };
        if (before == 0) != (*count == 0) {
            self.line.set(high);
        }
    }
}

#[cfg(test)]
#[path = "irq_test.rs"]
pub(crate) mod tests;
