//! What an OpenBSD kernel is told: records on a page of their own (`biosvar.h`), and a stack with the arguments
//! of its first function.

use vm_memory::{Bytes, GuestAddress, GuestMemoryError};

use super::bad;
use crate::boot::memory_map::{Range, memory_map};
use crate::boot::{BootError, Loader};
use crate::layout::{OPENBSD_ARGUMENTS, OPENBSD_STACK, OPENBSD_STACK_END, SERIAL_PORTS};

/// `BOOTARG_MEMMAP`: ranges of 20 bytes, with the kinds that ACPI has; one that is all zeroes ends them.
const MEMORY_MAP: u32 = 0;
/// `BOOTARG_CONSDEV`: device, speed, address as 64 bits, frequency of its clock (0: the usual one), and for one
/// that is mapped into memory flags, width and shift of its registers.
const CONSOLE: u32 = 5;
/// `BOOTARG_BOOTMAC`: the address of the network card that the system was booted from, padded to 8 bytes.
const BOOT_MAC: u32 = 7;
/// `BOOTARG_END`.
const END: u32 = 0xffff_ffff;
/// The words of a record before what is in it: type, its size with these words, and where the next one begins.
const RECORD_HEADER: usize = 12;

/// The device number of `com0`: `makedev(8, 0)`.
const COM0: u32 = 8 << 8;
const SPEED: u32 = 115_200;
/// `sd0a`: `MAKEBOOTDEV(4, 0, 0, 0, 0)`, which the kernel takes for its root file system if it was told no other.
const BOOT_DEVICE: u32 = 0xa000_0004;
/// `BOOTARG_APIVER`: records by their type, memory map, numbers of devices.
const VERSION: u32 = 0x0e;

/// Flags for the kernel as boot(8) has them (`sys/reboot.h`): ask for the root device, single user, debugger,
/// configuration of drivers.
const FLAGS: [(char, u32); 4] = [('a', 0x1), ('s', 0x2), ('d', 0x40), ('c', 0x400)];

/// The flags of a command line such as `-s`, or `-ds`: no OpenBSD kernel takes anything else.
pub(super) fn howto(cmdline: &str) -> Result<u32, BootError> {
    let mut howto = 0;
    for word in cmdline.split_whitespace() {
        let Some(letters) = word.strip_prefix('-') else {
            return bad(format!(
                "takes no {word:?} on its command line, only -a, -c, -d and -s as boot(8) has them"
            ));
        };
        for letter in letters.chars() {
            match FLAGS.iter().find(|(flag, _)| *flag == letter) {
                Some((_, bit)) => howto |= bit,
                None => {
                    return bad(format!(
                        "knows no flag -{letter}, only -a, -c, -d and -s as boot(8) has them"
                    ));
                }
            }
        }
    }
    Ok(howto)
}

/// Writes records and stack for a kernel that ends with its symbols at `end`, and says where the top of the
/// stack is.
pub(super) fn write(loader: &Loader<'_>, howto: u32, end: u64) -> Result<GuestAddress, BootError> {
    let records = records(loader);
    write_all(loader, &records, howto, end).map_err(BootError::Memory)
}

fn write_all(
    loader: &Loader<'_>,
    records: &[u8],
    howto: u32,
    end: u64,
) -> Result<GuestAddress, GuestMemoryError> {
    loader.memory.write_slice(records, GuestAddress(OPENBSD_ARGUMENTS))?;
    // From the top downwards: where the records are, their size, the kilobytes of base and of extended memory (0: look
    // at the memory map), the end of what is loaded, the version, the boot device, the flags. The word below them is
    // for the address to return to.
    let [end, records_size] =
        [end, records.len() as u64].map(|value| u32::try_from(value).unwrap_or(u32::MAX));
    let words = [0, howto, BOOT_DEVICE, VERSION, end, 0, 0, records_size, OPENBSD_ARGUMENTS as u32];
    let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    let top = OPENBSD_STACK_END.saturating_sub(bytes.len() as u64).max(OPENBSD_STACK);
    loader.memory.write_slice(&bytes, GuestAddress(top))?;
    Ok(GuestAddress(top))
}

/// All records, with the mark behind the last. They are far shorter than their page: the map has a handful of
/// ranges.
fn records(loader: &Loader<'_>) -> Vec<u8> {
    let mut bytes = record(MEMORY_MAP, &ranges(&memory_map(loader.memory)));
    bytes.extend(record(CONSOLE, &console()));
    if let Some(address) = loader.boot_mac {
        let [a, b, c, d, e, f] = address;
        bytes.extend(record(BOOT_MAC, &[a, b, c, d, e, f, 0, 0]));
    }
    bytes.extend(END.to_le_bytes());
    bytes
}

fn record(kind: u32, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len().saturating_add(RECORD_HEADER)).unwrap_or(u32::MAX);
    let header = [kind, size, size].into_iter().flat_map(u32::to_le_bytes);
    header.chain(content.iter().copied()).collect()
}

fn ranges(map: &[Range]) -> Vec<u8> {
    let end = (0, 0, 0);
    map.iter()
        .map(|range| (range.start, range.size, range.kind as u32))
        .chain([end])
        .flat_map(|(start, size, kind)| {
            let [start, size] = [start, size].map(u64::to_le_bytes);
            start.into_iter().chain(size).chain(kind.to_le_bytes())
        })
        .collect()
}

fn console() -> Vec<u8> {
    let port = SERIAL_PORTS.0 as u32;
    [COM0, SPEED, port, 0, 0, 0, 0, 0].into_iter().flat_map(u32::to_le_bytes).collect()
}
