use proto::{
    AllowInstance, DiskFormat, DiskSpec, ExitReason, MemorySize, Owner, Request, RestartPolicy, VmId,
};

use super::super::tests::*;
use super::super::{Effect, Event};
use super::*;

/// A table with "base", of which joe may make instances with disks of their own.
fn with_base() -> VmTable {
    let owner = Some(Owner { uid: JOE, gid: None });
    let base = VmSpec {
        enabled: false,
        memory: MemorySize::from_bytes(64 << 20).unwrap(),
        owner: Owner::ROOT,
        allow: AllowInstance { disk: true, owner, ..AllowInstance::default() },
        ..spec("base")
    };
    let mut table = VmTable::default();
    table.apply(Event::Loaded(vec![base]));
    table
}

fn own() -> VmSpec {
    VmSpec { disks: vec![disk("/home/joe/a.img")], ..VmSpec::new(name("web")) }
}

fn disk(path: &str) -> DiskSpec {
    DiskSpec { path: path.into(), format: DiskFormat::Raw }
}

fn instance(spec: VmSpec, given: Given) -> Request {
    Request::StartInstance { template: name("base"), spec: Box::new(spec), given }
}

#[test]
fn an_instance_is_like_its_template_where_nothing_else_is_said() {
    let mut table = with_base();
    let effects = ask(&mut table, 1, JOE, instance(own(), Given::default()));
    let [Effect::Launch(VmId(2), spec, Owner { uid: JOE, gid: None })] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!((spec.memory.bytes(), &spec.template), (64 << 20, &Some(name("base"))));
    assert_eq!((spec.boot.as_deref(), spec.disks.len()), (Some("/vmlinuz".as_ref()), 1));
    let supplied = table.supplied(VmId(2)).unwrap();
    assert_eq!((supplied.peer.uid, supplied.boot), (JOE, false));
}

#[test]
fn an_instance_is_its_makers_and_forgotten_at_its_end() {
    let mut table = with_base();
    ask(&mut table, 1, JOE, instance(own(), Given::default()));
    come_up(&mut table, VmId(2));
    assert_eq!(status(&mut table)[0].owner.uid, JOE);
    ask(&mut table, 2, JOE, stop("web", proto::StopMode::Force, false));
    table.apply(Event::Ended(VmId(2), ExitReason::Forced));
    assert_eq!(status(&mut table).len(), 1);
}

#[test]
fn what_is_wrong_with_an_instance_is_told_by_kind() {
    let of_memory = Given { memory: true, ..Given::default() };
    let unknown =
        Request::StartInstance { template: name("nosuch"), spec: Box::new(own()), given: Given::default() };
    for (uid, request, kind) in [
        (JOE, unknown, RefusalKind::Template),
        (2000, instance(own(), Given::default()), RefusalKind::NotPermitted),
        (JOE, instance(VmSpec { name: name("base"), ..own() }, Given::default()), RefusalKind::AlreadyExists),
        (JOE, instance(own(), of_memory), RefusalKind::NotPermitted),
    ] {
        let refused = ask(&mut with_base(), 1, uid, request);
        assert_eq!(refusal(&refused), Some(kind), "{refused:?}");
    }
    let by_root = ask(&mut with_base(), 1, ROOT, instance(own(), of_memory));
    assert!(matches!(&by_root[..], [Effect::Launch(..)]), "{by_root:?}");
}

#[test]
fn after_a_change_of_daemons_nobody_knows_the_rights_of_who_supplied_the_files() {
    let mut table = with_base();
    let spec = VmSpec { restart: RestartPolicy::Always, ..own() };
    ask(&mut table, 1, JOE, instance(spec, Given { restart: true, ..Given::default() }));
    come_up(&mut table, VmId(2));
    table.entries.get_mut(&VmId(2)).unwrap().supplied = None;
    let effects = table.apply(Event::Ended(VmId(2), ExitReason::PoweredOff));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Launch(..))), "{effects:?}");
}

#[test]
fn an_instance_that_the_file_names_is_roots_from_its_next_start_on() {
    let mut table = with_base();
    ask(&mut table, 1, JOE, instance(own(), Given::default()));
    come_up(&mut table, VmId(2));
    let entry = table.entries.get_mut(&VmId(2)).unwrap();
    entry.follow(VmSpec { cmdline: "quiet".into(), ..spec("web") });
    assert!(entry.supplied.is_some(), "it still runs with joe's files");
    table.apply(Event::Ended(VmId(2), ExitReason::PoweredOff));
    assert!(table.supplied(VmId(2)).is_none());
}
