//! ACPI tables that the firmware places: the tables, and a script that says what depends on their place (QEMU,
//! `hw/acpi/bios-linker-loader.c`: "BIOS linker/loader commands").

use crate::acpi::{CHECKSUM, ROOT_CHECKSUMS, Relocatable};

/// The files of the configuration.
pub(super) const TABLES: &str = "etc/acpi/tables";
pub(super) const ROOT: &str = "etc/acpi/rsdp";
pub(super) const SCRIPT: &str = "etc/table-loader";

/// A command: its number, then its operands, padded to 128 bytes.
const COMMAND_SIZE: usize = 128;
/// The room for the name of a file.
const NAME_SIZE: usize = 56;

const ALLOCATE: u32 = 1;
const ADD_POINTER: u32 = 2;
const ADD_CHECKSUM: u32 = 3;

/// Where the firmware puts a file.
#[derive(Clone, Copy)]
enum Zone {
    /// In RAM.
    High = 1,
    /// Below 1 MiB, where a root pointer is looked for.
    Low = 2,
}

/// The script under construction.
#[derive(Default)]
struct Script(Vec<u8>);

impl Script {
    fn add(&mut self, command: u32, operands: &[&[u8]]) {
        let end = self.0.len().saturating_add(COMMAND_SIZE);
        self.0.extend(command.to_le_bytes());
        operands.iter().for_each(|operand| self.0.extend(*operand));
        self.0.resize(end, 0);
    }

    fn allocate(&mut self, file: &str, align: u32, zone: Zone) {
        self.add(ALLOCATE, &[&name(file), &align.to_le_bytes(), &[zone as u8]]);
    }

    /// Adds the place of the tables to a little endian field of `size` bytes, which holds an offset in them.
    fn add_pointer(&mut self, file: &str, offset: usize, size: u8) {
        self.add(ADD_POINTER, &[&name(file), &name(TABLES), &word(offset), &[size]]);
    }

    /// Has the bytes from `start` on add up to 0 by the one at `offset`.
    fn add_checksum(&mut self, file: &str, offset: usize, start: usize, length: usize) {
        self.add(ADD_CHECKSUM, &[&name(file), &word(offset), &word(start), &word(length)]);
    }
}

/// A name in its room, with at least one NUL.
fn name(text: &str) -> [u8; NAME_SIZE] {
    let mut name = [0; NAME_SIZE];
    name.iter_mut().zip(text.bytes().take(NAME_SIZE - 1)).for_each(|(to, from)| *to = from);
    name
}

fn word(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes()
}

/// The script for these tables.
pub(super) fn script(acpi: &Relocatable) -> Vec<u8> {
    /// Where the root pointer points (5.2.5.3).
    const ROOT_POINTER: usize = 24;
    let mut script = Script::default();
    script.allocate(ROOT, 16, Zone::Low);
    script.allocate(TABLES, Relocatable::ALIGN, Zone::High);
    for (offset, size) in &acpi.pointers {
        script.add_pointer(TABLES, *offset, *size);
    }
    for table in &acpi.checked {
        script.add_checksum(TABLES, table.start.saturating_add(CHECKSUM), table.start, table.len());
    }
    script.add_pointer(ROOT, ROOT_POINTER, 8);
    for (at, length) in ROOT_CHECKSUMS {
        script.add_checksum(ROOT, at, 0, length);
    }
    script.0
}

#[cfg(test)]
#[path = "table_loader_test.rs"]
mod tests;
