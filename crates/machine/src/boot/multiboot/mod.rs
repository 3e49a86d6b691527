//! Multiboot kernels (Multiboot Specification 0.6.96), as ELF files of 32 or 64 bits or in any other form if their
//! header has addresses.
//!
//! The string of the one module is the name of its file. The command line has the name of the kernel's file in front,
//! as with most loaders: Xen, NetBSD and others skip its first word.

mod header;
mod info;

use proto::VmSpec;
use vm_memory::GuestAddress;

use super::elf::Elf;
use super::initrd;
use super::{BootEntry, BootError, Loader, Protocol};
use header::Addresses;
pub(super) use header::Header;

/// Loads a kernel with this header, of which `elf` is there if it is an ELF file.
pub(super) fn load(loader: &Loader<'_>, header: &Header, elf: Option<&Elf>) -> Result<BootEntry, BootError> {
    header.check_requirements()?;
    // The header's addresses come before the file's own headers (3.1.3).
    let kernel = match (&header.addresses, elf) {
        (Some(addresses), _) => load_flat(loader, header, addresses)?,
        (None, Some(elf)) => load_elf(loader, elf)?,
        (None, None) => return bad("is no ELF file, and its header does not say where it is to be loaded"),
    };
    let module = initrd::load_behind(loader, kernel.end)?;
    loader.write_cmdline_behind(&info::first_word(loader.kernel_name), VmSpec::MAX_CMDLINE)?;
    let info = info::write(loader, module)?;
    Ok(BootEntry { protocol: Protocol::Multiboot, address: GuestAddress(kernel.entry), params: info })
}

/// A loaded kernel: its first instruction, and the address behind all that it takes.
struct Kernel {
    entry: u64,
    end: u64,
}

/// Loads what the header's addresses say (3.1.3).
fn load_flat(loader: &Loader<'_>, header: &Header, addresses: &Addresses) -> Result<Kernel, BootError> {
    let start = u64::from(addresses.load);
    let Some(before) = addresses.header.checked_sub(addresses.load) else {
        return bad("has its header below its own start");
    };
    let Some(offset) = header.offset.checked_sub(before.into()) else {
        return bad("has its header closer to the start of the file than to that of the kernel");
    };
    let size = match addresses.load_end {
        0 => loader.kernel.len().saturating_sub(offset),
        end => match u64::from(end).checked_sub(start) {
            Some(size) => size,
            None => return bad("ends below its start"),
        },
    };
    loader.kernel.check(offset, size)?;
    let end = start.saturating_add(size).max(addresses.bss_end.into());
    loader.ram.claim("kernel", start, end.saturating_sub(start))?;
    let entry = u64::from(addresses.entry);
    if !(start..end).contains(&entry) {
        return bad(format!("has its entry at {entry:#x}, outside of what it loads"));
    }
    loader.kernel.copy_to(loader.memory, offset, size, GuestAddress(start))?;
    Ok(Kernel { entry, end })
}

fn load_elf(loader: &Loader<'_>, elf: &Elf) -> Result<Kernel, BootError> {
    let segments = elf.segments(&loader.kernel, loader.ram, |address| address)?;
    let entry = physical(elf, elf.entry);
    if !segments.hold(entry) {
        return bad(format!("has its entry at {entry:#x}, outside of what it loads"));
    }
    segments.load(&loader.kernel, loader.memory)?;
    Ok(Kernel { entry, end: segments.end() })
}

/// Where an instruction is before there is paging. Some files have its virtual address as the entry.
fn physical(elf: &Elf, address: u64) -> u64 {
    let distance = |start: u64, size: u64| address.checked_sub(start).filter(|distance| *distance < size);
    elf.programs
        .iter()
        .filter(|program| program.is_loaded())
        .find_map(|program| {
            let distance = distance(program.virtual_address, program.memory_size)?;
            Some(program.address.saturating_add(distance))
        })
        .unwrap_or(address)
}

fn bad<T>(what: impl Into<String>) -> Result<T, BootError> {
    Err(BootError::BadMultiboot(what.into()))
}

#[cfg(test)]
#[path = "multiboot_test.rs"]
mod tests;
