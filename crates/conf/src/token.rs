//! What the lexer makes of the text.

use crate::keyword::Keyword;
use crate::source::Span;

/// A token with the text that it stands for.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// The text when quotes and escapes are gone; none for a mark.
    pub(crate) text: Vec<u8>,
    pub(crate) span: Span,
    /// A quoted string that goes over the end of a line: often a sign of a missing quote.
    pub(crate) multiline: bool,
}

/// Kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Keyword(Keyword),
    /// Without quotes.
    Word,
    /// In quotes.
    Quoted,
    /// A decimal number that fits into 64 bits, perhaps negative.
    Number,
    Open,
    Close,
    Equals,
    Comma,
    Semicolon,
    Newline,
    /// What no token starts with.
    Stray,
    /// Reported already: nothing more is to be said about its line.
    Error,
    /// The end of a file.
    End,
}

impl Kind {
    /// The character that it is, if it is always the same one and can be shown.
    fn mark(self) -> Option<&'static str> {
        Some(match self {
            Self::Open => "{",
            Self::Close => "}",
            Self::Equals => "=",
            Self::Comma => ",",
            Self::Semicolon => ";",
            _ => return None,
        })
    }
}

impl Token {
    /// Whether it is a word or a quoted string.
    pub(crate) fn is_string(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Quoted)
    }

    /// Whether it is that word of the language.
    pub(crate) fn is(&self, keyword: Keyword) -> bool {
        self.kind == Kind::Keyword(keyword)
    }

    /// The word of the language that it is.
    pub(crate) fn keyword(&self) -> Option<Keyword> {
        match self.kind {
            Kind::Keyword(keyword) => Some(keyword),
            _ => None,
        }
    }

    /// Makes an added word of the language out of an ordinary one: for the start of a statement or an option.
    pub(crate) fn promote(&mut self) {
        if self.kind == Kind::Word
            && let Some(keyword) = Keyword::added(&self.text)
        {
            self.kind = Kind::Keyword(keyword);
        }
    }

    /// Its text for people, however long and strange it is.
    pub(crate) fn shown(&self) -> String {
        self.kind.mark().map_or_else(|| shown(&self.text), str::to_owned)
    }

    /// What it is, for people.
    pub(crate) fn described(&self) -> String {
        match self.kind {
            Kind::Keyword(keyword) => format!("word \"{}\"", keyword.text()),
            Kind::Word => format!("word \"{}\"", self.shown()),
            Kind::Quoted => format!("string \"{}\"", self.shown()),
            Kind::Number => format!("number {}", self.shown()),
            Kind::Newline | Kind::End => "end of the line".to_owned(),
            _ => format!("\"{}\"", self.shown()),
        }
    }
}

/// A text of the file for people: at most a hundred characters of it, and none that does things to a terminal.
pub(crate) fn shown(text: &[u8]) -> String {
    const MOST: usize = 100;
    // Four bytes are enough for any character.
    let text = String::from_utf8_lossy(text.get(..4 * MOST + 4).unwrap_or(text)).into_owned();
    let mut short: String = text.chars().take(MOST).flat_map(printable).collect();
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}

fn printable(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = escaped.is_none().then_some(c);
    escaped.into_iter().flatten().chain(plain)
}
