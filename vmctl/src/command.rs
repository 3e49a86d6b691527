//! The commands: their names, what each accepts, and how one is found by the start of its name.

use std::fmt::Write as _;

use crate::failure::{Failure, Outcome};
use crate::options::{self, Arguments, Syntax, SyntaxError};
use crate::{
    Settings, cdrom, console, create, events, help, manage, output, pause, restart, start, status, stop, wait,
};

/// A command.
#[derive(Debug)]
pub struct Command {
    name: &'static str,
    /// Its operands and options, for the usage.
    arguments: &'static str,
    /// What it accepts.
    syntax: Syntax,
    /// What it does.
    action: fn(&Settings, &Arguments) -> Outcome,
}

const PLAIN: Syntax = Syntax { letters: "", words: &[] };

/// For what answers with data and has no other options.
const DATA: Syntax = Syntax { letters: "", words: &["json"] };

/// All commands, in the order in which they are shown.
const COMMANDS: [Command; 17] = [
    Command {
        name: "cdrom",
        arguments: "[-f] [--json] id [path | eject]",
        syntax: cdrom::SYNTAX,
        action: cdrom::run,
    },
    Command { name: "console", arguments: "id", syntax: PLAIN, action: console::run },
    Command {
        name: "create",
        arguments: "[-b base | -i disk] [-s size] disk",
        syntax: create::SYNTAX,
        action: create::run,
    },
    Command { name: "events", arguments: "[--json]", syntax: DATA, action: events::run },
    Command { name: "help", arguments: "[command]", syntax: PLAIN, action: help::run },
    Command { name: "load", arguments: "filename", syntax: DATA, action: manage::load },
    Command { name: "log", arguments: "brief | verbose", syntax: DATA, action: manage::log },
    Command { name: "pause", arguments: "id", syntax: DATA, action: pause::pause },
    Command { name: "reload", arguments: "[-n] [--json]", syntax: manage::RELOAD, action: manage::reload },
    Command { name: "reset", arguments: "[all | switches | vms]", syntax: DATA, action: manage::reset },
    Command { name: "restart-daemon", arguments: "", syntax: DATA, action: restart::run },
    Command { name: "show", arguments: "[-qrvw] [--json] [id]", syntax: status::SYNTAX, action: status::run },
    Command {
        name: "start",
        arguments: "[-cL] [-B device] [-b path] [-d disk] [-i count]\n\t\t[-m size] [-n switch] \
                    [-r path] [-t name] [--cpus count]\n\t\t[--firmware bios | uefi | path] [--initrd path] [--cmdline text]\n\t\tid | name",
        syntax: start::SYNTAX,
        action: start::run,
    },
    Command {
        name: "status",
        arguments: "[-qrvw] [--json] [id]",
        syntax: status::SYNTAX,
        action: status::run,
    },
    Command { name: "stop", arguments: "[-fw] [id | -a]", syntax: stop::SYNTAX, action: stop::run },
    Command { name: "unpause", arguments: "id", syntax: DATA, action: pause::unpause },
    Command { name: "wait", arguments: "id", syntax: DATA, action: wait::run },
];

/// The commands that OpenBSD has not.
const OURS: [&str; 3] = ["cdrom", "events", "restart-daemon"];

/// Runs the command in the first word with the others.
pub fn dispatch(settings: &Settings, mut words: Vec<String>) -> Outcome {
    if words.is_empty() {
        return Err(Failure::no_command(""));
    }
    let arguments = words.split_off(1);
    let command = find(&words.concat())?;
    command.run(settings, arguments)
}

/// Finds a command by its name or the start of it.
///
/// # Errors
/// None or several begin like this.
pub fn find(start: &str) -> Result<&'static Command, Failure> {
    let begin_like_this = |ours| {
        COMMANDS
            .iter()
            .filter(move |command| OURS.contains(&command.name) == ours && command.name.starts_with(start))
    };
    // What is short for a command of OpenBSD stays so.
    let ours = begin_like_this(false).next().is_none();
    let mut matches = begin_like_this(ours);
    match (matches.next(), matches.next()) {
        (Some(command), None) => Ok(command),
        (None, _) => Err(Failure::no_command(&format!("unknown argument: {start}\n"))),
        (Some(_), Some(_)) => Err(Failure::no_command(&format!("ambiguous argument: {start}\n"))),
    }
}

impl Command {
    fn run(&self, settings: &Settings, arguments: Vec<String>) -> Outcome {
        match options::parse(arguments, self.syntax) {
            Ok(arguments) => self.act(settings, &arguments).map_err(|e| e.of_command(|| self.usage())),
            Err(SyntaxError::Unknown(asked)) if asked == "h" || asked == "help" => {
                output::print(&self.usage())
            }
            Err(e) => Err(Failure::new(e.to_string()).misused().of_command(|| self.usage())),
        }
    }

    fn act(&self, settings: &Settings, arguments: &Arguments) -> Outcome {
        let json = settings.json || arguments.has("json");
        if json && !self.syntax.words.contains(&"json") {
            return Err(Failure::new(format!("{} prints no data: --json has no meaning for it", self.name)));
        }
        let settings = Settings { json, ..settings.clone() };
        (self.action)(&settings, arguments)
            .or_else(|failure| settings.answer_refusal(&failure).and(Err(failure)))
    }

    /// The usage of this command.
    pub fn usage(&self) -> String {
        format!("usage:  vmctl {} {}", self.name, self.arguments).trim_end().to_owned() + "\n"
    }
}

/// The usage of the program.
pub fn usage() -> String {
    let mut text =
        String::from("usage:  vmctl [-v] [-s socket] [--json] [--version] [--help] command [arg ...]\n");
    for command in &COMMANDS {
        let line = format!("\tvmctl {} {}", command.name, command.arguments);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
#[path = "command_test.rs"]
mod tests;

#[cfg(test)]
#[path = "completion_test.rs"]
mod completion_tests;

#[cfg(test)]
#[path = "manual_test.rs"]
mod manual_tests;
