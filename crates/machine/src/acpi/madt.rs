//! The interrupt controllers (ACPI 6.5, section 5.2.12).

use acpi_tables::sdt::Sdt;
use proto::CpuCount;
use zerocopy::{Immutable, IntoBytes};

use super::sdt;
use crate::layout::{IOAPIC, LOCAL_APIC, PCI_IRQ_CHOICE, SCI_IRQ};

const REVISION: u8 = 5;
/// `PCAT_COMPAT`: there are two 8259 as well.
const PC_COMPATIBLE: u32 = 1;
/// The local APIC can be used.
const ENABLED: u32 = 1;
const ALL_PROCESSORS: u8 = 0xff;
/// The first timer's interrupt is 0 on the ISA bus and input 2 of the I/O APIC.
const TIMER_IRQ: u8 = 0;
const TIMER_INPUT: u32 = 2;
/// Interrupt flags (5.2.12.5): as is usual on the bus; active high and level triggered.
const CONFORMING: u16 = 0;
const HIGH_LEVEL: u16 = 0b1101;

/// What the table begins with, behind its header.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Controllers {
    local_apic: u32,
    flags: u32,
}

/// Processor local APIC (5.2.12.2).
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct LocalApic {
    kind: u8,
    length: u8,
    processor: u8,
    apic: u8,
    flags: u32,
}

/// I/O APIC (5.2.12.3).
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct IoApic {
    kind: u8,
    length: u8,
    id: u8,
    reserved: u8,
    address: u32,
    first_interrupt: u32,
}

/// Interrupt source override (5.2.12.5).
#[derive(IntoBytes, Immutable)]
#[repr(C, packed)]
struct Override {
    kind: u8,
    length: u8,
    bus: u8,
    source: u8,
    interrupt: u32,
    flags: u16,
}

/// Local APIC NMI (5.2.12.7).
#[derive(IntoBytes, Immutable)]
#[repr(C, packed)]
struct LocalNmi {
    kind: u8,
    length: u8,
    processor: u8,
    flags: u16,
    input: u8,
}

/// The table for so many processors. Their numbers and the ids of their APICs are their indices; the I/O APIC's id
/// is the first one behind.
pub(super) fn table(cpus: CpuCount) -> Sdt {
    let controllers = Controllers { local_apic: low(LOCAL_APIC), flags: PC_COMPATIBLE };
    let mut content = controllers.as_bytes().to_vec();
    for index in 0..cpus.get() {
        let apic = LocalApic { kind: 0, length: 8, processor: index, apic: index, flags: ENABLED };
        content.extend(apic.as_bytes());
    }
    let io_apic =
        IoApic { kind: 1, length: 12, id: cpus.get(), reserved: 0, address: low(IOAPIC), first_interrupt: 0 };
    content.extend(io_apic.as_bytes());
    content.extend(source_override(TIMER_IRQ, TIMER_INPUT, CONFORMING).as_bytes());
    let sci = u8::try_from(SCI_IRQ).unwrap_or_default();
    content.extend(source_override(sci, SCI_IRQ, HIGH_LEVEL).as_bytes());
    for irq in PCI_IRQ_CHOICE {
        content.extend(source_override(irq, irq.into(), HIGH_LEVEL).as_bytes());
    }
    let nmi = LocalNmi { kind: 4, length: 6, processor: ALL_PROCESSORS, flags: CONFORMING, input: 1 };
    content.extend(nmi.as_bytes());
    sdt(*b"APIC", REVISION, &content)
}

fn source_override(source: u8, interrupt: u32, flags: u16) -> Override {
    Override { kind: 2, length: 10, bus: 0, source, interrupt, flags }
}

fn low(address: u64) -> u32 {
    u32::try_from(address).unwrap_or(u32::MAX)
}
