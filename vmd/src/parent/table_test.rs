use proto::{VmInfo, VmState};

use super::*;

pub const ROOT: u32 = 0;
pub const JOE: u32 = 1000;

pub fn peer(uid: u32) -> Peer {
    Peer { pid: 1, uid, gid: uid, groups: Vec::new() }
}

pub fn name(text: &str) -> VmName {
    VmName::new(text).unwrap()
}

pub fn by_name(text: &str) -> VmRef {
    VmRef::Name(name(text))
}

pub fn spec(text: &str) -> VmSpec {
    VmSpec { boot: Some("/vmlinuz".into()), owner: Owner { uid: JOE, gid: None }, ..VmSpec::new(name(text)) }
}

/// A table with "web" (1), which belongs to joe, defined in the file and stopped.
pub fn with_web() -> VmTable {
    let mut table = VmTable::default();
    assert_eq!(table.apply(Event::Loaded(vec![VmSpec { enabled: false, ..spec("web") }])), []);
    table
}

/// The same, with "web" started by joe.
pub fn with_web_running() -> VmTable {
    let mut table = with_web();
    let effects = ask(&mut table, 1, JOE, Request::Start(by_name("web")));
    assert!(
        matches!(&effects[..], [Effect::Launch(VmId(1), _, Owner { uid: JOE, gid: None })]),
        "{effects:?}"
    );
    come_up(&mut table, VmId(1));
    table
}

pub fn come_up(table: &mut VmTable, id: VmId) -> Vec<Effect> {
    table.apply(Event::Launched(id, "/dev/pts/7".into()));
    let effects = table.apply(Event::Spawned(id, 4711));
    assert!(matches!(&effects[..], [Effect::Note(survivor)] if survivor.pid == 4711), "{effects:?}");
    table.apply(Event::Started(id))
}

/// Without what is only noted for a later daemon.
pub fn acts(effects: Vec<Effect>) -> Vec<Effect> {
    effects.into_iter().filter(|effect| !matches!(effect, Effect::Note(_))).collect()
}

pub fn ask(table: &mut VmTable, request: u64, uid: u32, what: Request) -> Vec<Effect> {
    table.apply(Event::Request(RequestId(request), peer(uid), what))
}

pub fn refusal(effects: &[Effect]) -> Option<RefusalKind> {
    match effects {
        [Effect::Reply(_, Reply::Refused(refusal))] => Some(refusal.kind),
        _ => None,
    }
}

pub fn rows(effects: &[Effect]) -> Vec<VmInfo> {
    assert!(matches!(effects.last(), Some(Effect::Reply(_, Reply::Done))), "{effects:?}");
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Reply(_, Reply::Vm(info)) => Some((**info).clone()),
            _ => None,
        })
        .collect()
}

pub fn status(table: &mut VmTable) -> Vec<VmInfo> {
    rows(&ask(table, 99, JOE, Request::Status(None)))
}

pub fn stop(vm: &str, mode: StopMode, wait: bool) -> Request {
    Request::Stop { vm: by_name(vm), mode, wait }
}

#[test]
fn enabled_machines_start_with_the_daemon() {
    let mut table = VmTable::default();
    let effects = table.apply(Event::Loaded(vec![spec("web"), VmSpec { enabled: false, ..spec("db") }]));
    assert!(matches!(&effects[..], [Effect::Launch(VmId(1), _, Owner { uid: ROOT, .. })]), "{effects:?}");
    let states: Vec<_> = status(&mut table).into_iter().map(|info| (info.id, info.state)).collect();
    assert_eq!(states, [(VmId(1), VmState::Starting), (VmId(2), VmState::Stopped)]);
}

#[test]
fn a_client_learns_the_terminal_once_the_guest_runs() {
    let mut table = with_web();
    ask(&mut table, 1, JOE, Request::Start(VmRef::Id(VmId(1))));
    let effects = come_up(&mut table, VmId(1));
    let started = Reply::Started { id: VmId(1), name: name("web"), tty: "/dev/pts/7".into() };
    assert_eq!(effects, [Effect::Reply(RequestId(1), started)]);
}

#[test]
fn the_status_tells_process_terminal_and_who_started_it() {
    let mut table = with_web_running();
    let [info] = &status(&mut table)[..] else { panic!("one row") };
    assert_eq!((info.state, info.pid, info.owner.uid), (VmState::Running, Some(4711), JOE));
    assert_eq!(info.tty.as_deref(), Some(std::path::Path::new("/dev/pts/7")));
    table.apply(Event::Ended(VmId(1), ExitReason::Killed(9)));
    let [info] = &status(&mut table)[..] else { panic!("one row") };
    assert_eq!((info.state, info.pid, info.tty.clone()), (VmState::Stopped, None, None));
    assert_eq!(info.last_exit, Some(ExitReason::Killed(9)));
}

