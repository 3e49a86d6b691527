//! The ACPI tables of the machine (ACPI 6.5, chapter 5), written where firmware would put them, or given to firmware.
//!
//! The root pointer (RSDP) leads to the XSDT, that to the FADT (power management) and the MADT (interrupt
//! controllers, processors), and the FADT to the DSDT (devices, in AML) and the FACS.

mod dsdt;
mod fadt;
mod links;
mod madt;

use std::ops::Range;

use acpi_tables::Aml;
use acpi_tables::facs::FACS;
use acpi_tables::rsdp::Rsdp;
use acpi_tables::sdt::Sdt;
use acpi_tables::xsdt::XSDT;
use proto::CpuCount;
use virtio::GuestRam;
use vm_memory::{Bytes, GuestAddress, GuestMemoryError};

use crate::layout::{ACPI_END, ACPI_START, PCI_END, PCI_START};

const OEM_ID: [u8; 6] = *b"VMD   ";
const OEM_TABLE_ID: [u8; 8] = *b"VMDLINUX";
const OEM_REVISION: u32 = 1;
/// The size of a table's header (5.2.6).
const HEADER_SIZE: u32 = 36;
/// Where in any table its checksum is (5.2.6).
pub(crate) const CHECKSUM: usize = 9;
/// The root pointer's checksums, each with the number of bytes from the first one on that it is for (5.2.5.3).
pub(crate) const ROOT_CHECKSUMS: [(usize, usize); 2] = [(8, 20), (32, 36)];
/// The pointers of the XSDT, which follow its header (5.2.8): their offsets and sizes.
const XSDT_POINTERS: [(usize, u8); 2] = [(HEADER_SIZE as usize, 8), (HEADER_SIZE as usize + 8, 8)];
/// The FACS has the strictest alignment of all (5.2.10).
const ALIGN: u64 = 64;

/// Why the tables could not be written.
#[derive(Debug, thiserror::Error)]
pub enum AcpiError {
    /// There is no memory below 1 MiB.
    #[error("cannot write the ACPI tables into guest memory")]
    Memory(#[source] GuestMemoryError),
    /// They would run into the kernel.
    #[error("the ACPI tables need {0} bytes and have {max}", max = ACPI_END - ACPI_START)]
    TooLarge(usize),
}

/// Writes the tables of a machine with so many processors. Returns the address of the root pointer.
///
/// # Errors
/// [`AcpiError`] if there is no room.
pub fn write(memory: &GuestRam, cpus: CpuCount) -> Result<GuestAddress, AcpiError> {
    let tables = tables(cpus);
    if ACPI_START.saturating_add(tables.len() as u64) > ACPI_END {
        return Err(AcpiError::TooLarge(tables.len()));
    }
    let address = GuestAddress(ACPI_START);
    memory.write_slice(&tables, address).map_err(AcpiError::Memory)?;
    Ok(address)
}

/// All tables as they lie in memory, the root pointer first.
fn tables(cpus: CpuCount) -> Vec<u8> {
    let mut area = Area::new(ACPI_START + ALIGN);
    let xsdt = area.fill(cpus, (PCI_START, PCI_END));
    let mut bytes = root(xsdt);
    bytes.resize(ALIGN as usize, 0);
    bytes.extend(area.bytes);
    bytes
}

/// Tables for whoever places them: every pointer is an offset in [`Relocatable::tables`].
pub(crate) struct Relocatable {
    /// The root pointer, which points to a table.
    pub root: Vec<u8>,
    /// All other tables.
    pub tables: Vec<u8>,
    /// The pointers among the tables: their offsets and their sizes in bytes.
    pub pointers: Vec<(usize, u8)>,
    /// The tables that have a checksum.
    pub checked: Vec<Range<usize>>,
}

impl Relocatable {
    /// The alignment of the tables in bytes.
    pub const ALIGN: u32 = ALIGN as u32;
}

/// The tables of a machine with so many processors and this PCI memory window (first address and end).
///
/// All checksums are zero: who fills them in adds up all bytes, and OVMF the old checksum with them.
pub(crate) fn relocatable(cpus: CpuCount, window: (u64, u64)) -> Relocatable {
    let mut area = Area::new(0);
    let mut root = root(area.fill(cpus, window));
    let places = area.checked.iter().map(|table| table.start.saturating_add(CHECKSUM));
    places.for_each(|at| clear(&mut area.bytes, at));
    ROOT_CHECKSUMS.into_iter().for_each(|(at, _)| clear(&mut root, at));
    Relocatable { root, tables: area.bytes, pointers: area.pointers, checked: area.checked }
}

fn clear(bytes: &mut [u8], at: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = 0;
    }
}

fn root(xsdt: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    Rsdp::new(OEM_ID, xsdt).to_aml_bytes(&mut bytes);
    bytes
}

/// The place where the tables lie, filled from its start.
struct Area {
    /// The address of its first byte.
    start: u64,
    bytes: Vec<u8>,
    pointers: Vec<(usize, u8)>,
    checked: Vec<Range<usize>>,
}

impl Area {
    fn new(start: u64) -> Self {
        Self { start, bytes: Vec::new(), pointers: Vec::new(), checked: Vec::new() }
    }

    /// Adds all tables. Returns the address of the one that leads to the others.
    fn fill(&mut self, cpus: CpuCount, window: (u64, u64)) -> u64 {
        let facs = self.add(&FACS::new(), &[]);
        let dsdt = self.add_checked(&dsdt::table(cpus, window), &[]);
        let fadt = self.add_checked(&fadt::table(facs, dsdt), &fadt::POINTERS);
        let madt = self.add_checked(&madt::table(cpus), &[]);
        let mut xsdt = XSDT::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION);
        xsdt.add_entry(fadt);
        xsdt.add_entry(madt);
        self.add_checked(&xsdt, &XSDT_POINTERS)
    }

    /// Adds a table with pointers at these offsets in it, of these sizes. Returns its address.
    fn add(&mut self, table: &dyn Aml, pointers: &[(usize, u8)]) -> u64 {
        let at = self.bytes.len().next_multiple_of(ALIGN as usize);
        self.bytes.resize(at, 0);
        table.to_aml_bytes(&mut self.bytes);
        self.pointers.extend(pointers.iter().map(|(offset, size)| (at.saturating_add(*offset), *size)));
        self.start.saturating_add(at as u64)
    }

    /// Adds a table that has a checksum.
    fn add_checked(&mut self, table: &dyn Aml, pointers: &[(usize, u8)]) -> u64 {
        let address = self.add(table, pointers);
        let at = usize::try_from(address.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.checked.push(at..self.bytes.len());
        address
    }
}

/// A table with our names in its header.
fn sdt(signature: [u8; 4], revision: u8, content: &[u8]) -> Sdt {
    let mut table = Sdt::new(signature, HEADER_SIZE, revision, OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    table.append_slice(content);
    table
}

#[cfg(test)]
#[path = "acpi_test.rs"]
mod tests;
