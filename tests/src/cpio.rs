//! Archives in the "new ASCII" cpio format, which Linux unpacks as its initial RAM file system
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::io::{self, Write};

/// The type of a regular file in a mode (`S_IFREG`).
const REGULAR: u32 = 0o100_000;
/// The type of a directory in a mode (`S_IFDIR`).
const DIRECTORY: u32 = 0o040_000;

/// Writes an archive, entry by entry. Every entry belongs to root; parents go before children.
pub struct Writer<W> {
    output: W,
    inode: u32,
}

impl<W: Write> Writer<W> {
    /// An archive on `output`.
    pub fn new(output: W) -> Self {
        Self { output, inode: 0 }
    }

    /// Adds a directory that everybody can read.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn directory(&mut self, path: &str) -> io::Result<()> {
        self.entry(path, DIRECTORY | 0o755, &[])
    }

    /// Adds a file with these permissions.
    ///
    /// # Errors
    /// When the output cannot be written, or the file has 4 GiB or more.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) -> io::Result<()> {
        self.entry(path, REGULAR | permissions, content)
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, &[])?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let size = u32::try_from(content.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let name_size = path.len() + 1;
        self.inode += 1;
        write!(self.output, "070701{:08x}{mode:08x}", self.inode)?;
        // Owner, group, links, time; then size; then four device numbers.
        write!(self.output, "{:08x}{:08x}{:08x}{:08x}{size:08x}", 0, 0, 1, 0)?;
        write!(self.output, "{:08x}{:08x}{:08x}{:08x}{name_size:08x}{:08x}", 0, 0, 0, 0, 0)?;
        write!(self.output, "{path}\0")?;
        self.pad(HEADER_SIZE + name_size)?;
        self.output.write_all(content)?;
        self.pad(content.len())
    }

    /// Fills up to a multiple of four bytes.
    fn pad(&mut self, written: usize) -> io::Result<()> {
        let missing = written.next_multiple_of(4) - written;
        self.output.write_all(&[0; 3][..missing])
    }
}

/// The magic number and thirteen fields of eight digits.
const HEADER_SIZE: usize = 6 + 13 * 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, mode and content of each entry, read back by the rules of the format.
    fn read(mut archive: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut entries = Vec::new();
        loop {
            assert_eq!(&archive[..6], b"070701");
            let field = |index: usize| {
                let digits = std::str::from_utf8(&archive[6 + index * 8..][..8]).unwrap();
                usize::from_str_radix(digits, 16).unwrap()
            };
            let (mode, size, name_size) = (field(1), field(6), field(11));
            let name = String::from_utf8(archive[HEADER_SIZE..][..name_size - 1].to_vec()).unwrap();
            assert_eq!(archive[HEADER_SIZE + name_size - 1], 0);
            if name == "TRAILER!!!" {
                return entries;
            }
            let start = (HEADER_SIZE + name_size).next_multiple_of(4);
            entries.push((name, u32::try_from(mode).unwrap(), archive[start..][..size].to_vec()));
            archive = &archive[start + size.next_multiple_of(4)..];
        }
    }

    #[test]
    fn entries_of_every_alignment_are_read_back() {
        let mut writer = Writer::new(Vec::new());
        writer.directory("bin").unwrap();
        for length in 0..9 {
            writer.file(&"n".repeat(length + 1), 0o750, &vec![7; length]).unwrap();
        }
        let entries = read(&writer.finish().unwrap());
        assert_eq!(entries[0], ("bin".to_owned(), 0o040_755, Vec::new()));
        for (length, entry) in entries[1..].iter().enumerate() {
            assert_eq!(*entry, ("n".repeat(length + 1), 0o100_750, vec![7; length]));
        }
        assert_eq!(entries.len(), 10);
    }
}
