//! A configuration back to the language: resolved, with every setting that matters spelled out.

use std::fmt::{self, Write};
use std::path::Path;

use proto::{AllowInstance, CdromSpec, Firmware, Globals, LocalInet6, NicSpec, Owner, SwitchSpec, VmSpec};

use crate::lexer::{continues_word, starts_word};
use crate::load::Config;

impl Config {
    /// The configuration as a file without macros, includes and inheritance, that gives the same when it is read.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        // A string takes everything.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        globals(&self.globals, out)?;
        for switch in &self.switches {
            out.push('\n');
            write_switch(switch, out)?;
        }
        for vm in &self.vms {
            out.push('\n');
            write_vm(vm, out)?;
        }
        Ok(())
    }
}

fn globals(globals: &Globals, out: &mut String) -> fmt::Result {
    let Globals { socket_owner, staggered, stop_timeout, local_prefix, local_inet6 } = globals;
    if let Some(owner) = socket_owner {
        writeln!(out, "socket owner {}", account(*owner))?;
    }
    if let Some(staggered) = staggered {
        let (parallel, delay) = (staggered.parallel, staggered.delay.as_secs());
        writeln!(out, "staggered start parallel {parallel} delay {delay}")?;
    }
    writeln!(out, "stop timeout {}", stop_timeout.as_secs())?;
    if *local_prefix != proto::Ipv4Prefix::LOCAL {
        writeln!(out, "local prefix {local_prefix}")?;
    }
    match local_inet6 {
        Some(LocalInet6::Random) => writeln!(out, "local inet6"),
        Some(LocalInet6::Prefix(prefix)) => writeln!(out, "local inet6 prefix \"{prefix}\""),
        None => Ok(()),
    }
}

fn write_switch(switch: &SwitchSpec, out: &mut String) -> fmt::Result {
    let SwitchSpec { name, enabled, interface, group, locked, rdomain, down } = switch;
    writeln!(out, "switch {} {{", quoted(name.as_str()))?;
    writeln!(out, "\tinterface {}", quoted(interface.as_str()))?;
    if !enabled {
        writeln!(out, "\tdisable")?;
    }
    if let Some(group) = group {
        writeln!(out, "\tgroup {}", quoted(group.as_str()))?;
    }
    if *locked {
        writeln!(out, "\tlocked lladdr")?;
    }
    if let Some(rdomain) = rdomain {
        writeln!(out, "\trdomain {rdomain}")?;
    }
    if *down {
        writeln!(out, "\tdown")?;
    }
    writeln!(out, "}}")
}

fn write_vm(vm: &VmSpec, out: &mut String) -> fmt::Result {
    match &vm.template {
        Some(template) => writeln!(out, "vm \"{template}\" instance \"{}\" {{", vm.name)?,
        None => writeln!(out, "vm \"{}\" {{", vm.name)?,
    }
    writeln!(out, "\t{}", if vm.enabled { "enable" } else { "disable" })?;
    writeln!(out, "\tmemory {}M", vm.memory.bytes() >> 20)?;
    writeln!(out, "\tcpus {}", vm.cpus.get())?;
    boot(vm, out)?;
    for disk in &vm.disks {
        writeln!(out, "\tdisk {} format {}", quoted_path(&disk.path), disk.format)?;
    }
    match &vm.cdrom {
        Some(CdromSpec { disc: Some(disc) }) => writeln!(out, "\tcdrom {}", quoted_path(disc))?,
        Some(CdromSpec { disc: None }) => writeln!(out, "\tcdrom")?,
        None => {}
    }
    vm.nics.iter().try_for_each(|nic| write_nic(nic, out))?;
    policy(vm, out)?;
    writeln!(out, "}}")
}

