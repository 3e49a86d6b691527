use super::*;

const WEB: VmId = VmId(1);
const DB: VmId = VmId(2);
const GRACE: Duration = Duration::from_secs(30);

/// A supervisor with `WEB` up, at a time from which the tests count.
fn with_web_up() -> (Supervisor, Instant) {
    let mut supervisor = Supervisor::default();
    let now = Instant::now();
    assert_eq!(supervisor.apply(now, Event::Spawned(WEB, 70)), [Effect::Tell(VmmToParent::Spawned(WEB, 70))]);
    assert_eq!(
        supervisor.apply(now, Event::Said(WEB, VmToVmm::Ready)),
        [Effect::Tell(VmmToParent::Started(WEB))]
    );
    (supervisor, now)
}

fn ended(how: ExitReason) -> [Effect; 1] {
    [Effect::Tell(VmmToParent::Ended(WEB, how))]
}

#[test]
fn a_guest_that_listens_powers_off() {
    let (mut vmm, now) = with_web_up();
    assert_eq!(
        vmm.apply(now, Event::Stop(WEB, StopMode::Graceful, GRACE)),
        [Effect::Send(WEB, VmmToVm::PowerButton)]
    );
    assert_eq!(vmm.next_deadline(), Some(now + GRACE));
    assert_eq!(vmm.apply(now, Event::Said(WEB, VmToVmm::Exiting(ExitReason::PoweredOff))), []);
    assert_eq!(vmm.apply(now, Event::Exited(WEB, ProcessEnd::Status(0))), ended(ExitReason::PoweredOff));
    assert_eq!(vmm.next_deadline(), None);
}

#[test]
fn a_deaf_guest_is_halted_at_its_deadline_and_killed_at_the_next() {
    let (mut vmm, now) = with_web_up();
    vmm.apply(now, Event::Stop(WEB, StopMode::Graceful, GRACE));
    assert_eq!(vmm.apply(now + GRACE - Duration::from_millis(1), Event::Tick), []);
    let late = now + GRACE;
    assert!(matches!(vmm.apply(late, Event::Tick)[..], [Effect::Warn(..), Effect::Send(WEB, VmmToVm::Halt)]));
    assert!(matches!(vmm.apply(late + HALT_TIME, Event::Tick)[..], [Effect::Warn(..), Effect::Kill(WEB)]));
    assert_eq!(vmm.apply(late + HALT_TIME, Event::Tick), []);
    assert_eq!(vmm.apply(late, Event::Exited(WEB, ProcessEnd::Signal(9))), ended(ExitReason::Forced));
}

#[test]
fn a_forced_stop_overtakes_a_graceful_one() {
    let (mut vmm, now) = with_web_up();
    vmm.apply(now, Event::Stop(WEB, StopMode::Graceful, GRACE));
    assert_eq!(vmm.apply(now, Event::Stop(WEB, StopMode::Force, GRACE)), [Effect::Send(WEB, VmmToVm::Halt)]);
    assert_eq!(vmm.apply(now, Event::Stop(WEB, StopMode::Force, GRACE)), []);
    assert_eq!(vmm.apply(now, Event::Stop(WEB, StopMode::Graceful, GRACE)), []);
}

#[test]
fn a_machine_that_still_boots_is_halted_whatever_the_mode() {
    let mut vmm = Supervisor::default();
    let now = Instant::now();
    vmm.apply(now, Event::Spawned(WEB, 70));
    assert_eq!(
        vmm.apply(now, Event::Stop(WEB, StopMode::Graceful, GRACE)),
        [Effect::Send(WEB, VmmToVm::Halt)]
    );
    assert_eq!(vmm.apply(now, Event::Said(WEB, VmToVmm::Ready)), [], "it does not come to life again");
}

