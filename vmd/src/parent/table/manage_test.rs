//! Pausing, pacing, restarts, reloading and news.

use std::time::Duration;

use proto::{Happening, PlanAction, ResetKind, RestartPolicy, Staggered, VmEvent, VmState};

use super::tests::*;
use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn id(number: u32) -> VmId {
    VmId(number)
}

fn enabled(text: &str) -> VmSpec {
    VmSpec { enabled: true, ..spec(text) }
}

fn launched(effects: &[Effect]) -> Vec<u32> {
    let ids = effects.iter().filter_map(|effect| match effect {
        Effect::Launch(id, ..) => Some(id.0),
        _ => None,
    });
    ids.collect()
}

fn reload(table: &mut VmTable, specs: Vec<VmSpec>) -> Vec<Effect> {
    let reading = Reading { client: None, manner: Manner::Reload };
    assert_eq!(table.apply(Event::Hangup), [Effect::Read(reading.clone())]);
    table.apply(Event::Read(reading, Ok((Globals::default(), specs))))
}

fn state_of(table: &mut VmTable, text: &str) -> Option<VmState> {
    status(table).into_iter().find(|info| info.name == name(text)).map(|info| info.state)
}

#[test]
fn a_pause_is_answered_when_the_machine_stands_still() {
    let mut table = with_web_running();
    assert_eq!(ask(&mut table, 2, JOE, Request::Pause(by_name("web"))), [Effect::Pause(id(1), true)]);
    assert_eq!(state_of(&mut table, "web"), Some(VmState::Running));
    let acted = |client| Effect::Reply(RequestId(client), Reply::Acted { id: id(1) });
    assert_eq!(table.apply(Event::Paused(id(1))), [acted(2)]);
    assert_eq!(state_of(&mut table, "web"), Some(VmState::Paused));
    assert_eq!(ask(&mut table, 3, JOE, Request::Pause(by_name("web"))), [acted(3)]);
    assert_eq!(ask(&mut table, 4, JOE, Request::Unpause(by_name("web"))), [Effect::Pause(id(1), false)]);
    assert_eq!(table.apply(Event::Unpaused(id(1))), [acted(4)]);
    assert_eq!(state_of(&mut table, "web"), Some(VmState::Running));
}

#[test]
fn a_paused_machine_is_stopped_like_a_running_one() {
    let mut table = with_web_running();
    table.apply(Event::Paused(id(1)));
    let effects = ask(&mut table, 2, JOE, stop("web", StopMode::Graceful, false));
    assert!(effects.contains(&Effect::Stop(id(1), StopMode::Graceful)), "{effects:?}");
    assert_eq!(table.apply(Event::Unpaused(id(1))), [], "it goes on, to be asked");
    assert_eq!(state_of(&mut table, "web"), Some(VmState::Stopping));
    for request in [Request::Pause(by_name("web")), Request::Unpause(by_name("web"))] {
        assert_eq!(refusal(&ask(&mut table, 3, JOE, request)), Some(RefusalKind::AlreadyStopping));
    }
}

#[test]
fn who_waits_for_a_pause_hears_of_the_end() {
    let mut table = with_web_running();
    ask(&mut table, 2, JOE, Request::Pause(by_name("web")));
    let effects = table.apply(Event::Ended(id(1), ExitReason::PoweredOff));
    let refused = effects.iter().any(|effect| {
        matches!(effect, Effect::Reply(RequestId(2), Reply::Refused(r)) if r.kind == RefusalKind::NotRunning)
    });
    assert!(refused, "{effects:?}");
}

