//! `vmctl start [options] id | name`

use std::path::PathBuf;

use proto::api::{Disk, Interface, Spec, Started};
use proto::{BootDevice, CpuCount, MemorySize, RefusalKind, SwitchName, VmName, VmSpec, parse_scaled};
use serde_json::{Value, json};

use crate::client::ClientError;
use crate::failure::{Failure, Outcome};
use crate::options::{Arguments, Given, Syntax};
use crate::target::Target;
use crate::{Settings, console, create, output, warn};

pub const SYNTAX: Syntax =
    Syntax { letters: "B:b:cd:i:Lm:n:r:t:", words: &["cpus:", "firmware:", "initrd:", "cmdline:", "json"] };

pub fn run(settings: &Settings, arguments: &Arguments) -> Outcome {
    let target = Target::parse(arguments.operand()?)?;
    if settings.json && arguments.has("c") {
        return Err(Failure::new("-c and --json exclude one another").misused());
    }
    let (method, parameters) = match read(arguments)? {
        None => ("Start", json!({ "vm": target.to_string() })),
        Some(spec) => ("StartNew", json!({ "spec": complete(spec, &target)? })),
    };
    let started = ask(settings, method, &parameters)?;
    if arguments.has("c") {
        return console::attach(settings, &started.tty, started.id);
    }
    output::say(&format!("vmctl: started vm {} successfully, tty {}\n", started.id, started.tty.display()));
    settings.answer(&started)
}

fn ask(settings: &Settings, method: &str, parameters: &Value) -> Result<Started, Failure> {
    settings.connect()?.call(method, parameters).map_err(failed)
}

/// The words of OpenBSD for a refused start, and behind them ours.
fn failed(error: ClientError) -> Failure {
    let refusal = match error.into_refusal() {
        Ok(refusal) => refusal,
        Err(other) => return other.into(),
    };
    let known = match refusal.kind {
        RefusalKind::Disk => "could not open disk image(s)",
        RefusalKind::NotFound => "start vm command failed: No such file or directory",
        RefusalKind::AlreadyExists | RefusalKind::AlreadyStopping => {
            "start vm command failed: Operation already in progress"
        }
        RefusalKind::NotPermitted => "start vm command failed: Operation not permitted",
        RefusalKind::Memory => "start vm command failed: Cannot allocate memory",
        RefusalKind::Template => "invalid template",
        RefusalKind::Cdrom => "could not find specified iso image",
        RefusalKind::BootImage
        | RefusalKind::NotRunning
        | RefusalKind::Locked
        | RefusalKind::Unsupported
        | RefusalKind::Failed => {
            let text = format!("start vm command failed: {}", refusal.message);
            return Failure::new(text).because(refusal);
        }
    };
    Failure::new(known).hint(&refusal.message).because(refusal)
}

/// Reads the options. Without a setting among them a machine that the daemon knows is meant; a boot device alone
/// is none.
fn read(arguments: &Arguments) -> Result<Option<Spec>, Failure> {
    let mut spec = Spec::default();
    let mut settings =
        arguments.options.iter().filter(|option| !matches!(option.name.as_str(), "c" | "json"));
    for option in settings.clone() {
        apply(&mut spec, option)?;
    }
    add_interfaces(&mut spec, settings.clone().filter(|option| option.name == "i"))?;
    let is_new = settings.any(|option| option.name != "B");
    if !is_new && spec.boot_device.is_some() {
        warn("-B has no effect on a vm that vmd knows already");
    }
    Ok(is_new.then_some(spec))
}

fn apply(spec: &mut Spec, Given { name, value }: &Given) -> Outcome {
    match name.as_str() {
        "b" => once(&mut spec.boot, "boot image", regular_file("boot image", value)?),
        "initrd" => once(&mut spec.initrd, "initrd", regular_file("initrd", value)?),
        "firmware" => once(&mut spec.firmware, "firmware", firmware(value)?),
        "cmdline" => once(&mut spec.cmdline, "kernel command line", value.clone()),
        "t" => once(&mut spec.template, "template", value.clone()),
        "B" => once(&mut spec.boot_device, "boot device", boot_device(value)?),
        "m" => once(&mut spec.memory, "memory size", memory(value)?),
        "cpus" => once(&mut spec.cpus, "number of cpus", cpus(value)?),
        "r" => once(&mut spec.cdrom, "iso image", resolve("iso image", value)?),
        "d" => {
            spec.disks.get_or_insert_default().push(disk(value)?);
            Ok(())
        }
        "L" => {
            let local = Interface { local: Some(true), ..Interface::default() };
            spec.interfaces.get_or_insert_default().push(local);
            Ok(())
        }
        "n" => {
            let attached = Interface { switch: Some(switch(value)?), ..Interface::default() };
            spec.interfaces.get_or_insert_default().push(attached);
            Ok(())
        }
        // Counted at the end, with the others.
        "i" => Ok(()),
        // The syntax has no others.
        _ => Err(Failure::misuse()),
    }
}

/// Adds as many interfaces as are missing in the number that was asked for.
fn add_interfaces<'a>(spec: &mut Spec, counts: impl Iterator<Item = &'a Given>) -> Outcome {
    let mut count = None;
    for Given { value, .. } in counts {
        once(&mut count, "interfaces", interface_count(value)?)?;
    }
    if let Some(count) = count {
        let interfaces = spec.interfaces.get_or_insert_default();
        interfaces.resize(count.max(interfaces.len()), Interface::default());
    }
    Ok(())
}

