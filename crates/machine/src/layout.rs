//! Where everything is in the guest's address spaces.
//!
//! Memory, in bytes:
//!
//! | from | up to | what |
//! |---|---|---|
//! | 0 | 640 KiB | RAM; below [`CMDLINE_END`] lies what the boot protocols need (see the constants) |
//! | 640 KiB | 1 MiB | reserved to the guest though backed by RAM; ACPI tables from [`ACPI_START`] on |
//! | 1 MiB | at most 3 GiB ([`LOW_RAM_END`]) | RAM |
//! | 3 GiB ([`PCI_START`]) | [`PCI_END`] | PCI memory window |
//! | [`IOAPIC`] | + 4 KiB | I/O APIC, in KVM |
//! | [`LOCAL_APIC`] | + 4 KiB | local APICs, in KVM |
//! | [`KVM_PRIVATE`] | + 16 KiB | pages that KVM needs on some processors |
//! | 4 GiB less its size | 4 GiB | firmware, if the machine starts some; see `firmware` for what it changes below 1 MiB |
//! | right below it | | the variables of UEFI firmware; see `variables` |
//! | 4 GiB ([`HIGH_RAM_START`]) | | the rest of the RAM |
//!
//! Ports:
//!
//! | from | to | what |
//! |---|---|---|
//! | 0x20 0x40 0x61 0xA0 0x4D0 | | interrupt controllers and timer, in KVM |
//! | 0x60 | 0x64 | keyboard controller |
//! | 0x70 | 0x71 | clock and its memory, interrupt 8 |
//! | 0x92 | 0x92 | system control port A |
//! | 0x3F8 | 0x3FF | first serial line, interrupt 4 |
//! | 0x510 | 0x51B | configuration for firmware, if the machine starts some |
//! | 0x600 | 0x63F | ACPI power management |
//! | 0xCF8 | 0xCFF | PCI configuration; in it 0xCF9, the reset register |
//! | [`PCI_PORTS_START`] | [`PCI_PORTS_END`] | PCI port window |

use proto::MemorySize;

use crate::pci::PciAddress;

/// Kilobytes of base memory in the BIOS data area, a word, where Multiboot kernels look for room below 1 MiB.
pub const BIOS_BASE_MEMORY: u64 = 0x413;
/// Global descriptor table of the 64-bit Linux entry, 32 bytes.
pub const GDT: u64 = 0x500;
/// Boot arguments of an OpenBSD kernel, one page.
pub const OPENBSD_ARGUMENTS: u64 = 0x2000;
/// PVH start information: the structure, its memory map and its module list, one page.
pub const START_INFO: u64 = 0x6000;
/// Multiboot information, its memory map, modules and strings, one page.
pub const MULTIBOOT_INFO: u64 = 0x6000;
/// Linux's `boot_params` ("zero page"), one page.
pub const BOOT_PARAMS: u64 = 0x7000;
/// Page tables that map the first 4 GiB one to one, six pages.
pub const PAGE_TABLES: u64 = 0x9000;
/// Stack of an OpenBSD kernel, with the arguments of its first function at its top, one page.
pub const OPENBSD_STACK: u64 = 0xF000;
/// The end of that stack.
pub const OPENBSD_STACK_END: u64 = 0x1_0000;
/// Global descriptor table of OpenBSD and Multiboot kernels, 32 bytes.
pub const LOADED_GDT: u64 = 0x1_0000;
/// The kernel's command line with its NUL.
pub const CMDLINE: u64 = 0x2_0000;
/// The end of the room for the command line.
pub const CMDLINE_END: u64 = 0x2_1000;
/// The end of RAM below the adapters' area: 640 KiB.
pub const BASE_RAM_END: u64 = 0xA_0000;
/// ACPI tables; the root pointer is the first of them, where a search of the firmware area finds it
/// (ACPI 6.5, 5.2.5.1).
pub const ACPI_START: u64 = 0xE_0000;
/// The end of the room for ACPI tables.
pub const ACPI_END: u64 = 0x10_0000;
/// The end of the area of adapters and firmware: 1 MiB, where kernels are loaded.
pub const EXTENDED_RAM_START: u64 = 0x10_0000;
/// RAM below 4 GiB reaches up to here at most.
pub const LOW_RAM_END: u64 = 0xC000_0000;
/// The first address of the area that the host bridge's registers give to RAM or to the bus, in parts of
/// [`SHADOW_PART`] and, from [`SHADOW_BIOS`] on, one of 64 KiB (82441FX data sheet, "PAM").
pub const SHADOW_START: u64 = 0xC_0000;
/// The size of a part.
pub const SHADOW_PART: u64 = 0x4000;
/// The last part.
pub const SHADOW_BIOS: u64 = 0xF_0000;
/// The first address at which the end of firmware is found a second time, up to 1 MiB.
pub const FIRMWARE_ALIAS: u64 = 0xE_0000;
/// Start of the PCI memory window.
pub const PCI_START: u64 = LOW_RAM_END;
/// End of the PCI memory window.
pub const PCI_END: u64 = 0xFEC0_0000;
/// Registers of the I/O APIC.
pub const IOAPIC: u64 = 0xFEC0_0000;
/// Registers of each processor's local APIC.
pub const LOCAL_APIC: u64 = 0xFEE0_0000;
/// Three pages and one for tables that KVM puts into the guest's address space on some processors. Below any
/// firmware.
pub const KVM_PRIVATE: u64 = 0xFEFF_C000;
/// How many pages that are.
pub const KVM_PRIVATE_PAGES: u64 = 4;
/// The largest firmware image, which ends at 4 GiB.
pub const FIRMWARE_MAX: u64 = 4 << 20;
/// RAM that does not fit below [`LOW_RAM_END`] goes on here.
pub const HIGH_RAM_START: u64 = 0x1_0000_0000;

