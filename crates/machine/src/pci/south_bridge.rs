//! The bridge to the legacy chips, and the power management beside it: two functions of slot 1 that stock firmware and
//! systems know by their ids (Intel 82371SB and 82371AB data sheets; PIIX3 and PIIX4).

use std::sync::Arc;

use virtio::Lifecycle;
use virtio::pci::{Action, Bar, BarKind, ConfigSpace, Identity, PciFunction, command, register};

use super::pirq::{PIRQS, PirqRouter, UNROUTED};
use crate::layout::PM_PORTS;

const VENDOR_INTEL: u16 = 0x8086;
/// Both decode and are bus masters from the start (82371SB, "PCICMD").
const COMMAND: u16 = command::PORTS | command::MEMORY | command::BUS_MASTER;

/// Where the lines of PCI interrupts lead to, one byte for each.
pub(crate) const PIRQ_ROUTES: u8 = 0x60;

/// Where the power management ports are, and whether they are there.
pub(super) const PM_BASE: u8 = 0x40;
pub(super) const PM_MISC: u8 = 0x80;
pub(super) const PM_ENABLE: u8 = 1 << 0;
const PM_BASE_BITS: u16 = 0xFFC0;
/// Where the ports of the System Management Bus would be. There is no such bus: the bit of register 0xD2 that
/// switches it on stays clear.
const SMB_BASE: u8 = 0x90;
const SMB_BASE_BITS: u16 = 0xFFF0;
const BASE_IS_PORTS: u32 = 1;
/// "Device Activity B", its last byte: that a write to port 0xB2 leads to system management mode. It is set, as if that
/// had been set up already, for there is no such mode: SeaBIOS would try, and wait for the answer for ever.
const ACTIVITY: u8 = 0x5B;
const ACTIVITY_APMC: u8 = 1 << 1;

/// The ISA bridge of the PIIX3, of which the routes of PCI interrupts are left.
pub(crate) struct IsaBridge {
    config: ConfigSpace,
    pirq: Arc<PirqRouter>,
}

impl IsaBridge {
    /// The bridge after power on: no interrupt leads anywhere.
    pub fn new(pirq: Arc<PirqRouter>) -> Self {
        let identity = Identity { vendor: VENDOR_INTEL, device: 0x7000, revision: 0, class: [6, 1, 0] };
        let mut config = ConfigSpace::new(identity);
        config.allow(PIRQ_ROUTES, &[0x8F; PIRQS]);
        let mut bridge = Self { config, pirq };
        bridge.reset();
        bridge
    }
}

impl PciFunction for IsaBridge {
    fn read_config(&mut self, offset: u8, data: &mut [u8]) {
        self.config.read(offset, data);
    }

    fn write_config(&mut self, offset: u8, data: &[u8]) -> Action {
        self.config.write(offset, data);
        self.pirq.set_routes(self.config.u32(PIRQ_ROUTES).to_le_bytes());
        Action::NONE
    }
}

/// There is no work to pause.
impl Lifecycle for IsaBridge {
    fn pause(&mut self) {}

    fn resume(&mut self) {}

    fn reset(&mut self) {
        power_on(&mut self.config);
        self.config.set(PIRQ_ROUTES, &UNROUTED);
        self.pirq.set_routes(UNROUTED);
    }
}

/// The power management function of the PIIX4, which places the ports of the ACPI chip.
///
/// The chip also answers at [`PM_PORTS`] all the time, where the ACPI tables say that it is: they are made before
/// firmware runs, and each firmware has its own idea of where to put it. A firmware finds it through these registers,
/// the system that it starts through the tables, and both are right.
pub(crate) struct PowerFunction {
    config: ConfigSpace,
}

impl PowerFunction {
    /// The function after power on: its ports are nowhere.
    pub fn new() -> Self {
        let identity = Identity { vendor: VENDOR_INTEL, device: 0x7113, revision: 3, class: [6, 0x80, 0] };
        let mut config = ConfigSpace::new(identity);
        for (base, bits) in [(PM_BASE, PM_BASE_BITS), (SMB_BASE, SMB_BASE_BITS)] {
            config.set(base, &BASE_IS_PORTS.to_le_bytes());
            config.allow(base, &bits.to_le_bytes());
        }
        config.allow(PM_MISC, &[PM_ENABLE]);
        config.set(ACTIVITY, &[ACTIVITY_APMC]);
        let mut function = Self { config };
        function.reset();
        function
    }
}

impl PciFunction for PowerFunction {
    fn read_config(&mut self, offset: u8, data: &mut [u8]) {
        self.config.read(offset, data);
    }

    fn write_config(&mut self, offset: u8, data: &[u8]) -> Action {
        let before = self.bars();
        self.config.write(offset, data);
        Action { bars: before != self.bars(), ..Action::NONE }
    }

    /// No base address register places these ports, the bit that lets them be decoded is another one, and it is the chip in
    /// its place that answers.
    fn bars(&self) -> Vec<Bar> {
        let address = u64::from(self.config.u16(PM_BASE) & PM_BASE_BITS);
        let enabled = self.config.u16(PM_MISC) & u16::from(PM_ENABLE) != 0;
        let bar = Bar { index: 0, kind: BarKind::Io, address, size: PM_PORTS.1 };
        enabled.then_some(bar).into_iter().collect()
    }
}

/// There is no work to pause.
impl Lifecycle for PowerFunction {
    fn pause(&mut self) {}

    fn resume(&mut self) {}

    fn reset(&mut self) {
        power_on(&mut self.config);
    }
}

fn power_on(config: &mut ConfigSpace) {
    config.allow(register::COMMAND, &COMMAND.to_le_bytes());
    config.reset();
    config.set(register::COMMAND, &COMMAND.to_le_bytes());
}

#[cfg(test)]
#[path = "south_bridge_test.rs"]
mod tests;