fn boot(vm: &VmSpec, out: &mut String) -> fmt::Result {
    if let Some(boot) = &vm.boot {
        writeln!(out, "\tboot {}", quoted_path(boot))?;
    }
    match &vm.firmware {
        Some(Firmware::Path(path)) => writeln!(out, "\tfirmware {}", quoted_path(path))?,
        Some(word) => writeln!(out, "\tfirmware {word}")?,
        None => {}
    }
    if let Some(device) = vm.boot_device {
        writeln!(out, "\tboot device {device}")?;
    }
    if let Some(initrd) = &vm.initrd {
        writeln!(out, "\tinitrd {}", quoted_path(initrd))?;
    }
    if !vm.cmdline.is_empty() {
        writeln!(out, "\tcmdline {}", quoted(&vm.cmdline))?;
    }
    Ok(())
}

fn write_nic(nic: &NicSpec, out: &mut String) -> fmt::Result {
    let NicSpec { local, tap, switch, group, lladdr, locked, rdomain, down } = nic;
    let local = if *local { "local " } else { "" };
    let tap = tap.as_ref().map_or("tap", |tap| tap.as_str());
    write!(out, "\t{local}interface {tap}")?;
    if let Some(switch) = switch {
        write!(out, " switch {}", quoted(switch.as_str()))?;
    }
    if let Some(group) = group {
        write!(out, " group {}", quoted(group.as_str()))?;
    }
    if *locked {
        out.push_str(" locked");
    }
    if *locked || lladdr.is_some() {
        out.push_str(" lladdr");
    }
    if let Some(lladdr) = lladdr {
        write!(out, " {lladdr}")?;
    }
    if let Some(rdomain) = rdomain {
        write!(out, " rdomain {rdomain}")?;
    }
    writeln!(out, "{}", if *down { " down" } else { "" })
}

fn policy(vm: &VmSpec, out: &mut String) -> fmt::Result {
    writeln!(out, "\towner {}", account(vm.owner))?;
    // An instance has the rights of its template, and none of its own to set.
    if vm.template.is_none() {
        allow(&vm.allow, out)?;
    }
    writeln!(out, "\trestart {}", vm.restart)?;
    match vm.stop_timeout {
        Some(time) => writeln!(out, "\tstop timeout {}", time.as_secs()),
        None => Ok(()),
    }
}

fn allow(allow: &AllowInstance, out: &mut String) -> fmt::Result {
    let rights = allow.rights().into_iter().filter(|(_, allowed)| *allowed).map(|(word, _)| word.to_owned());
    let owner = allow.owner.map(|owner| format!("owner {}", account(owner)));
    let all: Vec<_> = rights.chain(owner).collect();
    if all.is_empty() { Ok(()) } else { writeln!(out, "\tallow instance {{ {} }}", all.join(", ")) }
}

/// An owner by numbers, which need no accounts.
fn account(owner: Owner) -> String {
    match owner.gid {
        Some(gid) => format!("{}:{gid}", owner.uid),
        None => owner.uid.to_string(),
    }
}

fn quoted_path(path: &Path) -> String {
    // The language takes only UTF-8 paths in.
    quoted(&path.to_string_lossy())
}

/// A text as one string, or as a string and a word: a backslash in front of the closing quote would take it away.
fn quoted(text: &str) -> String {
    if !text.ends_with('\\') {
        return in_quotes(text);
    }
    let (before, word) = text.split_at_checked(last_word(text.as_bytes())).unwrap_or(("", text));
    let before = if before.is_empty() { String::new() } else { in_quotes(before) + " " };
    before + &word.replace('\\', "\\\\")
}

/// Where a word can start that goes to the end of the text and leaves no backslash in front of it.
fn last_word(text: &[u8]) -> usize {
    let word = text.iter().rev().take_while(|byte| continues_word(**byte)).count();
    let starts = |at: &usize| {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        text.get(*at).is_some_and(|byte| starts_word(*byte)) && before != Some(&b'\\')
    };
    (text.len() - word..text.len()).rev().find(starts).unwrap_or(0)
}

fn in_quotes(text: &str) -> String {
    let mut out = String::from("\"");
    let mut last = '"';
    for c in text.chars() {
        // In front of a blank a backslash stands for the blank alone.
        if c == '"' || last == '\\' && matches!(c, ' ' | '\t') {
            out.push('\\');
        }
        out.push(c);
        last = c;
    }
    out.push('"');
    out
}
