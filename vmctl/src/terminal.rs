//! The user's terminal, and the promise to leave it as it was found.

use std::io;
use std::panic;

use rustix::stdio::stdin;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr};

/// The terminal on standard input in raw mode, until this is dropped or the program panics. Signals are the
/// caller's: one that ends the program at once ends it with a raw terminal.
#[derive(Debug)]
pub struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Makes standard input raw; `None` if it is no terminal.
    ///
    /// # Errors
    /// The terminal refuses.
    pub fn enter() -> io::Result<Option<Self>> {
        if !isatty(stdin()) {
            return Ok(None);
        }
        let before = tcgetattr(stdin())?;
        // A panic ends the program without dropping anything.
        let (saved, report) = (before.clone(), panic::take_hook());
        panic::set_hook(Box::new(move |panic| {
            restore(&saved);
            report(panic);
        }));
        let terminal = Self { before };
        let mut raw = terminal.before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Flush, &raw)?;
        Ok(Some(terminal))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        restore(&self.before);
    }
}

/// A terminal that has gone cannot be restored and needs not be.
fn restore(termios: &Termios) {
    // What is typed but not read yet was meant for the guest, not for the shell.
    let _ = tcsetattr(stdin(), OptionalActions::Flush, termios);
}
