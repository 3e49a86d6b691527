//! `vmctl events [--json]`: what happens to virtual machines, a line each, until it is interrupted

use proto::api::Event;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::options::Arguments;
use crate::{Settings, output, render};

pub fn run(settings: &Settings, arguments: &Arguments) -> Outcome {
    if !arguments.operands.is_empty() {
        return Err(Failure::misuse());
    }
    let mut client = settings.connect()?;
    client.subscribe("Monitor", json!({}))?;
    loop {
        let event: Event = client.next_answer()?;
        let line = if settings.json { render::json_line(&event)? } else { render::event(&event) };
        if !output::stream(&line)? {
            return Ok(());
        }
    }
}
