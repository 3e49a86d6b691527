//! `cargo xtask install`: puts programs, manual pages and the files for the service manager where a host looks for
//! them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::fs::Mode;

use crate::cargo;
use crate::contents::{Asset, assets};
use crate::step::step;

/// What the prefix takes the place of.
const USR: &str = "/usr";

/// Options of `cargo xtask install`.
#[derive(clap::Args)]
pub struct Options {
    /// Where the files of this host's own programs are
    #[arg(long, value_name = "dir", default_value = "/usr/local")]
    prefix: PathBuf,

    /// Put everything below this directory, to make a package of it
    #[arg(long, value_name = "dir", default_value = "/")]
    destdir: PathBuf,
}

/// What is done to a file on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing.
    Plain,
    /// It names programs, which are somewhere else if the prefix is another one.
    Unit,
    /// It belongs to the administrator: one that is there stays.
    Configuration,
}

/// Builds the programs and installs everything.
///
/// # Errors
/// When the programs do not compile or a file cannot be written.
pub fn run(options: &Options) -> Result<()> {
    ensure!(options.prefix.is_absolute(), "--prefix {}: not an absolute path", options.prefix.display());
    cargo::build_programs()?;
    // Who may use a host's programs is no matter of who installs them.
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    step("files", || assets()?.iter().try_for_each(|asset| install(asset, options)))?;
    println!("\n{}", advice(options));
    Ok(())
}

fn install(asset: &Asset, options: &Options) -> Result<()> {
    let to = destination(&asset.to, options);
    let kind = kind(&asset.to);
    if kind == Kind::Configuration && to.exists() {
        return Ok(());
    }
    let mut content =
        fs::read(&asset.from).with_context(|| format!("cannot read {}", asset.from.display()))?;
    if kind == Kind::Unit {
        content = with_programs_in(&options.prefix, &String::from_utf8(content)?).into_bytes();
    }
    replace(&to, &content, asset.mode).with_context(|| format!("cannot write {}", to.display()))
}

fn kind(to: &Path) -> Kind {
    if to.starts_with("/etc") {
        Kind::Configuration
    } else if to.extension().is_some_and(|extension| extension == "service") {
        Kind::Unit
    } else {
        Kind::Plain
    }
}

/// Where a file goes whose place in a package is `to`.
fn destination(to: &Path, options: &Options) -> PathBuf {
    let behind_prefix =
        to.strip_prefix(USR).map(|path| options.prefix.join(outside_of_packages(path, options)));
    let absolute = behind_prefix.unwrap_or_else(|_| to.to_owned());
    options.destdir.join(absolute.strip_prefix("/").unwrap_or(&absolute))
}

/// zsh alone looks in different directories for what packages bring and for what others do.
fn outside_of_packages(path: &Path, options: &Options) -> PathBuf {
    match path.strip_prefix("share/zsh/vendor-completions") {
        Ok(name) if options.prefix != Path::new(USR) => Path::new("share/zsh/site-functions").join(name),
        _ => path.to_owned(),
    }
}

fn with_programs_in(prefix: &Path, unit: &str) -> String {
    unit.replace("/usr/sbin/", &format!("{}/", prefix.join("sbin").display()))
}

/// Exchanges a file as a whole: a program that runs keeps its old file, and cannot be written to anyway.
fn replace(to: &Path, content: &[u8], mode: u32) -> Result<()> {
    let directory = to.parent().context("it has no directory")?;
    fs::create_dir_all(directory)?;
    let new = to.with_added_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&new)?;
    file.write_all(content)?;
    Ok(fs::rename(new, to)?)
}

fn advice(options: &Options) -> String {
    let sbin = options.prefix.join("sbin");
    format!(
        "For the first time:  systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload\n\
         \x20                    systemctl enable --now vmd\n\
         Later, to replace a daemon that runs while its machines run on:  {}/vmctl restart-daemon",
        sbin.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(prefix: &str, destdir: &Path) -> Options {
        Options { prefix: prefix.into(), destdir: destdir.into() }
    }

    #[test]
    fn files_go_behind_the_prefix_and_all_of_it_behind_the_root() {
        let at = |to: &str| destination(Path::new(to), &options("/opt/vmd", Path::new("/tmp/root")));
        assert_eq!(at("/usr/sbin/vmd"), Path::new("/tmp/root/opt/vmd/sbin/vmd"));
        assert_eq!(at("/etc/default/vmd"), Path::new("/tmp/root/etc/default/vmd"));
    }

    #[test]
    fn completions_of_zsh_go_where_it_looks() {
        let packaged = Path::new("/usr/share/zsh/vendor-completions/_vmctl");
        let at = |prefix: &str| destination(packaged, &options(prefix, Path::new("/")));
        assert_eq!(at("/usr"), packaged);
        assert_eq!(at("/usr/local"), Path::new("/usr/local/share/zsh/site-functions/_vmctl"));
    }

    #[test]
    fn the_unit_names_the_installed_programs() {
        let unit = with_programs_in(Path::new("/usr/local"), include_str!("../../packaging/vmd.service"));
        assert!(unit.contains("ExecStart=/usr/local/sbin/vmd -d"));
        assert!(unit.contains("EnvironmentFile=-/etc/default/vmd"));
        assert!(!unit.contains("/usr/sbin"));
    }

    #[test]
    fn what_the_administrator_has_changed_stays() {
        let root = std::env::temp_dir().join(format!("vmd-install-{}", std::process::id()));
        let options = options("/usr", &root);
        let from = cargo::workspace().unwrap().join("packaging/vmd.default");
        let asset = Asset { from, to: "/etc/default/vmd".into(), mode: 0o644 };
        install(&asset, &options).unwrap();
        let installed = root.join("etc/default/vmd");
        assert!(fs::read_to_string(&installed).unwrap().contains("VMD_FLAGS"));
        fs::write(&installed, "VMD_FLAGS=-v\n").unwrap();
        install(&asset, &options).unwrap();
        assert_eq!(fs::read_to_string(&installed).unwrap(), "VMD_FLAGS=-v\n");
        fs::remove_dir_all(root).unwrap();
    }
}
