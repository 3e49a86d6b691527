//! `vmctl status -w`: the status again and again, until it is interrupted

use std::io::IsTerminal;
use std::time::Duration;

use proto::api::Event;
use serde_json::json;

use crate::client::{Client, ClientError};
use crate::failure::Outcome;
use crate::status::View;
use crate::{Settings, output};

/// How long what changes without an event, memory in use, may be out of date.
const PERIOD: Duration = Duration::from_secs(2);

/// Home, and what was there before is erased (ECMA-48: CUP, ED).
const CLEAR: &str = "\x1b[H\x1b[J";

/// Shows the status whenever something happens, and now and then. On a terminal each takes the place of the one
/// before; elsewhere an empty line is between them unless each is a line of data, and there is a new one only when
/// something differs.
pub fn run(settings: &Settings, view: &View) -> Outcome {
    let mut client = settings.connect()?;
    let mut events = settings.connect()?;
    events.subscribe("Monitor", json!({}))?;
    let terminal = std::io::stdout().is_terminal() && !view.is_data();
    let between = if view.is_data() { "" } else { "\n" };
    let mut shown = String::new();
    loop {
        let (text, _) = view.text(&mut client)?;
        let read = match (terminal, shown.is_empty()) {
            (true, _) => output::stream(&format!("{CLEAR}{text}"))?,
            (false, _) if text == shown => true,
            (false, true) => output::stream(&text)?,
            (false, false) => output::stream(&format!("{between}{text}"))?,
        };
        if !read {
            return Ok(());
        }
        shown = text;
        take_in(&mut events)?;
    }
}

/// Waits until there may be something new. Events that came together are shown together.
fn take_in(events: &mut Client) -> Result<(), ClientError> {
    let mut wait = PERIOD;
    while events.has_answer_within(wait)? {
        events.next_answer::<Event>()?;
        wait = Duration::ZERO;
    }
    Ok(())
}
