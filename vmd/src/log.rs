//! The log: what happens, told to people on a terminal, or to the log of the system.
//!
//! In the foreground standard error takes plain lines. Under a service manager that passes standard error on to
//! the journal, and in the background, standard error is a datagram socket to the system's log instead (`sink.rs`),
//! made by the first process and inherited by every role, so that a role with an empty root can still log. Each
//! record is one write, hence one datagram (`record.rs`).
//!
//! Whatever is about a virtual machine carries the fields `vm`, its name, and `id`, its number, and if something has
//! happened `event`, a word that vmd(8) lists. The journal keeps fields apart, people read the text.

mod record;
mod sink;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use proto::{LogLevel, VmId, VmName};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::{Registry, reload};

use record::{Record, Writer};
pub use sink::{Sink, to_journal_of_stderr, to_system};

/// Starts the log of this process, whose lines begin with `title`. `verbose` is the number of `-v` options.
pub fn start(title: &str, sink: Sink, verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let (filter, handle) = reload::Layer::new(level);
    let log = Log { writer: Writer::new(title, sink), lost: AtomicU32::new(0) };
    // Both fail only when a log was started already, which then serves.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(filter).with(log));
    let _ = LEVEL.set(handle);
    // Standard error itself may lead to what does not understand the text of a panic.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

/// Changes how much this process logs from now on.
pub fn set_level(level: LogLevel) {
    let level = match level {
        LogLevel::Brief => LevelFilter::INFO,
        LogLevel::Verbose => LevelFilter::DEBUG,
    };
    // Fails only when there is no log.
    let _ = LEVEL.get().map(|handle| handle.reload(level));
    tracing::debug!("this much is logged from now on");
}

/// From now on everything in the log of this process is about one virtual machine.
pub fn be_about(name: VmName, id: VmId) {
    // Told once, by whoever made the process.
    let _ = SUBJECT.set((name, id));
}

/// The level of the log, once it was started.
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

/// The machine that this process is.
static SUBJECT: OnceLock<(VmName, VmId)> = OnceLock::new();

/// Writes each event to standard error.
struct Log {
    writer: Writer,
    /// How many records were not taken since the last one that was.
    lost: AtomicU32,
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.write(&Record::of(event, SUBJECT.get()));
    }
}

impl Log {
    /// A record that the log does not take in time is lost: nothing may fail because of it. The next one that it
    /// takes is followed by how many were.
    fn write(&self, record: &Record) {
        let taken = rustix::io::write(rustix::stdio::stderr(), &self.writer.encode(record)).is_ok();
        if !taken {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match self.lost.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => self.write(&Record::new(Level::WARN, format!("{lost} records of this log were lost"))),
        }
    }
}
