//! The texts about starting, stopping and instances to values.

use std::time::Duration;

use proto::{AllowInstance, Globals, RestartPolicy, Staggered};

use crate::ast::{Right, StopTimeout, Text};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::environment::Environment;
use crate::keyword::closest;
use crate::token::shown;
use crate::values::{number, owner};

/// The longest pause between two groups of starts, in seconds: a day.
const MAX_DELAY: u32 = 24 * 60 * 60;

/// `stop timeout`: whole seconds, and none at all to force every guest at once.
pub(crate) fn stop_timeout(option: &StopTimeout) -> Result<Duration, Diagnostic> {
    if option.what.bytes != b"timeout" {
        let error = Diagnostic::error(format!("unexpected word \"{}\"", shown(&option.what.bytes)));
        return Err(error.at(option.what.span, "expected \"timeout\" and a number of seconds"));
    }
    let most = Globals::MAX_STOP_TIMEOUT.as_secs();
    let seconds = number(&option.seconds.bytes).filter(|seconds| *seconds <= most);
    seconds.map(Duration::from_secs).ok_or_else(|| out_of_range(&option.seconds, 0, most))
}

/// `staggered start`: how many together, and the seconds between them.
pub(crate) fn staggered(parallel: &Text, delay: &Text) -> Result<Staggered, Diagnostic> {
    let parallel = ranged(parallel, 1, u32::MAX)?;
    let delay = Duration::from_secs(ranged(delay, 0, MAX_DELAY)?.into());
    Ok(Staggered { parallel, delay })
}

fn ranged(text: &Text, least: u32, most: u32) -> Result<u32, Diagnostic> {
    let number = number(&text.bytes).filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| out_of_range(text, least.into(), most.into()))
}

fn out_of_range(text: &Text, least: u64, most: u64) -> Diagnostic {
    let error = Diagnostic::error(format!("the number {} is out of range", shown(&text.bytes)));
    error.at(text.span, format!("expected {least} to {most}"))
}

/// `restart`: one of three words.
pub(crate) fn restart(text: &Text) -> Result<RestartPolicy, Diagnostic> {
    let word = String::from_utf8_lossy(&text.bytes);
    RestartPolicy::ALL.into_iter().find(|policy| policy.as_str() == word).ok_or_else(|| {
        let similar = closest(&word, RestartPolicy::ALL.into_iter().map(RestartPolicy::as_str));
        Diagnostic::error(format!("unknown restart policy \"{}\"", shown(&text.bytes)))
            .at(text.span, "expected never, on-failure or always")
            .maybe_help(similar.map(|word| format!("did you mean \"{word}\"?")))
    })
}

/// `allow instance`: adds rights.
pub(crate) fn allow(
    allow: &mut AllowInstance,
    rights: &[Right],
    env: &mut dyn Environment,
    report: &mut Diagnostics,
) {
    for right in rights {
        match right {
            Right::Boot => allow.boot = true,
            Right::Memory => allow.memory = true,
            Right::Interface => allow.interface = true,
            Right::Disk => allow.disk = true,
            Right::Cdrom => allow.cdrom = true,
            Right::Instance => allow.instance = true,
            Right::Owner(account) => allow.owner = report.keep(owner(account, env)).or(allow.owner),
        }
    }
}
