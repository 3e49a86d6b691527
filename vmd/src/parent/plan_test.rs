use std::time::Duration;

use proto::{CpuCount, Owner, RestartPolicy};

use super::*;

fn spec(name: &str) -> VmSpec {
    VmSpec { enabled: false, ..VmSpec::new(VmName::new(name).unwrap()) }
}

fn two_cpus() -> CpuCount {
    CpuCount::new(2).unwrap()
}

/// A machine from the file.
fn known(spec: &VmSpec, live: bool) -> Known<'_> {
    Known { spec, live, transient: false }
}

/// The plan in short: `action name now/later`.
fn short(known: &[Known<'_>], wanted: &[VmSpec], extent: Extent) -> Vec<String> {
    let steps = plan(known.iter().copied(), wanted, extent);
    steps.iter().map(|s| format!("{} {} {}/{}", s.action, s.vm, s.now.join("+"), s.later.join("+"))).collect()
}

#[test]
fn what_is_new_is_added_and_started_if_it_is_enabled() {
    let wanted = [VmSpec { enabled: true, ..spec("on") }, spec("off")];
    for extent in [Extent::Whole, Extent::Addition] {
        assert_eq!(short(&[], &wanted, extent), ["start on /", "add off /"]);
    }
}

#[test]
fn what_is_as_before_is_kept() {
    let web = spec("web");
    assert_eq!(short(&[known(&web, true)], std::slice::from_ref(&web), Extent::Whole), ["keep web /"]);
    assert_eq!(short(&[known(&web, false)], std::slice::from_ref(&web), Extent::Whole), ["keep web /"]);
}

#[test]
fn a_running_machine_changes_now_what_it_can_and_the_rest_later() {
    let web = spec("web");
    let new = VmSpec {
        cpus: two_cpus(),
        owner: Owner { uid: 1, gid: None },
        restart: RestartPolicy::Always,
        stop_timeout: Some(Duration::from_secs(5)),
        cmdline: "quiet".into(),
        ..web.clone()
    };
    let new = [new];
    assert_eq!(
        short(&[known(&web, true)], &new, Extent::Whole),
        ["change web owner+restart+stop timeout/cpus+cmdline"]
    );
    assert_eq!(
        short(&[known(&web, false)], &new, Extent::Whole),
        ["change web owner+restart+stop timeout+cpus+cmdline/"]
    );
}

#[test]
fn a_reload_starts_what_is_enabled_and_stopped_and_a_load_does_not() {
    let web = VmSpec { enabled: true, ..spec("web") };
    let stopped = [known(&web, false)];
    assert_eq!(short(&stopped, std::slice::from_ref(&web), Extent::Whole), ["start web /"]);
    assert_eq!(short(&stopped, std::slice::from_ref(&web), Extent::Addition), ["keep web /"]);
    let running = [known(&web, true)];
    assert_eq!(short(&running, std::slice::from_ref(&web), Extent::Whole), ["keep web /"]);
}

#[test]
fn a_reload_forgets_what_the_file_does_not_name_but_nothing_of_a_client() {
    let (web, of_client) = (spec("web"), spec("tmp"));
    let there = [known(&web, true), Known { spec: &of_client, live: true, transient: true }];
    assert_eq!(short(&there, &[], Extent::Whole), ["forget web /"]);
    assert_eq!(short(&there, &[], Extent::Addition), Vec::<String>::new());
}

#[test]
fn following_live_settings_leaves_only_the_others_to_differ() {
    let old = spec("web");
    let new = VmSpec { cpus: two_cpus(), restart: RestartPolicy::OnFailure, ..old.clone() };
    let mut followed = old;
    follow_live(&mut followed, &new);
    assert_eq!(split(&followed, &new), (vec![], vec!["cpus".to_owned()]));
}
