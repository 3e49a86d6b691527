use std::path::Path;

use proto::{CdromSpec, ExitReason, Happening, Owner, Request, StopMode, VmEvent, VmName, VmSpec};

use super::*;
use crate::parent::record::Survivor;
use crate::parent::table::Event;

const JOE: u32 = 1000;
const WEB: VmId = VmId(1);

fn name(text: &str) -> VmName {
    VmName::new(text).unwrap()
}

fn spec(text: &str) -> VmSpec {
    VmSpec {
        boot: Some("/vmlinuz".into()),
        owner: Owner { uid: JOE, gid: None },
        cdrom: Some(CdromSpec::with("/disc1".into())),
        ..VmSpec::new(name(text))
    }
}

fn ask(table: &mut VmTable, request: u64, uid: u32, what: Request) -> Vec<Effect> {
    let peer = Peer { pid: 1, uid, gid: uid, groups: Vec::new() };
    table.apply(Event::Request(RequestId(request), peer, what))
}

fn drive(table: &mut VmTable, request: u64, uid: u32, what: DriveRequest) -> Vec<Effect> {
    ask(table, request, uid, Request::Drive(VmRef::Name(name("web")), what))
}

fn insert(disc: &str) -> DriveRequest {
    DriveRequest::Change { disc: Some(disc.into()), force: false }
}

const EJECT: DriveRequest = DriveRequest::Change { disc: None, force: false };

/// A table in which "web", of which joe is the owner, runs with a disc.
fn table() -> VmTable {
    with(spec("web"))
}

fn with(spec: VmSpec) -> VmTable {
    let mut table = VmTable::default();
    table.apply(Event::Loaded(vec![VmSpec { enabled: false, ..spec }]));
    start(&mut table);
    table
}

fn start(table: &mut VmTable) {
    ask(table, 90, JOE, Request::Start(VmRef::Id(WEB)));
    table.apply(Event::Launched(WEB, "/dev/pts/7".into()));
    table.apply(Event::Spawned(WEB, 4711));
    table.apply(Event::Started(WEB));
}

fn done() -> Event {
    Event::Drive(WEB, DriveAnswer::Done(DriveState::default()))
}

fn kind(effects: &[Effect]) -> Option<RefusalKind> {
    effects.iter().find_map(|effect| match effect {
        Effect::Reply(_, Reply::Refused(refusal)) => Some(refusal.kind),
        _ => None,
    })
}

