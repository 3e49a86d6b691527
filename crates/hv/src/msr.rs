//! Model-specific registers: the few that are set at power-on, and all of them for a reset.

use kvm_bindings::{Msrs, kvm_msr_entry};
use kvm_ioctls::VcpuFd;

use crate::Error;

/// Default memory type and enable bits (Intel SDM volume 3, 11.11.2.1).
const MTRR_DEF_TYPE: u32 = 0x2FF;
/// Memory type ranges are enabled, and what no range covers is write-back memory: as firmware leaves it, and
/// without it Linux does not use the page attribute table.
const MTRR_WRITE_BACK: u64 = 1 << 11 | 6;

/// Sets the default memory type as firmware would, if this KVM has the register.
pub(crate) fn set_memory_types(vcpu: &VcpuFd) -> Result<(), Error> {
    write(vcpu, &[entry(MTRR_DEF_TYPE, MTRR_WRITE_BACK)])
}

/// Reads those of `indices` that can be read.
pub(crate) fn read(vcpu: &VcpuFd, indices: &[u32]) -> Result<Vec<kvm_msr_entry>, Error> {
    let mut values = Vec::with_capacity(indices.len());
    let mut rest = indices;
    while !rest.is_empty() {
        let wanted: Vec<_> = rest.iter().map(|index| entry(*index, 0)).collect();
        let mut msrs = table(&wanted)?;
        let done = vcpu.get_msrs(&mut msrs).map_err(Error::of("read a processor's registers"))?;
        values.extend(msrs.as_slice().iter().take(done));
        // The one at which KVM stopped is left out.
        rest = rest.get(done.saturating_add(1)..).unwrap_or_default();
    }
    Ok(values)
}

/// Writes these registers; one that KVM does not take keeps its value.
pub(crate) fn write(vcpu: &VcpuFd, values: &[kvm_msr_entry]) -> Result<(), Error> {
    let mut rest = values;
    while !rest.is_empty() {
        let done = vcpu.set_msrs(&table(rest)?).map_err(Error::of("set a processor's registers"))?;
        rest = rest.get(done.saturating_add(1)..).unwrap_or_default();
    }
    Ok(())
}

pub(crate) fn entry(index: u32, data: u64) -> kvm_msr_entry {
    kvm_msr_entry { index, data, ..Default::default() }
}

fn table(entries: &[kvm_msr_entry]) -> Result<Msrs, Error> {
    Msrs::from_entries(entries)
        .map_err(|_| Error::Capability("a table of processor registers of reasonable size"))
}