/// Start of the window for the port ranges of PCI functions.
pub const PCI_PORTS_START: u64 = 0x1000;
/// End of the window for the port ranges of PCI functions.
pub const PCI_PORTS_END: u64 = 0x1_0000;

/// Ports of the keyboard controller: first and number.
pub const I8042_PORTS: (u64, u64) = (0x60, 5);
/// Ports of the clock: first and number.
pub const RTC_PORTS: (u64, u64) = (0x70, 2);
/// System control port A.
pub const SYSTEM_PORT: (u64, u64) = (0x92, 1);
/// Ports of the first serial line: first and number.
pub const SERIAL_PORTS: (u64, u64) = (0x3F8, 8);
/// Ports of the configuration for firmware: first and number.
pub const FW_CFG_PORTS: (u64, u64) = (0x510, 12);
/// Ports of ACPI power management: first and number. Event block (4), control block (2, padded to 4), timer
/// (4); the rest belongs to parts of the PIIX4 that the machine has not.
pub const PM_PORTS: (u64, u64) = (0x600, 64);
/// Ports of PCI configuration mechanism 1: first and number.
pub const PCI_CONFIG_PORTS: (u64, u64) = (0xCF8, 8);
/// The reset register, among them.
pub const RESET_PORT: u64 = 0xCF9;

/// Interrupt of the first serial line.
pub const SERIAL_IRQ: u32 = 4;
/// Interrupt of the clock.
pub const RTC_IRQ: u32 = 8;
/// Interrupt of ACPI, level triggered.
pub const SCI_IRQ: u32 = 9;

/// Where the four lines of PCI interrupts arrive if no firmware decides: level triggered inputs of the controllers.
pub const PCI_IRQS: [u8; 4] = [10, 11, 10, 11];
/// The inputs that a line of PCI interrupts can be routed to without meeting another chip.
pub const PCI_IRQ_CHOICE: [u8; 3] = [5, 10, 11];

/// The host bridge.
pub const HOST_BRIDGE: PciAddress = PciAddress::slot(0);
/// The bridge to the legacy chips, where the routes of PCI interrupts are.
pub const ISA_BRIDGE: PciAddress = PciAddress::slot(1);
/// The power management function.
pub const POWER_FUNCTION: PciAddress = PciAddress::new(1, 3);

/// The PCI memory window as firmware uses it, first address and end: from 2 GiB if RAM leaves so much.
pub fn firmware_pci_window(size: MemorySize) -> (u64, u64) {
    const FIRST: u64 = 0x8000_0000;
    (if size.bytes() <= FIRST { FIRST } else { PCI_START }, PCI_END)
}

/// One stretch of RAM: first address and length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RamRange {
    /// The first address.
    pub start: u64,
    /// The length.
    pub len: u64,
}

/// The RAM of a machine of this size, in ascending order: one range, or two if it does not fit below
/// [`LOW_RAM_END`].
pub fn ram_ranges(size: MemorySize) -> impl Iterator<Item = RamRange> {
    let low = size.bytes().min(LOW_RAM_END);
    let high = size.bytes().saturating_sub(low);
    let ranges = [RamRange { start: 0, len: low }, RamRange { start: HIGH_RAM_START, len: high }];
    ranges.into_iter().filter(|range| range.len > 0)
}