#[test]
fn staggered_machines_start_in_groups() {
    let mut table = VmTable::default();
    let staggered = Staggered { parallel: 2, delay: seconds(10) };
    table.apply(Event::Configured(Globals { staggered: Some(staggered), ..Globals::default() }));
    let specs = ["a", "b", "c", "d", "e"].map(enabled).to_vec();
    assert_eq!(launched(&table.at(seconds(1)).apply(Event::Loaded(specs))), [1, 2]);
    assert_eq!(table.next_deadline(), Some(seconds(11)));
    assert_eq!(state_of(&mut table, "c"), Some(VmState::Waiting));
    assert_eq!(table.at(seconds(10)).apply(Event::Tick), []);
    let by_hand = ask(&mut table, 1, ROOT, Request::Start(by_name("c")));
    assert_eq!(launched(&by_hand), [3], "it need not wait");
    assert_eq!(launched(&table.at(seconds(11)).apply(Event::Tick)), [4, 5]);
    assert_eq!(table.next_deadline(), None);
}

#[test]
fn a_machine_that_is_disabled_meanwhile_loses_its_turn() {
    let mut table = VmTable::default();
    let staggered = Staggered { parallel: 1, delay: seconds(10) };
    table.apply(Event::Configured(Globals { staggered: Some(staggered), ..Globals::default() }));
    table.apply(Event::Loaded(vec![enabled("a"), enabled("b")]));
    reload(&mut table, vec![enabled("a"), VmSpec { enabled: false, ..spec("b") }]);
    assert_eq!(state_of(&mut table, "b"), Some(VmState::Stopped));
    assert_eq!(table.at(seconds(10)).apply(Event::Tick), []);
}

#[test]
fn a_shutdown_leaves_nobody_waiting() {
    let mut table = VmTable::default();
    let staggered = Staggered { parallel: 1, delay: seconds(10) };
    table.apply(Event::Configured(Globals { staggered: Some(staggered), ..Globals::default() }));
    table.apply(Event::Loaded(vec![enabled("a"), enabled("b")]));
    assert_eq!(acts(table.apply(Event::Shutdown)), [Effect::Stop(id(1), StopMode::Graceful)]);
    assert_eq!((table.next_deadline(), state_of(&mut table, "b")), (None, Some(VmState::Stopped)));
    assert!(table.apply(Event::Ended(id(1), ExitReason::PoweredOff)).contains(&Effect::Exit));
}

fn restarting(policy: RestartPolicy) -> VmTable {
    let mut table = VmTable::default();
    table.apply(Event::Loaded(vec![VmSpec { restart: policy, ..enabled("web") }]));
    come_up(&mut table, id(1));
    table
}

#[test]
fn a_machine_is_started_again_as_its_policy_says() {
    let (off, broken) = (ExitReason::PoweredOff, ExitReason::Killed(9));
    for (policy, how, again) in [
        (RestartPolicy::Never, &broken, false),
        (RestartPolicy::OnFailure, &off, false),
        (RestartPolicy::OnFailure, &broken, true),
        (RestartPolicy::Always, &off, true),
    ] {
        let effects = restarting(policy).at(seconds(60)).apply(Event::Ended(id(1), how.clone()));
        assert_eq!(!launched(&effects).is_empty(), again, "{policy} after {how}");
    }
}

#[test]
fn a_machine_that_was_stopped_is_not_started_again() {
    let mut table = restarting(RestartPolicy::Always);
    ask(&mut table, 1, ROOT, stop("web", StopMode::Graceful, false));
    assert_eq!(launched(&table.apply(Event::Ended(id(1), ExitReason::PoweredOff))), [0; 0]);
}

#[test]
fn a_wait_ends_at_the_real_end() {
    let mut table = restarting(RestartPolicy::OnFailure);
    ask(&mut table, 1, ROOT, Request::Wait(by_name("web")));
    let again = table.at(seconds(60)).apply(Event::Ended(id(1), ExitReason::Killed(9)));
    assert!(!again.iter().any(|effect| matches!(effect, Effect::Reply(..))), "{again:?}");
    come_up(&mut table, id(1));
    let ended = Reply::Ended { id: id(1), how: ExitReason::PoweredOff };
    let effects = table.apply(Event::Ended(id(1), ExitReason::PoweredOff));
    assert!(effects.contains(&Effect::Reply(RequestId(1), ended)), "{effects:?}");
}

