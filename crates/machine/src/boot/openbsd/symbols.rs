//! The symbols of an OpenBSD kernel, which lie behind its last segment in the form in which its debugger looks for
//! them (`sys/ddb/db_elf.c`): the file header, all section headers, and of the sections symbols and strings.

use vm_memory::{Bytes, GuestAddress};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::bad;
use crate::boot::elf::{self, Class, Elf, FileHeader, FileHeader32, FileHeader64};
use crate::boot::image::Image;
use crate::boot::{BootError, Loader};

const SHT_SYMTAB: u32 = 2;
const SHT_STRTAB: u32 = 3;
const SHT_NOBITS: u32 = 8;
/// `SHF_ALLOC`: the section is in memory.
const SHF_ALLOC: u32 = 2;
/// Sections that are loaded by name: line numbers and types.
const NAMED: [&[u8]; 2] = [b".debug_line", b".SUNW_ctf"];
/// More sections than any kernel has.
const MAX_SECTIONS: u16 = 256;
/// More bytes of section names than any kernel has.
const MAX_NAMES: u64 = 64 << 10;

/// `Elf64_Shdr`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Section64 {
    name: u32,
    kind: u32,
    flags: u64,
    address: u64,
    offset: u64,
    size: u64,
    link: u32,
    info: u32,
    align: u64,
    entry_size: u64,
}

/// `Elf32_Shdr`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Section32 {
    name: u32,
    kind: u32,
    flags: u32,
    address: u32,
    offset: u32,
    size: u32,
    link: u32,
    info: u32,
    align: u32,
    entry_size: u32,
}

/// A section header of either class.
trait Section: FromZeros + FromBytes + IntoBytes + Immutable {
    /// The size to which sizes in memory are rounded up: that of an address.
    const WORD: u64;

    /// Name, as an offset into the names, and type.
    fn kind(&self) -> (u32, u32);
    /// Offset in the file and size.
    fn place(&self) -> (u64, u64);
    /// Says that it is loaded, at this offset from the file header.
    fn loaded_at(&mut self, offset: u64);
}

impl Section for Section64 {
    const WORD: u64 = 8;

    fn kind(&self) -> (u32, u32) {
        (self.name, self.kind)
    }

    fn place(&self) -> (u64, u64) {
        (self.offset, self.size)
    }

    fn loaded_at(&mut self, offset: u64) {
        self.offset = offset;
        self.flags |= u64::from(SHF_ALLOC);
    }
}

impl Section for Section32 {
    const WORD: u64 = 4;

    fn kind(&self) -> (u32, u32) {
        (self.name, self.kind)
    }

    fn place(&self) -> (u64, u64) {
        (self.offset.into(), self.size.into())
    }

    fn loaded_at(&mut self, offset: u64) {
        // Below 256 MiB, or the kernel is refused in the end.
        self.offset = u32::try_from(offset).unwrap_or(u32::MAX);
        self.flags |= SHF_ALLOC;
    }
}

/// Loads the symbols behind `end`, if the file has any, and gives the address behind all that is loaded then.
pub(super) fn load(loader: &Loader<'_>, elf: &Elf, end: u64) -> Result<u64, BootError> {
    match elf.class {
        Class::Bits64 => load_class::<FileHeader64, Section64>(loader, elf, end),
        Class::Bits32 => load_class::<FileHeader32, Section32>(loader, elf, end),
    }
}

fn load_class<H: FileHeader, S: Section>(loader: &Loader<'_>, elf: &Elf, end: u64) -> Result<u64, BootError> {
    let start = end.next_multiple_of(S::WORD);
    let mut sections = headers::<S>(&loader.kernel, elf)?;
    if !sections.iter().any(|section| section.kind().1 == SHT_SYMTAB) {
        return Ok(start);
    }
    let names = names(&loader.kernel, elf, &sections)?;
    let headers_at = start.saturating_add(size_of::<H>() as u64);
    let mut at = headers_at.saturating_add(size_of_val(sections.as_slice()) as u64).next_multiple_of(S::WORD);
    loader.ram.claim("symbol table", start, at.saturating_sub(start))?;
    for section in sections.iter_mut().filter(|section| is_loaded(*section, &names)) {
        let (offset, size) = section.place();
        loader.kernel.check(offset, size)?;
        let behind = loader.ram.claim("symbol table", at, size)?;
        loader.kernel.copy_to(loader.memory, offset, size, GuestAddress(at))?;
        section.loaded_at(at.saturating_sub(start));
        at = behind.next_multiple_of(S::WORD);
    }
    let mut header: H = elf::read(&loader.kernel, 0)?;
    header.for_symbols();
    let write =
        |bytes: &[u8], at| loader.memory.write_slice(bytes, GuestAddress(at)).map_err(BootError::Memory);
    write(header.as_bytes(), start)?;
    write(sections.as_slice().as_bytes(), headers_at)?;
    Ok(at)
}

fn headers<S: Section>(kernel: &Image<'_>, elf: &Elf) -> Result<Vec<S>, BootError> {
    let table = elf.sections;
    if table.offset == 0 || table.count == 0 {
        return Ok(Vec::new());
    }
    if usize::from(table.header_size) != size_of::<S>() {
        return bad(format!("has section headers of {} bytes", table.header_size));
    }
    if table.count > MAX_SECTIONS {
        return bad(format!("has {} sections", table.count));
    }
    (0..u64::from(table.count))
        .map(|index| {
            let at = index.saturating_mul(table.header_size.into());
            elf::read(kernel, table.offset.saturating_add(at))
        })
        .collect()
}

/// The names of all sections, each with its NUL.
fn names<S: Section>(kernel: &Image<'_>, elf: &Elf, sections: &[S]) -> Result<Vec<u8>, BootError> {
    let Some(section) = sections.get(usize::from(elf.sections.names)) else { return Ok(Vec::new()) };
    let (offset, size) = section.place();
    if size > MAX_NAMES {
        return bad(format!("has {size} bytes of section names"));
    }
    let mut names = vec![0; usize::try_from(size).unwrap_or(0)];
    kernel.read(offset, &mut names)?;
    Ok(names)
}

fn is_loaded<S: Section>(section: &S, names: &[u8]) -> bool {
    let (name, kind) = section.kind();
    let name = usize::try_from(name).ok().and_then(|at| names.get(at..)).unwrap_or_default();
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    match kind {
        SHT_SYMTAB | SHT_STRTAB => true,
        SHT_NOBITS => false,
        _ => NAMED.contains(&name),
    }
}