fn once<T>(setting: &mut Option<T>, what: &str, value: T) -> Outcome {
    match setting.replace(value) {
        None => Ok(()),
        Some(_) => Err(Failure::new(format!("{what} specified multiple times"))),
    }
}

/// Checks what has to be right about the whole of a new machine.
fn complete(mut spec: Spec, target: &Target) -> Result<Spec, Failure> {
    let name = target.name().ok_or_else(|| {
        Failure::new("invalid VM name").hint(format!("{target} is a number; a new vm needs a name"))
    })?;
    spec.name =
        VmName::new(name).map_err(|e| Failure::new("invalid VM name").hint(e.to_string()))?.to_string();
    let disks = spec.disks.as_ref().map_or(0, Vec::len);
    let alone = spec.template.is_none();
    if alone && spec.boot.is_none() && disks == 0 && spec.cdrom.is_none() {
        let hint = "a new vm needs -b, -d or -r, and one that vmd knows is started without settings";
        return Err(Failure::new("no kernel or disk/cdrom specified").hint(hint));
    }
    if disks > VmSpec::MAX_DISKS {
        return Err(Failure::new("too many disks").hint(format!("at most {}", VmSpec::MAX_DISKS)));
    }
    let drives = disks + usize::from(spec.cdrom.is_some());
    match spec.interfaces.as_ref().map_or(0, Vec::len) {
        0 if alone && spec.boot.is_none() => warn("starting without network interfaces"),
        0 => {}
        count if count + drives > VmSpec::MAX_DEVICES => {
            let hint = format!("at most {} with disks and CD-ROM", VmSpec::MAX_DEVICES);
            return Err(Failure::new("too many network interfaces").hint(hint));
        }
        _ => warn("networks do not take effect in this version"),
    }
    Ok(spec)
}

/// `512M`. Some programs write `-m 512M` in one argument, which leaves the blank in front of the number.
fn memory(text: &str) -> Result<u64, Failure> {
    let wrong =
        |e: proto::SizeError| Failure::new(format!("invalid memory size: {text}")).hint(e.to_string());
    let bytes = parse_scaled(text.trim_start()).map_err(wrong)?;
    let size = MemorySize::from_bytes(bytes).map_err(wrong)?;
    if size.bytes() != bytes {
        warn(&format!("memory size rounded to {} megabytes", size.bytes() >> 20));
    }
    Ok(size.bytes())
}

fn switch(text: &str) -> Result<String, Failure> {
    let text = text.trim_start();
    let wrong = |e: proto::NetNameError| Failure::new(format!("invalid switch: {text}")).hint(e.to_string());
    SwitchName::new(text).map(|_| text.to_owned()).map_err(wrong)
}

fn interface_count(text: &str) -> Result<usize, Failure> {
    let count = text.trim_start().parse().ok().filter(|count| (1..=VmSpec::MAX_DEVICES).contains(count));
    count.ok_or_else(|| {
        Failure::new(format!("invalid number of interfaces: {text}"))
            .hint(format!("1 to {}", VmSpec::MAX_DEVICES))
    })
}

fn boot_device(text: &str) -> Result<BootDevice, Failure> {
    let device = BootDevice::ALL.into_iter().find(|device| device.as_str() == text.trim_start());
    device.ok_or_else(|| Failure::new(format!("unknown boot device: {text}")).hint("one of disk, cdrom, net"))
}

/// One of the two words, or a BIOS of one's own.
fn firmware(text: &str) -> Result<String, Failure> {
    if matches!(text, "bios" | "uefi") {
        return Ok(text.to_owned());
    }
    let path = regular_file("firmware", text)?;
    path.into_os_string()
        .into_string()
        .map_err(|_| Failure::new(format!("firmware {text}: its path is not UTF-8")))
}

fn cpus(text: &str) -> Result<u64, Failure> {
    let wrong = |why: String| Failure::new(format!("invalid number of cpus: {text}")).hint(why);
    let count = text.trim_start().parse().map_err(|_| wrong(proto::CpuCountError.to_string()))?;
    CpuCount::new(count).map_err(|e| wrong(e.to_string()))?;
    Ok(count)
}

fn disk(argument: &str) -> Result<Disk, Failure> {
    let (format, path) = create::split_format(argument)?;
    Ok(Disk { path: resolve("disk", path)?, format: Some(format) })
}

/// The daemon has another working directory and must not be led astray by a link that changes meanwhile.
pub fn resolve(what: &str, path: &str) -> Result<PathBuf, Failure> {
    std::fs::canonicalize(path)
        .map_err(|e| Failure::new(format!("{what} {path}: {}", output::errno_text(&e))))
}

fn regular_file(what: &str, path: &str) -> Result<PathBuf, Failure> {
    let path = resolve(what, path)?;
    match path.is_file() {
        true => Ok(path),
        false => Err(Failure::new(format!("{what} {}: not a regular file", path.display()))),
    }
}

#[cfg(test)]
#[path = "start_test.rs"]
mod tests;