#[test]
fn a_machine_that_breaks_at_once_is_given_up() {
    let mut table = restarting(RestartPolicy::Always);
    for _ in 0..2 {
        assert_eq!(launched(&table.apply(Event::Ended(id(1), ExitReason::Killed(9)))), [1]);
        come_up(&mut table, id(1));
    }
    let effects = table.apply(Event::Ended(id(1), ExitReason::Killed(9)));
    assert!(matches!(&effects[..], [.., Effect::ReportUnstarted(..)]), "{effects:?}");
    assert_eq!(state_of(&mut table, "web"), Some(VmState::Stopped));
    let by_hand = ask(&mut table, 1, ROOT, Request::Start(by_name("web")));
    assert_eq!(refusal(&by_hand), Some(RefusalKind::NotPermitted));
    table.at(seconds(6));
    assert_eq!(launched(&ask(&mut table, 2, ROOT, Request::Start(by_name("web")))), [1]);
}

#[test]
fn a_file_that_can_not_be_used_changes_nothing() {
    let mut table = with_web_running();
    let reading = Reading { client: Some(RequestId(2)), manner: Manner::Reload };
    let asked = ask(&mut table, 2, ROOT, Request::Reload { dry_run: false });
    assert_eq!(asked, [Effect::Read(reading.clone())]);
    let before = status(&mut table);
    let effects = table.apply(Event::Read(reading, Err("line 3".into())));
    assert_eq!(refusal(&effects), Some(RefusalKind::Failed));
    assert_eq!(status(&mut table), before);
}

#[test]
fn the_control_socket_follows_the_file() {
    let mut table = VmTable::default();
    let owner = Some(Owner { uid: JOE, gid: None });
    let globals = Globals { socket_owner: owner, ..Globals::default() };
    assert_eq!(table.apply(Event::Configured(globals)), [Effect::GiveSocket(owner)]);
    assert_eq!(reload(&mut table, vec![]), [Effect::GiveSocket(None)]);
}

#[test]
fn a_plan_changes_nothing_either() {
    let mut table = with_web_running();
    let before = status(&mut table);
    let reading = Reading { client: Some(RequestId(2)), manner: Manner::Plan };
    let effects = table.apply(Event::Read(reading, Ok((Globals::default(), vec![enabled("new")]))));
    let [
        Effect::Reply(_, Reply::Step(start)),
        Effect::Reply(_, Reply::Step(forget)),
        Effect::Reply(_, Reply::Done),
    ] = &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!((start.action, forget.action), (PlanAction::Start, PlanAction::Forget));
    assert_eq!(status(&mut table), before);
}

#[test]
fn a_running_machine_takes_on_the_rest_at_its_next_start() {
    let mut table = with_web_running();
    let new = VmSpec { cmdline: "quiet".into(), stop_timeout: Some(seconds(7)), ..spec("web") };
    let effects = reload(&mut table, vec![VmSpec { enabled: false, ..new }]);
    assert!(matches!(&effects[..], [Effect::Note(_)]), "a later daemon knows: {effects:?}");
    assert_eq!(table.time_to_stop(id(1)), seconds(7));
    assert_eq!(status(&mut table)[0].pending, ["cmdline"]);
    table.apply(Event::Ended(id(1), ExitReason::PoweredOff));
    assert_eq!(status(&mut table)[0].pending, Vec::<String>::new());
    let effects = ask(&mut table, 3, JOE, Request::Start(by_name("web")));
    assert!(matches!(&effects[..], [Effect::Launch(_, spec, _)] if spec.cmdline == "quiet"), "{effects:?}");
}

