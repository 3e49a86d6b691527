//! The texts of options to values, each checked by itself.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use proto::{CpuCount, DiskFormat, Firmware, MemorySize, Owner, SizeError, VmSpec, parse_scaled};

use crate::ast::{Account, Text};
use crate::diagnostic::Diagnostic;
use crate::environment::{Environment, FileKind};
use crate::keyword::closest;
use crate::token::shown;

/// The text as a path; any bytes can be one.
pub(crate) fn path(text: &Text) -> PathBuf {
    OsString::from_vec(text.bytes.clone()).into()
}

/// There is nothing where a path should be.
pub(crate) fn empty_path(text: &Text) -> Diagnostic {
    Diagnostic::error("a path is empty").at(text.span, "expected the path of a file")
}

/// Why something failed, for people.
pub(crate) fn io_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

/// `memory`: a scaled number, bytes without a unit.
pub(crate) fn memory(text: &Text) -> Result<MemorySize, Diagnostic> {
    let size = String::from_utf8_lossy(&text.bytes);
    parse_scaled(&size).and_then(MemorySize::from_bytes).map_err(|error| {
        let label = match &error {
            SizeError::Syntax(_) => "expected a number and perhaps a unit B, K, M, G, T, P or E".to_owned(),
            SizeError::TooLarge(_) => format!("a virtual machine has at most {}", MemorySize::MAX),
            SizeError::TooSmall | SizeError::TooMuch => error.to_string(),
        };
        let problem = Diagnostic::error(format!("\"{}\" is no size for memory", shown(&text.bytes)));
        problem.at(text.span, label).maybe_help(memory_advice(&size))
    })
}

fn memory_advice(size: &str) -> Option<String> {
    let valid = |text: &str| parse_scaled(text).and_then(MemorySize::from_bytes).is_ok();
    let unit = size.trim_end_matches(['B', 'b']).trim_end_matches('i');
    if unit.len() < size.len() && !unit.ends_with(|c: char| c.is_ascii_digit()) && valid(unit) {
        return Some(format!("a unit is one letter: write {unit}"));
    }
    if size.contains(';') {
        return Some("put a blank behind \";\"".to_owned());
    }
    let mebibytes = format!("{size}M");
    let in_bytes = size.bytes().all(|b| b.is_ascii_digit()) && valid(&mebibytes);
    in_bytes.then(|| format!("without a unit it counts bytes: did you mean {mebibytes}?"))
}

/// `cpus`: 1 to [`CpuCount::MAX`].
pub(crate) fn cpus(text: &Text) -> Result<CpuCount, Diagnostic> {
    let number = number::<u64>(&text.bytes);
    number.and_then(|number| CpuCount::new(number).ok()).ok_or_else(|| {
        let range = format!("expected 1 to {}", CpuCount::MAX);
        Diagnostic::error(format!("{} is no number of processors", shown(&text.bytes))).at(text.span, range)
    })
}

/// `interfaces`: 0 to [`VmSpec::MAX_DEVICES`].
pub(crate) fn interfaces(text: &Text) -> Result<usize, Diagnostic> {
    let count = number(&text.bytes).filter(|count| *count <= VmSpec::MAX_DEVICES);
    count.ok_or_else(|| {
        Diagnostic::error(format!("{} is no number of network interfaces", shown(&text.bytes)))
            .at(text.span, format!("expected 0 to {}", VmSpec::MAX_DEVICES))
    })
}

/// A decimal number without a sign.
pub(crate) fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    // Not what else `parse` takes: a plus sign.
    let digits = std::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok()
}

/// `cmdline`: text that fits into what a kernel takes.
pub(crate) fn cmdline(text: &Text) -> Result<String, Diagnostic> {
    let length = text.bytes.len();
    if length > VmSpec::MAX_CMDLINE {
        let error = Diagnostic::error(format!("a command line has at most {} bytes", VmSpec::MAX_CMDLINE));
        return Err(error.at(text.span, format!("this one has {length}")));
    }
    String::from_utf8(text.bytes.clone())
        .map_err(|_| Diagnostic::error("a command line must be UTF-8 text").at(text.span, "this one is not"))
}

/// `boot` and `initrd`: a file that exists.
pub(crate) fn regular_file(text: &Text, env: &mut dyn Environment) -> Result<PathBuf, Diagnostic> {
    existing(text, env, &[FileKind::Regular])
}

/// `firmware`: one of two words, or a file that exists.
pub(crate) fn firmware(text: &Text, env: &mut dyn Environment) -> Result<Firmware, Diagnostic> {
    match text.bytes.as_slice() {
        b"bios" => Ok(Firmware::Bios),
        b"uefi" => Ok(Firmware::Uefi),
        _ => regular_file(text, env).map(Firmware::Path),
    }
}

/// `disk`: an image or a block device that exists.
pub(crate) fn disk_image(text: &Text, env: &mut dyn Environment) -> Result<PathBuf, Diagnostic> {
    existing(text, env, &[FileKind::Regular, FileKind::BlockDevice])
}

