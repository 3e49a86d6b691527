//! A guest's console shown inside other output: without control sequences, with a mark before each line.

use std::io::{self, Write};

/// Writes text with `prefix` before each line and without what would move the cursor or set colours.
pub struct Live<W: Write> {
    output: W,
    prefix: &'static str,
    state: State,
    at_line_start: bool,
}

/// Where in a control sequence (ECMA-48) the text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// After ESC.
    Escape,
    /// After ESC and `[`, until a byte from `@` to `~`.
    Control,
    /// After ESC and `]`, until BEL or ESC and `\`.
    SystemCommand,
}

impl<W: Write> Live<W> {
    /// Lines on `output` that begin with `prefix`.
    pub fn new(output: W, prefix: &'static str) -> Self {
        Self { output, prefix, state: State::Text, at_line_start: true }
    }

    fn byte(&mut self, byte: u8) -> io::Result<()> {
        let (state, shown) = self.state.next(byte);
        self.state = state;
        if shown { self.show(byte) } else { Ok(()) }
    }

    fn show(&mut self, byte: u8) -> io::Result<()> {
        if self.at_line_start {
            self.output.write_all(self.prefix.as_bytes())?;
        }
        self.at_line_start = byte == b'\n';
        self.output.write_all(&[byte])
    }
}

impl State {
    /// The state after a byte, and whether the byte is text.
    fn next(self, byte: u8) -> (Self, bool) {
        match (self, byte) {
            (Self::Text | Self::SystemCommand, 0x1b) => (Self::Escape, false),
            (Self::Text, byte) => (Self::Text, byte == b'\n' || byte == b'\t' || !byte.is_ascii_control()),
            (Self::Escape, b'[') => (Self::Control, false),
            (Self::Escape, b']') => (Self::SystemCommand, false),
            (Self::Escape, _) | (Self::Control, b'@'..=b'~') | (Self::SystemCommand, 0x07) => {
                (Self::Text, false)
            }
            (state, _) => (state, false),
        }
    }
}

impl<W: Write> Write for Live<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        bytes.iter().try_for_each(|&byte| self.byte(byte))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

impl<W: Write> Drop for Live<W> {
    fn drop(&mut self) {
        if !self.at_line_start {
            // A prompt may be the last that was shown; a failure has been reported by what was written before.
            let _ = self.output.write_all(b"\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut output = Vec::new();
        Live::new(&mut output, "> ").write_all(text.as_bytes()).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn lines_are_marked_and_the_last_one_is_ended() {
        assert_eq!(shown("one\r\ntwo\r\n\r\nlogin: "), "> one\n> two\n> \n> login: \n");
    }

    #[test]
    fn control_sequences_are_left_out() {
        assert_eq!(
            shown("[\x1b[0;1;38;5;185m OK \x1b[0m]\x1b[?2004h\x1b]0;title\x07\x1b(B.\x07\n"),
            "> [ OK ]B.\n"
        );
        assert_eq!(shown("\x1b]0;title\x1b\\text\n"), "> text\n");
    }
}
