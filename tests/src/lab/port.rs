//! The connections to the agent in a lab host, see `agent.sh`.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::qemu::{LIFELINE, Logs, PORTS, port_socket};
use crate::console::{Console, Event, Events};
use crate::host::{Output, limited};

/// What an answer may take beyond the limit of its command.
const GRACE: Duration = Duration::from_secs(30);
/// The most that a command may write for the answer to be taken, in bytes.
const MAX_OUTPUT: usize = 64 << 20;

/// All connections to one lab host.
pub struct Ports {
    free: Mutex<Vec<UnixStream>>,
    /// What its machine writes, for when it ends unexpectedly.
    logs: Arc<Logs>,
    /// Open as long as the lab is to live.
    _lifeline: Option<UnixStream>,
}

impl Ports {
    /// No connection yet.
    pub fn new(logs: Arc<Logs>) -> Self {
        Self { free: Mutex::default(), logs, _lifeline: None }
    }

    /// Connects to the ports whose sockets are in `directory` and waits for the agent.
    pub fn connect(directory: &Path, logs: Arc<Logs>, limit: Duration) -> Result<Self> {
        let deadline = Instant::now() + limit;
        let lifeline = connect(&directory.join(LIFELINE), deadline)?;
        let mut free = Vec::new();
        for number in 0..PORTS {
            free.push(connect(&directory.join(port_socket(number)), deadline)?);
        }
        for port in &mut free {
            let left = deadline.saturating_duration_since(Instant::now());
            port.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let greeting = read_line(port).context("no agent answers in the lab")?;
            anyhow::ensure!(greeting == "ready", "the agent in the lab says {greeting:?}");
        }
        Ok(Self { free: Mutex::new(free), logs, _lifeline: Some(lifeline) })
    }

    /// Runs a command and collects its output.
    pub fn run(&self, command: &str, limit: Duration) -> Result<Output> {
        let mut port = self.take()?;
        port.set_read_timeout(Some(limit + GRACE))?;
        // A port on which something went wrong is out of step and is not given back.
        let output = run_on(&mut port, command, limit)
            .with_context(|| format!("the lab does not answer to `{command}`\n{}", self.logs))?;
        self.give_back(port);
        Ok(output)
    }

    /// Runs a command on a terminal.
    pub fn console(ports: &Arc<Self>, command: &str) -> Result<Console> {
        let mut port = ports.take()?;
        port.set_read_timeout(None)?;
        let token = random_token()?;
        // The leader of the terminal's session writes down its number, for the case that it has to be ended.
        let command = format!("echo $$ >/run/lab/{token}; {command}");
        request(&mut port, &format!("pty {} {token}", command.len()), &command)?;
        let input = port.try_clone().context("cannot share a port")?;
        let (console, events) = Console::new(Box::new(input), hang_up(Arc::clone(ports), token.clone()));
        let ports = Arc::clone(ports);
        std::thread::spawn(move || {
            if forward(&mut port, &token, &events, &ports.logs) {
                ports.give_back(port);
            }
        });
        Ok(console)
    }

    fn take(&self) -> Result<UnixStream> {
        self.lock().pop().with_context(|| format!("more than {PORTS} commands at a time in the lab"))
    }

