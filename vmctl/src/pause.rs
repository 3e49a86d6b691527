//! `vmctl pause id`, `vmctl unpause id`

use proto::RefusalKind;
use proto::api::Acted;
use serde_json::json;

use crate::client::ClientError;
use crate::failure::{Failure, Outcome};
use crate::options::Arguments;
use crate::target::Target;
use crate::{Settings, output};

pub fn pause(settings: &Settings, arguments: &Arguments) -> Outcome {
    act(settings, arguments, "Pause", "pause")
}

pub fn unpause(settings: &Settings, arguments: &Arguments) -> Outcome {
    act(settings, arguments, "Unpause", "unpause")
}

fn act(settings: &Settings, arguments: &Arguments, method: &str, verb: &str) -> Outcome {
    let target = Target::parse(arguments.operand()?)?;
    let reply = settings.connect()?.call(method, json!({ "vm": target.to_string() }));
    let acted: Acted = reply.map_err(|error| failed(verb, error))?;
    output::say(&format!("vmctl: {verb}d vm {} successfully\n", acted.id));
    settings.answer(&acted)
}

/// The words of OpenBSD, and behind them ours.
fn failed(verb: &str, error: ClientError) -> Failure {
    let refusal = match error.into_refusal() {
        Ok(refusal) => refusal,
        Err(other) => return other.into(),
    };
    let words = match refusal.kind {
        RefusalKind::NotFound => "No such file or directory",
        RefusalKind::NotRunning => "Invalid argument",
        RefusalKind::AlreadyStopping => "Operation already in progress",
        RefusalKind::NotPermitted => "Operation not permitted",
        _ => {
            let text = format!("{verb} vm command failed: {}", refusal.message);
            return Failure::new(text).because(refusal);
        }
    };
    Failure::new(format!("{verb} vm command failed: {words}")).hint(&refusal.message).because(refusal)
}
