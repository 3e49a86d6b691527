use std::collections::BTreeMap;
use std::process::Command;

use super::*;

fn cpus(count: u64) -> CpuCount {
    CpuCount::new(count).unwrap()
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// The tables by signature, found as an operating system finds them: from the root pointer on.
fn walk(image: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let table = |address: usize| {
        let bytes = &image[address - ACPI_START as usize..];
        bytes[..number(&bytes[4..8])].to_vec()
    };
    let root = &image[..36];
    assert_eq!(&root[..8], b"RSD PTR ");
    let xsdt = table(number(&root[24..32]));
    let mut found: Vec<_> = xsdt[36..].chunks(8).map(|entry| table(number(entry))).collect();
    let fadt = found[0].clone();
    found.extend([xsdt, table(number(&fadt[36..40])), table(number(&fadt[140..148]))]);
    found.into_iter().map(|table| (String::from_utf8(table[..4].to_vec()).unwrap(), table)).collect()
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

#[test]
fn every_table_can_be_found_and_has_its_checksum() {
    for count in [1, 2, 64] {
        let image = tables(cpus(count));
        assert_eq!((sum(&image[..20]), sum(&image[..36])), (0, 0));
        let tables = walk(&image);
        assert_eq!(tables.keys().collect::<Vec<_>>(), ["APIC", "DSDT", "FACP", "FACS", "XSDT"]);
        for (name, table) in tables.iter().filter(|(name, _)| *name != "FACS") {
            assert_eq!(sum(table), 0, "{name}");
        }
    }
}

#[test]
fn the_most_processors_fit() {
    let memory = GuestRam::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
    assert_eq!(write(&memory, cpus(64)).unwrap(), GuestAddress(ACPI_START));
    let mut signature = [0; 8];
    memory.read_slice(&mut signature, GuestAddress(ACPI_START)).unwrap();
    assert_eq!(&signature, b"RSD PTR ");
}

/// The table as Intel's compiler reads it, and what it had to say.
fn disassemble(name: &str, table: &[u8]) -> Option<(String, String)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, table).unwrap();
    let output = match Command::new("iasl").arg("-d").arg(&path).current_dir(dir.path()).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIP: iasl can not be run ({error}); Debian has it in acpica-tools");
            return None;
        }
    };
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    Some((std::fs::read_to_string(path.with_extension("dsl")).unwrap(), said))
}

#[test]
fn intels_compiler_reads_every_table_without_complaint() {
    for (name, table) in walk(&tables(cpus(2))) {
        let Some((text, said)) = disassemble(&name, &table) else { return };
        for word in ["Warning", "Error", "Invalid", "Incorrect", "Unknown"] {
            assert!(!said.contains(word), "{name}: {said}");
        }
        assert!(!text.contains("**** "), "{name}: {text}");
    }
}

/// The links' methods as well: a name that leads nowhere, or a method that can end without an answer, is a warning.
#[test]
fn what_intels_compiler_reads_it_also_compiles_without_complaint() {
    let dsdt = &walk(&tables(cpus(2)))["DSDT"];
    let Some((text, _)) = disassemble("DSDT", dsdt) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dsdt.dsl");
    std::fs::write(&path, text).unwrap();
    let output = Command::new("iasl").arg("-we").arg(&path).current_dir(dir.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said_otherwise = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("0 Errors, 0 Warnings"), "{said}{said_otherwise}");
}

#[test]
fn the_tables_say_what_the_machine_is() {
    let tables = walk(&tables(cpus(2)));
    for (name, lines) in [
        (
            "APIC",
            &[
                "PC-AT Compatibility : 1",
                "Local Apic ID : 01",
                "I/O Apic ID : 02",
                "Address : FEC00000",
                "Interrupt : 00000002",
                "Trigger Mode : 3",
                "Source : 0A",
                "Interrupt : 0000000B",
            ][..],
        ),
        (
            "FACP",
            &[
                "SCI Interrupt : 0009",
                "PM1A Event Block Address : 00000600",
                "Control Method Power Button (V1) : 0",
                "Control Method Sleep Button (V1) : 1",
                "Reset Register Supported (V2) : 1",
                "Value to cause reset : 06",
                "Hardware Reduced (V5) : 0",
                "8042 Present on ports 60/64 (V2) : 0",
                "RTC Century Index : 32",
            ],
        ),
        (
            "DSDT",
            &[
                "Name (\\_S5, Package (0x04)",
                "Device (PCI0)",
                "EisaId (\"PNP0A03\")",
                "EisaId (\"PNP0501\")",
                "0xC0000000,         // Range Minimum",
                "0xFEBFFFFF,         // Range Maximum",
                "Device (C001)",
                "OperationRegion (PIRQ, PCI_Config, 0x60, 0x04)",
                "Name (_ADR, 0x00010000)",
                "EisaId (\"PNP0C0F\")",
                "0x001FFFFF,",
                "ISA.LNKD,",
            ],
        ),
    ] {
        let Some((text, _)) = disassemble(name, &tables[name]) else { return };
        for line in lines {
            assert!(text.contains(line), "{name}: {line:?} not in\n{text}");
        }
    }
}
