use std::time::Duration;

use super::*;
use crate::{DiskFormat, DiskSpec, MacAddress, MemorySize, NicSpec, RestartPolicy, SwitchName, VmName};

const MIB: u64 = 1 << 20;

fn vm(name: &str) -> VmSpec {
    VmSpec::new(VmName::new(name).unwrap())
}

fn nic(switch: &str, tap: Option<&str>, last_octet: Option<u8>) -> NicSpec {
    NicSpec {
        switch: Some(SwitchName::new(switch).unwrap()),
        tap: tap.map(|tap| TapName::new(tap).unwrap()),
        lladdr: last_octet.map(|octet| MacAddress([2, 0, 0, 0, 0, octet])),
        ..NicSpec::default()
    }
}

fn disk(path: &str) -> DiskSpec {
    DiskSpec { path: path.into(), format: DiskFormat::Raw }
}

fn template() -> VmSpec {
    VmSpec {
        memory: MemorySize::from_bytes(64 * MIB).unwrap(),
        boot: Some("/bsd".into()),
        initrd: Some("/initrd".into()),
        cmdline: "quiet".into(),
        disks: vec![disk("/template.img")],
        cdrom: Some(crate::CdromSpec::with("/cd.iso".into())),
        nics: vec![nic("a", Some("tap1"), Some(1)), nic("b", Some("tap2"), Some(2))],
        owner: Owner { uid: 1000, gid: Some(50) },
        allow: AllowInstance { boot: true, ..AllowInstance::default() },
        restart: RestartPolicy::Always,
        stop_timeout: Some(Duration::from_secs(5)),
        ..vm("template")
    }
}

#[test]
fn what_an_instance_does_not_have_comes_from_its_template() {
    let made = vm("web").instance_of(&template(), Given::default()).unwrap();
    let expected = VmSpec {
        name: VmName::new("web").unwrap(),
        template: Some(VmName::new("template").unwrap()),
        disks: Vec::new(),
        nics: vec![nic("a", None, None), nic("b", None, None)],
        allow: AllowInstance::default(),
        ..template()
    };
    assert_eq!(made, expected);
}

#[test]
fn what_an_instance_has_it_keeps() {
    let own = VmSpec {
        memory: MemorySize::from_bytes(32 * MIB).unwrap(),
        boot: Some("/other".into()),
        disks: vec![disk("/web.img")],
        nics: vec![nic("c", Some("tap3"), Some(3))],
        restart: RestartPolicy::Never,
        stop_timeout: Some(Duration::from_secs(9)),
        ..vm("web")
    };
    let given = Given { memory: true, restart: true, ..Given::default() };
    let made = own.clone().instance_of(&template(), given).unwrap();
    assert_eq!((made.memory, made.restart, made.stop_timeout), (own.memory, own.restart, own.stop_timeout));
    assert_eq!((made.boot, made.initrd, made.cmdline.as_str()), (own.boot, None, ""));
    assert_eq!(made.disks, own.disks);
    assert_eq!(made.nics, [nic("c", Some("tap3"), Some(3)), nic("b", None, None)]);
}

#[test]
fn what_two_machines_can_not_share_is_refused() {
    let refused = |own: VmSpec, given| own.instance_of(&template(), given).unwrap_err();
    let with_nic = |nic| VmSpec { nics: vec![nic], ..vm("web") };
    let none = Given::default();
    let same_disk = VmSpec { disks: vec![disk("/template.img")], ..vm("web") };
    assert_eq!(refused(same_disk, none), InstanceError::Disk("/template.img".into()));
    assert_eq!(
        refused(with_nic(nic("c", Some("tap2"), None)), none),
        InstanceError::Tap(TapName::new("tap2").unwrap())
    );
    assert_eq!(refused(with_nic(nic("c", None, Some(2))), none), InstanceError::Lladdr);
    assert_eq!(refused(vm("web"), Given { allow: true, ..none }), InstanceError::Allow);
}

#[test]
fn an_owner_is_that_of_the_template() {
    let owned = |uid, gid| {
        let own = VmSpec { owner: Owner { uid, gid }, ..vm("web") };
        own.instance_of(&template(), Given { owner: true, ..Given::default() }).map(|made| made.owner)
    };
    assert_eq!(owned(1000, Some(50)), Ok(Owner { uid: 1000, gid: Some(50) }));
    assert_eq!(owned(0, Some(50)), Ok(Owner { uid: 0, gid: Some(50) }));
    assert_eq!(owned(1001, Some(50)), Err(InstanceError::Owner));
    assert_eq!(owned(1000, None), Err(InstanceError::Owner));
}

#[test]
fn rights_are_inherited_where_the_template_says_so() {
    let mut template = template();
    template.allow.instance = true;
    let made = vm("web").instance_of(&template, Given::default()).unwrap();
    assert_eq!(made.allow, template.allow);
}
