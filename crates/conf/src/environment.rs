//! What the language asks of the system: the caller answers, this crate does no I/O.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// The system as seen from a configuration file.
pub trait Environment {
    /// The whole contents of the main file or of an included one.
    ///
    /// A path is relative if that of the main file is: to the working directory of the daemon.
    ///
    /// # Errors
    /// Whatever kept it from being read; a directory is an error too.
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>>;

    /// The names of what is in a directory, in any order; an empty path is the working directory.
    ///
    /// # Errors
    /// It is no directory, or can not be read.
    fn list(&mut self, directory: &Path) -> io::Result<Vec<OsString>>;

    /// The account of that name, `None` if there is none.
    ///
    /// # Errors
    /// The accounts could not be looked up.
    fn user(&mut self, name: &str) -> io::Result<Option<User>>;

    /// The id of the group of that name, `None` if there is none.
    ///
    /// # Errors
    /// The groups could not be looked up.
    fn group(&mut self, name: &str) -> io::Result<Option<u32>>;

    /// What is at a path, symbolic links followed.
    ///
    /// # Errors
    /// Nothing is there, or it can not be looked at.
    fn file_kind(&mut self, path: &Path) -> io::Result<FileKind>;

    /// The same path seen from the root directory; asked only for paths which [`Environment::file_kind`] knows.
    ///
    /// # Errors
    /// The working directory is gone.
    fn absolute(&mut self, path: &Path) -> io::Result<PathBuf>;
}

/// An account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// Its user id.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
}

/// Kinds of files, as far as the language tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A block device.
    BlockDevice,
    /// Anything else: a character device, a pipe, a socket.
    Other,
}
