//! The host as the configuration language sees it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use conf::{Environment, FileKind, User};
use rustix::fs::OFlags;

use super::accounts;

/// The longest configuration file, in bytes: many times what ten thousand machines need.
const MAX_FILE: u64 = 64 << 20;

/// The most entries of a directory that are looked at.
const MAX_ENTRIES: usize = 100_000;

/// This host.
pub struct Host<'d> {
    /// Where relative paths start.
    directory: &'d Path,
    /// What was found before: many machines have the same kernel and the same owner.
    kinds: HashMap<PathBuf, FileKind>,
    users: HashMap<String, Option<User>>,
    groups: HashMap<String, Option<u32>>,
}

impl<'d> Host<'d> {
    /// This host for one reading of the configuration, with relative paths starting in `directory`.
    pub fn new(directory: &'d Path) -> Self {
        Self { directory, kinds: HashMap::new(), users: HashMap::new(), groups: HashMap::new() }
    }
}

impl Environment for Host<'_> {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        // A FIFO opens at once that way, and is then refused like everything else that is not a file.
        let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(self.directory.join(path))?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // Of the devices /dev/null is a way to say that there is no configuration.
        if !metadata.is_file() && !metadata.file_type().is_char_device() {
            return Err(io::Error::other("not a regular file"));
        }
        let mut text = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut text)?;
        match u64::try_from(text.len()) {
            Ok(length) if length <= MAX_FILE => Ok(text),
            _ => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }

    fn list(&mut self, directory: &Path) -> io::Result<Vec<OsString>> {
        let entries = fs::read_dir(self.directory.join(directory))?.take(MAX_ENTRIES);
        entries.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn user(&mut self, name: &str) -> io::Result<Option<User>> {
        if let Some(known) = self.users.get(name) {
            return Ok(*known);
        }
        let found = accounts::user(name)?.map(|account| User { uid: account.uid, gid: account.gid });
        self.users.insert(name.to_owned(), found);
        Ok(found)
    }

    fn group(&mut self, name: &str) -> io::Result<Option<u32>> {
        if let Some(known) = self.groups.get(name) {
            return Ok(*known);
        }
        let found = accounts::group(name)?;
        self.groups.insert(name.to_owned(), found);
        Ok(found)
    }

    fn file_kind(&mut self, path: &Path) -> io::Result<FileKind> {
        if let Some(known) = self.kinds.get(path) {
            return Ok(*known);
        }
        let found = kind(&fs::metadata(self.directory.join(path))?.file_type());
        self.kinds.insert(path.to_owned(), found);
        Ok(found)
    }

    fn absolute(&mut self, path: &Path) -> io::Result<PathBuf> {
        std::path::absolute(self.directory.join(path))
    }
}

fn kind(found: &FileType) -> FileKind {
    match found {
        _ if found.is_file() => FileKind::Regular,
        _ if found.is_dir() => FileKind::Directory,
        _ if found.is_block_device() => FileKind::BlockDevice,
        _ => FileKind::Other,
    }
}
