//! The ACPI tables of the machine (ACPI 6.5, chapter 5), written where firmware would put them.
//!
//! The root pointer (RSDP) leads to the XSDT, that to the FADT (power management) and the MADT (interrupt
//! controllers, processors), and the FADT to the DSDT (devices, in AML) and the FACS.

mod dsdt;
mod fadt;
mod links;
mod madt;

use acpi_tables::Aml;
use acpi_tables::facs::FACS;
use acpi_tables::rsdp::Rsdp;
use acpi_tables::sdt::Sdt;
use acpi_tables::xsdt::XSDT;
use proto::CpuCount;
use virtio::GuestRam;
use vm_memory::{Bytes, GuestAddress, GuestMemoryError};

use crate::layout::{ACPI_END, ACPI_START};

const OEM_ID: [u8; 6] = *b"VMD   ";
const OEM_TABLE_ID: [u8; 8] = *b"VMDLINUX";
const OEM_REVISION: u32 = 1;
/// The size of a table's header (5.2.6).
const HEADER_SIZE: u32 = 36;
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
    let mut area = Area::behind_root();
    let facs = area.add(&FACS::new());
    let dsdt = area.add(&dsdt::table(cpus));
    let fadt = area.add(&fadt::table(facs, dsdt));
    let madt = area.add(&madt::table(cpus));
    let mut xsdt = XSDT::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    xsdt.add_entry(fadt);
    xsdt.add_entry(madt);
    let xsdt = area.add(&xsdt);
    area.with_root(&Rsdp::new(OEM_ID, xsdt))
}

/// The place where the tables lie, filled from its start.
struct Area {
    /// Everything behind the root pointer.
    bytes: Vec<u8>,
}

impl Area {
    const START: u64 = ACPI_START + ALIGN;

    fn behind_root() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Adds a table. Returns its address.
    fn add(&mut self, table: &dyn Aml) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN as usize), 0);
        let address = Self::START.saturating_add(self.bytes.len() as u64);
        table.to_aml_bytes(&mut self.bytes);
        address
    }

    fn with_root(self, root: &Rsdp) -> Vec<u8> {
        let mut bytes = Vec::new();
        root.to_aml_bytes(&mut bytes);
        bytes.resize(ALIGN as usize, 0);
        bytes.extend(self.bytes);
        bytes
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
