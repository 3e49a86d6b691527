//! What firmware is told about the machine.

use proto::{BootDevice, VmSpec};

use super::fw_cfg::{Items, key};
use super::smbios::Smbios;
use super::{Rom, table_loader};
use crate::acpi;
use crate::devices::Bootable;
use crate::layout::{HIGH_RAM_START, KVM_PRIVATE, SERIAL_PORTS, firmware_pci_window, ram_ranges};

/// Kinds of memory in `etc/e820`.
const RAM: u32 = 1;
const RESERVED: u32 = 2;
/// The pages of KVM.
const KVM_PRIVATE_LEN: u64 = 0x4000;

/// How long SeaBIOS waits for Escape, in milliseconds. Who wants the menu holds the key down: what comes while the
/// firmware is busy is kept. More would be a delay of every start.
const MENU_WAIT: u16 = 100;
/// How long it waits before it tries again to start something: for ever. Trying again would be a reset each minute, of
/// which nothing comes, and is no reason for the host to have work.
const FAIL_WAIT: u32 = u32::MAX;

/// All items for a machine.
pub(super) fn content(spec: &VmSpec, bootable: &[Bootable], rom: &Rom) -> Items {
    let cpus = u16::from(spec.cpus.get());
    let low: u64 = ram_ranges(spec.memory).filter(|ram| ram.start < HIGH_RAM_START).map(|ram| ram.len).sum();
    let mut items = Items::default();
    items.set(key::UUID, [0; 16]);
    items.set(key::RAM_SIZE, low.to_le_bytes());
    items.set(key::NOGRAPHIC, 1u16.to_le_bytes());
    items.set(key::NB_CPUS, cpus.to_le_bytes());
    items.set(key::MAX_CPUS, cpus.to_le_bytes());
    items.set(key::BOOT_MENU, 1u16.to_le_bytes());
    items.set(key::IRQ0_OVERRIDE, 1u32.to_le_bytes());
    items.add_file("etc/e820", memory_map(spec, rom));
    items.add_file("bootorder", boot_order(spec.boot_device, bootable));
    // With it SeaBIOS shows its screen, and that of whatever it starts, on the serial line.
    items.add_file("etc/sercon-port", (SERIAL_PORTS.0 as u16).to_le_bytes());
    items.add_file("etc/boot-menu-wait", MENU_WAIT.to_le_bytes());
    items.add_file("etc/boot-fail-wait", FAIL_WAIT.to_le_bytes());
    let smbios = Smbios::of(spec);
    items.add_file("etc/smbios/smbios-anchor", smbios.anchor);
    items.add_file("etc/smbios/smbios-tables", smbios.tables);
    let acpi = acpi::relocatable(spec.cpus, firmware_pci_window(spec.memory));
    items.add_file(table_loader::SCRIPT, table_loader::script(&acpi));
    items.add_file(table_loader::ROOT, acpi.root);
    items.add_file(table_loader::TABLES, acpi.tables);
    items
}

/// RAM as it is, and what lies below 4 GiB and is none. The area below 1 MiB is for the firmware to divide.
fn memory_map(spec: &VmSpec, rom: &Rom) -> Vec<u8> {
    let ram = ram_ranges(spec.memory).map(|range| (range.start, range.len, RAM));
    let firmware = (HIGH_RAM_START.saturating_sub(rom.size()), rom.size(), RESERVED);
    let entries = ram.chain([(KVM_PRIVATE, KVM_PRIVATE_LEN, RESERVED), firmware]);
    let bytes = entries.flat_map(|(start, len, kind)| {
        start.to_le_bytes().into_iter().chain(len.to_le_bytes()).chain(kind.to_le_bytes())
    });
    bytes.collect()
}

/// What is tried, in this order, one path of a device (Open Firmware) on each line. If a device was asked for, nothing
/// else is tried; if not, the disks come first, in their order.
fn boot_order(wanted: Option<BootDevice>, bootable: &[Bootable]) -> Vec<u8> {
    let paths = |device: BootDevice| {
        bootable.iter().filter(move |entry| entry.device == device).map(|entry| entry.path.clone())
    };
    let mut lines: Vec<String> = match wanted {
        Some(device) => paths(device).take(1).collect(),
        None => BootDevice::ALL.into_iter().flat_map(paths).collect(),
    };
    if wanted.is_some() {
        lines.push("HALT".to_owned());
    }
    let mut text = lines.join("\n").into_bytes();
    text.push(0);
    text
}

#[cfg(test)]
#[path = "content_test.rs"]
mod tests;
