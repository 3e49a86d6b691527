//! The variables of UEFI firmware: a file for each machine, `NAME.fd` in the daemon's state directory.
//!
//! ```text
//! /var/lib/vmd/           root's, mode 0711: its entries are made and removed by root alone
//! /var/lib/vmd/NAME.fd    the machine's owner's, mode 0600; locked while the machine has it
//! ```
//!
//! It is made when the machine is started for the first time, from the template that comes with the firmware, and is
//! there as a whole or not at all. Nobody but the administrator removes it: like an image it belongs to the machine, not
//! to the daemon.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use proto::{Owner, VmName};
use rustix::fs::{Gid, Mode, OFlags, RenameFlags, Uid, fchmod, fchown, renameat_with};

/// A firmware and the variables that it begins with, two files of one build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// The firmware.
    pub code: &'static str,
    /// Its variables as they are at first.
    pub template: &'static str,
}

/// OVMF as Debian has it, what new machines get first: with 4 MiB, and with 2 MiB, which is for machines that have been
/// made with it.
pub const OVMF: [Build; 2] = [
    Build { code: "/usr/share/OVMF/OVMF_CODE_4M.fd", template: "/usr/share/OVMF/OVMF_VARS_4M.fd" },
    Build { code: "/usr/share/OVMF/OVMF_CODE.fd", template: "/usr/share/OVMF/OVMF_VARS.fd" },
];

/// What was opened for a machine.
pub struct Uefi {
    /// The firmware, open for reading.
    pub code: File,
    /// Its variables, open for reading and writing, not locked yet.
    pub variables: File,
    /// Where those are.
    pub path: PathBuf,
}

/// Opens the firmware and the variables of the machine `name`, which are made if they are not there.
///
/// # Errors
/// Why they can not be used, and what to do.
pub fn open(builds: &[Build], state_dir: &Path, name: &VmName, owner: Owner) -> Result<Uefi, String> {
    let builds = installed(builds)?;
    let path = state_dir.join(format!("{name}.fd"));
    let unusable =
        |why: &dyn std::fmt::Display| format!("cannot use the firmware variables {}: {why}", path.display());
    make_state_dir(state_dir).map_err(|why| unusable(&why))?;
    let variables = match existing(&path, owner).map_err(|why| unusable(&why))? {
        Some(file) => file,
        None => make(&builds, state_dir, &path, owner).map_err(|why| unusable(&why))?,
    };
    let len = variables.metadata().map_err(|why| unusable(&why))?.len();
    let Some(build) = builds.into_iter().find(|build| build.variables_len == len) else {
        return Err(unusable(&format!(
            "it has {len} bytes, which fits no UEFI firmware of this host; put back a copy, or remove it and have a new \
             one made at the next start, which forgets the boot entries"
        )));
    };
    Ok(Uefi { code: build.code, variables, path })
}

/// A build that this host has.
struct Installed {
    code: File,
    template: PathBuf,
    variables_len: u64,
}

/// The builds of which both files are there, at least one.
fn installed(builds: &[Build]) -> Result<Vec<Installed>, String> {
    let mut found = Vec::new();
    for build in builds {
        match Installed::open(build) {
            Ok(installed) => found.push(installed),
            Err(why) if why.kind() == ErrorKind::NotFound => {}
            Err(why) => return Err(format!("cannot use UEFI firmware {}: {why}", build.code)),
        }
    }
    match (found.is_empty(), builds.first()) {
        (true, Some(first)) => Err(format!(
            "this host has no UEFI firmware ({} and {}): install the package ovmf",
            first.code, first.template
        )),
        _ => Ok(found),
    }
}

impl Installed {
    fn open(build: &Build) -> io::Result<Self> {
        let code = File::open(build.code)?;
        let variables_len = fs::metadata(build.template)?.len();
        Ok(Self { code, template: build.template.into(), variables_len })
    }
}

/// Makes the directory, or takes one in which nobody but root has a hand: then nobody can exchange a name in it.
fn make_state_dir(path: &Path) -> Result<(), String> {
    match DirBuilder::new().mode(0o711).create(path) {
        Err(why) if why.kind() != ErrorKind::AlreadyExists => return Err(why.to_string()),
        _ => {}
    }
    let found = fs::symlink_metadata(path).map_err(|why| why.to_string())?;
    let me = rustix::process::geteuid().as_raw();
    match found.is_dir() && found.uid() == me && found.mode() & 0o022 == 0 {
        true => Ok(()),
        false => Err(format!("{} is no directory that uid {me} alone can change", path.display())),
    }
}

/// The file that is there, if it is one of this owner.
fn existing(path: &Path, owner: Owner) -> Result<Option<File>, String> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match OpenOptions::new().read(true).write(true).custom_flags(flags).open(path) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|why| why.to_string())?,
    };
    let metadata = file.metadata().map_err(|why| why.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if metadata.uid() != owner.uid {
        return Err(format!(
            "it belongs to the user with id {} and the virtual machine to the one with id {}; give it to that one with \
             chown, or remove it",
            metadata.uid(),
            owner.uid
        ));
    }
    Ok(Some(file))
}

/// Makes the file from the template of the first build.
fn make(builds: &[Installed], dir: &Path, path: &Path, owner: Owner) -> Result<File, String> {
    let Some(build) = builds.first() else { return Err("there is no template".to_owned()) };
    let mut contents = Vec::new();
    let template = File::open(&build.template)
        .and_then(|file| file.take(build.variables_len).read_to_end(&mut contents).map(drop));
    template.map_err(|why| format!("{}: {why}", build.template.display()))?;
    write_new(dir, path, &contents, owner).map_err(|why| why.to_string())
}

/// Writes a file that is there as a whole or not at all, whatever happens meanwhile. One that has come into being since
/// is an error.
fn write_new(dir: &Path, path: &Path, contents: &[u8], owner: Owner) -> io::Result<File> {
    let unfinished = path.with_extension("fd.new");
    // What an interrupted start has left. Nobody else makes files here: the daemon has the lock of its directory.
    match fs::remove_file(&unfinished) {
        Err(why) if why.kind() != ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(contents)?;
    fchmod(&file, Mode::RUSR | Mode::WUSR)?;
    fchown(&file, Some(Uid::from_raw(owner.uid)), owner.gid.map(Gid::from_raw))?;
    file.sync_all()?;
    let at = rustix::fs::CWD;
    renameat_with(at, &unfinished, at, path, RenameFlags::NOREPLACE)?;
    File::open(dir)?.sync_all()?;
    Ok(file)
}

#[cfg(test)]
#[path = "variables_test.rs"]
mod tests;
