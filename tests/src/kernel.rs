//! A kernel of the distribution, unpacked from its package and not installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A kernel and its modules.
#[derive(Clone, Debug)]
pub struct Kernel {
    root: PathBuf,
    version: String,
}

impl Kernel {
    /// The kernel that was unpacked to `root`.
    ///
    /// # Errors
    /// When there is none.
    pub fn unpacked(root: &Path) -> Result<Self> {
        let modules = root.join("lib/modules");
        let missing = || format!("no kernel in {}: run `cargo xtask prepare`", root.display());
        let mut versions = std::fs::read_dir(&modules).with_context(missing)?;
        let version = versions.next().with_context(missing)?.with_context(missing)?.file_name();
        let version = version.into_string().ok().with_context(missing)?;
        Ok(Self { root: root.to_owned(), version })
    }

    /// Its release, as `uname -r` says it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The file that is booted.
    pub fn image(&self) -> PathBuf {
        self.root.join(format!("boot/vmlinuz-{}", self.version))
    }

    /// The directory of its modules.
    pub fn modules_dir(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.version)
    }

    /// Makes the list of which module needs which, as installing the package would have done.
    ///
    /// # Errors
    /// When depmod(8) fails.
    pub fn index_modules(&self) -> Result<()> {
        let status = Command::new("depmod")
            .arg("--basedir")
            .arg(&self.root)
            .arg(&self.version)
            .status()
            .context("cannot run depmod")?;
        ensure!(status.success(), "depmod failed in {}", self.root.display());
        Ok(())
    }

    /// The files of these modules and of all that they need, in the order in which they have to be loaded.
    ///
    /// # Errors
    /// When there is no module of a name, which is not an error for what is built into the kernel.
    pub fn modules(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for name in names {
            for file in self.module_with_dependencies(name)? {
                if !files.contains(&file) {
                    files.push(file);
                }
            }
        }
        Ok(files)
    }

    fn module_with_dependencies(&self, name: &str) -> Result<Vec<PathBuf>> {
        let output = Command::new("modprobe")
            .arg("--dirname")
            .arg(&self.root)
            .args(["--set-version", &self.version, "--show-depends", name])
            .output()
            .context("cannot run modprobe")?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "kernel {} has no module {name}: {}",
            self.version,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(text
            .lines()
            .filter_map(|line| line.strip_prefix("insmod "))
            .map(|file| file.trim().into())
            .collect())
    }
}
