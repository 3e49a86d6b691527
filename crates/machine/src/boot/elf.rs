//! The parts of an ELF file that a loader needs (System V ABI, chapters 4 and 5), of 32 and of 64 bits: headers,
//! segments and notes.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::BootError;
use super::image::Image;
use super::memory_map::LowRam;

/// How an ELF file begins.
pub(super) const MAGIC: &[u8; 4] = b"\x7fELF";

const CLASS_32: u8 = 1;
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const MACHINE_386: u16 = 3;
const MACHINE_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// More program headers than any kernel has.
const MAX_PROGRAM_HEADERS: u16 = 64;
/// More bytes of notes than any kernel has.
const MAX_NOTES: u64 = 64 << 10;

/// The first bytes of a file header, the same in both classes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Ident {
    magic: [u8; 4],
    class: u8,
    encoding: u8,
    version: u8,
    abi: u8,
    rest: [u8; 8],
}

/// `Elf64_Ehdr`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct FileHeader64 {
    ident: Ident,
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

/// `Elf32_Ehdr`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct FileHeader32 {
    ident: Ident,
    kind: u16,
    machine: u16,
    version: u32,
    entry: u32,
    program_headers: u32,
    section_headers: u32,
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
struct ProgramHeader64 {
    kind: u32,
    flags: u32,
    offset: u64,
    virtual_address: u64,
    physical_address: u64,
    file_size: u64,
    memory_size: u64,
    align: u64,
}

/// `Elf32_Phdr`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
struct ProgramHeader32 {
    kind: u32,
    offset: u32,
    virtual_address: u32,
    physical_address: u32,
    file_size: u32,
    memory_size: u32,
    flags: u32,
    align: u32,
}

/// `Elf64_Nhdr`, and `Elf32_Nhdr`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
struct NoteHeader {
    name_size: u32,
    value_size: u32,
    kind: u32,
}

/// Whether a file is of 32 or of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Bits32,
    Bits64,
}

/// What the headers of a file say. Nothing is checked of the program headers but their number.
#[derive(Debug)]
pub(super) struct Elf {
    pub(super) class: Class,
    /// The system that it is for (`EI_OSABI`), by its number.
    pub(super) abi: u8,
    /// The address of the first instruction.
    pub(super) entry: u64,
    pub(super) programs: Vec<Program>,
    pub(super) sections: SectionTable,
}

/// A program header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    pub(super) kind: u32,
    pub(super) offset: u64,
    pub(super) virtual_address: u64,
    pub(super) address: u64,
    pub(super) file_size: u64,
    pub(super) memory_size: u64,
}

/// Where the section headers are.
#[derive(Clone, Copy, Debug)]
pub(super) struct SectionTable {
    pub(super) offset: u64,
    pub(super) header_size: u16,
    pub(super) count: u16,
    /// The section with the names of all.
    pub(super) names: u16,
}

/// A range of memory, of which the beginning comes from the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) offset: u64,
    pub(super) file_size: u64,
}

/// What is loaded: in ascending order, apart from one another, in memory, and in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Segments(Vec<Segment>);

impl Elf {
    /// Reads the headers.
    pub(super) fn parse(image: &Image<'_>) -> Result<Self, BootError> {
        let ident: Ident = read(image, 0)?;
        match (ident.class, ident.encoding) {
            (CLASS_64, LITTLE_ENDIAN) => Self::parse_64(image),
            (CLASS_32, LITTLE_ENDIAN) => Self::parse_32(image),
            _ => bad("is not for x86"),
        }
    }

    fn parse_64(image: &Image<'_>) -> Result<Self, BootError> {
        let header: FileHeader64 = read(image, 0)?;
        if header.machine != MACHINE_X86_64 {
            return bad("is not for x86");
        }
        let table = (header.program_headers, header.program_header_size, header.program_header_count);
        Ok(Self {
            class: Class::Bits64,
            abi: header.ident.abi,
            entry: header.entry,
            programs: programs::<ProgramHeader64>(image, table)?,
            sections: SectionTable {
                offset: header.section_headers,
                header_size: header.section_header_size,
                count: header.section_header_count,
                names: header.section_names,
            },
        })
    }

    fn parse_32(image: &Image<'_>) -> Result<Self, BootError> {
        let header: FileHeader32 = read(image, 0)?;
        if header.machine != MACHINE_386 {
            return bad("is not for x86");
        }
        let table = (header.program_headers.into(), header.program_header_size, header.program_header_count);
        Ok(Self {
            class: Class::Bits32,
            abi: header.ident.abi,
            entry: header.entry.into(),
            programs: programs::<ProgramHeader32>(image, table)?,
            sections: SectionTable {
                offset: header.section_headers.into(),
                header_size: header.section_header_size,
                count: header.section_header_count,
                names: header.section_names,
            },
        })
    }

    /// The value of the first note with this name, its NUL included, and type.
    pub(super) fn note(
        &self,
        image: &Image<'_>,
        name: &[u8],
        kind: u32,
    ) -> Result<Option<Vec<u8>>, BootError> {
        for header in self.programs.iter().filter(|header| header.kind == PT_NOTE) {
            if header.file_size > MAX_NOTES {
                return bad(format!("has {} bytes of notes", header.file_size));
            }
            let mut notes = vec![0; usize::try_from(header.file_size).unwrap_or(0)];
            image.read(header.offset, &mut notes)?;
            if let Some(value) = find_note(&notes, name, kind) {
                return Ok(Some(value.to_vec()));
            }
        }
        Ok(None)
    }