#[test]
fn a_process_killed_by_somebody_else_is_reported_as_such() {
    let (mut vmm, now) = with_web_up();
    assert_eq!(vmm.apply(now, Event::Exited(WEB, ProcessEnd::Signal(9))), ended(ExitReason::Killed(9)));
    let (mut vmm, now) = with_web_up();
    assert_eq!(vmm.apply(now, Event::Exited(WEB, ProcessEnd::Status(3))), ended(ExitReason::Exited(3)));
}

#[test]
fn a_process_that_breaks_the_protocol_is_killed_and_named() {
    let (mut vmm, now) = with_web_up();
    assert_eq!(vmm.apply(now, Event::Confused(WEB, "rubbish".into())), [Effect::Kill(WEB)]);
    let [Effect::Tell(VmmToParent::Ended(WEB, ExitReason::Failed(why)))] =
        &vmm.apply(now, Event::Exited(WEB, ProcessEnd::Signal(9)))[..]
    else {
        panic!("the parent is told that it failed")
    };
    assert!(why.contains("rubbish"), "{why}");
}

#[test]
fn the_last_word_of_a_hostile_process_is_cut_short() {
    let (mut vmm, now) = with_web_up();
    vmm.apply(now, Event::Said(WEB, VmToVmm::Exiting(ExitReason::Failed("x".repeat(65_000)))));
    let [Effect::Tell(VmmToParent::Ended(WEB, ExitReason::Failed(why)))] =
        &vmm.apply(now, Event::Exited(WEB, ProcessEnd::Status(0)))[..]
    else {
        panic!("the parent is told that it failed")
    };
    assert!(why.len() <= ExitReason::MAX_TEXT, "{}", why.len());
}

#[test]
fn words_about_machines_that_are_gone_do_nothing() {
    let (mut vmm, now) = with_web_up();
    for event in [
        Event::Stop(DB, StopMode::Force, GRACE),
        Event::Break(DB),
        Event::Said(DB, VmToVmm::Ready),
        Event::Confused(DB, String::new()),
        Event::Exited(DB, ProcessEnd::Status(0)),
    ] {
        assert_eq!(vmm.apply(now, event), []);
    }
}

#[test]
fn deadlines_of_several_machines_are_kept_apart() {
    let (mut vmm, now) = with_web_up();
    vmm.apply(now, Event::Spawned(DB, 71));
    vmm.apply(now, Event::Said(DB, VmToVmm::Ready));
    vmm.apply(now, Event::Stop(WEB, StopMode::Graceful, GRACE));
    vmm.apply(now, Event::Stop(DB, StopMode::Graceful, GRACE * 2));
    assert_eq!(vmm.next_deadline(), Some(now + GRACE));
    let effects = vmm.apply(now + GRACE, Event::Tick);
    assert!(effects.contains(&Effect::Send(WEB, VmmToVm::Halt)), "{effects:?}");
    assert!(!effects.contains(&Effect::Send(DB, VmmToVm::Halt)), "{effects:?}");
}

#[test]
fn a_process_of_an_earlier_daemon_is_up_at_once_and_its_end_is_known_by_its_word_alone() {
    let mut vmm = Supervisor::default();
    let now = Instant::now();
    assert_eq!(vmm.apply(now, Event::Adopted(WEB)), []);
    // It greets the new daemon, which believed in it before.
    assert_eq!(vmm.apply(now, Event::Said(WEB, VmToVmm::Ready)), []);
    assert_eq!(
        vmm.apply(now, Event::Stop(WEB, StopMode::Graceful, GRACE)),
        [Effect::Send(WEB, VmmToVm::PowerButton)]
    );
    vmm.apply(now, Event::Said(WEB, VmToVmm::Exiting(ExitReason::PoweredOff)));
    assert_eq!(vmm.apply(now, Event::Exited(WEB, ProcessEnd::Unknown)), ended(ExitReason::PoweredOff));
    vmm.apply(now, Event::Adopted(WEB));
    assert_eq!(vmm.apply(now, Event::Exited(WEB, ProcessEnd::Unknown)), ended(ExitReason::Gone));
}
