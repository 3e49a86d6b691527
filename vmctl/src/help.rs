//! `vmctl help [command]`

use crate::failure::Outcome;
use crate::options::Arguments;
use crate::{Settings, command, output};

pub fn run(_: &Settings, arguments: &Arguments) -> Outcome {
    match arguments.operands.as_slice() {
        [] => output::print(&command::usage()),
        [name] => output::print(&command::find(name)?.usage()),
        _ => Err(crate::Failure::misuse()),
    }
}
