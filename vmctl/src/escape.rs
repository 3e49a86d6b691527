//! The escape sequences of the console: a `~` at the start of a line, as in cu(1).

/// What a typed byte means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Send it.
    Byte(u8),
    /// Send a tilde that was held back, then this.
    Held(u8),
    /// It may begin an escape: send nothing yet.
    Nothing,
    /// Leave the console.
    Detach,
    /// Send a break.
    Break,
    /// Show the escapes.
    Help,
}

/// Recognises escapes in what is typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escapes {
    /// Nothing was typed on this line.
    #[default]
    LineStart,
    /// Nothing but a tilde was typed on this line.
    Tilde,
    /// Something was typed on this line.
    InLine,
}

impl Escapes {
    /// The escapes, for the user.
    pub const HELP: &str = "\r\n\
        ~.  leave the console\r\n\
        ~#  send a break\r\n\
        ~~  send a tilde\r\n\
        ~?  show this\r\n";

    /// Takes the next byte.
    pub fn typed(&mut self, byte: u8) -> Typed {
        let after = |byte| if matches!(byte, b'\r' | b'\n') { Self::LineStart } else { Self::InLine };
        match (*self, byte) {
            (Self::LineStart, b'~') => {
                *self = Self::Tilde;
                Typed::Nothing
            }
            (Self::Tilde, b'.' | b'#' | b'?') => {
                *self = Self::LineStart;
                match byte {
                    b'.' => Typed::Detach,
                    b'#' => Typed::Break,
                    _ => Typed::Help,
                }
            }
            (Self::Tilde, b'~') => {
                *self = Self::InLine;
                Typed::Byte(byte)
            }
            (state, _) => {
                *self = after(byte);
                if state == Self::Tilde { Typed::Held(byte) } else { Typed::Byte(byte) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What reaches the guest, with `<.>`, `<#>` and `<?>` for the escapes.
    fn type_in(text: &str) -> String {
        let mut escapes = Escapes::default();
        let mut seen = String::new();
        for byte in text.bytes() {
            match escapes.typed(byte) {
                Typed::Byte(byte) => seen.push(byte.into()),
                Typed::Held(byte) => seen.extend(['~', byte.into()]),
                Typed::Nothing => {}
                Typed::Detach => seen.push_str("<.>"),
                Typed::Break => seen.push_str("<#>"),
                Typed::Help => seen.push_str("<?>"),
            }
        }
        seen
    }

    #[test]
    fn escapes_are_seen_at_the_start_of_a_line_only() {
        assert_eq!(type_in("~."), "<.>");
        assert_eq!(type_in("ls\r~."), "ls\r<.>");
        assert_eq!(type_in("ls\n~#~?~."), "ls\n<#><?><.>");
        assert_eq!(type_in("ls ~."), "ls ~.");
        assert_eq!(type_in(" ~."), " ~.");
    }

    #[test]
    fn a_tilde_that_begins_no_escape_is_sent() {
        assert_eq!(type_in("~~."), "~.");
        assert_eq!(type_in("~~~"), "~~");
        assert_eq!(type_in("~/bin\r"), "~/bin\r");
        assert_eq!(type_in("~\r~."), "~\r<.>");
    }

    #[test]
    fn a_tilde_alone_waits() {
        assert_eq!(type_in("\r~"), "\r");
    }
}
