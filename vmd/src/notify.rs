//! Words to the service manager that started the daemon (sd_notify(3)).
//!
//! The manager says in the environment where it listens. Each word is one datagram; nothing is ever waited for,
//! and a word that the manager does not take is lost, for the machines are more important than their report.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// A way to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notifier {
    manager: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Finds the manager by `NOTIFY_SOCKET`, and how often it wants a sign of life by `WATCHDOG_USEC`. To be called
    /// before the sandbox is closed.
    ///
    /// # Errors
    /// When there is a manager, but no socket to be had.
    pub fn from_environment() -> io::Result<Self> {
        let Some(address) = env::var_os("NOTIFY_SOCKET") else { return Ok(Self::default()) };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let watchdog = watchdog(|name| env::var(name).ok(), std::process::id());
        Ok(Self { manager: Some((socket, parse_address(address.as_bytes())?)), watchdog })
    }

    /// Whether somebody listens.
    pub fn is_heard(&self) -> bool {
        self.manager.is_some()
    }

    /// How often the manager wants to hear `WATCHDOG=1`: twice in the time after which it would act.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Says lines of the form `NAME=value`.
    pub fn say(&self, words: &str) {
        let Some((socket, address)) = &self.manager else { return };
        if let Err(why) = socket.send_to_addr(words.as_bytes(), address) {
            tracing::debug!("the service manager did not take {words:?}: {why}");
        }
    }
}

/// A path, or behind an `@` a name that is in no file system (unix(7)).
fn parse_address(text: &[u8]) -> io::Result<SocketAddr> {
    match text {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
    }
}

/// Half of `WATCHDOG_USEC`, unless that is meant for another process than `pid`.
fn watchdog(variable: impl Fn(&str) -> Option<String>, pid: u32) -> Option<Duration> {
    let meant_for = variable("WATCHDOG_PID");
    if meant_for.is_some_and(|other| other != pid.to_string()) {
        return None;
    }
    let microseconds: u64 = variable("WATCHDOG_USEC")?.parse().ok()?;
    (microseconds > 0).then(|| Duration::from_micros(microseconds / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_arrives_at_both_kinds_of_address() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("@vmd-test-{}", std::process::id());
        let at_path = UnixDatagram::bind(&path).unwrap();
        let abstract_name = SocketAddr::from_abstract_name(&name.as_bytes()[1..]).unwrap();
        let at_name = UnixDatagram::bind_addr(&abstract_name).unwrap();
        for (listener, text) in [(at_path, path.as_os_str().as_bytes()), (at_name, name.as_bytes())] {
            let manager = Some((UnixDatagram::unbound().unwrap(), parse_address(text).unwrap()));
            Notifier { manager, watchdog: None }.say("READY=1");
            let mut word = [0; 64];
            let length = listener.recv(&mut word).unwrap();
            assert_eq!(&word[..length], b"READY=1");
        }
    }

    #[test]
    fn nobody_and_a_manager_that_is_gone_do_no_harm() {
        Notifier::default().say("READY=1");
        let gone = parse_address(b"/nonexistent/notify").unwrap();
        Notifier { manager: Some((UnixDatagram::unbound().unwrap(), gone)), watchdog: None }.say("READY=1");
    }

    #[test]
    fn the_watchdog_is_fed_twice_in_its_time_by_whom_it_watches() {
        let variables = |pid: &'static str, time: &'static str| {
            move |name: &str| match name {
                "WATCHDOG_PID" => Some(pid.to_owned()),
                "WATCHDOG_USEC" => Some(time.to_owned()),
                _ => None,
            }
        };
        assert_eq!(watchdog(variables("7", "30000000"), 7), Some(Duration::from_secs(15)));
        assert_eq!(watchdog(variables("8", "30000000"), 7), None);
        assert_eq!(watchdog(variables("7", "0"), 7), None);
        assert_eq!(watchdog(variables("7", "soon"), 7), None);
        assert_eq!(watchdog(|_| None, 7), None);
    }
}
