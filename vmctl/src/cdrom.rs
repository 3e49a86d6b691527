//! `vmctl cdrom [-f] id [path | eject]`

use proto::RefusalKind;
use proto::api::Drive;
use serde_json::{Value, json};

use crate::client::ClientError;
use crate::failure::{Failure, Outcome};
use crate::options::{Arguments, Syntax};
use crate::target::Target;
use crate::{Settings, output, render, start};

pub const SYNTAX: Syntax = Syntax { letters: "f", words: &["json"] };

/// The word that is no path.
const EJECT: &str = "eject";

pub fn run(settings: &Settings, arguments: &Arguments) -> Outcome {
    let force = arguments.has("f");
    match arguments.operands.as_slice() {
        [vm] if !force => look(settings, &Target::parse(vm)?),
        [vm, word] if word == EJECT => change(settings, &Target::parse(vm)?, None, force),
        [vm, path] => {
            let path = start::resolve("iso image", path)?;
            change(settings, &Target::parse(vm)?, Some(json!(path)), force)
        }
        _ => Err(Failure::misuse()),
    }
}

fn look(settings: &Settings, target: &Target) -> Outcome {
    let reply = settings.connect()?.call("Cdrom", json!({ "vm": target.to_string() }));
    let drive: Drive = reply.map_err(failed)?;
    if settings.json { settings.answer(&drive) } else { output::print(&render::drive(&drive)) }
}

fn change(settings: &Settings, target: &Target, disc: Option<Value>, force: bool) -> Outcome {
    let done = if disc.is_some() { "changed" } else { "ejected" };
    let parameters = json!({ "vm": target.to_string(), "disc": disc, "force": force });
    let drive: Drive = settings.connect()?.call("ChangeCdrom", parameters).map_err(failed)?;
    output::say(&format!("vmctl: {done} disc of vm {} successfully\n", drive.id));
    settings.answer(&drive)
}

/// In the manner of other commands about one machine.
fn failed(error: ClientError) -> Failure {
    let refusal = match error.into_refusal() {
        Ok(refusal) => refusal,
        Err(other) => return other.into(),
    };
    let words = match refusal.kind {
        RefusalKind::NotFound => "No such file or directory",
        RefusalKind::NotRunning => "Invalid argument",
        RefusalKind::AlreadyStopping => "Operation already in progress",
        RefusalKind::NotPermitted => "Operation not permitted",
        RefusalKind::Locked => "Device or resource busy",
        _ => {
            let text = format!("cdrom command failed: {}", refusal.message);
            return Failure::new(text).because(refusal);
        }
    };
    Failure::new(format!("cdrom command failed: {words}")).hint(&refusal.message).because(refusal)
}
