//! `vmctl stop [-fw] [id | -a]`

use proto::api::{Listing, Stopped, Vm};
use proto::{RefusalKind, VmState};
use serde_json::json;

use crate::client::{Client, ClientError};
use crate::failure::{Failure, Outcome};
use crate::options::{Arguments, Syntax};
use crate::target::{Target, progress};
use crate::{Settings, client, output, wait};

pub const SYNTAX: Syntax = Syntax { letters: "afw", words: &["json"] };

/// How to stop.
#[derive(Clone, Copy)]
struct Manner {
    force: bool,
    wait: bool,
}

pub fn run(settings: &Settings, arguments: &Arguments) -> Outcome {
    let manner = Manner { force: arguments.has("f"), wait: arguments.has("w") };
    let target = match (arguments.has("a"), arguments.operands.as_slice()) {
        (true, []) => None,
        (false, [operand]) => Some(Target::parse(operand)?),
        _ => return Err(Failure::misuse()),
    };
    let mut client = settings.connect()?;
    if manner.wait {
        wait::heed_interrupts(&mut client)?;
    }
    match target {
        Some(target) => stop(settings, &mut client, &target, manner),
        None => stop_all(settings, &mut client, manner),
    }
}

fn stop(settings: &Settings, client: &mut Client, target: &Target, manner: Manner) -> Outcome {
    output::say(&progress("stopping", target));
    let parameters = json!({ "vm": target.to_string(), "force": manner.force, "wait": manner.wait });
    let stopped: Stopped = match client.call("Stop", parameters) {
        Ok(stopped) => stopped,
        Err(e) => return refused(e),
    };
    let id = stopped.id;
    output::say(&match manner.wait {
        true => format!("terminated vm {id}\n"),
        false => format!("requested to shutdown vm {id}\n"),
    });
    settings.answer(&stopped)
}

/// One after the other. That one of them cannot be stopped is said, but is no failure of the whole.
fn stop_all(settings: &Settings, client: &mut Client, manner: Manner) -> Outcome {
    let Listing { vms } = client.call("List", json!({}))?;
    for vm in &vms {
        match stop_one_of_all(settings, client, vm, manner) {
            Ok(()) => {}
            Err(failure) if client.is_usable() => {
                failure.report();
                settings.answer_refusal(&failure)?;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

fn stop_one_of_all(settings: &Settings, client: &mut Client, vm: &Vm, manner: Manner) -> Outcome {
    let target = Target::parse(vm.name.as_str())?;
    match vm.state {
        VmState::Stopped | VmState::Waiting => Ok(()),
        VmState::Stopping if manner.force => stop(settings, client, &target, manner),
        VmState::Stopping if manner.wait => wait::wait(settings, client, &target),
        VmState::Stopping => Ok(()),
        VmState::Starting | VmState::Running | VmState::Paused => stop(settings, client, &target, manner),
    }
}

/// Ends the line that began with `stopping vm` or `waiting for vm`.
pub fn refused(error: ClientError) -> Outcome {
    let refusal = match error.into_refusal() {
        Ok(refusal) => refusal,
        Err(ClientError::Interrupted) => return Err(end_of_line("interrupted call")),
        Err(ClientError::Closed) => return Err(end_of_line("pipe closed").hint(client::GONE)),
        Err(other) => {
            output::say("failed\n");
            return Err(other.into());
        }
    };
    let words = match refusal.kind {
        RefusalKind::NotFound => return Err(end_of_line("vm not found").because(refusal)),
        RefusalKind::NotRunning => "failed: Invalid argument",
        RefusalKind::AlreadyStopping => "failed: Operation already in progress",
        RefusalKind::NotPermitted => "failed: Operation not permitted",
        _ => "failed",
    };
    output::say(&format!("{words}\n"));
    Err(Failure::new(&refusal.message).because(refusal))
}

fn end_of_line(words: &str) -> Failure {
    output::say(&format!("{words}\n"));
    Failure::silent()
}
