//! What a virtual processor says about itself: what KVM supports, plus its place among its siblings.
//!
//! All processors of a machine are cores of one package, each with one thread; their APIC ids count from 0.

use kvm_bindings::{CpuId, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, kvm_cpuid_entry2};

/// The place of a processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Topology {
    /// Its number, from 0, and APIC id.
    pub index: u8,
    /// How many there are.
    pub count: u8,
}

impl Topology {
    /// Bits of the APIC id that tell the processors apart.
    fn id_bits(self) -> u32 {
        u8::BITS.saturating_sub(self.count.saturating_sub(1).leading_zeros())
    }

    /// The number of APIC ids that the package takes, a power of two.
    fn ids(self) -> u32 {
        1 << self.id_bits()
    }

    fn id(self) -> u32 {
        self.index.into()
    }
}

/// The table for one processor; `None` if it has become too long.
///
/// `tsc_deadline`: KVM offers that timer through a capability, not in `supported`.
pub(crate) fn for_vcpu(supported: &CpuId, place: Topology, tsc_deadline: bool) -> Option<CpuId> {
    let mut entries: Vec<_> =
        supported.as_slice().iter().copied().filter(|entry| !is_topology_leaf(entry)).collect();
    for entry in &mut entries {
        place_leaf(entry, place);
        if entry.function == 1 {
            feature_leaf(entry, place, tsc_deadline);
        }
    }
    for function in [0xB, 0x1F] {
        if supported.as_slice().iter().any(|entry| entry.function == function) {
            entries.extend(topology_leaves(function, place));
        }
    }
    CpuId::from_entries(&entries).ok()
}

/// The leaves that list the levels of the topology (Intel SDM volume 2, CPUID, 0BH and 1FH).
fn is_topology_leaf(entry: &kvm_cpuid_entry2) -> bool {
    matches!(entry.function, 0xB | 0x1F)
}

fn topology_leaves(function: u32, place: Topology) -> [kvm_cpuid_entry2; 3] {
    const THREAD: u32 = 1 << 8;
    const CORE: u32 = 2 << 8;
    let level = |index: u32, shift: u32, processors: u32, kind: u32| kvm_cpuid_entry2 {
        function,
        index,
        flags: KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
        eax: shift,
        ebx: processors,
        ecx: kind | index,
        edx: place.id(),
        ..Default::default()
    };
    [level(0, 0, 1, THREAD), level(1, place.id_bits(), place.count.into(), CORE), level(2, 0, 0, 0)]
}

/// The basic features: KVM's, the processor's number, and the two facts that only the machine knows.
fn feature_leaf(entry: &mut kvm_cpuid_entry2, place: Topology, tsc_deadline: bool) {
    const HYPERVISOR: u32 = 1 << 31;
    const TSC_DEADLINE: u32 = 1 << 24;
    const SEVERAL_IDS: u32 = 1 << 28;
    entry.ebx = entry.ebx & 0x0000_FFFF | place.ids() << 16 | place.id() << 24;
    entry.ecx |= HYPERVISOR;
    entry.ecx = set_if(entry.ecx, TSC_DEADLINE, tsc_deadline);
    entry.edx = set_if(entry.edx, SEVERAL_IDS, place.count > 1);
}

/// The leaves that tell vendor by vendor how many siblings share what.
fn place_leaf(entry: &mut kvm_cpuid_entry2, place: Topology) {
    const LEGACY_MULTICORE: u32 = 1 << 1;
    match entry.function {
        // Intel: caches. Type 0 ends the list.
        4 if entry.eax & 0x1F != 0 => {
            let cores = place.ids().saturating_sub(1).min(0x3F);
            entry.eax = entry.eax & 0x3FFF | cache_sharers(entry, place) << 14 | cores << 26;
        }
        // AMD: the bit for several cores stays as offered, but a single one is none of several.
        0x8000_0001 if place.count == 1 => entry.ecx &= !LEGACY_MULTICORE,
        // AMD: number of cores less one and bits of the id.
        0x8000_0008 => {
            let cores = u32::from(place.count).saturating_sub(1);
            entry.ecx = entry.ecx & !0xF0FF | cores | place.id_bits() << 12;
        }
        // AMD: caches.
        0x8000_001D if entry.eax & 0x1F != 0 => {
            entry.eax = entry.eax & 0x3FFF | cache_sharers(entry, place) << 14;
        }
        // AMD: extended id, core with its one thread, the only node.
        0x8000_001E => {
            entry.eax = place.id();
            entry.ebx = place.id();
            entry.ecx = 0;
        }
        _ => {}
    }
}

/// How many processors share this cache, less one: all the third level, nobody the others.
fn cache_sharers(entry: &kvm_cpuid_entry2, place: Topology) -> u32 {
    let level = entry.eax >> 5 & 7;
    if level < 3 { 0 } else { place.ids().saturating_sub(1) }
}

fn set_if(value: u32, bits: u32, set: bool) -> u32 {
    if set { value | bits } else { value & !bits }
}

#[cfg(test)]
#[path = "cpuid_test.rs"]
mod tests;
