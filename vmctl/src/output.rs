//! Writing to the standard streams without a panic when nobody reads them any more.

use std::io::{self, ErrorKind, Write};

use crate::failure::{Failure, Outcome};

/// Writes to standard error. There is nowhere to report a failure to.
pub fn say(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes to standard output. A reader that has gone has seen what it wanted.
///
/// # Errors
/// Anything else that goes wrong, a full disk for one.
pub fn print(text: &str) -> Outcome {
    stream(text).map(|_| ())
}

/// Writes to standard output a part of what has no end. Whether anybody still reads it.
///
/// # Errors
/// As above.
pub fn stream(text: &str) -> Result<bool, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Failure::new(format!("standard output: {}", errno_text(&e)))),
    }
}

/// The system's words for an error, as strerror(3) gives them.
pub fn errno_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}
