//! The files in `packaging/completions` offer what there is, and nothing else.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command as Process;

use super::*;

const BASH: &str = "vmctl.bash";
const FISH: &str = "vmctl.fish";
const ZSH: &str = "_vmctl";

/// A name for what stands in front of the command.
const GLOBAL: &str = "";

fn path(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../packaging/completions", file].iter().collect()
}

fn text(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap()
}

fn set<'a>(words: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

fn options(syntax: Syntax) -> BTreeSet<String> {
    let letters = syntax.letters.chars().filter(|letter| *letter != ':').map(|letter| format!("-{letter}"));
    letters.chain(syntax.words.iter().map(|word| format!("--{}", word.trim_end_matches(':')))).collect()
}

/// Each command, and [`GLOBAL`], with its options.
fn everything() -> impl Iterator<Item = (&'static str, BTreeSet<String>)> {
    let commands = COMMANDS.iter().map(|command| (command.name, options(command.syntax)));
    commands.chain([(GLOBAL, options(crate::GLOBAL))])
}

fn names() -> BTreeSet<String> {
    set(COMMANDS.iter().map(|command| command.name))
}

/// Asks a shell; nothing where it is not installed.
fn ask(shell: &str, arguments: &[&str]) -> Option<BTreeSet<String>> {
    let output = match Process::new(shell).args(arguments).env("VMD_SOCKET", "/nonexistent/vmd.sock").output()
    {
        Ok(output) => output,
        Err(why) => {
            println!("SKIP: cannot run {shell}: {why}");
            return None;
        }
    };
    assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?}");
    Some(set(String::from_utf8(output.stdout).unwrap().split_whitespace()))
}

#[test]
fn bash_offers_every_command_and_option() {
    let file = path(BASH);
    // The last word is what is completed.
    let script =
        ". $0; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _vmctl; printf '%s\n' \"${COMPREPLY[@]}\"";
    let offered = |words: &[&str]| {
        ask("bash", &[&["--norc", "-c", script, file.to_str().unwrap(), "vmctl"][..], words].concat())
    };
    let Some(commands) = offered(&[""]) else { return };
    assert_eq!(commands, names());
    for (command, expected) in everything() {
        let line = if command == GLOBAL { vec!["-"] } else { vec![command, "-"] };
        assert_eq!(offered(&line).unwrap(), expected, "{command}");
    }
    for (line, expected) in [
        (&["st"][..], &["start", "status", "stop"][..]),
        (&["help", "sta"], &["start", "status"]),
        (&["-v", "log", ""], &["brief", "verbose"]),
        (&["-s", "vmd.sock", "res", "a"], &["all"]),
        (&["start", "web", "-cB", ""], &["cdrom", "disk", "net"]),
        (&["start", "-d", "raw", ":", "/etc/pass", ""], &[]),
        (&["start", "-d", "raw", ":", "/etc/passw"], &["/etc/passwd"]),
        (&["start", "--initrd", "=", "/etc/passw"], &["/etc/passwd"]),
        (&["load", "/etc/passw"], &["/etc/passwd"]),
        (&["load", "/etc/passwd", "/etc/passw"], &[]),
        (&["create", "-s", "/etc/passw"], &[]),
        (&["start", "-m", ""], &[]),
        (&["stop", ""], &[]),
        (&["nosuch", ""], &[]),
    ] {
        let offered = offered(line).unwrap();
        // Other files may begin in the same way.
        let offered = offered.into_iter().filter(|word| !word.ends_with('-')).collect::<BTreeSet<_>>();
        assert_eq!(offered, set(expected.iter().copied()), "{line:?}");
    }
}

