//! Interrupt lines of the legacy chips.

use std::sync::atomic::{AtomicBool, Ordering};

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

impl<T: IrqLine + ?Sized> IrqLine for std::sync::Arc<T> {
    fn set(&self, high: bool) {
        (**self).set(high);
    }
}

/// An input of KVM's controllers. Only a change costs a call.
pub(crate) struct KvmLine {
    line: hv::IrqLine,
    high: AtomicBool,
}

impl KvmLine {
    /// The input, low.
    pub fn new(line: hv::IrqLine) -> Self {
        Self { line, high: AtomicBool::new(false) }
    }
}

impl IrqLine for KvmLine {
    /// The chip calls this under its own lock, so that two changes do not overtake one another.
    fn set(&self, high: bool) {
        if self.high.swap(high, Ordering::Relaxed) != high
            && let Err(error) = self.line.set(high)
        {
            // The inputs are fixed and exist: this does not happen, and were it to, not at the guest's will.
            tracing::error!(%error, "an interrupt is lost");
        }
    }
}
