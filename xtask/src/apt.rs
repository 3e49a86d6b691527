//! Debian's archive as this machine knows it, through a view of our own.
//!
//! The view has the sources of the machine, a copy of its own of the lists, and on Debian 12 the suite
//! with newer versions of some packages beside its own. The sources and the lists of the machine stay as
//! they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use vmd_tests::paths;

use crate::step::{captured, logged};

/// Where the sources of the machine are, beside a directory of them.
const SOURCES: &str = "/etc/apt/sources.list";
const SOURCES_DIR: &str = "/etc/apt/sources.list.d";

/// A view of the archive whose lists are fresh.
pub struct Apt {
    directory: PathBuf,
    codename: String,
}

impl Apt {
    /// Makes the view and fetches the lists.
    ///
    /// # Errors
    /// When the machine has no sources for its own suite, or they cannot be reached.
    pub fn open() -> Result<Self> {
        let apt = Self { directory: paths::target_dir()?.join("apt"), codename: codename()? };
        fs::create_dir_all(apt.directory.join("lists/partial"))?;
        fs::create_dir_all(apt.directory.join("cache/archives/partial"))?;
        fs::create_dir_all(apt.sources_dir())?;
        apt.write_sources()?;
        logged("package lists", apt.get().arg("update"))?;
        Ok(apt)
    }

    /// The suite of the machine.
    pub fn codename(&self) -> &str {
        &self.codename
    }

    /// The suite with newer versions of some packages.
    pub fn backports(&self) -> String {
        format!("{}-backports", self.codename)
    }

    /// The machine's own sources, in files of either of apt's formats.
    pub fn machine_sources(&self) -> Vec<PathBuf> {
        ["debian.sources", "debian.list"]
            .map(|name| self.directory.join(name))
            .into_iter()
            .filter(|file| file.exists())
            .collect()
    }

    /// An `apt-get` that sees this view.
    pub fn get(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.args(self.options()).env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// The options by which apt's programs see this view.
    pub fn options(&self) -> Vec<String> {
        let set = |name: &str, path: PathBuf| format!("-o{name}={}", path.display());
        vec![
            "-oDir::Etc::sourcelist=/dev/null".to_owned(),
            set("Dir::Etc::sourceparts", self.sources_dir()),
            set("Dir::State::lists", self.directory.join("lists")),
            set("Dir::Cache", self.directory.join("cache")),
            "-oAPT::Keep-Downloaded-Packages=false".to_owned(),
            // Its unprivileged user need not be able to reach the target directory.
            "-oAPT::Sandbox::User=root".to_owned(),
        ]
    }

    /// Downloads a package and unpacks it to `target`, without installing it.
    ///
    /// # Errors
    /// When the package cannot be fetched or unpacked.
    pub fn unpack(&self, package: &str, target: &Path) -> Result<()> {
        let downloads = self.directory.join("downloads");
        fs::create_dir_all(&downloads)?;
        let name = format!("download of {package}");
        logged(&name, self.get().args(["download", package]).current_dir(&downloads))?;
        let file = downloaded(&downloads, package)?;
        logged(&format!("unpacking of {package}"), Command::new("dpkg").arg("-x").arg(&file).arg(target))?;
        fs::remove_dir_all(&downloads).context("cannot remove a downloaded package")
    }

    /// The package that a package without content stands for: the first that it depends on.
    ///
    /// # Errors
    /// When the archive has no such package, or it depends on nothing.
    pub fn real_package(&self, name: &str) -> Result<String> {
        let text = captured(Command::new("apt-cache").args(self.options()).args(["depends", name]))?;
        text.lines()
            .find_map(|line| line.trim().strip_prefix("Depends: "))
            .map(str::to_owned)
            .with_context(|| format!("package {name} depends on nothing"))
    }

    fn sources_dir(&self) -> PathBuf {
        self.directory.join("sources")
    }

    fn write_sources(&self) -> Result<()> {
        let mut found = false;
        for (name, text) in machine_sources(&self.codename)? {
            fs::write(self.directory.join(&name), &text)?;
            fs::write(self.sources_dir().join(&name), with_backports(&text, &self.codename))?;
            found = true;
        }
        ensure!(found, "no source of packages for {} in {SOURCES} or {SOURCES_DIR}", self.codename);
        Ok(())
    }
}

/// The machine's sources for its suite: all lines of one format in one file.
fn machine_sources(codename: &str) -> Result<Vec<(String, String)>> {
    let mut files = vec![PathBuf::from(SOURCES)];
    if let Ok(entries) = fs::read_dir(SOURCES_DIR) {
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.sort();
    let mut merged = Vec::new();
    for extension in ["sources", "list"] {
        let of_format = files.iter().filter(|file| file.extension().is_some_and(|found| found == extension));
        let text: String = of_format
            .filter_map(|file| fs::read_to_string(file).ok())
            .filter(|text| text.contains(codename))
            .map(|text| text + "\n\n")
            .collect();
        if !text.is_empty() {
            merged.push((format!("debian.{extension}"), text));
        }
    }
    Ok(merged)
}

/// The same sources with the suite of newer versions wherever the suite itself comes from.
fn with_backports(sources: &str, codename: &str) -> String {
    let backports = format!("{codename}-backports");
    sources
        .lines()
        .fold(String::new(), |text, line| text + &line_with_backports(line, codename, &backports) + "\n")
}

fn line_with_backports(line: &str, codename: &str, backports: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let names_suite = words.contains(&codename) && !words.contains(&backports);
    match words.first() {
        Some(&"Suites:") if names_suite => format!("{line} {backports}"),
        Some(&"deb") if names_suite => {
            format!("{line}\n{}", line.replacen(&format!(" {codename} "), &format!(" {backports} "), 1))
        }
        _ => line.to_owned(),
    }
}

/// The short name of the release, such as `bookworm`.
fn codename() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    text.lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .context("/etc/os-release does not name the release: is this Debian?")
}

fn downloaded(directory: &Path, package: &str) -> Result<PathBuf> {
    let prefix = format!("{package}_");
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            return Ok(entry.path());
        }
    }
    anyhow::bail!("package {package} was not downloaded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backports_come_from_where_the_suite_comes_from() {
        let deb822 = "URIs: http://host/debian\nSuites: bookworm bookworm-updates\n";
        assert_eq!(
            with_backports(deb822, "bookworm"),
            "URIs: http://host/debian\nSuites: bookworm bookworm-updates bookworm-backports\n"
        );
        let security = "Suites: bookworm-security\n";
        assert_eq!(with_backports(security, "bookworm"), security);
        let lines =
            "deb [arch=amd64] http://host/debian bookworm main\ndeb http://host/s bookworm-security main\n";
        assert_eq!(
            with_backports(lines, "bookworm"),
            "deb [arch=amd64] http://host/debian bookworm main\n\
             deb [arch=amd64] http://host/debian bookworm-backports main\n\
             deb http://host/s bookworm-security main\n"
        );
    }

    #[test]
    fn backports_that_are_there_are_not_added_again() {
        let sources = "Suites: bookworm bookworm-backports\n";
        assert_eq!(with_backports(sources, "bookworm"), sources);
    }
}
