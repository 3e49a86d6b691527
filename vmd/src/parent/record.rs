//! What the daemon notes of a machine that has a process, so that a later daemon can take charge of it.
//!
//! The note is a file of JSON that only root reads and writes. The later daemon may be a newer program, with
//! settings that this one does not know, or an older one: what a note does not say has its default, and what is
//! not known is passed over. Anything else is a new [`VERSION`].

use std::path::PathBuf;
use std::time::Duration;

use proto::{StopMode, VmId, VmName, VmSpec};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The form of the note.
const VERSION: u32 = 1;

/// A machine with a process, as far as it has to outlive the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// Its number.
    pub id: VmId,
    /// What was asked for when it was started.
    pub spec: VmSpec,
    /// Defined by a client, hence forgotten at its end.
    pub transient: bool,
    /// User id of who started it.
    pub starter: u32,
    /// Its process.
    pub pid: u32,
    /// The user's side of its console.
    pub tty: PathBuf,
    /// Its stop, if that has begun.
    pub stop: Option<Stop>,
    /// The image of the disc that is in its drive.
    pub disc: Option<PathBuf>,
}

/// A stop under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// How.
    pub mode: StopMode,
    /// When the guest's own time is over, since the start of the host.
    pub until: Duration,
}

/// A note: the machine, and what tells its process from a later one with the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The machine.
    pub survivor: Survivor,
    /// When its process started, in clock ticks after the start of the host (proc_pid_stat(5)).
    pub start_time: u64,
}

/// Why a note can not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file is none of ours, or damaged.
    #[error("its record can not be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Another form of the note.
    #[error("its record has version {0}, and this vmd reads version {VERSION}")]
    Version(u32),
    /// A note in the directory of another machine, or of a machine that can not be.
    #[error("its record is wrong: {0}")]
    Wrong(String),
}

impl Record {
    /// The text of the file.
    ///
    /// # Errors
    /// When a path is not UTF-8 text.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let Self { survivor: Survivor { id, spec, transient, starter, pid, tty, stop, disc }, start_time } =
            self.clone();
        let spec = serde_json::to_value(spec)?;
        let form = Form { version: VERSION, id, spec, transient, starter, pid, start_time, tty, stop, disc };
        serde_json::to_vec_pretty(&form)
    }

    /// Reads the note in the directory of the machine `name`.
    ///
    /// # Errors
    /// When it is not a note that this daemon could have written.
    pub fn decode(text: &[u8], name: &VmName) -> Result<Self, RecordError> {
        let Version { version } = serde_json::from_slice(text)?;
        if version != VERSION {
            return Err(RecordError::Version(version));
        }
        let form: Form = serde_json::from_slice(text)?;
        let spec = complete(form.spec, name)?;
        if spec.name != *name {
            return Err(RecordError::Wrong(format!("it is about vm \"{}\"", spec.name)));
        }
        spec.validate().map_err(|why| RecordError::Wrong(why.to_string()))?;
        let Form { id, transient, starter, pid, start_time, tty, stop, disc, .. } = form;
        Ok(Self { survivor: Survivor { id, spec, transient, starter, pid, tty, stop, disc }, start_time })
    }
}

/// The file.
#[derive(Serialize, Deserialize)]
struct Form {
    version: u32,
    id: VmId,
    spec: Value,
    transient: bool,
    starter: u32,
    pid: u32,
    start_time: u64,
    tty: PathBuf,
    #[serde(default)]
    stop: Option<Stop>,
    #[serde(default)]
    disc: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// A specification of another version of the daemon, with defaults for what that did not know.
fn complete(noted: Value, name: &VmName) -> Result<VmSpec, serde_json::Error> {
    let mut spec = serde_json::to_value(VmSpec::new(name.clone()))?;
    match (&mut spec, noted) {
        (Value::Object(all), Value::Object(noted)) => all.extend(noted),
        (_, none) => return serde_json::from_value(none),
    }
    serde_json::from_value(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> VmName {
        VmName::new("web").unwrap()
    }

    fn record() -> Record {
        let spec = VmSpec { boot: Some("/bsd".into()), cmdline: "-s".into(), ..VmSpec::new(name()) };
        let tty = "/dev/pts/4".into();
        let stop = Some(Stop { mode: StopMode::Graceful, until: Duration::from_millis(12_345) });
        let disc = Some("/iso/disc2.iso".into());
        let survivor =
            Survivor { id: VmId(3), spec, transient: true, starter: 1000, pid: 77, tty, stop, disc };
        Record { survivor, start_time: 12345 }
    }

    fn edited(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut value: Value = serde_json::from_slice(&record().encode().unwrap()).unwrap();
        edit(&mut value);
        serde_json::to_vec(&value).unwrap()
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        assert_eq!(Record::decode(&record().encode().unwrap(), &name()).unwrap(), record());
    }

    #[test]
    fn settings_that_one_of_the_two_daemons_does_not_know_do_no_harm() {
        let older = edited(|note| drop(note["spec"].as_object_mut().unwrap().remove("disks")));
        assert_eq!(Record::decode(&older, &name()).unwrap(), record());
        let newer = edited(|note| note["spec"]["colour"] = "green".into());
        assert_eq!(Record::decode(&newer, &name()).unwrap(), record());
    }

    #[test]
    fn what_is_no_note_of_that_machine_is_refused_with_a_reason() {
        let refused = |text: &[u8]| Record::decode(text, &name()).unwrap_err().to_string();
        assert!(refused(b"").contains("can not be read"));
        assert!(refused(&edited(|note| note["version"] = 2.into())).contains("version 2"));
        assert!(refused(&edited(|note| note["spec"]["name"] = "db".into())).contains("vm \"db\""));
        assert!(refused(&edited(|note| note["spec"]["boot"] = "bsd".into())).contains("absolute"));
        assert!(refused(&edited(|note| note["spec"] = Value::Null)).contains("can not be read"));
        assert!(refused(&edited(|note| note["pid"] = "many".into())).contains("can not be read"));
    }
}
