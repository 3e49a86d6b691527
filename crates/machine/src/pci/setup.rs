//! What firmware does to the bus before a system starts: done here for a kernel that is started without firmware.

use virtio::pci::{Action, PciFunction, register};

use super::south_bridge::{PIRQ_ROUTES, PM_BASE, PM_ENABLE, PM_MISC};
use super::{PciAddress, PciBus, PciError, allocate, line_of};
use crate::layout::{ISA_BRIDGE, PCI_IRQS, PM_PORTS, POWER_FUNCTION};
use crate::sync::lock;

impl PciBus {
    /// Gives each range an address and has the functions decode them, has the interrupt pins arrive somewhere, and
    /// enables the power management ports. Once at power-on and after each reset.
    ///
    /// # Errors
    /// [`PciError::Window`].
    pub fn set_up(&self) -> Result<(), PciError> {
        let mut windows = allocate::Windows::default();
        self.set_up_bridge();
        for (address, place) in &self.functions {
            {
                let function = &mut *lock(&place.function);
                windows.place(function)?;
                note_interrupt(function, *address);
            }
            self.apply(*address, Action { bars: true, doorbells: true, ..Action::NONE });
        }
        Ok(())
    }

    /// The chips of slot 1. Their functions ask for nothing that is not done afterwards.
    fn set_up_bridge(&self) {
        if let Some(isa) = self.function(ISA_BRIDGE) {
            let _ = lock(isa).write_config(PIRQ_ROUTES, &PCI_IRQS);
        }
        if let Some(power) = self.function(POWER_FUNCTION) {
            let base = u32::try_from(PM_PORTS.0).unwrap_or(0);
            let mut power = lock(power);
            let _ = power.write_config(PM_BASE, &base.to_le_bytes());
            let _ = power.write_config(PM_MISC, &[PM_ENABLE]);
        }
    }
}

/// Tells the system where the pin of a function arrives (PCI 3.0, 6.2.4).
fn note_interrupt(function: &mut dyn PciFunction, address: PciAddress) {
    let mut pin = [0];
    function.read_config(register::INTERRUPT_PIN, &mut pin);
    if let [pin @ 1..=4] = pin
        && let Some(irq) = PCI_IRQS.get(line_of(address, pin))
    {
        let _ = function.write_config(register::INTERRUPT_LINE, &[*irq]);
    }
}
