//! One record of the log, and its form in each of the places that it can go to.

use std::fmt::{self, Write};

use proto::{VmId, VmName};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::Sink;

/// What the system's log knows the program by.
const IDENTIFIER: &str = "vmd";

/// Facility of daemons (RFC 3164 section 4.1.1).
const FACILITY: u8 = 3;

/// Fields whose values the text of a record says already.
const IN_TEXT: [&str; 7] = ["vm", "id", "event", "reason", "request", "client_uid", "client_pid"];

/// The longest text in bytes. What is longer is cut: a datagram that the log does not take is lost as a whole.
const MAX_SYSLOG: usize = 7 << 10; // implementations of syslog take 8 KiB
const MAX_JOURNAL: usize = 48 << 10; // as long as a line of the journal is by default (journald.conf(5))

/// Something that happened.
#[derive(Debug)]
pub struct Record {
    level: Level,
    text: String,
    fields: Vec<(&'static str, String)>,
}

impl Record {
    /// A record without fields.
    pub fn new(level: Level, text: String) -> Self {
        Self { level, text, fields: Vec::new() }
    }

    /// What an event says. It is about `subject` if there is one.
    pub fn of(event: &Event<'_>, subject: Option<&(VmName, VmId)>) -> Self {
        let mut record = Self::new(*event.metadata().level(), String::new());
        if let Some((name, id)) = subject {
            record.fields = vec![("vm", name.to_string()), ("id", id.to_string())];
        }
        event.record(&mut record);
        record
    }

    /// Severity as syslog(3) numbers it.
    fn severity(&self) -> u8 {
        match self.level {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        }
    }

    fn add(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.text = value,
            name => self.fields.push((name, value)),
        }
    }

    /// The text, and the fields that it does not say.
    fn text(&self) -> String {
        let mut text = self.text.clone();
        for (name, value) in self.fields.iter().filter(|(name, _)| !IN_TEXT.contains(name)) {
            // A string takes whatever is written to it.
            let _ = write!(text, " {name}={value}");
        }
        text
    }
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

/// Puts records into the form of a sink.
pub struct Writer {
    /// The process, as people know it.
    title: String,
    pid: u32,
    sink: Sink,
}

impl Writer {
    /// For the records of this process.
    pub fn new(title: &str, sink: Sink) -> Self {
        Self { title: title.to_owned(), pid: std::process::id(), sink }
    }

    /// The bytes of a record, to be written at once.
    pub fn encode(&self, record: &Record) -> Vec<u8> {
        match self.sink {
            Sink::Terminal => self.line(record).into_bytes(),
            Sink::Syslog => self.syslog(record).into_bytes(),
            Sink::Journal => self.journal(record),
        }
    }

    fn line(&self, record: &Record) -> String {
        let severity = match record.level {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            _ => "",
        };
        format!("{}: {severity}{}\n", self.title, lines(&record.text()))
    }

    fn syslog(&self, record: &Record) -> String {
        let Self { title, pid, .. } = self;
        let priority = FACILITY * 8 + record.severity();
        let part = if title == IDENTIFIER { String::new() } else { format!("{title}: ") };
        let text = visible(&record.text(), |_| false);
        format!("<{priority}>{IDENTIFIER}[{pid}]: {part}{}", cut(&text, MAX_SYSLOG))
    }

    /// The journal's protocol (systemd's documentation, "Native Journal Protocol"). It knows the process itself.
    fn journal(&self, record: &Record) -> Vec<u8> {
        let mut entry = Vec::new();
        put(&mut entry, "MESSAGE", cut(&record.text(), MAX_JOURNAL).as_ref());
        put(&mut entry, "PRIORITY", &record.severity().to_string());
        put(&mut entry, "SYSLOG_FACILITY", &FACILITY.to_string());
        put(&mut entry, "SYSLOG_IDENTIFIER", IDENTIFIER);
        put(&mut entry, "VMD_PROCESS", &self.title);
        for (name, value) in &record.fields {
            put(&mut entry, &field_name(name), cut(value, MAX_JOURNAL).as_ref());
        }
        entry
    }
}

/// Adds a field. A value of several lines would end at the first of them, and the next would be another field: such
/// a one goes behind its length.
fn put(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

/// A field of our own among everybody's: capitals, digits and underscores are allowed.
fn field_name(name: &str) -> String {
    let ours = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    ["VMD_"].into_iter().flat_map(str::chars).chain(name.chars().map(ours)).collect()
}

/// A text of several lines with all but the first moved to the right, so that none can pass for a record of its own.
fn lines(text: &str) -> String {
    visible(text, |c| matches!(c, '\n' | '\t')).trim_end().replace('\n', "\n    ")
}

/// The text with control characters, apart from those that `may` stay, as they are written in a program.
fn visible(text: &str, may: impl Fn(char) -> bool) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() && !may(c) {
            true => visible.extend(c.escape_default()),
            false => visible.push(c),
        }
    }
    visible
}

/// The text, or its beginning if it is too long.
fn cut(text: &str, max: usize) -> std::borrow::Cow<'_, str> {
    match text.get(..text.floor_char_boundary(max)) {
        Some(beginning) if beginning.len() < text.len() => format!("{beginning}…").into(),
        _ => text.into(),
    }
}

#[cfg(test)]
#[path = "record_test.rs"]
mod tests;
