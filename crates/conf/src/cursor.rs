//! The characters of a file, with at most one macro expansion in front of them.

use std::sync::Arc;

use crate::source::OriginId;

/// A position in a file, and in the text of a macro that is read before the file goes on.
#[derive(Debug)]
pub(crate) struct Cursor {
    text: Arc<[u8]>,
    at: usize,
    expansion: Option<Expansion>,
}

#[derive(Debug)]
struct Expansion {
    text: Arc<[u8]>,
    at: usize,
    /// Where the use of the macro starts in the file.
    site: usize,
    origin: OriginId,
}

/// A place to go back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    at: usize,
    expanded: usize,
}

impl Mark {
    /// Whether it is further on than another one.
    pub(crate) fn is_behind(self, other: Self) -> bool {
        (self.at, self.expanded) > (other.at, other.expanded)
    }
}

impl Cursor {
    pub(crate) fn new(text: Arc<[u8]>) -> Self {
        Self { text, at: 0, expansion: None }
    }

    /// Puts the text of a macro in front of what is left of the file. It goes over seamlessly: a word may
    /// start in the macro and end in the file.
    pub(crate) fn expand(&mut self, text: Arc<[u8]>, site: usize, origin: OriginId) {
        self.expansion = Some(Expansion { text, at: 0, site, origin });
    }

    /// Whether the next character comes from a macro.
    pub(crate) fn expanding(&self) -> bool {
        self.unexpanded() > 0
    }

    /// The place in the file, and the macro whose text is read there. For a token that starts here.
    pub(crate) fn start(&mut self) -> (usize, Option<OriginId>) {
        match &self.expansion {
            Some(expansion) if expansion.at < expansion.text.len() => {
                (expansion.site, Some(expansion.origin))
            }
            _ => {
                self.expansion = None;
                (self.at, None)
            }
        }
    }

    /// Goes to the end.
    pub(crate) fn finish(&mut self) {
        self.expansion = None;
        self.at = self.text.len();
    }

    /// The place in the file.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { at: self.at, expanded: self.expansion.as_ref().map_or(0, |e| e.at) }
    }

    /// Goes back to a mark that was set since the last token started.
    pub(crate) fn reset(&mut self, mark: Mark) {
        self.at = mark.at;
        if let Some(expansion) = &mut self.expansion {
            expansion.at = mark.expanded;
        }
    }

    /// The next byte as it stands there.
    pub(crate) fn peek_raw(&self) -> Option<u8> {
        self.raw(0)
    }

    /// Takes the next byte as it stands there.
    pub(crate) fn bump_raw(&mut self) -> Option<u8> {
        let byte = self.raw(0);
        self.advance(1);
        byte
    }

    /// The next character outside of quotes: a backslash joins two lines or stands for what follows it.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.next().0
    }

    /// Takes the next character outside of quotes.
    pub(crate) fn bump(&mut self) -> Option<u8> {
        let (byte, length) = self.next();
        self.advance(length);
        byte
    }

    /// The next character outside of quotes, and how many bytes it takes with the joined lines before it.
    fn next(&self) -> (Option<u8>, usize) {
        // Nearly every character is one of the file that stands for itself.
        if self.expansion.is_none()
            && let Some(byte) = self.text.get(self.at).filter(|byte| **byte != b'\\')
        {
            return (Some(*byte), 1);
        }
        let mut ahead = 0;
        loop {
            match (self.raw(ahead), self.raw(ahead + 1)) {
                (Some(b'\\'), Some(b'\n')) => ahead += 2,
                (Some(b'\\'), escaped) => return (escaped, ahead + 2),
                (byte, _) => return (byte, ahead + 1),
            }
        }
    }

    fn unexpanded(&self) -> usize {
        self.expansion.as_ref().map_or(0, |e| e.text.len().saturating_sub(e.at))
    }

    fn raw(&self, ahead: usize) -> Option<u8> {
        match (&self.expansion, ahead.checked_sub(self.unexpanded())) {
            (Some(expansion), None) => expansion.text.get(expansion.at + ahead).copied(),
            (_, ahead) => self.text.get(self.at + ahead.unwrap_or(0)).copied(),
        }
    }

    fn advance(&mut self, length: usize) {
        let mut length = length;
        if let Some(expansion) = &mut self.expansion {
            let expanded = length.min(expansion.text.len().saturating_sub(expansion.at));
            expansion.at += expanded;
            length -= expanded;
        }
        self.at = (self.at + length).min(self.text.len());
    }
}
