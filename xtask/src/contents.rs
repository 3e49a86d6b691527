//! What is installed, and where: the list of files in vmd's manifest, which cargo-deb makes the package from.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use vmd_tests::paths;

use crate::cargo;
use crate::step::captured;

/// How the list says that cargo makes a file.
const BUILT: &str = "target/release/";

/// A file that is installed.
#[derive(Debug, PartialEq, Eq)]
pub struct Asset {
    /// The file itself.
    pub from: PathBuf,
    /// Its absolute path on a host where the distribution installs it.
    pub to: PathBuf,
    /// Its permissions.
    pub mode: u32,
}

/// All files that are installed.
///
/// # Errors
/// When the manifest cannot be read, has no such list, or names a program that has not been built.
pub fn assets() -> Result<Vec<Asset>> {
    let metadata = captured(cargo::cargo()?.args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let package = package(&metadata).context("no package vmd in the workspace")?;
    let directory = package["manifest_path"].as_str().and_then(|path| Path::new(path).parent());
    let directory = directory.context("the package vmd has no manifest")?;
    let list =
        package["metadata"]["deb"]["assets"].as_array().context("no list of files in vmd's manifest")?;
    list.iter().map(|entry| asset(entry, directory)).collect()
}

fn package(metadata: &Value) -> Option<&Value> {
    metadata["packages"].as_array()?.iter().find(|package| package["name"] == "vmd")
}

/// An entry of the list, as cargo-deb understands it: file, place, and permissions in octal digits.
fn asset(entry: &Value, directory: &Path) -> Result<Asset> {
    let words: Option<Vec<&str>> =
        entry.as_array().and_then(|words| words.iter().map(Value::as_str).collect());
    let Some([from, to, mode]) = words.as_deref() else {
        anyhow::bail!("{entry} is not [file, place, permissions]");
    };
    let source = match from.strip_prefix(BUILT) {
        Some(program) => paths::program(program)?,
        None => directory.join(from),
    };
    let place = Path::new("/").join(to);
    let to = match Path::new(from).file_name() {
        // A directory.
        Some(name) if to.ends_with('/') => place.join(name),
        _ => place,
    };
    let mode = u32::from_str_radix(mode, 8).with_context(|| format!("{mode} are no permissions"))?;
    Ok(Asset { from: source, to, mode })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn places_are_read_as_cargo_deb_reads_them() {
        let read = |to: &str| asset(&json!(["../man/vmd.8", to, "644"]), Path::new("/w/vmd")).unwrap();
        let expected =
            Asset { from: "/w/vmd/../man/vmd.8".into(), to: "/usr/share/man/man8/vmd.8".into(), mode: 0o644 };
        assert_eq!(read("usr/share/man/man8/"), expected);
        assert_eq!(read("usr/share/man/man8/vmd.8"), expected);
    }

    #[test]
    fn what_is_no_entry_is_an_error() {
        for entry in [json!("$auto"), json!(["a", "b"]), json!(["a", "b", "rw-"]), json!(["a", "b", 644])] {
            assert!(asset(&entry, Path::new("/w")).is_err(), "{entry}");
        }
    }
}
