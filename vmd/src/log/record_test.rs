use std::sync::{Arc, Mutex};

use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::*;

/// Keeps what the log would write.
struct Kept {
    writer: Writer,
    subject: Option<(VmName, VmId)>,
    written: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl<S: tracing::Subscriber> Layer<S> for Kept {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let record = Record::of(event, self.subject.as_ref());
        self.written.lock().unwrap().push(self.writer.encode(&record));
    }
}

fn written_about(subject: Option<(VmName, VmId)>, sink: Sink, log: impl FnOnce()) -> Vec<u8> {
    let written = Arc::default();
    let writer = Writer { title: "vmm".to_owned(), pid: 7, sink };
    let kept = Kept { writer, subject, written: Arc::clone(&written) };
    tracing::subscriber::with_default(Registry::default().with(kept), log);
    let mut all = written.lock().unwrap();
    assert_eq!(all.len(), 1, "one record, one write");
    all.remove(0)
}

fn written(sink: Sink, log: impl FnOnce()) -> Vec<u8> {
    written_about(None, sink, log)
}

fn text(sink: Sink, log: impl FnOnce()) -> String {
    String::from_utf8(written(sink, log)).unwrap()
}

/// Reads an entry as the journal does.
fn fields(mut entry: &[u8]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    while !entry.is_empty() {
        let end = entry.iter().position(|byte| *byte == b'\n').unwrap();
        let (line, rest) = (&entry[..end], &entry[end + 1..]);
        let (name, value, rest) = match line.iter().position(|byte| *byte == b'=') {
            Some(equals) => (&line[..equals], &line[equals + 1..], rest),
            None => {
                let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
                assert_eq!(rest[8 + length], b'\n');
                (line, &rest[8..8 + length], &rest[9 + length..])
            }
        };
        let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        fields.push((string(name), string(value)));
        entry = rest;
    }
    fields
}

fn value<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = fields.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
    let value = values.next();
    assert_eq!(values.next(), None, "{name} twice");
    value
}

fn started() {
    tracing::info!(vm = %"web", id = 3, event = "started", "vm \"web\" started");
}

#[test]
fn the_journal_gets_the_fields_apart() {
    let fields = fields(&written(Sink::Journal, started));
    for (name, wanted) in [
        ("MESSAGE", "vm \"web\" started"),
        ("PRIORITY", "6"),
        ("SYSLOG_FACILITY", "3"),
        ("SYSLOG_IDENTIFIER", "vmd"),
        ("VMD_PROCESS", "vmm"),
        ("VMD_VM", "web"),
        ("VMD_ID", "3"),
        ("VMD_EVENT", "started"),
    ] {
        assert_eq!(value(&fields, name), Some(wanted), "{name}");
    }
    assert_eq!(fields.len(), 8, "{fields:?}");
}

#[test]
fn people_get_a_text() {
    assert_eq!(text(Sink::Terminal, started), "vmm: vm \"web\" started\n");
    assert_eq!(text(Sink::Syslog, started), "<30>vmd[7]: vmm: vm \"web\" started");
    let worse = || tracing::error!(size = 1000, "no room");
    assert_eq!(text(Sink::Terminal, worse), "vmm: error: no room size=1000\n");
    assert_eq!(text(Sink::Syslog, worse), "<27>vmd[7]: vmm: no room size=1000");
}

#[test]
fn a_process_that_is_a_machine_says_which_with_every_record() {
    let subject = Some((VmName::new("web").unwrap(), VmId(3)));
    let fields =
        fields(&written_about(subject, Sink::Journal, || tracing::warn!(event = "lost", "no daemon")));
    assert_eq!(value(&fields, "VMD_VM"), Some("web"));
    assert_eq!(value(&fields, "VMD_ID"), Some("3"));
    assert_eq!(value(&fields, "VMD_EVENT"), Some("lost"));
}

#[test]
fn nothing_in_a_text_can_pass_for_a_field_or_a_record_of_its_own() {
    let hostile = "failed\nPRIORITY=0\nVMD_VM=other\nvmd: error: \x1b[2Jyou were had\r";
    let log = || tracing::info!(vm = %hostile, "{hostile}");
    let fields = fields(&written(Sink::Journal, log));
    assert_eq!(value(&fields, "MESSAGE"), Some(hostile));
    assert_eq!(value(&fields, "VMD_VM"), Some(hostile));
    assert_eq!(value(&fields, "PRIORITY"), Some("6"));
    assert_eq!(
        text(Sink::Terminal, log),
        "vmm: failed\n    PRIORITY=0\n    VMD_VM=other\n    vmd: error: \\u{1b}[2Jyou were had\\r\n"
    );
    let syslog = text(Sink::Syslog, log);
    assert!(!syslog.contains(char::is_control), "{syslog:?}");
}

#[test]
fn a_text_that_is_too_long_is_cut_between_characters() {
    let long = "ä".repeat(100_000);
    for (sink, most) in [(Sink::Syslog, 8 << 10), (Sink::Journal, 50 << 10)] {
        let bytes = written(sink, || tracing::info!("{long}"));
        assert!(bytes.len() < most, "{}", bytes.len());
        assert!(String::from_utf8(bytes).unwrap().contains("ä…"));
    }
    assert!(text(Sink::Terminal, || tracing::info!("{long}")).contains(&long));
}

#[test]
fn a_name_of_a_field_is_one_that_the_journal_takes() {
    assert_eq!(field_name("client_uid"), "VMD_CLIENT_UID");
    assert_eq!(field_name("log.target"), "VMD_LOG_TARGET");
}