    fn give_back(&self, port: UnixStream) {
        self.lock().push(port);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<UnixStream>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects to a socket of QEMU, which may not have made it yet.
fn connect(socket: &Path, deadline: Instant) -> Result<UnixStream> {
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > deadline => {
                return Err(error).with_context(|| format!("cannot connect to {}", socket.display()));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn request(port: &mut UnixStream, line: &str, command: &str) -> Result<()> {
    // The empty line ends whatever somebody typed to the last terminal after its end.
    write!(port, "\n{line}\n{command}").context("the lab is gone")
}

fn run_on(port: &mut UnixStream, command: &str, limit: Duration) -> Result<Output> {
    let wrapped = limited(command, limit);
    request(port, &format!("run {}", wrapped.len()), &wrapped)?;
    let line = read_line(port)?;
    let (status, out, err) = parse_done(&line).with_context(|| format!("a strange answer: {line:?}"))?;
    let stdout = read_text(port, out)?;
    let stderr = read_text(port, err)?;
    Ok(Output { command: command.to_owned(), status, stdout, stderr })
}

/// Status and the lengths of both outputs.
fn parse_done(line: &str) -> Option<(i32, usize, usize)> {
    let mut words = line.strip_prefix("done ")?.split(' ');
    let status = words.next()?.parse().ok()?;
    let mut length = || words.next()?.parse().ok().filter(|&length| length <= MAX_OUTPUT);
    Some((status, length()?, length()?))
}

fn read_line(port: &mut UnixStream) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        port.read_exact(&mut byte)?;
        match byte {
            [b'\n'] => return Ok(String::from_utf8_lossy(&line).into_owned()),
            [byte] if line.len() < 256 => line.push(byte),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn read_text(port: &mut UnixStream, length: usize) -> io::Result<String> {
    let mut bytes = vec![0; length];
    port.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What ends the command of a terminal early.
fn hang_up(ports: Arc<Ports>, token: String) -> Box<dyn FnOnce() + Send> {
    Box::new(move || {
        // It may have ended by itself, and so may the lab.
        let _ = ports.run(&format!("kill -s HUP -- -$(cat /run/lab/{token})"), Duration::from_secs(10));
    })
}

/// Hands on what a terminal shows until the mark of its end; whether the port can be used again.
fn forward(port: &mut UnixStream, token: &str, events: &Events, logs: &Logs) -> bool {
    let mut output = Splitter::new(token);
    let mut buffer = [0; 4096];
    loop {
        let event = match port.read(&mut buffer) {
            Ok(0) => Event::Lost(format!("the lab has ended\n{logs}")),
            Ok(count) => Event::Output(output.push(&buffer[..count])),
            Err(error) => Event::Lost(error.to_string()),
        };
        let lost = matches!(event, Event::Lost(_));
        // Nobody listens any more when the console was dropped; the end of its command is still awaited.
        let _ = events.send(event);
        if let Some(status) = output.status {
            let _ = events.send(Event::Ended(status));
            return true;
        }
        if lost {
            return false;
        }
    }
}

/// Finds the mark of the end in the output of a terminal.
struct Splitter {
    mark: Vec<u8>,
    /// What may be the beginning of the mark.
    held: Vec<u8>,
    status: Option<i32>,
}

impl Splitter {
    fn new(token: &str) -> Self {
        Self { mark: format!("\0{token} ").into_bytes(), held: Vec::new(), status: None }
    }

    /// Takes more output and gives what is certainly not part of the mark.
    fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        if let Some(start) = find(&self.held, &self.mark) {
            self.status = parse_status(&self.held[start + self.mark.len()..]);
            return self.held.drain(..start).collect();
        }
        let safe = self.held.len() - self.possible_mark();
        self.held.drain(..safe).collect()
    }

    /// The length of the longest end of the output that the mark begins with.
    fn possible_mark(&self) -> usize {
        let longest = self.held.len().min(self.mark.len());
        (1..=longest).rev().find(|&length| self.held.ends_with(&self.mark[..length])).unwrap_or(0)
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// The number in front of the first newline, once that is there.
fn parse_status(text: &[u8]) -> Option<i32> {
    let end = text.iter().position(|&byte| byte == b'\n')?;
    std::str::from_utf8(&text[..end]).ok()?.trim().parse().ok()
}

/// A word that no command writes by chance.
fn random_token() -> Result<String> {
    let mut bytes = [0; 8];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    if filled.context("no random numbers")? != bytes.len() {
        bail!("too few random numbers");
    }
    let mut token = String::new();
    for byte in bytes {
        write!(token, "{byte:02x}")?;
    }
    Ok(token)
}

#[cfg(test)]
#[path = "port_test.rs"]
mod tests;