    /// The segments to load into `ram`. `place` says at which address one lies that has this physical address.
    pub(super) fn segments(
        &self,
        image: &Image<'_>,
        ram: LowRam,
        place: impl Fn(u64) -> u64,
    ) -> Result<Segments, BootError> {
        let mut segments = Vec::new();
        for header in self.programs.iter().filter(|header| header.is_loaded()) {
            if header.file_size > header.memory_size {
                return bad("has a segment that is larger in the file than in memory");
            }
            image.check(header.offset, header.file_size)?;
            let address = place(header.address);
            ram.claim("kernel", address, header.memory_size)?;
            segments.push(Segment {
                address,
                size: header.memory_size,
                offset: header.offset,
                file_size: header.file_size,
            });
        }
        segments.sort_by_key(|segment| segment.address);
        if segments.windows(2).any(|pair| matches!(pair, [a, b] if a.end() > b.address)) {
            return bad("has segments that lie over one another");
        }
        Ok(Segments(segments))
    }
}

impl Program {
    /// Whether it takes memory.
    pub(super) fn is_loaded(&self) -> bool {
        self.kind == PT_LOAD && self.memory_size > 0
    }
}

impl Segment {
    fn end(&self) -> u64 {
        self.address.saturating_add(self.size)
    }
}

impl Segments {
    /// Whether something is loaded at this address.
    pub(super) fn hold(&self, address: u64) -> bool {
        self.0.iter().any(|segment| (segment.address..segment.end()).contains(&address))
    }

    /// The address after the last segment; 0 if there is none.
    pub(super) fn end(&self) -> u64 {
        self.0.last().map_or(0, Segment::end)
    }

    /// Puts them into memory that is all zeroes.
    pub(super) fn load(&self, image: &Image<'_>, memory: &virtio::GuestRam) -> Result<(), BootError> {
        for segment in &self.0 {
            let address = vm_memory::GuestAddress(segment.address);
            image.copy_to(memory, segment.offset, segment.file_size, address)?;
        }
        Ok(())
    }
}

/// A file header as it is loaded with the symbols: nothing is said of segments, and the section headers come
/// right behind it.
pub(super) trait FileHeader: FromZeros + FromBytes + IntoBytes + Immutable {
    fn for_symbols(&mut self);
}

impl FileHeader for FileHeader64 {
    fn for_symbols(&mut self) {
        self.program_headers = 0;
        self.program_header_size = 0;
        self.program_header_count = 0;
        self.section_headers = size_of::<Self>() as u64;
    }
}

impl FileHeader for FileHeader32 {
    fn for_symbols(&mut self) {
        self.program_headers = 0;
        self.program_header_size = 0;
        self.program_header_count = 0;
        self.section_headers = size_of::<Self>() as u32;
    }
}

/// A structure at an offset of the file.
pub(super) fn read<T: FromZeros + FromBytes + IntoBytes>(
    image: &Image<'_>,
    offset: u64,
) -> Result<T, BootError> {
    let mut value = T::new_zeroed();
    image.read(offset, value.as_mut_bytes())?;
    Ok(value)
}

/// Reads program headers: their offset, the size of one, and their number.
fn programs<T>(image: &Image<'_>, (offset, size, count): (u64, u16, u16)) -> Result<Vec<Program>, BootError>
where
    T: FromZeros + FromBytes + IntoBytes + Into<Program>,
{
    if usize::from(size) != size_of::<T>() && count > 0 {
        return bad(format!("has program headers of {size} bytes"));
    }
    if count > MAX_PROGRAM_HEADERS {
        return bad(format!("has {count} program headers"));
    }
    (0..u64::from(count))
        .map(|index| {
            let at = index.saturating_mul(size.into());
            Ok(read::<T>(image, offset.saturating_add(at))?.into())
        })
        .collect()
}

impl From<ProgramHeader64> for Program {
    fn from(header: ProgramHeader64) -> Self {
        Self {
            kind: header.kind,
            offset: header.offset,
            virtual_address: header.virtual_address,
            address: header.physical_address,
            file_size: header.file_size,
            memory_size: header.memory_size,
        }
    }
}

impl From<ProgramHeader32> for Program {
    fn from(header: ProgramHeader32) -> Self {
        Self {
            kind: header.kind,
            offset: header.offset.into(),
            virtual_address: header.virtual_address.into(),
            address: header.physical_address.into(),
            file_size: header.file_size.into(),
            memory_size: header.memory_size.into(),
        }
    }
}

/// Walks over notes: a header, the name and the value, each padded to 4 bytes.
fn find_note<'a>(mut notes: &'a [u8], wanted: &[u8], kind: u32) -> Option<&'a [u8]> {
    loop {
        let (note, rest) = NoteHeader::read_from_prefix(notes).ok()?;
        let (name, rest) = split_padded(rest, note.name_size)?;
        let (value, rest) = split_padded(rest, note.value_size)?;
        if name == wanted && note.kind == kind {
            return Some(value);
        }
        notes = rest;
    }
}

fn split_padded(bytes: &[u8], size: u32) -> Option<(&[u8], &[u8])> {
    let size = usize::try_from(size).ok()?;
    let rest = bytes.get(size.checked_next_multiple_of(4)?..).unwrap_or_default();
    Some((bytes.get(..size)?, rest))
}

pub(super) fn bad<T>(what: impl Into<String>) -> Result<T, BootError> {
    Err(BootError::BadElf(what.into()))
}
