use super::*;
use crate::options;

fn read_line(line: &[&str]) -> Result<Option<Spec>, String> {
    let words = line.iter().map(|s| (*s).to_owned()).collect();
    let arguments = options::parse(words, SYNTAX).map_err(|e| e.to_string())?;
    read(&arguments).map_err(|failure| failure.text())
}

fn spec(line: &[&str]) -> Spec {
    read_line(line).unwrap().unwrap()
}

#[test]
fn without_settings_a_known_machine_is_meant() {
    assert_eq!(read_line(&["web"]), Ok(None));
    assert_eq!(read_line(&["-c", "web"]), Ok(None));
}

#[test]
fn settings_are_read_in_all_their_forms() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let path = file.to_str().unwrap();
    let canonical = file.canonicalize().unwrap();

    let expected = Spec {
        memory: Some(1 << 30),
        cpus: Some(2),
        boot: Some(canonical.clone()),
        cmdline: Some("console=ttyS0".into()),
        disks: Some(vec![Disk { path: canonical.clone(), format: Some(proto::DiskFormat::Raw) }]),
        cdrom: Some(canonical.clone()),
        ..Spec::default()
    };
    let raw = format!("raw:{path}");
    let glued = format!("-b{path}");
    for line in [
        ["web", "-m", "1G", "--cpus", "2", "-b", path, "--cmdline", "console=ttyS0", "-d", path, "-r", path]
            .as_slice(),
        &["-m1G", "--cpus=2", &glued, "--cmdline=console=ttyS0", "-d", &raw, "-r", path, "web"],
        &["-m 1G", "--cpus", "2", "web", "-b", path, "--cmdline", "console=ttyS0", "-d", path, "-r", path],
    ] {
        assert_eq!(spec(line), expected, "{line:?}");
    }
}

#[test]
fn paths_are_made_absolute_and_must_exist() {
    let here = spec(&["-b", "Cargo.toml", "web"]).boot.unwrap();
    assert!(here.is_absolute() && here.ends_with("vmctl/Cargo.toml"), "{here:?}");
    for (option, what) in [("-b", "boot image"), ("-d", "disk"), ("-r", "iso image"), ("--initrd", "initrd")]
    {
        let text = read_line(&[option, "/nonexistent", "web"]).unwrap_err();
        assert_eq!(text, format!("vmctl: {what} /nonexistent: No such file or directory\n"));
    }
    let text = read_line(&["-b", "/dev/null", "web"]).unwrap_err();
    assert_eq!(text, "vmctl: boot image /dev/null: not a regular file\n");
    let text = read_line(&["-d", "qcow2:/dev/null", "web"]).unwrap_err();
    assert_eq!(text, "vmctl: /dev/null: disk format qcow2: not supported yet\n");
}

#[test]
fn interfaces_are_counted_together() {
    let local = || Interface { local: Some(true), switch: None };
    let lan = || Interface { local: None, switch: Some("lan".into()) };
    let plain = Interface::default;
    for (line, expected) in [
        (["-L", "-n", "lan", "web"].as_slice(), vec![local(), lan()]),
        (&["-nlan", "-i3", "-L", "web"], vec![lan(), local(), plain()]),
        (&["-i", "1", "web", "-L", "-n lan"], vec![local(), lan()]),
        (&["-i 2", "web"], vec![plain(), plain()]),
    ] {
        assert_eq!(spec(line).interfaces, Some(expected), "{line:?}");
    }
    let text = read_line(&["-i", "0", "web"]).unwrap_err();
    assert!(text.starts_with("vmctl: invalid number of interfaces: 0\n"), "{text}");
    let text = read_line(&["-i", "1", "-i", "1", "web"]).unwrap_err();
    assert_eq!(text, "vmctl: interfaces specified multiple times\n");
    let text = read_line(&["-n", "a\tb", "web"]).unwrap_err();
    assert!(text.starts_with("vmctl: invalid switch: a\tb\n"), "{text}");
}

#[test]
fn once_only_options_are_refused_the_second_time() {
    let text = read_line(&["-m", "1G", "-m", "2G", "web"]).unwrap_err();
    assert_eq!(text, "vmctl: memory size specified multiple times\n");
    let text = read_line(&["-b", "Cargo.toml", "-b", "Cargo.toml", "web"]).unwrap_err();
    assert_eq!(text, "vmctl: boot image specified multiple times\n");
}

