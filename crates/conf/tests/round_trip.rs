//! A configuration as text gives the same configuration, whatever is in it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use conf::{Config, Environment, FileKind, User, load};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proto::{
    AllowInstance, BootDevice, CdromSpec, CpuCount, DiskFormat, DiskSpec, Firmware, Globals, GroupName,
    InterfaceName, Ipv4Prefix, Ipv6Prefix, LocalInet6, MacAddress, MemorySize, NicSpec, Owner, RestartPolicy,
    Staggered, SwitchName, SwitchSpec, TapName, VmName, VmSpec,
};

/// A system with one configuration file, where every path is a file and nobody has an account.
struct Text(String);

impl Environment for Text {
    fn read(&mut self, _path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.0.clone().into_bytes())
    }
    fn list(&mut self, _directory: &Path) -> io::Result<Vec<OsString>> {
        Ok(Vec::new())
    }
    fn user(&mut self, _name: &str) -> io::Result<Option<User>> {
        Ok(None)
    }
    fn group(&mut self, _name: &str) -> io::Result<Option<u32>> {
        Ok(None)
    }
    fn file_kind(&mut self, _path: &Path) -> io::Result<FileKind> {
        Ok(FileKind::Regular)
    }
    fn absolute(&mut self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }
}

/// Text with all that means something to the lexer. A backslash at its end can be written only behind a word.
fn text() -> impl Strategy<Value = String> {
    ("[a-z \t\"'\\\\$#{};=,/ä]{0,12}", prop::sample::select(vec!["x", "", "x\\", "/;\\\\"]))
        .prop_map(|(text, end)| text.trim_end_matches('\\').to_owned() + end)
}

fn path() -> impl Strategy<Value = PathBuf> {
    text().prop_map(|text| format!("/{}", text.replace(".qcow2", "")).into())
}

fn owner() -> impl Strategy<Value = Owner> {
    (0..u32::MAX, option::of(0..u32::MAX)).prop_map(|(uid, gid)| Owner { uid, gid })
}

fn seconds(most: u64) -> impl Strategy<Value = Duration> {
    (0..=most).prop_map(Duration::from_secs)
}

fn globals() -> impl Strategy<Value = Globals> {
    let staggered = (1..u32::MAX, seconds(86400)).prop_map(|(parallel, delay)| Staggered { parallel, delay });
    let prefix = (1..=16u8, any::<u32>()).prop_map(|(length, bits)| {
        let mask = u32::MAX << (32 - length);
        Ipv4Prefix::new(Ipv4Addr::from_bits(bits & mask), length).unwrap()
    });
    let inet6 = (1..=64u8, any::<u128>()).prop_map(|(length, bits)| {
        let mask = u128::MAX << (128 - length);
        LocalInet6::Prefix(Ipv6Prefix::new(Ipv6Addr::from_bits(bits & mask), length).unwrap())
    });
    let inet6 = option::of(prop_oneof![Just(LocalInet6::Random), inet6]);
    (option::of(owner()), option::of(staggered), seconds(86400), prefix, inet6).prop_map(
        |(socket_owner, staggered, stop_timeout, local_prefix, local_inet6)| Globals {
            socket_owner,
            staggered,
            stop_timeout,
            local_prefix,
            local_inet6,
        },
    )
}

fn switch_name() -> impl Strategy<Value = SwitchName> {
    "[a-z \"'\\\\]{0,10}x".prop_map(|name| SwitchName::new(name).unwrap())
}

fn group() -> impl Strategy<Value = GroupName> {
    "[a-z0-9\"'\\\\]{0,9}x".prop_map(|name| GroupName::new(name).unwrap())
}

fn switch() -> impl Strategy<Value = SwitchSpec> {
    let interface = "[a-z.-]{1,10}[0-9]".prop_map(|name| InterfaceName::new(name).unwrap());
    let name_and_group = (switch_name(), option::of(group()));
    (name_and_group, interface, any::<(bool, bool, bool)>(), any::<Option<u8>>()).prop_map(
        |((name, group), interface, (enabled, locked, down), rdomain)| SwitchSpec {
            name,
            enabled,
            interface,
            group,
            locked,
            rdomain,
            down,
        },
    )
}

fn nic() -> impl Strategy<Value = NicSpec> {
    let tap = option::of((0..1000u32).prop_map(|unit| TapName::new(format!("tap{unit}")).unwrap()));
    let lladdr = option::of(any::<[u8; 5]>().prop_map(|[a, b, c, d, e]| MacAddress([2, a, b, c, d, e])));
    let names = (option::of(switch_name()), option::of(group()));
    (tap, names, lladdr, any::<(bool, bool, bool)>(), any::<Option<u8>>()).prop_map(
        |(tap, (switch, group), lladdr, (local, locked, down), rdomain)| NicSpec {
            local,
            tap,
            switch,
            group,
            lladdr,
            locked,
            rdomain,
            down,
        },
    )
}