/// The disc that a client is told of.
fn told(effects: &[Effect], request: u64) -> Option<&Path> {
    let found = effects.iter().find_map(|effect| match effect {
        Effect::Reply(client, Reply::Drive(info)) if *client == RequestId(request) => Some(info),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{request} is not answered: {effects:?}")).disc.as_deref()
}

fn noted(effects: &[Effect]) -> Option<&Survivor> {
    effects.iter().find_map(|effect| match effect {
        Effect::Note(survivor) => Some(&**survivor),
        _ => None,
    })
}

#[test]
fn a_disc_is_in_from_the_start_and_is_changed_when_the_machine_says_so() {
    let mut table = table();
    let effects = drive(&mut table, 1, JOE, DriveRequest::Look);
    assert!(matches!(&effects[..], [Effect::Drive(WEB, _, DriveRequest::Look)]), "{effects:?}");
    let effects = drive(&mut table, 2, JOE, insert("/disc2"));
    assert!(
        matches!(&effects[..], [Effect::Drive(WEB, peer, DriveRequest::Change { .. })] if peer.uid == JOE)
    );
    let effects = table.apply(done());
    assert_eq!(told(&effects, 1), Some(Path::new("/disc1")));
    assert_eq!(noted(&effects), None, "looking changes nothing");
    let effects = table.apply(done());
    assert_eq!(told(&effects, 2), Some(Path::new("/disc2")));
    assert_eq!(noted(&effects).unwrap().disc.as_deref(), Some(Path::new("/disc2")));
    drive(&mut table, 3, JOE, EJECT);
    let effects = table.apply(done());
    assert_eq!((told(&effects, 3), noted(&effects).unwrap().disc.as_deref()), (None, None));
    assert_eq!(table.apply(done()), [], "nobody asked for that");
}

#[test]
fn what_is_not_done_leaves_the_disc_as_it_is() {
    let mut table = table();
    for (answer, expected) in [
        (DriveAnswer::Locked, RefusalKind::Locked),
        (DriveAnswer::Unusable, RefusalKind::Cdrom),
        (DriveAnswer::NoDrive, RefusalKind::Cdrom),
    ] {
        drive(&mut table, 1, JOE, EJECT);
        let effects = table.apply(Event::Drive(WEB, answer));
        assert_eq!((kind(&effects), noted(&effects)), (Some(expected), None));
    }
    drive(&mut table, 2, JOE, DriveRequest::Look);
    drive(&mut table, 3, JOE, insert("/nosuch"));
    let missing = Refusal { kind: RefusalKind::Cdrom, message: "no such disc".into() };
    let effects = table.apply(Event::NoDisc(WEB, missing.clone()));
    assert_eq!(effects, [Effect::Reply(RequestId(3), Reply::Refused(missing))]);
    assert_eq!(told(&table.apply(done()), 2), Some(Path::new("/disc1")));
}

#[test]
fn strangers_and_machines_that_do_not_run_or_have_no_drive_are_refused() {
    let mut running = table();
    assert_eq!(kind(&drive(&mut running, 1, 2000, DriveRequest::Look)), Some(RefusalKind::NotPermitted));
    let mut without = with(VmSpec { cdrom: None, ..spec("web") });
    assert_eq!(kind(&drive(&mut without, 1, JOE, DriveRequest::Look)), Some(RefusalKind::Cdrom));
    let stop = Request::Stop { vm: VmRef::Id(WEB), mode: StopMode::Graceful, wait: false };
    ask(&mut running, 2, JOE, stop);
    assert_eq!(kind(&drive(&mut running, 3, JOE, EJECT)), Some(RefusalKind::AlreadyStopping));
    running.apply(Event::Ended(WEB, ExitReason::PoweredOff));
    assert_eq!(kind(&drive(&mut running, 4, JOE, EJECT)), Some(RefusalKind::NotRunning));
}

#[test]
fn an_instance_gets_other_discs_only_if_its_template_says_so() {
    let mut template = VmSpec { enabled: false, ..spec("template") };
    for (allowed, expected) in [(false, Some(RefusalKind::NotPermitted)), (true, None)] {
        template.allow.cdrom = allowed;
        let mut table = VmTable::default();
        let instance = VmSpec { enabled: false, template: Some(name("template")), ..spec("web") };
        table.apply(Event::Loaded(vec![instance, template.clone()]));
        start(&mut table);
        assert_eq!(kind(&drive(&mut table, 1, JOE, insert("/disc2"))), expected);
        assert_eq!(kind(&drive(&mut table, 2, JOE, EJECT)), None, "taking it out is no choice");
    }
}

#[test]
fn a_change_whose_client_has_gone_is_noted_all_the_same() {
    let mut table = table();
    drive(&mut table, 1, JOE, insert("/disc2"));
    table.apply(Event::Cancel(RequestId(1)));
    let effects = table.apply(done());
    assert!(matches!(&effects[..], [Effect::Note(survivor)] if survivor.disc == Some("/disc2".into())));
}

#[test]
fn the_end_of_the_machine_answers_who_waits_and_its_next_start_has_the_first_disc() {
    let mut table = table();
    drive(&mut table, 1, JOE, insert("/disc2"));
    table.apply(done());
    drive(&mut table, 2, JOE, insert("/disc3"));
    let effects = table.apply(Event::Ended(WEB, ExitReason::PoweredOff));
    assert_eq!(kind(&effects), Some(RefusalKind::NotRunning));
    start(&mut table);
    drive(&mut table, 3, JOE, DriveRequest::Look);
    assert_eq!(told(&table.apply(done()), 3), Some(Path::new("/disc1")));
}

#[test]
fn the_next_daemon_knows_the_disc_and_none_comes_while_it_is_changed() {
    let mut table = table();
    drive(&mut table, 1, JOE, insert("/disc2"));
    assert_eq!(kind(&ask(&mut table, 2, 0, Request::Restart)), Some(RefusalKind::Failed));
    let effects = table.apply(done());
    let survivor = noted(&effects).unwrap().clone();
    assert_eq!(ask(&mut table, 3, 0, Request::Restart), [Effect::Leave(RequestId(3))]);
    let mut next = VmTable::default();
    next.reserve(WEB);
    next.apply(Event::Adopted(Box::new(survivor)));
    drive(&mut next, 4, JOE, DriveRequest::Look);
    assert_eq!(told(&next.apply(done()), 4), Some(Path::new("/disc2")));
}

#[test]
fn everybody_who_listens_hears_of_another_disc() {
    let mut table = table();
    ask(&mut table, 7, JOE, Request::Events);
    drive(&mut table, 1, JOE, DriveRequest::Look);
    assert!(!is_news(&table.apply(done())));
    drive(&mut table, 2, JOE, insert("/disc2"));
    assert!(is_news(&table.apply(done())));
    drive(&mut table, 3, JOE, EJECT);
    assert!(!is_news(&table.apply(Event::Drive(WEB, DriveAnswer::Locked))));
}

fn is_news(effects: &[Effect]) -> bool {
    let event = VmEvent { id: WEB, name: name("web"), what: Happening::DiscChanged };
    effects.contains(&Effect::Reply(RequestId(7), Reply::Event(event)))
}

#[test]
fn orders_do_not_pile_up_without_end() {
    let mut table = table();
    for request in 0..64 {
        assert_eq!(kind(&drive(&mut table, request, JOE, DriveRequest::Look)), None);
    }
    assert_eq!(kind(&drive(&mut table, 64, JOE, DriveRequest::Look)), Some(RefusalKind::Failed));
}
