//! What the manual pages say of vmctl is complete, and their examples are command lines.

use std::process::Command as Process;

use proto::api::{Acted, Event, EventKind, Exit, ExitKind, Leaving, Started, Stopped, Vm};
use proto::{ExitReason, PlanAction, PlanStep, RefusalKind, VmId, VmName, VmState};
use serde_json::{Value, json};

use super::*;

const MANUAL: &str = include_str!("../../man/vmctl.8");
const PAGES: [&str; 3] = [MANUAL, include_str!("../../man/vmd.8"), include_str!("../../man/vm.conf.5")];

/// A section of the manual.
fn section(title: &str) -> &'static str {
    let (_, rest) = MANUAL.split_once(&format!(".Sh {title}\n")).unwrap();
    rest.split("\n.Sh ").next().unwrap()
}

#[test]
fn the_manual_knows_every_command_and_option() {
    let mut flags: Vec<String> = Vec::new();
    for command in &COMMANDS {
        assert!(MANUAL.contains(&format!("Cm {}", command.name)), "{}", command.name);
        let syntax = command.syntax;
        flags.extend(syntax.letters.chars().filter(|letter| *letter != ':').map(String::from));
        flags.extend(syntax.words.iter().map(|word| format!("-{}", word.trim_end_matches(':'))));
    }
    flags.extend(crate::GLOBAL.letters.chars().filter(|letter| *letter != ':').map(String::from));
    flags.extend(crate::GLOBAL.words.iter().map(|word| format!("-{word}")));
    for flag in flags {
        let starts =
            |rest: &str| rest.starts_with(&flag) && !rest[flag.len()..].starts_with(char::is_alphanumeric);
        let named = MANUAL.match_indices("Fl ").any(|(at, mark)| starts(&MANUAL[at + mark.len()..]));
        assert!(named, "-{flag} is not in the manual");
    }
}

#[test]
fn the_manual_knows_every_refusal() {
    let diagnostics = section("DIAGNOSTICS");
    for kind in RefusalKind::ALL {
        assert!(diagnostics.contains(&format!(".It Li {kind:?}\n")), "{kind:?}");
    }
    // The statuses themselves are all that the program ends with.
    assert!(section("EXIT STATUS").starts_with(".Ex -std vmctl\nThe status of a failure is 1.\n"));
}

#[test]
fn the_manual_knows_every_failure_without_the_daemon() {
    use crate::client::ClientError::{Closed, Connect, Interrupted, Io, Malformed};
    let error = || std::io::Error::from(std::io::ErrorKind::NotFound);
    let failures =
        [Connect("/run/vmd.sock".into(), error()), Closed, Interrupted, Io(error()), Malformed("".into())];
    let diagnostics = section("DIAGNOSTICS");
    for failure in failures.map(|failure| failure.to_string()) {
        let class = failure.split(": ").next().unwrap();
        assert!(diagnostics.contains(&format!(".It \"{class}")), "{failure}");
    }
}

/// The names of all fields, and the words in them that stand for something.
fn words(data: &Value, found: &mut Vec<String>) {
    match data {
        Value::Object(fields) => {
            found.extend(fields.keys().cloned());
            fields.values().for_each(|value| words(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| words(value, found)),
        _ => {}
    }
}

#[test]
fn the_manual_knows_every_field_of_the_data() {
    let id = VmId(1);
    let name = VmName::new("web").unwrap();
    let exit = Exit::from(ExitReason::Killed(9));
    let vm: Vm = serde_json::from_value(json!({
        "id": 1, "name": "web", "state": "running", "pid": 1, "cpus": 1, "maxMemory": 1 << 20,
        "currentMemory": 1, "tty": "/dev/pts/1", "uid": 0, "gid": 0, "lastExit": null, "pending": [],
    }))
    .unwrap();
    let step = PlanStep { vm: name.clone(), action: PlanAction::Keep, now: Vec::new(), later: Vec::new() };
    let event = Event { id, name: name.clone(), event: EventKind::Ended, state: None, exit: None };
    let replies = [
        json!(vm),
        json!(Started { id, name, tty: "/dev/pts/1".into() }),
        json!(Stopped { id, exit: Some(exit) }),
        json!(Acted { id }),
        json!(step),
        json!(event),
        json!(Leaving { command: Vec::new() }),
    ];
    let mut found = vec!["error".to_owned(), "path".to_owned(), "format".to_owned(), "size".to_owned()];
    replies.iter().for_each(|reply| words(reply, &mut found));
    use {EventKind as E, ExitKind as X, PlanAction as P};
    let values = json!([
        [E::State, E::Rebooted, E::Ended, E::Forgotten],
        [X::PoweredOff, X::Forced, X::Failed, X::Killed, X::Exited, X::Gone],
        [P::Start, P::Add, P::Keep, P::Change, P::Forget],
    ]);
    found.extend(
        values
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|words| words.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned())),
    );
    let section = section("JSON");
    for word in found {
        let named = section.lines().any(|line| line.split(' ').take(2).eq([".Li", word.as_str()]));
        assert!(named, "{word}");
    }
}

#[test]
fn the_manual_knows_every_state() {
    use VmState::{Paused, Running, Starting, Stopped, Stopping, Waiting};
    let (_, states) = MANUAL.split_once(".It Li STATE\n").unwrap();
    let states = states.split(".It").next().unwrap();
    for state in [Waiting, Starting, Running, Paused, Stopping, Stopped] {
        assert!(states.contains(&state.to_string()), "{state}");
    }
}

/// The command lines among the examples of a page, their ends of lines joined.
fn examples(page: &str) -> Vec<String> {
    let text = page.replace("\\e\n", "");
    let lines = text.lines().map(|line| line.strip_prefix(".Dl ").unwrap_or(line));
    let typed = lines.filter_map(|line| line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")));
    typed.filter(|line| line.contains("vmctl ")).map(str::to_owned).collect()
}

/// The arguments with which the shell would run vmctl.
fn arguments(example: &str) -> Vec<String> {
    let script = format!("vmctl() {{ printf '%s\\n' \"$@\" >&2; }}; sleep() {{ :; }}; {example}");
    let output = Process::new("sh").args(["-c", &script]).output().unwrap();
    String::from_utf8(output.stderr).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_examples_are_command_lines() {
    let examples: Vec<String> = PAGES.into_iter().flat_map(examples).collect();
    assert!(examples.len() > 5, "{examples:?}");
    for example in examples {
        let (_, mut words) = options::parse_leading(arguments(&example), crate::GLOBAL).unwrap();
        assert!(!words.is_empty(), "{example}");
        let command = find(&words.remove(0)).unwrap();
        let parsed = options::parse(words, command.syntax);
        assert!(parsed.is_ok_and(|parsed| parsed.operands.len() <= 1), "{example}");
    }
}
