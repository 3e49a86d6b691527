//! `vmctl wait id`

use privsep::event::Signals;
use proto::api::Stopped;
use rustix::process::Signal;
use serde_json::json;

use crate::client::{Client, ClientError};
use crate::failure::{Failure, Outcome};
use crate::options::Arguments;
use crate::target::{Target, progress};
use crate::{Settings, output, stop};

pub fn run(settings: &Settings, arguments: &Arguments) -> Outcome {
    let target = Target::parse(arguments.operand()?)?;
    let mut client = settings.connect()?;
    heed_interrupts(&mut client)?;
    wait(settings, &mut client, &target)
}

/// Waits until a machine has ended, in words.
pub fn wait(settings: &Settings, client: &mut Client, target: &Target) -> Outcome {
    output::say(&progress("waiting for", target));
    let reply = client.call("Wait", json!({ "vm": target.to_string() }));
    reply.map_or_else(stop::refused, |ended: Stopped| {
        output::say(&format!("terminated vm {}\n", ended.id));
        settings.answer(&ended)
    })
}

/// An interrupt from the terminal ends the wait in words, instead of the program in the middle of a line.
pub fn heed_interrupts(client: &mut Client) -> Outcome {
    let signals = Signals::new(&[Signal::INT]).map_err(|e| Failure::from(ClientError::Io(e)))?;
    client.interrupted_by(signals);
    Ok(())
}