/// `format` of a disk; without one the name of the image must leave no doubt.
pub(crate) fn disk_format(path: &Text, format: Option<&Text>) -> Result<DiskFormat, Diagnostic> {
    format.map_or_else(|| default_format(path), named_format)
}

fn named_format(text: &Text) -> Result<DiskFormat, Diagnostic> {
    let name = String::from_utf8_lossy(&text.bytes).to_ascii_lowercase();
    match name.as_str() {
        "raw" => Ok(DiskFormat::Raw),
        "qcow2" => Err(qcow2(text)),
        _ => Err(Diagnostic::error(format!("unknown disk format \"{}\"", shown(&text.bytes)))
            .at(text.span, "the formats are raw and qcow2")
            .maybe_help(
                closest(&name, ["raw", "qcow2"].into_iter()).map(|word| format!("did you mean \"{word}\"?")),
            )),
    }
}

fn default_format(path: &Text) -> Result<DiskFormat, Diagnostic> {
    if path.bytes.to_ascii_lowercase().ends_with(b".qcow2") {
        return Err(qcow2(path).help("if the image is a raw one in spite of its name, write: format raw"));
    }
    Ok(DiskFormat::Raw)
}

fn qcow2(text: &Text) -> Diagnostic {
    Diagnostic::error("disk format \"qcow2\" is not supported yet").at(text.span, "only raw images are")
}

/// An absolute path to something of these kinds.
fn existing(text: &Text, env: &mut dyn Environment, kinds: &[FileKind]) -> Result<PathBuf, Diagnostic> {
    let file = path(text);
    if file.as_os_str().is_empty() {
        return Err(empty_path(text));
    }
    if file.to_str().is_none() {
        return Err(Diagnostic::error("a path must be UTF-8 text").at(text.span, "this one is not"));
    }
    let kind = env.file_kind(&file).map_err(|error| unusable(text, &file, &io_words(&error)))?;
    if !kinds.contains(&kind) {
        return Err(unusable(text, &file, kind_words(kind)));
    }
    env.absolute(&file).map_err(|error| unusable(text, &file, &io_words(&error)))
}

fn unusable(text: &Text, file: &Path, why: &str) -> Diagnostic {
    let advice = if text.multiline {
        Some("the string goes over several lines: is its closing quote missing?")
    } else {
        file.starts_with("~").then_some("\"~\" does not stand for a home directory here")
    };
    Diagnostic::error(format!("can not use {}", shown(&text.bytes))).at(text.span, why).maybe_help(advice)
}

fn kind_words(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Regular => "it is a regular file",
        FileKind::Directory => "it is a directory",
        FileKind::BlockDevice => "it is a block device",
        FileKind::Other => "it is neither a file nor a block device",
    }
}

/// `owner`: a user id, which need not be anybody's, or names.
pub(crate) fn owner(account: &Account, env: &mut dyn Environment) -> Result<Owner, Diagnostic> {
    match account {
        Account::Id(text) => match number(&text.bytes).filter(is_id) {
            Some(uid) => Ok(Owner { uid, gid: None }),
            None => Err(Diagnostic::error(format!("{} is no user id", shown(&text.bytes)))
                .at(text.span, format!("expected 0 to {}", u32::MAX - 1))),
        },
        Account::Name(text) => named_owner(text, env),
    }
}

/// `user`, `user:group`, `:group`: what is left out is root and no group.
fn named_owner(text: &Text, env: &mut dyn Environment) -> Result<Owner, Diagnostic> {
    let fail = |message: String, label: String| Diagnostic::error(message).at(text.span, label);
    let names = std::str::from_utf8(&text.bytes).map_err(|_| {
        fail("the name of an account must be UTF-8 text".to_owned(), "this is not".to_owned())
    })?;
    let (user, group) = names.split_once(':').unwrap_or((names, ""));
    let mut owner = Owner::ROOT;
    if !user.is_empty() {
        let found = env.user(user).map(|user| user.map(|user| user.uid));
        owner.uid = account_id(user, found)
            .map_err(|why| fail(format!("unknown user \"{}\"", shown(user.as_bytes())), why))?;
    }
    if !group.is_empty() {
        let gid = account_id(group, env.group(group));
        owner.gid =
            Some(gid.map_err(|why| fail(format!("unknown group \"{}\"", shown(group.as_bytes())), why))?);
    }
    Ok(owner)
}

/// The id that was found for a name, or the name itself where it is a number.
fn account_id(name: &str, found: io::Result<Option<u32>>) -> Result<u32, String> {
    match found {
        Ok(Some(id)) => Ok(id),
        Ok(None) => number(name.as_bytes())
            .filter(is_id)
            .ok_or_else(|| "expected an account of this machine or a number".to_owned()),
        Err(error) => Err(format!("the accounts can not be looked up: {}", io_words(&error))),
    }
}

/// The largest number means "no id" to the system.
fn is_id(id: &u32) -> bool {
    *id != u32::MAX
}
