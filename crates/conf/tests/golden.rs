//! The golden files of the language: every `pass-*.conf` and `fail-*.conf` with its exact result beside it.
//!
//! A line `# -D name=value` in a file gives a macro of the command line. With `VMD_BLESS=1` in the
//! environment the results are written instead of compared: read every one of them then.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::ffi::OsString;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use conf::{Config, Environment, FileKind, Macro, User, load};
use proto::{AllowInstance, Globals, RestartPolicy, VmSpec};

/// A small machine: these files and accounts exist, and nothing else but the golden files themselves.
struct Machine {
    root: PathBuf,
}

const REGULAR: &[&str] = &[
    "/bsd",
    "/boot/vmlinuz",
    "/boot/initrd.img",
    "/home/ann/my disk.img",
    "/var/vmm/web.img",
    "/var/vmm/db.img",
    "/var/vmm/data.img",
    "/var/vmm/old.qcow2",
    "rescue.img",
];

impl Environment for Machine {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(self.root.join(path))
    }

    fn list(&mut self, directory: &Path) -> io::Result<Vec<OsString>> {
        let entries = fs::read_dir(self.root.join(directory))?;
        entries.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn user(&mut self, name: &str) -> io::Result<Option<User>> {
        Ok(match name {
            "ann" => Some(User { uid: 1001, gid: 1001 }),
            "2000" => Some(User { uid: 42, gid: 42 }),
            _ => None,
        })
    }

    fn group(&mut self, name: &str) -> io::Result<Option<u32>> {
        Ok((name == "staff").then_some(50))
    }

    fn file_kind(&mut self, path: &Path) -> io::Result<FileKind> {
        match path.to_str() {
            Some(path) if REGULAR.contains(&path) => Ok(FileKind::Regular),
            Some("/dev/vg0/web") => Ok(FileKind::BlockDevice),
            Some("/dev/null") => Ok(FileKind::Other),
            Some("/var/vmm") => Ok(FileKind::Directory),
            Some("/var/secret.img") => Err(io::ErrorKind::PermissionDenied.into()),
            _ if self.root.join(path).is_file() => Ok(FileKind::Regular),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn absolute(&mut self, path: &Path) -> io::Result<PathBuf> {
        Ok(Path::new("/srv").join(path))
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conf")
}

fn golden_files() -> Vec<PathBuf> {
    let entries = fs::read_dir(directory()).expect("the golden directory");
    let paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    let (mut files, others): (Vec<_>, Vec<_>) = paths
        .into_iter()
        .filter(|path| path.is_file())
        .partition(|path| path.extension() == Some("conf".as_ref()));
    files.sort();
    for result in others {
        assert!(files.contains(&result.with_extension("conf")), "{} is no result", result.display());
    }
    files
}

fn command_line_macros(text: &[u8]) -> Vec<Macro> {
    let text = String::from_utf8_lossy(text).into_owned();
    let arguments = text.lines().filter_map(|line| line.strip_prefix("# -D "));
    arguments.map(|argument| Macro::from_argument(argument).expect("a macro")).collect()
}

fn shown(config: &Config) -> String {
    let mut out = String::new();
    if config.globals != Globals::default() {
        writeln!(out, "{:?}", config.globals).expect("a string takes everything");
    }
    for switch in &config.switches {
        writeln!(out, "{switch:?}").expect("a string takes everything");
    }
    for vm in &config.vms {
        describe(vm, &mut out).expect("a string takes everything");
    }
    out + &config.warnings.render(false)
}

/// A virtual machine in a form that can be read at a glance. Naming every field here makes sure that a new
/// one is shown.
fn describe(vm: &VmSpec, out: &mut String) -> fmt::Result {
    let VmSpec {
        name,
        enabled,
        memory,
        cpus,
        boot,
        firmware,
        initrd,
        cmdline,
        disks,
        cdrom,
        nics,
        boot_device,
        owner,
        allow,
        template,
        restart,
        stop_timeout,
    } = vm;
    let enabled = if *enabled { "enabled" } else { "disabled" };
    writeln!(out, "vm {name}: {enabled}, {} MiB, {} cpus", memory.bytes() >> 20, cpus.get())?;
    writeln!(out, "    owner {}, group {:?}", owner.uid, owner.gid)?;
    writeln!(out, "    boot {boot:?}, initrd {initrd:?}, cmdline {cmdline:?}")?;
    for disk in disks {
        writeln!(out, "    disk {:?} {}", disk.path, disk.format)?;
    }
    for nic in nics {
        writeln!(out, "    {nic:?}")?;
    }
    if let Some(firmware) = firmware {
        writeln!(out, "    firmware {firmware:?}")?;
    }
    if cdrom.is_some() || boot_device.is_some() {
        let cdrom = cdrom.as_ref().map(|cdrom| &cdrom.disc);
        writeln!(out, "    cdrom {cdrom:?}, boot device {boot_device:?}")?;
    }
    if *allow != AllowInstance::default() {
        writeln!(out, "    {allow:?}")?;
    }
    if let Some(template) = template {
        writeln!(out, "    instance of {template}")?;
    }
    if *restart != RestartPolicy::default() || stop_timeout.is_some() {
        writeln!(out, "    restart {restart}, stop timeout {stop_timeout:?}")?;
    }
    Ok(())
}

/// The configuration as text gives itself.
fn check_text(config: &Config) {
    let text = config.to_text();
    let again = load(Path::new("text"), &[], &mut Text(Machine { root: directory() }, text.clone()));
    let again = again.unwrap_or_else(|errors| panic!("{text}\n{}", errors.render(false)));
    assert_eq!((&again.globals, &again.switches), (&config.globals, &config.switches), "{text}");
    assert_eq!(again.vms, config.vms, "{text}");
    assert_eq!(again.to_text(), text);
}

/// The same machine with one file on it.
struct Text(Machine, String);

impl Environment for Text {
    fn read(&mut self, _path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.1.clone().into_bytes())
    }
    fn list(&mut self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.0.list(directory)
    }
    fn user(&mut self, name: &str) -> io::Result<Option<User>> {
        self.0.user(name)
    }
    fn group(&mut self, name: &str) -> io::Result<Option<u32>> {
        self.0.group(name)
    }
    fn file_kind(&mut self, path: &Path) -> io::Result<FileKind> {
        // What was relative is so no more.
        self.0.file_kind(path).or_else(|_| self.0.file_kind(path.strip_prefix("/srv").unwrap_or(path)))
    }
    fn absolute(&mut self, path: &Path) -> io::Result<PathBuf> {
        self.0.absolute(path)
    }
}

/// Whether the file was accepted, and what the user sees.
fn result(file: &Path) -> (bool, String) {
    let macros = command_line_macros(&fs::read(file).expect("a golden file"));
    let name = file.file_name().expect("a name");
    match load(Path::new(name), &macros, &mut Machine { root: directory() }) {
        Ok(config) => {
            check_text(&config);
            (true, shown(&config))
        }
        Err(diagnostics) => (false, diagnostics.render(false)),
    }
}

#[test]
fn every_golden_file_gives_its_result() {
    let files = golden_files();
    assert!(files.len() > 20, "only {} golden files found", files.len());
    let bless = env::var_os("VMD_BLESS").is_some();
    let mut wrong = Vec::new();
    for file in files {
        let (accepted, text) = result(&file);
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        let verdict = if accepted { "pass-" } else { "fail-" };
        if !name.starts_with(verdict) {
            wrong.push(format!("{name} is a {verdict} one:\n{text}"));
            continue;
        }
        let expected = file.with_extension("out");
        if bless {
            fs::write(&expected, &text).expect("writing a result");
        } else if fs::read_to_string(&expected).ok().as_deref() != Some(&text) {
            wrong.push(format!("{name} gives now:\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
