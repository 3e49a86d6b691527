//! Kernels that are neither Linux's nor started by PVH: the guests `openbsd-boot` and `multiboot` say what they were
//! given.

use std::path::{Path, PathBuf};

use vmd_tests::{Console, paths};

use crate::needs_kvm;
use crate::support::{SOON, Vmd, directory, machine, sh};

fn expect(console: &mut Console, lines: &[&str]) {
    for line in lines {
        console.expect(line, SOON).unwrap();
    }
}

/// Packs a guest with gzip.
fn packed(dir: &Path, guest: &str) -> PathBuf {
    let path = dir.join(format!("{guest}.gz"));
    let guest = paths::test_guest(guest).unwrap();
    sh(&format!("gzip -c {} >{}", guest.display(), path.display())).success().unwrap();
    path
}

/// A machine that boots a file.
fn booting(name: &str, kernel: &Path, more: &str) -> String {
    format!("vm \"{name}\" {{\n disable\n memory 32M\n boot \"{}\"\n {more}\n}}\n", kernel.display())
}

/// 640 KiB and all above the first MiB.
const MEMORY: &str = "memory 0x1fa0000\r\n";

#[test]
fn openbsd_kernels_of_both_classes_find_all_that_they_are_told() {
    needs_kvm!();
    for (guest, class) in [("openbsd-boot", "64 bits"), ("openbsd-boot32", "32 bits")] {
        let vmd = Vmd::start(&machine("bsd", guest, "", ""));
        let mut console = vmd.boot("bsd");
        expect(&mut console, &[class, "howto 0x0", MEMORY, "boot arguments 0x21\r\n", "all is well", "done"]);
        vmd.vmctl_ok("stop -fw bsd");
    }
}

#[test]
fn an_openbsd_kernel_that_resets_is_loaded_again_with_other_random_data() {
    needs_kvm!();
    let dir = directory();
    let kernel = packed(dir.path(), "openbsd-boot");
    let vmd = Vmd::start_in(dir, &booting("bsd", &kernel, "cmdline \"-s\""));
    let mut console = vmd.boot("bsd");
    let mut random = || {
        expect(&mut console, &["howto 0x2", "random 0x"]);
        let seen = console.expect("\r\n", SOON).unwrap();
        expect(&mut console, &["all is well"]);
        seen
    };
    let (first, second) = (random(), random());
    assert_ne!(first, second);
    expect(&mut console, &["done"]);
    vmd.vmctl_ok("stop -fw bsd");
}

#[test]
fn multiboot_kernels_with_and_without_elf_headers_find_all_that_they_are_told() {
    needs_kvm!();
    let dir = directory();
    let module = dir.path().join("ramdisk.fs");
    std::fs::write(&module, b"contents".repeat(1000)).unwrap();
    let flat = packed(dir.path(), "multiboot-flat");
    let more = format!("initrd \"{}\"\n cmdline \"console=com1 reset\"", module.display());
    let conf = machine("elf", "multiboot", "a  b", "") + &booting("flat", &flat, &more);
    let vmd = Vmd::start_in(dir, &conf);
    let mut console = vmd.boot("elf");
    let told = ["modules 0x0\r\n", "loader [vmd]", "command line [multiboot a  b]", "all is well", "done"];
    expect(&mut console, &[MEMORY]);
    expect(&mut console, &told);
    vmd.vmctl_ok("stop -fw elf");
    let mut console = vmd.boot("flat");
    // Once, and once more after its reset.
    for last in ["reset\r\n", "done"] {
        let module = ["modules 0x1\r\n", "module [ramdisk.fs]", "size 0x1f40, begins contents\r\n"];
        expect(&mut console, &module);
        expect(&mut console, &["command line [multiboot-flat.gz console=com1 reset]", "all is well", last]);
    }
    vmd.vmctl_ok("stop -fw flat");
}

#[test]
fn kernels_that_can_not_be_loaded_are_refused_in_words() {
    needs_kvm!();
    let dir = directory();
    let good = std::fs::read(paths::test_guest("openbsd-boot").unwrap()).unwrap();
    // The section headers' offset (ELF-64, e_shoff at 40): far behind the end of the file.
    let mut hostile = good.clone();
    hostile[40..48].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
    let cut = &good[..good.len() / 2];
    let bomb = dir.path().join("bomb");
    sh(&format!("head -c 64M /dev/zero | gzip >{}", bomb.display())).success().unwrap();
    let torn = std::fs::read(packed(dir.path(), "multiboot")).unwrap();
    let mut conf = booting("bomb", &bomb, "");
    for (name, bytes) in [("hostile", &hostile[..]), ("cut", cut), ("torn", &torn[..torn.len() / 2])] {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        conf += &booting(name, &path, "");
    }
    conf += &machine("flags", "openbsd-boot", "root=sd0a", "");
    let vmd = Vmd::start_in(dir, &conf);
    for (name, words) in [
        ("hostile", "the kernel is truncated"),
        ("cut", "the kernel is truncated"),
        ("torn", "cannot unpack the kernel, a gzip file"),
        ("bomb", "more than the 33554432 bytes"),
        ("flags", "this OpenBSD kernel takes no \"root=sd0a\""),
    ] {
        let output = vmd.vmctl(&format!("start {name}"));
        assert_eq!(output.status, 1, "{name}");
        assert!(output.stderr.contains(words), "{name}: {}", output.stderr);
        assert_eq!(vmd.state(name), "stopped");
    }
}