#[test]
fn running_machines_are_listed_first_and_unknown_ones_not_at_all() {
    let mut table = VmTable::default();
    table.apply(Event::Loaded(vec![VmSpec { enabled: false, ..spec("a") }, spec("b")]));
    let names: Vec<_> = status(&mut table).into_iter().map(|info| info.name).collect();
    assert_eq!(names, [name("b"), name("a")]);
    assert_eq!(rows(&ask(&mut table, 1, JOE, Request::Status(Some(by_name("c"))))), []);
    assert_eq!(rows(&ask(&mut table, 1, JOE, Request::Status(Some(VmRef::Id(VmId(1)))))).len(), 1);
}

#[test]
fn a_client_that_waits_for_the_stop_gets_two_answers() {
    let mut table = with_web_running();
    let effects = ask(&mut table, 2, JOE, stop("web", StopMode::Graceful, true));
    let stopping = Effect::Reply(RequestId(2), Reply::Stopping { id: VmId(1) });
    assert_eq!(acts(effects), [stopping, Effect::Stop(VmId(1), StopMode::Graceful)]);
    ask(&mut table, 3, JOE, Request::Wait(by_name("web")));
    let how = ExitReason::PoweredOff;
    let ended = |client| Effect::Reply(RequestId(client), Reply::Ended { id: VmId(1), how: how.clone() });
    assert_eq!(
        table.apply(Event::Ended(VmId(1), how.clone())),
        [Effect::Release(name("web")), Effect::Report(VmId(1), name("web"), how.clone()), ended(2), ended(3)]
    );
}

#[test]
fn requests_that_make_no_sense_now_are_refused_with_their_kind() {
    let mut table = with_web_running();
    let again = ask(&mut table, 2, JOE, Request::Start(by_name("web")));
    assert_eq!(refusal(&again), Some(RefusalKind::AlreadyExists));
    ask(&mut table, 3, JOE, stop("web", StopMode::Graceful, false));
    let twice = ask(&mut table, 4, JOE, stop("web", StopMode::Graceful, false));
    assert_eq!(refusal(&twice), Some(RefusalKind::AlreadyStopping));
    let forced = ask(&mut table, 5, JOE, stop("web", StopMode::Force, false));
    assert!(forced.contains(&Effect::Stop(VmId(1), StopMode::Force)), "{forced:?}");
    table.apply(Event::Ended(VmId(1), ExitReason::Forced));
    for request in
        [stop("web", StopMode::Force, true), Request::Wait(by_name("web")), Request::Break(by_name("web"))]
    {
        assert_eq!(refusal(&ask(&mut table, 6, JOE, request)), Some(RefusalKind::NotRunning));
    }
    let unknown = ask(&mut table, 7, ROOT, Request::Start(by_name("nosuch")));
    assert_eq!(refusal(&unknown), Some(RefusalKind::NotFound));
}

#[test]
fn strangers_are_refused_before_anything_else() {
    let mut table = with_web_running();
    for request in [
        Request::Start(by_name("web")),
        stop("web", StopMode::Force, false),
        Request::Wait(by_name("web")),
        Request::Break(by_name("web")),
        Request::StartNew(Box::new(spec("new"))),
    ] {
        assert_eq!(refusal(&ask(&mut table, 2, 2000, request)), Some(RefusalKind::NotPermitted));
    }
}

#[test]
fn a_machine_belongs_to_whom_started_it_while_it_runs() {
    let mut table = with_web();
    ask(&mut table, 1, ROOT, Request::Start(by_name("web")));
    come_up(&mut table, VmId(1));
    let by_joe = ask(&mut table, 2, JOE, stop("web", StopMode::Graceful, false));
    assert_eq!(refusal(&by_joe), Some(RefusalKind::NotPermitted));
}

