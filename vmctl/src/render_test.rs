use proto::{CpuCount, ExitReason, Happening, MemorySize, PlanAction, VmEvent, VmId, VmName, VmState};

use super::*;

const PASSWD: &str =
    "root:x:0:0:root:/root:/bin/bash\nodd\ntoor:x:0:0::/:\nanna:x:1000:1000::/home/anna:/bin/sh\n";
const GROUP: &str = "wheel:x:10:root,anna\nverylonggroupname:x:11:\n";

fn running() -> Vm {
    Vm {
        id: VmId(1),
        name: VmName::new("web").unwrap(),
        state: VmState::Running,
        pid: Some(4711),
        cpus: CpuCount::new(2).unwrap(),
        max_memory: MemorySize::from_bytes(1 << 30).unwrap(),
        current_memory: Some(33_449_574),
        cpu_time: Some(61_250),
        tty: Some("/dev/pts/3".into()),
        uid: 1000,
        gid: Some(10),
        last_exit: None,
        pending: Vec::new(),
    }
}

fn stopped() -> Vm {
    Vm {
        id: VmId(12),
        name: VmName::new("db").unwrap(),
        state: VmState::Stopped,
        pid: None,
        current_memory: None,
        cpu_time: None,
        max_memory: MemorySize::DEFAULT,
        tty: None,
        uid: 0,
        gid: None,
        ..running()
    }
}

#[test]
fn the_table_has_the_columns_of_openbsd() {
    let text = table(&[running(), stopped()], &Accounts::parse(PASSWD, GROUP));
    let expected = "
   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME
    1  4711     2    1.0G   31.9M   pts/3   anna:wheel  running web
   12     -     2    512M       -       -         root  stopped db
";
    assert_eq!(text, expected[1..]);
}

#[test]
fn a_table_without_machines_is_its_header() {
    assert_eq!(table(&[], &Accounts::default()).lines().count(), 1);
}

#[test]
fn owners_without_a_name_are_numbers_and_long_ones_are_cut() {
    let accounts = Accounts::parse(PASSWD, GROUP);
    assert_eq!(accounts.owner(7, Some(8)), "7:8");
    let long = Vm { gid: Some(11), ..running() };
    assert!(table(&[long], &accounts).contains(" anna:verylonggr "));
}

#[test]
fn json_is_an_array_of_what_the_daemon_said() {
    let text = json(&[running()]).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value[0]["name"], "web");
    assert_eq!(value[0]["maxMemory"], 1u64 << 30);
    assert_eq!(value[0]["state"], "running");
    assert_eq!(value[0]["lastExit"], serde_json::Value::Null);
    assert_eq!(json::<[Vm]>(&[]).unwrap(), "[]\n");
}

#[test]
fn details_say_what_changes_at_the_next_start() {
    let accounts = Accounts::parse(PASSWD, GROUP);
    let text = details(&[Vm { pending: vec!["cpus".into(), "disk".into()], ..running() }], &accounts);
    assert!(text.starts_with("name:          web\n"), "{text}");
    assert!(text.ends_with("at next start: cpus, disk\n"), "{text}");
    assert!(!details(&[stopped()], &accounts).contains("process:"));
}

#[test]
fn a_plan_is_a_line_for_each_machine() {
    let web = || VmName::new("web").unwrap();
    let step = |action, now: &[&str], later: &[&str]| {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        PlanStep { vm: web(), action, now: words(now), later: words(later) }
    };
    let text = plan(&[
        step(PlanAction::Keep, &[], &[]),
        step(PlanAction::Change, &["owner"], &["cpus", "disk"]),
        step(PlanAction::Change, &[], &["memory"]),
    ]);
    let expected =
        "keep web\nchange web: owner; at next start: cpus, disk\nchange web: at next start: memory\n";
    assert_eq!(text, expected);
}

#[test]
fn an_event_is_a_line() {
    let told = |what| event(&VmEvent { id: VmId(1), name: VmName::new("web").unwrap(), what }.into());
    assert_eq!(told(Happening::State(VmState::Running)), "1 web running\n");
    assert_eq!(told(Happening::Ended(ExitReason::PoweredOff)), "1 web ended: powered off\n");
    assert_eq!(told(Happening::Rebooted), "1 web rebooted\n");
}

#[test]
fn a_drive_is_what_is_in_it_and_what_the_guest_has_done_to_it() {
    let full = Drive { id: VmId(3), disc: Some("/srv/a.iso".into()), locked: true, open: false };
    assert_eq!(drive(&full), "/srv/a.iso, locked by the guest\n");
    let open = Drive { locked: false, open: true, ..full.clone() };
    assert_eq!(drive(&open), "/srv/a.iso, tray opened by the guest\n");
    assert_eq!(drive(&Drive { disc: None, locked: false, ..full }), "no medium\n");
}