#[test]
fn values_out_of_range_say_what_the_range_is() {
    let text = read_line(&["-m", "512MB", "web"]).unwrap_err();
    assert!(text.starts_with("vmctl: invalid memory size: 512MB\nvmctl: \"512MB\" is not a size"), "{text}");
    let text = read_line(&["-m", "1K", "web"]).unwrap_err();
    assert_eq!(text, "vmctl: invalid memory size: 1K\nvmctl: a virtual machine needs at least 1.0M\n");
    for wrong in ["0", "65", "two", "-1"] {
        let text = read_line(&["--cpus", wrong, "web"]).unwrap_err();
        let expected = format!(
            "vmctl: invalid number of cpus: {wrong}\nvmctl: a virtual machine has 1 to 64 processors\n"
        );
        assert_eq!(text, expected);
    }
}

#[test]
fn a_new_machine_needs_a_name_and_something_to_start() {
    let complete = |spec, name| complete(spec, &Target::parse(name).unwrap()).map_err(|f| f.text());
    let kernel = || Spec { boot: Some("/boot/vmlinuz".into()), ..Spec::default() };
    assert_eq!(complete(kernel(), "web").unwrap().name, "web");
    assert_eq!(
        complete(kernel(), "12").unwrap_err(),
        "vmctl: invalid VM name\nvmctl: 12 is a number; a new vm needs a name\n"
    );
    let nothing = complete(Spec::default(), "web").unwrap_err();
    assert!(
        nothing.starts_with("vmctl: no kernel or disk/cdrom specified\nvmctl: a new vm needs"),
        "{nothing}"
    );
    let disc = Spec { cdrom: Some("/cd.iso".into()), ..Spec::default() };
    assert_eq!(complete(disc, "web").unwrap().cdrom, Some("/cd.iso".into()));
    let disk = Disk { path: "/disk".into(), format: None };
    let many = Spec { disks: Some(vec![disk; VmSpec::MAX_DISKS + 1]), ..kernel() };
    assert_eq!(
        complete(many, "web").unwrap_err(),
        format!("vmctl: too many disks\nvmctl: at most {}\n", VmSpec::MAX_DISKS)
    );
}

#[test]
fn refusals_have_the_known_first_line_and_ours_behind_it() {
    let text = |kind| {
        let refusal = proto::Refusal { kind, message: "because".to_owned() };
        failed(ClientError::Refused(refusal)).text()
    };
    for (kind, words) in [
        (RefusalKind::Disk, "could not open disk image(s)"),
        (RefusalKind::NotFound, "start vm command failed: No such file or directory"),
        (RefusalKind::AlreadyExists, "start vm command failed: Operation already in progress"),
        (RefusalKind::NotPermitted, "start vm command failed: Operation not permitted"),
        (RefusalKind::Cdrom, "could not find specified iso image"),
        (RefusalKind::Memory, "start vm command failed: Cannot allocate memory"),
    ] {
        assert_eq!(text(kind), format!("vmctl: {words}\nvmctl: because\n"));
    }
    assert_eq!(text(RefusalKind::BootImage), "vmctl: start vm command failed: because\n");
}

#[test]
fn a_boot_device_is_one_of_three_and_no_setting_by_itself() {
    for (word, device) in [("disk", BootDevice::Disk), ("cdrom", BootDevice::Cdrom), ("net", BootDevice::Net)]
    {
        let spec = read_line(&["-B", word, "-m", "1G", "web"]).unwrap().unwrap();
        assert_eq!(spec.boot_device, Some(device));
        assert!(read_line(&["-B", word, "-c", "web"]).unwrap().is_none());
    }
    let unknown = read_line(&["-B", "floppy", "web"]).unwrap_err();
    assert_eq!(unknown, "vmctl: unknown boot device: floppy\nvmctl: one of disk, cdrom, net\n");
    let twice = read_line(&["-B", "net", "-B", "net", "web"]).unwrap_err();
    assert_eq!(twice, "vmctl: boot device specified multiple times\n");
}

#[test]
fn firmware_is_one_of_two_words_or_a_file() {
    for word in ["bios", "uefi"] {
        let spec = read_line(&["--firmware", word, "web"]).unwrap().unwrap();
        assert_eq!(spec.firmware.as_deref(), Some(word));
    }
    let own = read_line(&["--firmware", "/etc/passwd", "web"]).unwrap().unwrap();
    assert_eq!(own.firmware.as_deref(), Some("/etc/passwd"));
    let missing = read_line(&["--firmware=/nowhere", "web"]).unwrap_err();
    assert_eq!(missing, "vmctl: firmware /nowhere: No such file or directory\n");
    let directory = read_line(&["--firmware=/", "web"]).unwrap_err();
    assert_eq!(directory, "vmctl: firmware /: not a regular file\n");
}