/// The options in lines of fish's file such as `complete -c vmctl -n '__vmctl_command rel' -s n -d 'Only ...'`.
fn offered_by_fish(command: &str) -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    for line in text(FISH).lines().filter(|line| line.starts_with("complete ")) {
        let applies =
            match line.split_once("-n '__vmctl_command ").and_then(|(_, rest)| rest.split_once('\'')) {
                Some((starts, _)) => {
                    command != GLOBAL && starts.split(' ').any(|start| command.starts_with(start))
                }
                None => command == GLOBAL && line.contains("-n __vmctl_no_command"),
            };
        let words: Vec<&str> = line.split(' ').take_while(|word| *word != "-d").collect();
        for pair in words.windows(2).filter(|_| applies) {
            match *pair {
                ["-s", letter] => drop(options.insert(format!("-{letter}"))),
                ["-l", word] => drop(options.insert(format!("--{word}"))),
                _ => {}
            }
        }
    }
    options
}

#[test]
fn the_file_for_fish_has_every_command_and_option() {
    for (command, expected) in everything() {
        assert_eq!(offered_by_fish(command), expected, "{command}");
    }
}

#[test]
fn fish_offers_every_command_and_option() {
    let file = path(FISH);
    let offered = |line: &str| {
        let script = format!("source {}; complete -C 'vmctl {line}' | cut -f 1", file.display());
        ask("fish", &["--no-config", "-c", &script])
    };
    let Some(commands) = offered("") else { return };
    assert_eq!(commands, names());
    for (command, expected) in everything() {
        let mut offered = offered(&format!("{command} -")).unwrap();
        // fish looks inside of words too.
        offered.retain(|word| word.starts_with('-'));
        assert_eq!(offered, expected, "{command}");
    }
    assert_eq!(offered("-s vmd.sock log ").unwrap(), set(["brief", "verbose"]));
    assert_eq!(offered("start web -B ").unwrap(), set(["cdrom", "disk", "net"]));
    assert_eq!(offered("create -s 10G -b /etc/passw").unwrap().first().unwrap(), "/etc/passwd");
    assert!(offered("stop ").unwrap().is_empty());
}

/// The options in zsh's file: those of the branch of a `case` that a command comes to, such as
///
/// ```text
///     rel*)
///         _arguments -s $json '-n[only print what it would mean]'
///         ;;
/// ```
fn offered_by_zsh(command: &str) -> BTreeSet<String> {
    let text = text(ZSH);
    let body = match command {
        GLOBAL => text.split_once("\n_vmctl() {").unwrap().1,
        command => {
            let branches = text.split_once("case $1 in\n").unwrap().1.split("\t\t;;\n");
            let mut bodies = branches.filter_map(|branch| branch.trim_start().split_once(")\n"));
            let comes_to = |patterns: &str| {
                patterns.split(" | ").any(|pattern| command.starts_with(pattern.strip_suffix('*').unwrap()))
            };
            bodies.find(|(patterns, _)| comes_to(patterns)).unwrap().1
        }
    };
    // Each is between the quote or what goes before it, and what is said about it.
    let before_brackets = body.split_inclusive('[').filter_map(|text| text.strip_suffix('['));
    let options = before_brackets.filter_map(|text| text.rsplit(['\'', ')', '*']).next());
    let json = body.contains("$json").then_some("--json");
    set(options
        .map(|option| option.trim_end_matches('='))
        .filter(|option| option.starts_with('-'))
        .chain(json))
}

#[test]
fn the_file_for_zsh_has_every_command_and_option() {
    for (command, expected) in everything() {
        assert_eq!(offered_by_zsh(command), expected, "{command}");
    }
    let text = text(ZSH);
    let list = text.split_once("local -a commands=(\n").unwrap().1.split_once("\t)\n").unwrap().0;
    let commands = list.lines().map(|line| line.trim_start_matches(['\t', '\'']).split(':').next().unwrap());
    assert_eq!(set(commands), names());
}

#[test]
fn zsh_can_read_its_file() {
    let complaints = ask("zsh", &["-n", path(ZSH).to_str().unwrap()]);
    assert!(complaints.is_none_or(|words| words.is_empty()));
}