#[test]
fn what_the_file_no_longer_names_runs_to_its_end() {
    let mut table = with_web_running();
    reload(&mut table, vec![]);
    assert_eq!(state_of(&mut table, "web"), Some(VmState::Running));
    table.apply(Event::Ended(id(1), ExitReason::PoweredOff));
    assert_eq!(state_of(&mut table, "web"), None);
    let mut table = with_web();
    reload(&mut table, vec![]);
    assert_eq!(state_of(&mut table, "web"), None, "a stopped one is forgotten at once");
}

#[test]
fn what_the_file_no_longer_names_is_not_started_again() {
    let mut table = restarting(RestartPolicy::Always);
    reload(&mut table, vec![]);
    assert_eq!(launched(&table.at(seconds(60)).apply(Event::Ended(id(1), ExitReason::Killed(9)))), [0; 0]);
    assert_eq!(state_of(&mut table, "web"), None);
}

#[test]
fn a_load_adds_and_takes_nothing_away() {
    let mut table = with_web();
    let reading = Reading { client: Some(RequestId(2)), manner: Manner::Load("/more.conf".into()) };
    let asked = ask(&mut table, 2, ROOT, Request::Load("/more.conf".into()));
    assert_eq!(asked, [Effect::Read(reading.clone())]);
    let effects = table.apply(Event::Read(reading, Ok((Globals::default(), vec![enabled("db")]))));
    assert_eq!(launched(&effects), [2]);
    assert_eq!(status(&mut table).len(), 2);
}

#[test]
fn a_reset_ends_all_forgets_all_and_counts_from_one_again() {
    let mut table = with_web_running();
    table.apply(Event::Loaded(vec![VmSpec { enabled: false, ..spec("db") }]));
    let effects = ask(&mut table, 2, ROOT, Request::Reset(ResetKind::Vms));
    let done = Effect::Reply(RequestId(2), Reply::Done);
    assert_eq!(acts(effects), [done, Effect::Stop(id(1), StopMode::Force)]);
    assert_eq!(state_of(&mut table, "db"), None);
    reload(&mut table, vec![VmSpec { enabled: false, ..spec("new") }]);
    assert_eq!(status(&mut table)[1].id, id(2), "1 is still in use");
    table.apply(Event::Ended(id(1), ExitReason::Forced));
    assert_eq!(state_of(&mut table, "web"), None);
}

#[test]
fn only_root_manages_the_daemon() {
    for request in [
        Request::Reload { dry_run: true },
        Request::Reload { dry_run: false },
        Request::Load("/x".into()),
        Request::Reset(ResetKind::All),
        Request::Log(LogLevel::Verbose),
    ] {
        assert_eq!(refusal(&ask(&mut with_web(), 1, JOE, request)), Some(RefusalKind::NotPermitted));
    }
}

#[test]
fn subscribers_hear_what_happens_until_they_leave() {
    let mut table = with_web();
    assert_eq!(ask(&mut table, 1, JOE, Request::Events), []);
    let told = |effects: Vec<Effect>| -> Vec<Happening> {
        let news = effects.into_iter().filter_map(|effect| match effect {
            Effect::Reply(RequestId(1), Reply::Event(VmEvent { what, .. })) => Some(what),
            _ => None,
        });
        news.collect()
    };
    let starting = ask(&mut table, 2, JOE, Request::Start(by_name("web")));
    assert_eq!(told(starting), [Happening::State(VmState::Starting)]);
    assert_eq!(told(table.apply(Event::Started(id(1)))), [Happening::State(VmState::Running)]);
    assert_eq!(told(table.apply(Event::Rebooted(id(1)))), [Happening::Rebooted]);
    let how = ExitReason::PoweredOff;
    assert_eq!(
        told(table.apply(Event::Ended(id(1), how.clone()))),
        [Happening::Ended(how), Happening::State(VmState::Stopped)]
    );
    assert_eq!(told(reload(&mut table, vec![])), [Happening::Forgotten]);
    table.apply(Event::Cancel(RequestId(1)));
    assert_eq!(told(reload(&mut table, vec![enabled("new")])), []);
}
