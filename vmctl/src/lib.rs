//! The client of vmd(8): commands, options, output and exit statuses of OpenBSD's vmctl(8).
//!
//! One file for each command, [`render`] for what is printed, [`client`] for the control socket. Tables go to
//! standard output, everything said to the user to standard error.

#![forbid(unsafe_code)]

mod cdrom;
pub mod client;
mod command;
mod console;
mod create;
mod escape;
mod events;
mod failure;
mod help;
mod manage;
mod options;
mod output;
mod pause;
mod relay;
mod render;
mod restart;
mod start;
mod status;
mod stop;
mod target;
mod terminal;
mod wait;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use client::Client;
use failure::{Failure, Outcome};
use options::Syntax;
use output::say;
use proto::Refusal;
use serde::Serialize;
use serde_json::json;

/// What holds for every command.
#[derive(Clone, Debug)]
struct Settings {
    /// Where the daemon listens.
    socket: PathBuf,
    /// Whether the messages to and from the daemon are shown.
    verbose: bool,
    /// Whether data is printed as JSON.
    json: bool,
}

impl Settings {
    fn connect(&self) -> Result<Client, Failure> {
        Ok(Client::connect(&self.socket, self.verbose)?)
    }

    /// Prints what came of a command as an object on a line, for whoever asked for data.
    fn answer(&self, data: &impl Serialize) -> Outcome {
        match self.json {
            true => output::print(&render::json_line(data)?),
            false => Ok(()),
        }
    }

    /// The same for what the daemon refused.
    fn answer_refusal(&self, failure: &Failure) -> Outcome {
        failure.refusal().map_or(Ok(()), |Refusal { kind, message }| {
            self.answer(&json!({ "error": kind, "message": message }))
        })
    }
}

/// Options in front of the command.
const GLOBAL: Syntax = Syntax { letters: "hs:v", words: &["help", "json", "version"] };

/// Runs the program with these arguments, its own name not among them. Exits with 0 or 1.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: impl Iterator<Item = OsString>) -> Outcome {
    let arguments = arguments.map(OsString::into_string).collect::<Result<Vec<_>, _>>();
    let arguments = arguments.map_err(|bad| Failure::new(format!("{bad:?} is not UTF-8 text")))?;
    let (global, rest) = options::parse_leading(arguments, GLOBAL)
        .map_err(|e| Failure::new(e.to_string()).misused().of_command(command::usage))?;
    if global.has("help") || global.has("h") {
        return output::print(&command::usage());
    }
    if global.has("version") {
        return output::print(concat!("vmctl ", env!("CARGO_PKG_VERSION"), "\n"));
    }
    let settings =
        Settings { socket: socket(global.last("s")), verbose: global.has("v"), json: global.has("json") };
    command::dispatch(&settings, rest)
}

/// The socket of the option, else of the environment, else the usual one.
fn socket(option: Option<&str>) -> PathBuf {
    match option {
        Some(path) => path.into(),
        None => std::env::var_os("VMD_SOCKET")
            .filter(|path| !path.is_empty())
            .map_or_else(|| proto::api::DEFAULT_SOCKET.into(), PathBuf::from),
    }
}

/// Warns without failing.
fn warn(text: &str) {
    say(&format!("vmctl: {text}\n"));
}
