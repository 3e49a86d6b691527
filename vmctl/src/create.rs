//! `vmctl create [-s size] disk`: makes an image, without the daemon.

use std::path::Path;

use disk::CreateError;
use proto::{DiskFormat, parse_scaled};
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::options::{Arguments, Syntax};
use crate::{Settings, output, warn};

pub const SYNTAX: Syntax = Syntax { letters: "b:i:s:", words: &["json"] };

const MIB: u64 = 1 << 20;

pub fn run(settings: &Settings, arguments: &Arguments) -> Outcome {
    let operand = arguments.operand()?;
    if arguments.has("b") && arguments.has("i") {
        return Err(Failure::new("conflicting -b and -i arguments").misused());
    }
    let (format, path) = split_format(operand)?;
    if arguments.has("b") {
        return Err(Failure::new("base images require qcow2 disk format"));
    }
    if arguments.has("i") {
        return Err(Failure::new("create -i: not supported yet"));
    }
    let size = arguments.last("s").ok_or_else(|| {
        Failure::new(format!("could not create {operand}: missing size argument")).misused()
    })?;
    match format {
        DiskFormat::Raw => create_raw(settings, path, image_size(size)?),
    }
}

fn create_raw(settings: &Settings, path: &str, bytes: u64) -> Outcome {
    disk::create_raw(Path::new(path), bytes).map_err(failed)?;
    output::say("vmctl: raw imagefile created\n");
    settings.answer(&json!({ "path": path, "format": DiskFormat::Raw, "size": bytes }))
}

/// The error in the words that programs know, and behind them which file it is about.
fn failed(error: CreateError) -> Failure {
    let words = match &error {
        CreateError::Exists(_) => "File exists".to_owned(),
        CreateError::System(_, cause) => output::errno_text(cause),
    };
    Failure::new(format!("create imagefile operation failed: {words}")).hint(error.to_string())
}

/// Splits `raw:path` and `qcow2:path`; a path without a prefix tells its format by its extension.
///
/// # Errors
/// A format that cannot be handled.
pub fn split_format(argument: &str) -> Result<(DiskFormat, &str), Failure> {
    let qcow2 = |path: &str| Failure::new(format!("{path}: disk format qcow2: not supported yet"));
    if let Some(path) = argument.strip_prefix("raw:") {
        return Ok((DiskFormat::Raw, path));
    }
    if let Some(path) = argument.strip_prefix("qcow2:") {
        return Err(qcow2(path));
    }
    match Path::new(argument).extension() {
        Some(extension) if extension.eq_ignore_ascii_case("qcow2") => Err(qcow2(argument)),
        _ => Ok((DiskFormat::Raw, argument)),
    }
}

/// Whole MiB, at least one, in bytes.
fn image_size(text: &str) -> Result<u64, Failure> {
    let wrong = |why: String| Failure::new(format!("invalid disk size: {text}")).hint(why);
    let bytes = parse_scaled(text.trim_start()).map_err(|e| wrong(e.to_string()))?;
    let rounded = bytes / MIB * MIB;
    if rounded == 0 {
        return Err(wrong("a disk has at least one megabyte (1M)".to_owned()));
    }
    if rounded != bytes {
        warn(&format!("disk size rounded to {} megabytes", rounded / MIB));
    }
    Ok(rounded)
}

#[cfg(test)]
#[path = "create_test.rs"]
mod tests;
