//! `vmctl load filename`, `reload [-n]`, `reset [all | switches | vms]`, `log brief | verbose`

use std::path::Path;

use proto::api::Plan;
use proto::{LogLevel, ResetKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::ClientError;
use crate::failure::{Failure, Outcome};
use crate::options::{Arguments, Syntax};
use crate::{Settings, output, render};

pub const RELOAD: Syntax = Syntax { letters: "n", words: &["json"] };

/// A reply of which nothing is wanted.
#[derive(Deserialize, Serialize)]
struct Nothing {}

pub fn load(settings: &Settings, arguments: &Arguments) -> Outcome {
    let file = arguments.operand()?;
    // The daemon has another working directory.
    let path = std::path::absolute(Path::new(file))
        .map_err(|e| Failure::new(format!("{file}: {}", output::errno_text(&e))))?;
    act(settings, "Load", &json!({ "file": path }))
}

pub fn reload(settings: &Settings, arguments: &Arguments) -> Outcome {
    if !arguments.operands.is_empty() {
        return Err(Failure::misuse());
    }
    let dry_run = arguments.has("n");
    let reply = settings.connect()?.call("Reload", json!({ "dryRun": dry_run }));
    let Plan { plan } = reply.map_err(failed)?;
    match (settings.json, dry_run) {
        (true, _) => output::print(&render::json(&plan)?),
        (false, true) => output::print(&render::plan(&plan)),
        (false, false) => Ok(()),
    }
}

pub fn reset(settings: &Settings, arguments: &Arguments) -> Outcome {
    let what = match arguments.operands.as_slice() {
        [] => ResetKind::All,
        [word] => ResetKind::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(word))
            .ok_or_else(|| Failure::new(format!("unknown reset: {word}")).misused())?,
        _ => return Err(Failure::misuse()),
    };
    act(settings, "Reset", &json!({ "what": what }))
}

pub fn log(settings: &Settings, arguments: &Arguments) -> Outcome {
    let word = arguments.operand()?.to_ascii_lowercase();
    let level = LogLevel::ALL
        .into_iter()
        .find(|level| !word.is_empty() && level.as_str().starts_with(&word))
        .ok_or_else(|| Failure::new(format!("unknown log level: {word}")).misused())?;
    act(settings, "SetLogLevel", &json!({ "level": level }))
}

/// Silent if all went well, but to whoever wants data.
fn act(settings: &Settings, method: &str, parameters: &Value) -> Outcome {
    let done: Nothing = settings.connect()?.call(method, parameters).map_err(failed)?;
    settings.answer(&done)
}

fn failed(error: ClientError) -> Failure {
    match error.into_refusal() {
        Ok(refusal) => Failure::new("command failed").hint(&refusal.message).because(refusal),
        Err(other) => other.into(),
    }
}
