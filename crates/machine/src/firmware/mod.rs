//! Firmware: a machine that starts its BIOS as a PC does, at the reset vector, with nothing in memory.
//!
//! The image ends at 4 GiB (`rom`). Its last 128 KiB are also found below 1 MiB, until the firmware has the host
//! bridge show RAM there (`shadow`). What the machine is the firmware reads through a configuration interface that
//! all stock firmware for virtual machines knows (`fw_cfg`, filled by `content`), and from the clock's memory (see
//! [`chips`](crate::chips)). PCI devices have no addresses before the firmware gives them some; ACPI and SMBIOS
//! tables it places itself (`table_loader`, `smbios`).

mod content;
mod fw_cfg;
mod rom;
mod shadow;
mod smbios;
mod table_loader;

use std::sync::{Arc, Mutex};

use hv::{MemoryLayout, Vm};
use proto::VmSpec;
use virtio::{GuestRam, Lifecycle};

use crate::bus::Bus;
use crate::devices::Bootable;
use crate::layout::{EXTENDED_RAM_START, FW_CFG_PORTS, KVM_PRIVATE, SHADOW_START};
use crate::sync::lock;
use content::content;
pub(crate) use fw_cfg::FwCfg;
pub use rom::FirmwareError;
pub(crate) use rom::Rom;
pub(crate) use shadow::{Registers, Shadow};

/// Firmware in its machine.
pub(crate) struct Firmware {
    shadow: Arc<Shadow>,
    config: Arc<Mutex<FwCfg>>,
}

/// What the machine shows at power-on.
pub(crate) fn layout(rom: &Rom) -> MemoryLayout {
    let mut windows = Shadow::power_on(rom);
    windows.push(rom.window());
    MemoryLayout { private_pages: KVM_PRIVATE, hole: SHADOW_START..EXTENDED_RAM_START, windows }
}

/// The area below 1 MiB of a machine with this layout.
pub(crate) fn shadow(vm: &Vm, ram: &GuestRam, rom: Rom) -> Arc<Shadow> {
    Arc::new(Shadow::new(ram.clone(), rom, Box::new(vm.clone())))
}

impl Firmware {
    /// Puts what firmware needs on the buses.
    pub fn new(
        spec: &VmSpec,
        bootable: &[Bootable],
        ram: &GuestRam,
        shadow: Arc<Shadow>,
        (ports, memory): (&Bus, &Bus),
    ) -> Self {
        let config = FwCfg::new(content(spec, bootable, shadow.rom()), ram.clone());
        let config = Arc::new(Mutex::new(config));
        ports.add(FW_CFG_PORTS, config.clone());
        memory.add((SHADOW_START, EXTENDED_RAM_START - SHADOW_START), shadow.clone());
        Self { shadow, config }
    }

    /// Does `act` with each part.
    pub fn each(&self, act: impl Fn(&mut dyn Lifecycle)) {
        act(&mut &*self.shadow);
        act(&mut *lock(&self.config));
    }
}
