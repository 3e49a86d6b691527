//! The chips of a PC in their places: ports and interrupts.

use std::sync::{Arc, Mutex};

use proto::VmSpec;
use virtio::Lifecycle;

use crate::bus::Bus;
use crate::chips::{I8042, PowerManagement, ResetControl, Rtc, Serial, SystemPort};
use crate::event::{Events, MachineEvent};
use crate::irq::Lines;
use crate::pci::{ConfigPorts, PciBus};
use crate::sync::lock;
use crate::{SerialOutput, layout};

/// The chips.
pub(crate) struct Legacy {
    serial: Arc<Mutex<Serial>>,
    rtc: Arc<Mutex<Rtc>>,
    keyboard: Arc<Mutex<I8042>>,
    system_port: Arc<Mutex<SystemPort>>,
    power: Arc<Mutex<PowerManagement>>,
    pci_config: Arc<Mutex<ConfigPorts<ResetControl>>>,
}

impl Legacy {
    /// Makes the chips and puts them on the bus.
    pub fn new(
        lines: &Lines,
        ports: &Bus,
        pci: Arc<PciBus>,
        spec: &VmSpec,
        console: Arc<dyn SerialOutput>,
        events: Arc<Events>,
    ) -> Self {
        let line = |irq| lines.output(irq);
        let clock = Rtc::new(spec.memory, spec.cpus, line(layout::RTC_IRQ), events.timer().clone());
        let room = move || events.send(MachineEvent::SerialRoom);
        let chips = Self {
            serial: shared(Serial::new(console, line(layout::SERIAL_IRQ), room)),
            rtc: shared(clock),
            keyboard: shared(I8042::new()),
            system_port: shared(SystemPort::new()),
            power: shared(PowerManagement::new(line(layout::SCI_IRQ))),
            pci_config: shared(ConfigPorts::new(pci.clone(), ResetControl::new())),
        };
        ports.add(layout::SERIAL_PORTS, chips.serial.clone());
        ports.add(layout::RTC_PORTS, chips.rtc.clone());
        ports.add(layout::I8042_PORTS, chips.keyboard.clone());
        ports.add(layout::SYSTEM_PORT, chips.system_port.clone());
        ports.add(layout::PM_PORTS, chips.power.clone());
        pci.set_chip(layout::POWER_FUNCTION, chips.power.clone());
        ports.add(layout::PCI_CONFIG_PORTS, chips.pci_config.clone());
        chips
    }

    /// Does `act` with each chip.
    pub fn each(&self, act: impl Fn(&mut dyn Lifecycle)) {
        act(&mut *lock(&self.serial));
        act(&mut *lock(&self.rtc));
        act(&mut *lock(&self.keyboard));
        act(&mut *lock(&self.system_port));
        act(&mut *lock(&self.power));
        act(&mut *lock(&self.pci_config));
    }

    /// Input for the guest on its serial line; how many bytes were taken.
    pub fn serial_input(&self, bytes: &[u8]) -> usize {
        lock(&self.serial).input(bytes)
    }

    /// A break on the serial line.
    pub fn serial_break(&self) {
        lock(&self.serial).send_break();
    }

    /// The host's timer has gone off: it is the clock's.
    pub fn tick(&self) {
        lock(&self.rtc).tick();
    }

    /// Presses the power button.
    pub fn power_button(&self) {
        lock(&self.power).press_power_button();
    }
}

fn shared<T>(chip: T) -> Arc<Mutex<T>> {
    Arc::new(Mutex::new(chip))
}
