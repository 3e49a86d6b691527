//! The directory of a lab that runs.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::paths;

/// Begins the name of such a directory; the process id of its owner follows.
const PREFIX: &str = "run-";

/// A directory for the sockets, logs and disks of one lab, closed to other users. Dropping it removes it.
pub struct RunDirectory(PathBuf);

impl RunDirectory {
    /// Makes one, and removes those of processes that have ended without doing so.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        remove_abandoned(&paths::lab_dir()?);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = paths::lab_dir()?.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        Ok(Self(directory))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        if owner.is_some_and(|(pid, _)| !Path::new("/proc").join(pid).exists()) {
            remove(&entry.path());
        }
    }
}

fn remove(directory: &Path) {
    // Nothing of it is needed any more: what cannot be removed does no harm.
    let _ = fs::remove_dir_all(directory);
}
