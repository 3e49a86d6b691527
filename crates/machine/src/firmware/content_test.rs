use proto::{MemorySize, VmName};

use super::*;

fn bootable() -> Vec<Bootable> {
    let entry = |device, path: &str| Bootable { device, path: path.to_owned() };
    vec![entry(BootDevice::Cdrom, "cd"), entry(BootDevice::Disk, "a"), entry(BootDevice::Disk, "b")]
}

fn order(wanted: Option<BootDevice>) -> String {
    String::from_utf8(boot_order(wanted, &bootable())).unwrap()
}

#[test]
fn disks_come_first_and_what_was_asked_for_alone() {
    assert_eq!(order(None), "a\nb\ncd\0");
    assert_eq!(order(Some(BootDevice::Disk)), "a\nHALT\0");
    assert_eq!(order(Some(BootDevice::Cdrom)), "cd\nHALT\0");
    assert_eq!(order(Some(BootDevice::Net)), "HALT\0");
}

#[test]
fn the_memory_map_has_ram_and_what_lies_below_4_gib() {
    let rom = Rom::new(&vec![0x90; 256 << 10]).unwrap();
    let spec = VmSpec {
        memory: MemorySize::from_bytes(4 << 30).unwrap(),
        ..VmSpec::new(VmName::new("web").unwrap())
    };
    let map = memory_map(&spec, &rom);
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
    let entries: Vec<_> =
        map.chunks(20).map(|e| (number(&e[..8]), number(&e[8..16]), number(&e[16..]))).collect();
    assert_eq!(
        entries,
        [(0, 3 << 30, 1), (4 << 30, 1 << 30, 1), (KVM_PRIVATE, 0x4000, 2), (0xFFFC_0000, 256 << 10, 2),]
    );
}
