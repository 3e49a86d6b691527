//! The parts of an ELF file that a loader needs (System V ABI, chapter 5): program headers and the PVH note.

use zerocopy::{FromBytes, FromZeros, IntoBytes, KnownLayout};

use super::BootError;
use super::image::Image;
use super::memory_map::LowRam;

/// How an ELF file begins.
pub(super) const MAGIC: &[u8; 4] = b"\x7fELF";

const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const MACHINE_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// `XEN_ELFNOTE_PHYS32_ENTRY`: the address of the 32-bit entry.
const PHYS32_ENTRY: u32 = 18;
const NOTE_NAME: &[u8; 4] = b"Xen\0";
/// More program headers than any kernel has.
const MAX_PROGRAM_HEADERS: u16 = 64;
/// More bytes of notes than any kernel has.
const MAX_NOTES: u64 = 64 << 10;

/// `Elf64_Ehdr`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
struct FileHeader {
    magic: [u8; 4],
    class: u8,
    encoding: u8,
    ident: [u8; 10],
    kind: u16,
    machine: u16,
    version: u32,
    entry: u64,
    program_headers: u64,
    section_headers: u64,
    flags: u32,
    header_size: u16,
    program_header_size: u16,
    program_header_count: u16,
    section_header_size: u16,
    section_header_count: u16,
    section_names: u16,
}

/// `Elf64_Phdr`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    virtual_address: u64,
    physical_address: u64,
    file_size: u64,
    memory_size: u64,
    align: u64,
}

/// `Elf64_Nhdr`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
struct NoteHeader {
    name_size: u32,
    value_size: u32,
    kind: u32,
}

/// A checked kernel.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// The address of the 32-bit entry, inside one of the segments.
    pub(super) entry: u32,
    /// What is loaded: in ascending order, apart from one another, in memory, and in the file.
    pub(super) segments: Vec<Segment>,
    /// The address after the last segment.
    pub(super) end: u64,
}

/// A range of memory, of which the beginning comes from the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) offset: u64,
    pub(super) file_size: u64,
}

/// Reads and checks the headers of a kernel that is to lie in `ram`.
pub(super) fn parse(image: &Image<'_>, ram: LowRam) -> Result<Kernel, BootError> {
    let headers = program_headers(image)?;
    let entry = match find_entry(image, &headers)? {
        Some(entry) => entry,
        None => return bad("has no PVH note"),
    };
    let segments = segments(image, &headers, ram)?;
    if !segments.iter().any(|segment| segment.holds(entry.into())) {
        return bad(format!("has its PVH entry at {entry:#x}, outside of what it loads"));
    }
    let end = segments.last().map_or(ram.start, Segment::end);
    Ok(Kernel { entry, segments, end })
}

impl Segment {
    fn end(&self) -> u64 {
        self.address.saturating_add(self.size)
    }

    fn holds(&self, address: u64) -> bool {
        (self.address..self.end()).contains(&address)
    }
}

/// A structure at an offset of the file.
fn read<T: FromZeros + FromBytes + IntoBytes>(image: &Image<'_>, offset: u64) -> Result<T, BootError> {
    let mut value = T::new_zeroed();
    image.read(offset, value.as_mut_bytes())?;
    Ok(value)
}

fn program_headers(image: &Image<'_>) -> Result<Vec<ProgramHeader>, BootError> {
    let header: FileHeader = read(image, 0)?;
    if (header.class, header.encoding, header.machine) != (CLASS_64, LITTLE_ENDIAN, MACHINE_X86_64) {
        return bad("is not for 64-bit x86");
    }
    if usize::from(header.program_header_size) != size_of::<ProgramHeader>() {
        return bad(format!("has program headers of {} bytes", header.program_header_size));
    }
    if header.program_header_count > MAX_PROGRAM_HEADERS {
        return bad(format!("has {} program headers", header.program_header_count));
    }
    (0..u64::from(header.program_header_count))
        .map(|index| {
            let at = index.saturating_mul(header.program_header_size.into());
            read(image, header.program_headers.saturating_add(at))
        })
        .collect()
}

/// The segments to load, in ascending order.
fn segments(image: &Image<'_>, headers: &[ProgramHeader], ram: LowRam) -> Result<Vec<Segment>, BootError> {
    let mut segments = Vec::new();
    for header in headers.iter().filter(|header| header.kind == PT_LOAD && header.memory_size > 0) {
        if header.file_size > header.memory_size {
            return bad("has a segment that is larger in the file than in memory");
        }
        image.check(header.offset, header.file_size)?;
        ram.claim("kernel", header.physical_address, header.memory_size)?;
        segments.push(Segment {
            address: header.physical_address,
            size: header.memory_size,
            offset: header.offset,
            file_size: header.file_size,
        });
    }
    segments.sort_by_key(|segment| segment.address);
    if segments.windows(2).any(|pair| matches!(pair, [a, b] if a.end() > b.address)) {
        return bad("has segments that lie over one another");
    }
    Ok(segments)
}

/// The value of the PVH note.
fn find_entry(image: &Image<'_>, headers: &[ProgramHeader]) -> Result<Option<u32>, BootError> {
    for header in headers.iter().filter(|header| header.kind == PT_NOTE) {
        if header.file_size > MAX_NOTES {
            return bad(format!("has {} bytes of notes", header.file_size));
        }
        let mut notes = vec![0; usize::try_from(header.file_size).unwrap_or(0)];
        image.read(header.offset, &mut notes)?;
        if let Some(entry) = entry_in_notes(&notes) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Walks over notes: a header, the name and the value, each padded to 4 bytes.
fn entry_in_notes(mut notes: &[u8]) -> Option<u32> {
    loop {
        let (note, rest) = NoteHeader::read_from_prefix(notes).ok()?;
        let (name, rest) = split_padded(rest, note.name_size)?;
        let (value, rest) = split_padded(rest, note.value_size)?;
        if name == NOTE_NAME && note.kind == PHYS32_ENTRY {
            // Some kernels write the address as 64 bits. It is below 4 GiB all the same.
            return value.first_chunk().copied().map(u32::from_le_bytes);
        }
        notes = rest;
    }
}

fn split_padded(bytes: &[u8], size: u32) -> Option<(&[u8], &[u8])> {
    let size = usize::try_from(size).ok()?;
    let rest = bytes.get(size.checked_next_multiple_of(4)?..).unwrap_or_default();
    Some((bytes.get(..size)?, rest))
}

fn bad<T>(what: impl Into<String>) -> Result<T, BootError> {
    Err(BootError::BadElf(what.into()))
}