#[test]
fn a_machine_of_a_client_is_forgotten_at_its_end_but_its_number_is_kept() {
    let mut table = with_web();
    let effects = ask(&mut table, 1, ROOT, Request::StartNew(Box::new(spec("tmp"))));
    assert!(matches!(&effects[..], [Effect::Launch(VmId(2), ..)]), "{effects:?}");
    let clash = ask(&mut table, 2, ROOT, Request::StartNew(Box::new(spec("tmp"))));
    assert_eq!(refusal(&clash), Some(RefusalKind::AlreadyExists));
    come_up(&mut table, VmId(2));
    table.apply(Event::Ended(VmId(2), ExitReason::PoweredOff));
    assert_eq!(status(&mut table).len(), 1);
    ask(&mut table, 3, ROOT, Request::StartNew(Box::new(spec("other"))));
    let effects = ask(&mut table, 4, ROOT, Request::StartNew(Box::new(spec("tmp"))));
    assert!(matches!(&effects[..], [Effect::Launch(VmId(2), ..)]), "{effects:?}");
}

#[test]
fn a_request_that_breaks_a_limit_defines_nothing() {
    let mut table = VmTable::default();
    let relative = VmSpec { boot: Some("vmlinuz".into()), ..spec("tmp") };
    let effects = ask(&mut table, 1, ROOT, Request::StartNew(Box::new(relative)));
    assert_eq!(refusal(&effects), Some(RefusalKind::Failed));
    assert_eq!(status(&mut table), []);
}

#[test]
fn a_start_that_fails_is_told_to_its_client_and_can_be_tried_again() {
    let mut table = with_web();
    ask(&mut table, 1, JOE, Request::Start(by_name("web")));
    let missing = Refusal { kind: RefusalKind::Disk, message: "no disk".into() };
    let effects = table.apply(Event::Unopened(VmId(1), missing.clone()));
    assert_eq!(effects, [Effect::Reply(RequestId(1), Reply::Refused(missing))]);
    ask(&mut table, 2, JOE, Request::Start(by_name("web")));
    table.apply(Event::Launched(VmId(1), "/dev/pts/7".into()));
    let effects = table.apply(Event::Ended(VmId(1), ExitReason::Failed("no kernel in it".into())));
    let [Effect::Release(..), Effect::Reply(RequestId(2), Reply::Refused(refusal))] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert!(refusal.message.contains("no kernel in it"), "{}", refusal.message);
    let effects = ask(&mut table, 3, JOE, Request::Start(by_name("web")));
    assert!(matches!(&effects[..], [Effect::Launch(..)]), "{effects:?}");
}

#[test]
fn nobody_is_answered_after_having_left() {
    let mut table = with_web_running();
    ask(&mut table, 2, JOE, Request::Wait(by_name("web")));
    table.apply(Event::Cancel(RequestId(2)));
    let effects = table.apply(Event::Ended(VmId(1), ExitReason::PoweredOff));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Reply(..))), "{effects:?}");
}

#[test]
fn a_stop_during_the_start_tells_the_client_that_started() {
    let mut table = with_web();
    ask(&mut table, 1, JOE, Request::Start(by_name("web")));
    let effects = ask(&mut table, 2, JOE, stop("web", StopMode::Graceful, false));
    assert!(matches!(
        &effects[..],
        [
            Effect::Reply(RequestId(2), Reply::Stopping { .. }),
            Effect::Reply(RequestId(1), Reply::Refused(_)),
            Effect::Stop(VmId(1), StopMode::Graceful)
        ]
    ));
    assert_eq!(come_up(&mut table, VmId(1)), [], "it does not come to life again");
}

#[test]
fn shutdown_asks_all_at_once_forces_the_second_time_and_exits_when_all_have_ended() {
    let mut table = VmTable::default();
    table.apply(Event::Loaded(vec![spec("a"), spec("b"), VmSpec { enabled: false, ..spec("c") }]));
    come_up(&mut table, VmId(1));
    come_up(&mut table, VmId(2));
    let stop = |id, mode| Effect::Stop(VmId(id), mode);
    let asked = table.apply(Event::Shutdown);
    assert_eq!(acts(asked), [stop(1, StopMode::Graceful), stop(2, StopMode::Graceful)]);
    let late = ask(&mut table, 1, ROOT, Request::Start(by_name("c")));
    assert_eq!(refusal(&late), Some(RefusalKind::Failed));
    let forced = table.apply(Event::Shutdown);
    assert_eq!(acts(forced), [stop(1, StopMode::Force), stop(2, StopMode::Force)]);
    assert!(!table.apply(Event::Ended(VmId(1), ExitReason::PoweredOff)).contains(&Effect::Exit));
    assert!(table.apply(Event::Ended(VmId(2), ExitReason::Forced)).contains(&Effect::Exit));
}

#[test]
fn shutdown_with_nothing_running_exits_at_once() {
    assert_eq!(with_web().apply(Event::Shutdown), [Effect::Exit]);
}
