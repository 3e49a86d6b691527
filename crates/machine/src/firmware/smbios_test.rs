use std::process::Command;

use proto::{CpuCount, MemorySize, VmName};

use super::*;

fn spec(mib: u64, cpus: u64) -> VmSpec {
    VmSpec {
        memory: MemorySize::from_bytes(mib << 20).unwrap(),
        cpus: CpuCount::new(cpus).unwrap(),
        ..VmSpec::new(VmName::new("web").unwrap())
    }
}

/// The structures: kind, formatted area, strings.
fn structures(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>, Vec<String>)> {
    let mut found = Vec::new();
    while let [kind, length, ..] = *bytes {
        let (fields, rest) = bytes.split_at(length.into());
        let end = rest.windows(2).position(|pair| pair == [0, 0]).unwrap();
        let strings = rest[..end].split(|byte| *byte == 0).filter(|s| !s.is_empty());
        let strings = strings.map(|s| String::from_utf8(s.to_vec()).unwrap()).collect();
        found.push((kind, fields.to_vec(), strings));
        bytes = &rest[end + 2..];
    }
    found
}

#[test]
fn structures_have_the_sizes_of_their_versions() {
    let smbios = Smbios::of(&spec(5120, 4));
    let found = structures(&smbios.tables);
    let sizes: Vec<_> = found.iter().map(|(kind, fields, _)| (*kind, fields.len())).collect();
    assert_eq!(
        sizes,
        [
            (1, 0x1B),
            (3, 0x0D),
            (4, 0x2A),
            (16, 0x17),
            (17, 0x28),
            (19, 0x1F),
            (19, 0x1F),
            (32, 0x0B),
            (127, 4)
        ]
    );
    assert_eq!(found[0].2, ["vmd", "Virtual Machine", "web"]);
    assert_eq!(found[3].1[15..23], (5120u64 << 20).to_le_bytes());
}

#[test]
fn the_anchor_adds_up() {
    let smbios = Smbios::of(&spec(512, 1));
    let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    assert_eq!(smbios.anchor.len(), 0x1F);
    assert_eq!((sum(&smbios.anchor), sum(&smbios.anchor[16..])), (0, 0));
    assert_eq!(usize::from(u16::from_le_bytes([smbios.anchor[22], smbios.anchor[23]])), smbios.tables.len());
}

#[test]
fn dmidecode_reads_them_without_complaint() {
    let smbios = Smbios::of(&spec(5120, 4));
    // As `dmidecode --dump-bin` writes it: the anchor, and the tables at 32, where the anchor says that they are.
    let mut anchor = smbios.anchor;
    anchor[24..28].copy_from_slice(&32u32.to_le_bytes());
    anchor[21] = anchor[21].wrapping_sub(32);
    let dump = [&anchor[..], &[0], &smbios.tables].concat();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dump");
    std::fs::write(&path, dump).unwrap();
    let output = match Command::new("dmidecode").arg("--from-dump").arg(&path).output() {
        Ok(output) => output,
        Err(error) => return eprintln!("SKIP: dmidecode can not be run ({error})"),
    };
    let text = [output.stdout, output.stderr].map(|t| String::from_utf8_lossy(&t).into_owned()).concat();
    for word in
        ["Manufacturer: vmd", "Core Count: 4", "Maximum Capacity: 5 GB", "Size: 5 GB", "Serial Number: web"]
    {
        assert!(text.contains(word), "no {word:?} in\n{text}");
    }
    for word in ["BAD INDEX", "OUT OF SPEC", "truncated", "Wrong", "broken", "Invalid"] {
        assert!(!text.contains(word), "{word} in\n{text}");
    }
}
