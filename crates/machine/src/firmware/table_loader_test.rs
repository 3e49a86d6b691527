use proptest::prelude::*;
use proto::CpuCount;

use super::*;
use crate::acpi;

/// A firmware that carries the script out: the files at the addresses that it has chosen.
struct Placed {
    root: Vec<u8>,
    tables: Vec<u8>,
    tables_at: u64,
}

fn field(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn text(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap();
    std::str::from_utf8(&bytes[..end]).unwrap()
}

fn place(cpus: u64, tables_at: u64) -> Placed {
    let acpi = acpi::relocatable(CpuCount::new(cpus).unwrap(), (0x8000_0000, 0xFEC0_0000));
    let script = script(&acpi);
    let mut placed = Placed { root: acpi.root, tables: acpi.tables, tables_at };
    assert_eq!(script.len() % COMMAND_SIZE, 0);
    let mut allocated = Vec::new();
    for command in script.chunks(COMMAND_SIZE) {
        let (number, operands) = (field(&command[..4]), &command[4..]);
        let file = text(&operands[..NAME_SIZE]);
        let operands = &operands[NAME_SIZE..];
        match number as u32 {
            ALLOCATE => allocated.push((file.to_owned(), field(&operands[..4]), operands[4])),
            ADD_POINTER => {
                assert_eq!(text(&operands[..NAME_SIZE]), TABLES);
                let (offset, size) = (field(&operands[56..60]) as usize, usize::from(operands[60]));
                let bytes = &mut placed.file(file)[offset..offset + size];
                let pointer = field(bytes) + tables_at;
                bytes.copy_from_slice(&pointer.to_le_bytes()[..size]);
            }
            ADD_CHECKSUM => {
                let [offset, start, length] = [0, 4, 8].map(|at| field(&operands[at..at + 4]) as usize);
                let bytes = placed.file(file);
                // As OVMF does it: SeaBIOS would take an old checksum into account.
                bytes[offset] = 0u8.wrapping_sub(sum(&bytes[start..start + length]));
            }
            other => panic!("command {other}"),
        }
    }
    assert_eq!(allocated, [(ROOT.to_owned(), 16, 2), (TABLES.to_owned(), 64, 1)]);
    placed
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

impl Placed {
    fn file(&mut self, name: &str) -> &mut Vec<u8> {
        match name {
            ROOT => &mut self.root,
            TABLES => &mut self.tables,
            other => panic!("{other}"),
        }
    }

    fn table(&self, address: u64) -> &[u8] {
        let bytes = &self.tables[(address - self.tables_at) as usize..];
        &bytes[..field(&bytes[4..8]) as usize]
    }
}

proptest! {
    /// Wherever a firmware puts them, every table is found and adds up.
    #[test]
    fn tables_can_be_placed_anywhere(cpus in 1u64..=64, page in 1u64..0xFFFF) {
        let placed = place(cpus, page << 12);
        prop_assert_eq!((sum(&placed.root[..20]), sum(&placed.root)), (0, 0));
        let xsdt = placed.table(field(&placed.root[24..32]));
        prop_assert_eq!((&xsdt[..4], sum(xsdt)), (&b"XSDT"[..], 0));
        let found: Vec<_> = xsdt[36..].chunks(8).map(|entry| placed.table(field(entry))).collect();
        prop_assert_eq!(found.iter().map(|table| &table[..4]).collect::<Vec<_>>(), [b"FACP", b"APIC"]);
        let fadt = found[0];
        let dsdt = placed.table(field(&fadt[40..44]));
        prop_assert_eq!(&dsdt[..4], b"DSDT");
        prop_assert_eq!(field(&fadt[140..148]), field(&fadt[40..44]));
        let facs = field(&fadt[36..40]);
        prop_assert_eq!((&placed.table(facs)[..4], facs % 64), (&b"FACS"[..], 0));
        for table in found.into_iter().chain([dsdt]) {
            prop_assert_eq!(sum(table), 0);
        }
    }
}
