//! New images.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Why an image could not be created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// There is something of that name, which is left as it is.
    #[error("{}: there is a file of this name already", .0.display())]
    Exists(PathBuf),
    /// The host refused; nothing is left behind.
    #[error("{path}: cannot create the disk image: {1}", path = .0.display())]
    System(PathBuf, io::Error),
}

/// Creates a raw image of `size` bytes that takes no space until it is written to, for its owner alone (mode 0600).
///
/// # Errors
/// [`CreateError::Exists`] if there is anything at `path`, even a dangling link; otherwise what the host said,
/// for instance that its file system cannot hold a file of that size.
pub fn create_raw(path: &Path, size: u64) -> Result<(), CreateError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CreateError::Exists(path.to_owned()),
        _ => CreateError::System(path.to_owned(), error),
    })?;
    fill(&file, size).map_err(|error| {
        // The first error is the one to tell; a file that cannot be removed either is seen anyway.
        let _ = fs::remove_file(path);
        CreateError::System(path.to_owned(), error)
    })
}

fn fill(file: &File, size: u64) -> io::Result<()> {
    file.set_len(size)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn an_image_is_sparse_private_and_of_the_size_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.raw");
        create_raw(&path, 3 << 30).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.len(), metadata.mode() & 0o777), (3 << 30, 0o600));
        assert!(metadata.blocks() < 64, "{} blocks", metadata.blocks());
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.raw");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(create_raw(&path, 1 << 20), Err(CreateError::Exists(_))));
        assert_eq!(fs::read(&path).unwrap(), b"precious");

        let link = dir.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(matches!(create_raw(&link, 1 << 20), Err(CreateError::Exists(_))));
        assert!(!dir.path().join("nowhere").exists());
    }

    #[test]
    fn a_size_that_the_host_cannot_do_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.raw");
        let error = create_raw(&path, u64::MAX).unwrap_err();
        assert!(error.to_string().contains("disk.raw: cannot create the disk image"), "{error}");
        assert!(!path.exists());
    }
}
