use super::*;

fn leaf(function: u32, eax: u32, ebx: u32, ecx: u32, edx: u32) -> kvm_cpuid_entry2 {
    kvm_cpuid_entry2 { function, eax, ebx, ecx, edx, ..Default::default() }
}

fn table(place: Topology, tsc_deadline: bool) -> Vec<kvm_cpuid_entry2> {
    let supported = CpuId::from_entries(&[
        leaf(0, 0xB, 1, 2, 3),
        leaf(1, 0x1234, 0xFFFF_0800, 1, 1 << 28 | 1),
        leaf(4, 1 << 5 | 1 | 7 << 14 | 63 << 26, 0, 0, 0),
        leaf(4, 3 << 5 | 3 | 7 << 14 | 63 << 26, 0, 0, 0),
        leaf(4, 0, 0, 0, 0),
        leaf(7, 0, 0xABCD, 0, 0),
        leaf(0xB, 0, 0, 0, 77),
        leaf(0x8000_0001, 0, 0, 3, 0),
        leaf(0x8000_0008, 0x3030, 5, 0xF0FF, 0),
        leaf(0x8000_001E, 99, 99, 99, 0),
    ])
    .unwrap();
    for_vcpu(&supported, place, tsc_deadline).unwrap().as_slice().to_vec()
}

fn find(table: &[kvm_cpuid_entry2], function: u32) -> Vec<kvm_cpuid_entry2> {
    table.iter().copied().filter(|e| e.function == function).collect()
}

#[test]
fn features_are_those_that_kvm_offers() {
    let table = table(Topology { index: 0, count: 1 }, false);
    assert_eq!(find(&table, 7)[0].ebx, 0xABCD);
    assert_eq!(find(&table, 0)[0].edx, 3);
    let basic = find(&table, 1)[0];
    assert_eq!(basic.ecx, 1 << 31 | 1, "only that this is a virtual machine is added");
    assert_eq!(basic.edx, 1, "a single processor has no siblings");
    assert_eq!(basic.ebx, 0x0001_0800);
}

#[test]
fn the_deadline_timer_is_there_exactly_if_offered() {
    let place = Topology { index: 0, count: 1 };
    assert_ne!(find(&table(place, true), 1)[0].ecx & 1 << 24, 0);
    assert_eq!(find(&table(place, false), 1)[0].ecx & 1 << 24, 0);
}

#[test]
fn every_leaf_tells_the_same_place() {
    let table = table(Topology { index: 2, count: 3 }, false);
    let basic = find(&table, 1)[0];
    assert_eq!((basic.ebx >> 24, basic.ebx >> 16 & 0xFF), (2, 4));
    assert_ne!(basic.edx & 1 << 28, 0);
    let levels = find(&table, 0xB);
    assert_eq!(levels.len(), 3);
    assert!(levels.iter().all(|level| level.edx == 2));
    assert_eq!((levels[0].eax, levels[0].ebx, levels[0].ecx), (0, 1, 0x100));
    assert_eq!((levels[1].eax, levels[1].ebx, levels[1].ecx), (2, 3, 0x201));
    assert_eq!((levels[2].ebx, levels[2].ecx), (0, 2));
    let caches = find(&table, 4);
    assert_eq!((caches[0].eax >> 14 & 0xFFF, caches[0].eax >> 26), (0, 3));
    assert_eq!((caches[1].eax >> 14 & 0xFFF, caches[1].eax >> 26), (3, 3));
    assert_eq!(caches[2].eax, 0);
    assert_eq!(find(&table, 0x8000_0008)[0].ecx, 2 | 2 << 12);
    assert_eq!(find(&table, 0x8000_0008)[0].ebx, 5);
    let core = find(&table, 0x8000_001E)[0];
    assert_eq!((core.eax, core.ebx, core.ecx), (2, 2, 0));
}

#[test]
fn ids_fit_their_bits() {
    for (count, bits) in [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (64, 6)] {
        assert_eq!(Topology { index: 0, count }.id_bits(), bits, "{count}");
    }
}
