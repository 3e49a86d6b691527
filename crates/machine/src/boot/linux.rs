//! Linux bzImage, entered by the 64-bit boot protocol (Linux, `Documentation/arch/x86/boot.rst`).

use linux_loader::loader::bootparam::{boot_e820_entry, boot_params, setup_header};
use proto::VmSpec;
use vm_memory::{ByteValued, Bytes, GuestAddress};

use super::initrd::{self, Placed};
use super::memory_map::memory_map;
use super::{BootEntry, BootError, Loader, Protocol};
use crate::layout::{BOOT_PARAMS, CMDLINE};

/// `HdrS`, and where it is.
pub(super) const MAGIC: &[u8; 4] = b"HdrS";
pub(super) const MAGIC_AT: u64 = 0x202;

/// Where the setup header begins in the file.
const HEADER_AT: u64 = 0x1f1;
const SECTOR: u64 = 512;
/// What `syssize` counts in.
const PARAGRAPH: u64 = 16;
/// What `setup_sects` means when it is zero.
const DEFAULT_SETUP_SECTORS: u64 = 4;
/// The offset of the 64-bit entry from the start of the loaded kernel.
const ENTRY64: u64 = 0x200;
/// The first version that tells whether there is a 64-bit entry.
const VERSION_2_12: u16 = 0x020c;
/// `loadflags`: the kernel is loaded at 1 MiB or above.
const LOADED_HIGH: u8 = 1 << 0;
/// `xloadflags`: the kernel has the 64-bit entry.
const XLF_KERNEL_64: u16 = 1 << 0;
/// `type_of_loader`: none of those that have a number.
const UNDEFINED_LOADER: u8 = 0xff;

/// Loads a bzImage and fills the zero page.
pub(super) fn load(loader: &Loader<'_>) -> Result<BootEntry, BootError> {
    let header = read_header(loader)?;
    let kernel = load_kernel(loader, &header)?;
    let initrd = initrd::load(loader, kernel.end, u64::from(header.initrd_addr_max).saturating_add(1))?;
    loader.write_cmdline(cmdline_limit(&header))?;
    let params = zero_page(loader, header, initrd);
    let at = GuestAddress(BOOT_PARAMS);
    loader.memory.write_slice(params.as_slice(), at).map_err(BootError::Memory)?;
    let address = GuestAddress(kernel.start.saturating_add(ENTRY64));
    Ok(BootEntry { protocol: Protocol::Linux64, address, params: at })
}

/// Reads the setup header and checks that the kernel has a 64-bit entry.
fn read_header(loader: &Loader<'_>) -> Result<setup_header, BootError> {
    let mut header = setup_header::default();
    loader.kernel.read(HEADER_AT, header.as_mut_slice())?;
    let old = |what: String| Err(BootError::OldLinux(what));
    let version = header.version;
    if version < VERSION_2_12 {
        let [minor, major] = version.to_le_bytes();
        return old(format!("speaks boot protocol {major}.{minor:02}"));
    }
    if header.loadflags & LOADED_HIGH == 0 {
        return old("is a zImage, loaded below 1 MiB".to_owned());
    }
    if header.xloadflags & XLF_KERNEL_64 == 0 {
        return old("has no 64-bit entry".to_owned());
    }
    Ok(header)
}

/// The memory that a kernel takes before it reads the memory map.
struct Kernel {
    start: u64,
    end: u64,
}

/// Loads the protected-mode part where the kernel prefers to be. There even one that could run anywhere has
/// nothing to move; it asks for `init_size` bytes from there.
fn load_kernel(loader: &Loader<'_>, header: &setup_header) -> Result<Kernel, BootError> {
    let setup_sectors = match header.setup_sects {
        0 => DEFAULT_SETUP_SECTORS,
        sectors => sectors.into(),
    };
    // The boot sector comes before the setup sectors.
    let offset = setup_sectors.saturating_add(1).saturating_mul(SECTOR);
    // The header counts in 16 bytes, the last of which may not all be there. A signature may follow, which is not loaded.
    let size = u64::from(header.syssize).saturating_mul(PARAGRAPH);
    let in_file = loader.kernel.len().saturating_sub(offset);
    let size = if size.saturating_sub(in_file) < PARAGRAPH { size.min(in_file) } else { size };
    if size <= ENTRY64 {
        return Err(BootError::OldLinux(format!("says that it has {size} bytes")));
    }
    loader.kernel.check(offset, size)?;
    let start = header.pref_address;
    let end = loader.ram.claim("kernel", start, size.max(header.init_size.into()))?;
    loader.kernel.copy_to(loader.memory, offset, size, GuestAddress(start))?;
    Ok(Kernel { start, end })
}

/// The most bytes that the command line may have, the NUL not counted.
fn cmdline_limit(header: &setup_header) -> usize {
    usize::try_from(header.cmdline_size).unwrap_or(usize::MAX).min(VmSpec::MAX_CMDLINE)
}

/// The zero page: the kernel's own header with our answers in it, and the memory map.
fn zero_page(loader: &Loader<'_>, mut header: setup_header, initrd: Option<Placed>) -> boot_params {
    header.type_of_loader = UNDEFINED_LOADER;
    header.cmd_line_ptr = low(CMDLINE);
    header.ramdisk_image = initrd.map_or(0, |placed| low(placed.address));
    header.ramdisk_size = initrd.map_or(0, |placed| low(placed.size));
    let mut params = boot_params { hdr: header, acpi_rsdp_addr: loader.rsdp.0, ..Default::default() };
    let mut table = params.e820_table;
    let map = memory_map(loader.memory);
    for (entry, range) in table.iter_mut().zip(&map) {
        *entry = boot_e820_entry { addr: range.start, size: range.size, r#type: range.kind as u32 };
    }
    params.e820_entries = u8::try_from(map.len().min(table.len())).unwrap_or(u8::MAX);
    params.e820_table = table;
    params
}

/// An address or a size below 4 GiB, as 32 bits.
fn low(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
