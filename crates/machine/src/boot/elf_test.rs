//! Builds ELF files for the tests of the loaders.

/// An ELF file under construction.
#[derive(Clone, Default)]
pub struct ElfFile {
    pub bits32: bool,
    pub abi: u8,
    pub entry: u64,
    /// Type, offset, virtual address, physical address, size in the file, size in memory.
    pub programs: Vec<(u32, u64, u64, u64, u64, u64)>,
    /// Name (an offset into the names), type, offset, size.
    pub sections: Vec<(u32, u32, u64, u64)>,
    /// The section with the names.
    pub names: u16,
    /// Bytes at their offsets.
    pub content: Vec<(u64, Vec<u8>)>,
}

/// Where the section headers are in the file.
pub const SECTIONS_AT: u64 = 0x3000;

impl ElfFile {
    fn word(&self, value: u64) -> Vec<u8> {
        match self.bits32 {
            true => (value as u32).to_le_bytes().to_vec(),
            false => value.to_le_bytes().to_vec(),
        }
    }

    fn header(&self) -> Vec<u8> {
        let (class, machine, size, program, section) =
            if self.bits32 { (1, 3u16, 52u16, 32u16, 40u16) } else { (2, 62, 64, 56, 64) };
        let mut bytes = vec![0x7f, b'E', b'L', b'F', class, 1, 1, self.abi, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([2, machine].into_iter().flat_map(u16::to_le_bytes));
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(self.word(self.entry));
        bytes.extend(self.word(size.into()));
        bytes.extend(self.word(if self.sections.is_empty() { 0 } else { SECTIONS_AT }));
        bytes.extend(0u32.to_le_bytes());
        let counts = [self.programs.len() as u16, section, self.sections.len() as u16, self.names];
        bytes.extend([size, program].into_iter().chain(counts).flat_map(u16::to_le_bytes));
        bytes
    }

    fn program(&self, &(kind, offset, virt, phys, file, memory): &(u32, u64, u64, u64, u64, u64)) -> Vec<u8> {
        let words = [offset, virt, phys, file, memory].into_iter().flat_map(|word| self.word(word));
        let (kind, flags, align) = (kind.to_le_bytes(), 7u32.to_le_bytes(), self.word(4));
        match self.bits32 {
            true => kind.into_iter().chain(words).chain(flags).chain(align).collect(),
            false => kind.into_iter().chain(flags).chain(words).chain(align).collect(),
        }
    }

    fn section(&self, &(name, kind, offset, size): &(u32, u32, u64, u64)) -> Vec<u8> {
        let mut bytes: Vec<u8> = [name, kind].into_iter().flat_map(u32::to_le_bytes).collect();
        bytes.extend([0, 0, offset, size].into_iter().flat_map(|word| self.word(word)));
        bytes.extend([0u32, 0].into_iter().flat_map(u32::to_le_bytes));
        bytes.extend([1, 0].into_iter().flat_map(|word| self.word(word)));
        bytes
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut headers = self.header();
        headers.extend(self.programs.iter().flat_map(|program| self.program(program)));
        let sections = self.sections.iter().flat_map(|section| self.section(section)).collect::<Vec<_>>();
        let mut file = Vec::new();
        let parts = self.content.iter().cloned().chain([(0, headers), (SECTIONS_AT, sections)]);
        for (at, bytes) in parts.filter(|(_, bytes)| !bytes.is_empty()) {
            let at = at as usize;
            file.resize(file.len().max(at + bytes.len()), 0);
            file[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        file
    }
}
