use proto::{CdromSpec, DiskFormat, DiskSpec, MemorySize, VmName};

use super::*;

/// Root, the owner, members of the owner's group, who may make instances, and somebody else.
fn everybody() -> [(&'static str, Peer); 6] {
    let peer = |uid, gid, groups: &[u32]| Peer { pid: 1, uid, gid, groups: groups.to_vec() };
    [
        ("root", peer(0, 0, &[])),
        ("owner", peer(1000, 1000, &[])),
        ("group", peer(2000, 50, &[])),
        ("member", peer(2001, 2001, &[7, 50])),
        ("template user", peer(3000, 3000, &[60])),
        ("stranger", peer(4000, 4000, &[1000])),
    ]
}

const OWNER: Owner = Owner { uid: 1000, gid: Some(50) };
const INSTANCE_OWNER: Owner = Owner { uid: 3000, gid: Some(61) };

/// Who of them is let, in short.
fn let_in(rule: impl Fn(&Peer) -> bool) -> Vec<&'static str> {
    everybody().into_iter().filter(|(_, peer)| rule(peer)).map(|(name, _)| name).collect()
}

#[test]
fn every_act_by_every_kind_of_client() {
    let all = ["root", "owner", "group", "member", "template user", "stranger"];
    assert_eq!(let_in(|peer| may(peer, Act::See, OWNER)), all);
    assert_eq!(let_in(|peer| may(peer, Act::Operate, OWNER)), ["root", "owner", "group", "member"]);
    assert_eq!(let_in(|peer| may(peer, Act::Define, OWNER)), ["root"]);
    assert_eq!(let_in(|peer| may(peer, Act::Manage, Owner::ROOT)), ["root"]);
    assert_eq!(let_in(|peer| may(peer, Act::Operate, Owner::ROOT)), ["root"]);
    let alone = Owner { uid: 1000, gid: None };
    assert_eq!(let_in(|peer| may(peer, Act::Operate, alone)), ["root", "owner"]);
}

#[test]
fn instances_are_for_root_and_whom_the_template_names() {
    let named = AllowInstance { owner: Some(INSTANCE_OWNER), ..AllowInstance::default() };
    assert_eq!(let_in(|peer| may_instantiate(peer, &named)), ["root", "template user"]);
    let group = Owner { uid: 9, gid: Some(60) };
    let by_group = AllowInstance { owner: Some(group), ..AllowInstance::default() };
    assert_eq!(let_in(|peer| may_instantiate(peer, &by_group)), ["root", "template user"]);
    assert_eq!(let_in(|peer| may_instantiate(peer, &AllowInstance::default())), ["root"]);
}

#[test]
fn a_template_withholds_what_it_does_not_name() {
    let [(_, root), .., (_, user), _] = everybody();
    let plain = VmSpec::new(VmName::new("web").unwrap());
    let disk = DiskSpec { path: "/a".into(), format: DiskFormat::Raw };
    let memory = MemorySize::from_bytes(1 << 30).unwrap();
    let (none, of_memory) = (Given::default(), Given { memory: true, ..Given::default() });
    let of_cmdline = Given { cmdline: true, ..Given::default() };
    let all = AllowInstance {
        boot: true,
        memory: true,
        interface: true,
        disk: true,
        cdrom: true,
        ..AllowInstance::default()
    };
    for (word, own, given) in [
        ("disk", VmSpec { disks: vec![disk], ..plain.clone() }, none),
        ("memory", VmSpec { memory, ..plain.clone() }, of_memory),
        ("boot", VmSpec { boot: Some("/k".into()), ..plain.clone() }, none),
        ("boot", plain.clone(), of_cmdline),
        ("cdrom", VmSpec { cdrom: Some(CdromSpec::with("/cd".into())), ..plain.clone() }, none),
    ] {
        assert_eq!(withheld(&user, &plain, &own, given), Some(word));
        assert_eq!(withheld(&root, &plain, &own, given), None, "nothing binds root");
        assert_eq!(withheld(&user, &VmSpec { allow: all, ..plain.clone() }, &own, given), None);
    }
    assert_eq!(withheld(&user, &plain, &plain, of_memory), None, "the same memory is no choice");
}

#[test]
fn discs_are_changed_by_who_operates_the_machine_if_its_template_lets_them() {
    let with = AllowInstance { cdrom: true, ..AllowInstance::default() };
    let without = AllowInstance { owner: Some(INSTANCE_OWNER), disk: true, ..AllowInstance::default() };
    let operators = ["root", "owner", "group", "member"];
    for (template, expected) in [
        (None, &operators[..]),
        (Some(Some(&with)), &operators),
        (Some(Some(&without)), &["root"]),
        (Some(None), &["root"]),
    ] {
        assert_eq!(let_in(|peer| may_change_disc(peer, OWNER, template)), expected, "{template:?}");
    }
}

#[test]
fn the_daemon_opens_nothing_that_the_client_could_not() {
    let file = |mode| FileOwner { uid: 1000, gid: 50, mode };
    let read = |mode| let_in(move |peer| may_use(peer, file(mode), false));
    let write = |mode| let_in(move |peer| may_use(peer, file(mode), true));
    assert_eq!(read(0o100_000), ["root"]);
    assert_eq!(read(0o100_400), ["root", "owner"]);
    assert_eq!(read(0o100_640), ["root", "owner", "group", "member"]);
    assert_eq!(read(0o100_644).len(), 6);
    assert_eq!(write(0o100_644), ["root", "owner"]);
    assert_eq!(write(0o100_664), ["root", "owner", "group", "member"]);
    assert_eq!(write(0o100_222), ["root"], "an image is read as well");
    assert_eq!(write(0o100_666).len(), 6);
}
