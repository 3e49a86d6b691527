//! `vmctl restart-daemon`

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use proto::api::Leaving;
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::{Failure, Outcome};
use crate::options::Arguments;
use crate::{Settings, output};

/// How long the next daemon may take until it answers.
const START_TIME: Duration = Duration::from_secs(30);

/// How often it is tried.
const PAUSE: Duration = Duration::from_millis(50);

/// Has the daemon replaced by the program as it is installed now. The machines run on.
pub fn run(settings: &Settings, arguments: &Arguments) -> Outcome {
    if !arguments.operands.is_empty() {
        return Err(Failure::misuse());
    }
    let mut client = settings.connect()?;
    let leaving: Leaving = client.call("Restart", json!({}))?;
    // Nothing more is said: the connection ends with the daemon.
    let _ = client.next_answer::<Value>();
    if let [program, words @ ..] = leaving.command.as_slice() {
        start(program, words)?;
    }
    wait_for_daemon(settings)?;
    output::say("vmctl: vmd restarted\n");
    settings.answer(&leaving)
}

/// Starts a daemon, which goes to the background as soon as it answers.
fn start(program: &str, words: &[String]) -> Outcome {
    let started = Command::new(program).args(words).stdin(Stdio::null()).status();
    match started {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(left_alone(format!("{program} did not start"))),
        Err(why) => Err(left_alone(format!("cannot run {program}: {why}"))),
    }
}

fn wait_for_daemon(settings: &Settings) -> Outcome {
    let start = Instant::now();
    while Client::connect(&settings.socket, false).is_err() {
        if start.elapsed() > START_TIME {
            return Err(left_alone("nobody has started another vmd".to_owned()));
        }
        sleep(PAUSE);
    }
    Ok(())
}

fn left_alone(why: String) -> Failure {
    Failure::new(why).hint("the virtual machines run on; start vmd, and it takes charge of them")
}
