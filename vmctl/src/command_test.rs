use std::path::PathBuf;

use super::*;

fn name_of(start: &str) -> Result<&'static str, String> {
    find(start).map(|command| command.name).map_err(|failure| failure.text())
}

#[test]
fn a_command_is_found_by_the_shortest_start_that_only_it_has() {
    for (start, name) in [
        ("cd", "cdrom"),
        ("con", "console"),
        ("cr", "create"),
        ("e", "events"),
        ("loa", "load"),
        ("log", "log"),
        ("p", "pause"),
        ("rel", "reload"),
        ("res", "reset"),
        ("rest", "restart-daemon"),
        ("sh", "show"),
        ("star", "start"),
        ("stat", "status"),
        ("sto", "stop"),
        ("u", "unpause"),
        ("w", "wait"),
        ("start", "start"),
    ] {
        assert_eq!(name_of(start).as_deref(), Ok(name));
    }
}

#[test]
fn a_start_of_several_or_of_none_is_told_in_the_known_words() {
    for start in ["c", "lo", "re", "s", "st", "sta"] {
        let text = name_of(start).unwrap_err();
        assert!(text.starts_with(&format!("ambiguous argument: {start}\nusage:")), "{text}");
    }
    for start in ["x", "starting", "Start", "send"] {
        let text = name_of(start).unwrap_err();
        assert!(text.starts_with(&format!("unknown argument: {start}\nusage:")), "{text}");
    }
}

/// No daemon is there: a command line that is in order gets as far as this socket.
fn nobody() -> Settings {
    Settings { socket: PathBuf::from("/nonexistent/vmd.sock"), verbose: false, json: false }
}

fn run(line: &[&str]) -> String {
    let words = line.iter().map(|s| (*s).to_owned()).collect();
    dispatch(&nobody(), words).expect_err("no command can succeed").text()
}

#[test]
fn what_prints_no_data_is_not_asked_for_data() {
    for line in [&["console", "web"][..], &["help"]] {
        let settings = Settings { json: true, ..nobody() };
        let text = dispatch(&settings, line.iter().map(|s| (*s).to_owned()).collect()).unwrap_err().text();
        let expected = format!("vmctl: {} prints no data: --json has no meaning for it\n", line[0]);
        assert_eq!(text, expected);
    }
    assert!(run(&["start", "-c", "--json", "web"]).starts_with("vmctl: -c and --json exclude one another\n"));
}

#[test]
fn wrong_use_gives_the_usage_of_the_command() {
    for line in [&["stop"][..], &["stop", "-a", "web"], &["stop", "a", "b"]] {
        assert_eq!(run(line), "usage:  vmctl stop [-fw] [id | -a]\n");
    }
    for line in [&["cdrom"][..], &["cdrom", "-f", "web"], &["cdrom", "web", "eject", "now"]] {
        assert_eq!(run(line), "usage:  vmctl cdrom [-f] [--json] id [path | eject]\n");
    }
    assert_eq!(run(&["wait", "-x", "web"]), "vmctl: unknown option -- x\nusage:  vmctl wait id\n");
    assert_eq!(run(&["console"]), "usage:  vmctl console id\n");
    assert!(run(&[]).starts_with("usage:  vmctl [-v]"));
}

#[test]
fn a_missing_daemon_is_named_by_its_socket() {
    for line in [&["status"][..], &["start", "web"], &["stop", "-fw", "web"], &["stop", "web", "-fw"]] {
        let text = run(line);
        let expected = "vmctl: connect: /nonexistent/vmd.sock: No such file or directory\nvmctl: vmd is not";
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn the_usage_shows_every_command() {
    let text = usage();
    for command in &COMMANDS {
        assert!(text.contains(&format!("\tvmctl {}", command.name)), "{}", command.name);
    }
    assert!(text.lines().all(|line| line.len() < 100));
}