fn allow() -> impl Strategy<Value = AllowInstance> {
    (any::<[bool; 6]>(), option::of(owner())).prop_map(
        |([boot, memory, interface, disk, cdrom, instance], owner)| AllowInstance {
            boot,
            memory,
            interface,
            disk,
            cdrom,
            instance,
            owner,
        },
    )
}

/// What a machine starts: `boot`, `initrd` and `cmdline`, or else `firmware`.
fn start() -> impl Strategy<Value = (Option<PathBuf>, Option<PathBuf>, String, Option<Firmware>)> {
    let firmware = prop_oneof![Just(Firmware::Bios), Just(Firmware::Uefi), path().prop_map(Firmware::Path)];
    let kernel = (path(), option::of(path()), text())
        .prop_map(|(boot, initrd, cmdline)| (Some(boot), initrd, cmdline, None));
    prop_oneof![kernel, option::of(firmware).prop_map(|firmware| (None, None, String::new(), firmware))]
}

fn boot_device() -> impl Strategy<Value = BootDevice> {
    prop::sample::select(vec![BootDevice::Disk, BootDevice::Cdrom, BootDevice::Net])
}

prop_compose! {
    fn vm()(
        enabled in any::<bool>(),
        mebibytes in 1..8_000_000u64,
        cpus in 1..=64u64,
        (boot, initrd, cmdline, firmware) in start(),
        disks in vec(path(), 0..4),
        cdrom in option::of(option::of(path()).prop_map(|disc| CdromSpec { disc })),
        nics in vec(nic(), 0..4),
        boot_device in option::of(boot_device()),
        owner in owner(),
        allow in allow(),
        restart in prop::sample::select(RestartPolicy::ALL.to_vec()),
        stop_timeout in option::of(seconds(86400)),
    ) -> VmSpec {
        VmSpec {
            enabled,
            memory: MemorySize::from_bytes(mebibytes << 20).unwrap(),
            cpus: CpuCount::new(cpus).unwrap(),
            boot,
            initrd,
            cmdline,
            firmware,
            disks: disks.into_iter().map(|path| DiskSpec { path, format: DiskFormat::Raw }).collect(),
            cdrom,
            nics,
            boot_device,
            owner,
            allow,
            restart,
            stop_timeout,
            ..VmSpec::new(VmName::new("vm").unwrap())
        }
    }
}

fn config() -> impl Strategy<Value = Config> {
    (globals(), vec(switch(), 0..4), vec(vm(), 0..4)).prop_map(|(globals, mut switches, mut vms)| {
        for (nth, vm) in vms.iter_mut().enumerate() {
            vm.name = VmName::new(format!("vm{nth}")).unwrap();
        }
        switches.sort_by(|a, b| a.name.cmp(&b.name));
        switches.dedup_by(|a, b| a.name == b.name);
        Config { globals, switches, vms, ..Config::default() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_configuration_as_text_gives_itself(config in config()) {
        let text = config.to_text();
        let again = load(Path::new("text"), &[], &mut Text(text.clone()));
        let again = again.unwrap_or_else(|errors| panic!("{text}\n{}", errors.render(false)));
        prop_assert_eq!(&again.globals, &config.globals, "{}", &text);
        prop_assert_eq!(&again.switches, &config.switches, "{}", &text);
        prop_assert_eq!(&again.vms, &config.vms, "{}", &text);
        prop_assert_eq!(again.to_text(), text);
    }
}

/// An instance is written with all its settings, and still gets its rights from its template.
#[test]
fn instances_are_still_instances() {
    let text = "vm a { allow instance { instance, memory, owner 7 }; boot /bsd; interface tap1; owner 5 }\n\
                vm a instance b { interface { up } }\n\
                vm b instance c { cmdline 'x \"y\"'; memory 1G }\n";
    let config = load(Path::new("text"), &[], &mut Text(text.to_owned())).unwrap();
    let again = load(Path::new("text"), &[], &mut Text(config.to_text())).unwrap();
    assert_eq!(again.vms, config.vms);
    assert_eq!(again.vms.get(2).unwrap().template, Some(VmName::new("b").unwrap()));
    assert_eq!(again.vms.get(2).unwrap().allow.owner, Some(Owner { uid: 7, gid: None }));
}
