//! Where the log goes.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;

/// The system's log as it has always been (syslog(3)).
const SYSLOG: &str = "/dev/log";

/// The journal, which takes fields.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// How long a record may wait for a log that is busy. One that does not move must not hold up the machines.
const PATIENCE: Duration = Duration::from_millis(50);

/// Where records go, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sink {
    /// Plain lines for a person.
    Terminal,
    /// Datagrams in the form of RFC 3164.
    Syslog,
    /// Datagrams in the journal's own form, with fields.
    Journal,
}

/// Makes standard error a way to the log of the system: to its journal, or else to its syslog, or else to nowhere.
///
/// # Errors
/// When there is not even a `/dev/null`.
pub fn to_system() -> io::Result<Sink> {
    if redirect(Path::new(JOURNAL)).is_ok() {
        return Ok(Sink::Journal);
    }
    if redirect(Path::new(SYSLOG)).is_err() {
        rustix::stdio::dup2_stderr(File::options().write(true).open("/dev/null")?)?;
    }
    Ok(Sink::Syslog)
}

/// Makes standard error a way to the journal if all that is written to it goes there anyway. `stream` is what the
/// service manager says of that, the value of `JOURNAL_STREAM` (systemd.exec(5)).
pub fn to_journal_of_stderr(stream: Option<&str>) -> Sink {
    let is_meant = stream.is_some_and(|stream| is_stream(rustix::stdio::stderr(), stream));
    match is_meant && redirect(Path::new(JOURNAL)).is_ok() {
        true => Sink::Journal,
        false => Sink::Terminal,
    }
}

fn redirect(log: &Path) -> io::Result<()> {
    Ok(rustix::stdio::dup2_stderr(connect(log)?)?)
}

/// A way to the log at `path`.
fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Whether a descriptor is the stream that is meant by `device:inode`, both decimal. One that was inherited by a
/// process whose standard error leads elsewhere is not.
fn is_stream(descriptor: impl AsFd, stream: &str) -> bool {
    let numbers = stream
        .split_once(':')
        .and_then(|(device, inode)| Some((device.parse::<u64>().ok()?, inode.parse::<u64>().ok()?)));
    rustix::fs::fstat(descriptor).is_ok_and(|stat| numbers == Some((stat.st_dev, stat.st_ino)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_record_is_a_datagram_and_a_log_that_does_not_read_holds_up_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        assert!(connect(&path).is_err());
        let log = UnixDatagram::bind(&path).unwrap();
        let socket = connect(&path).unwrap();
        socket.send(b"MESSAGE=one\n").unwrap();
        let mut bytes = [0; 64];
        let length = log.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"MESSAGE=one\n");
        let full = std::iter::repeat_with(|| socket.send(&[0; 1000])).find_map(Result::err).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn the_stream_is_known_by_device_and_inode() {
        let file = tempfile::tempfile().unwrap();
        let metadata = file.metadata().unwrap();
        let (device, inode) = (metadata.dev(), metadata.ino());
        assert!(is_stream(&file, &format!("{device}:{inode}")));
        for other in [format!("{device}:{}", inode + 1), format!("{inode}"), "a:b".to_owned(), String::new()]
        {
            assert!(!is_stream(&file, &other), "{other}");
        }
        assert_eq!(to_journal_of_stderr(None), Sink::Terminal);
    }
}
