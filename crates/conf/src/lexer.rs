//! The characters of a file to tokens: words, quoted strings, numbers, marks, and macros put in.
//!
//! It follows OpenBSD's lexer character by character, so that a file means the same here. Where that one
//! gives up, this one says why.

use crate::context::Context;
use crate::cursor::Cursor;
use crate::diagnostic::Diagnostic;
use crate::keyword::Keyword;
use crate::macros::Lookup;
use crate::source::{SourceId, Span};
use crate::token::{Kind, Token, shown};

/// The longest word or quoted string in bytes.
const MAX_TOKEN: usize = 8095;

/// Reads one file.
#[derive(Debug)]
pub(crate) struct Lexer {
    cursor: Cursor,
    source: SourceId,
    /// The first string that went over the end of a line. When the file ends inside a string, the quote that
    /// is missing is most likely that one's: all later strings are then inside out.
    first_multiline: Option<Span>,
    gave_up: bool,
}

impl Lexer {
    pub(crate) fn new(source: SourceId, cx: &Context) -> Self {
        Self { cursor: Cursor::new(cx.text(source)), source, first_multiline: None, gave_up: false }
    }

    /// Whether the rest of the file was not read, which has been reported.
    pub(crate) fn gave_up(&self) -> bool {
        self.gave_up
    }

    /// The next token. At the end of the file it is [`Kind::End`], for ever.
    pub(crate) fn token(&mut self, cx: &mut Context) -> Token {
        loop {
            self.skip_blanks();
            let start = self.start();
            let first = self.cursor.peek();
            match first {
                Some(b'$') if !self.cursor.expanding() => {
                    self.cursor.bump();
                    if let Some(error) = self.expand(start, cx) {
                        return error;
                    }
                }
                _ => return self.plain_token(first, start, cx),
            }
        }
    }

    fn plain_token(&mut self, first: Option<u8>, start: Span, cx: &mut Context) -> Token {
        let mark = match first {
            Some(quote @ (b'"' | b'\'')) => return self.quoted(quote, start, cx),
            Some(b'-' | b'0'..=b'9') => return self.number(start, cx),
            Some(byte) if starts_word(byte) => return self.word(Vec::new(), start, cx),
            Some(0) => return self.binary(start, cx),
            None => return self.finished(Kind::End, Vec::new(), start),
            Some(b'\n') => Kind::Newline,
            Some(b'{') => Kind::Open,
            Some(b'}') => Kind::Close,
            Some(b'=') => Kind::Equals,
            Some(b',') => Kind::Comma,
            Some(b';') => Kind::Semicolon,
            Some(_) => return self.stray(start),
        };
        self.cursor.bump();
        self.finished(mark, Vec::new(), start)
    }

    /// Blanks, and comments up to the end of their line. A joined line goes on with the comment.
    fn skip_blanks(&mut self) {
        while matches!(self.cursor.peek(), Some(b' ' | b'\t')) {
            self.cursor.bump();
        }
        if self.cursor.peek() == Some(b'#') {
            while self.cursor.peek().is_some_and(|byte| byte != b'\n') {
                self.cursor.bump();
            }
        }
    }

    /// Puts the value of a macro in the place of its name, or makes an error of it.
    fn expand(&mut self, start: Span, cx: &mut Context) -> Option<Token> {
        let mut name = Vec::new();
        while let Some(byte) = self.cursor.peek().filter(|byte| is_name(*byte)) {
            self.cursor.bump();
            name.push(byte);
        }
        let span = self.since(start);
        match cx.macros.look_up(&name) {
            Lookup::Value(value, origin) => {
                if cx.spend(value.len(), Some(span)) {
                    self.cursor.expand(value, start.start as usize, origin);
                    return None;
                }
                self.give_up();
            }
            Lookup::Broken => {}
            Lookup::Unknown => {
                let similar = if cx.report.is_full() { None } else { cx.macros.similar(&name) };
                cx.report.push(unknown_macro(&name, span, similar));
            }
        }
        Some(self.finished(Kind::Error, Vec::new(), start))
    }

    fn word(&mut self, mut text: Vec<u8>, start: Span, cx: &mut Context) -> Token {
        // A word does not end with the mark that separates options.
        let mut trailing = None;
        while let Some(byte) = self.cursor.peek().filter(|byte| continues_word(*byte)) {
            trailing = match byte {
                b';' => trailing.or(Some((self.cursor.mark(), text.len()))),
                _ => None,
            };
            self.cursor.bump();
            text.push(byte);
        }
        if let Some((mark, length)) = trailing {
            self.cursor.reset(mark);
            text.truncate(length);
        }
        let kind = Keyword::reserved(&text).map_or(Kind::Word, Kind::Keyword);
        self.string(kind, text, start, cx)
    }

    /// A number, where what follows lets it be one; a word otherwise.
    fn number(&mut self, start: Span, cx: &mut Context) -> Token {
        let before = self.cursor.mark();
        let text = self.digits();
        if text != b"-" && self.ends_number() {
            return self.bounded_number(text, start, cx);
        }
        if text.starts_with(b"-") {
            self.cursor.reset(before);
            return self.stray(start);
        }
        self.word(text, start, cx)
    }

    /// A minus sign or a digit, and all digits behind it.
    fn digits(&mut self) -> Vec<u8> {
        let mut text: Vec<u8> = self.cursor.bump().into_iter().collect();
        while let Some(digit) = self.cursor.peek().filter(u8::is_ascii_digit) {
            self.cursor.bump();
            text.push(digit);
        }
        text
    }

    fn bounded_number(&self, text: Vec<u8>, start: Span, cx: &mut Context) -> Token {
        if std::str::from_utf8(&text).is_ok_and(|text| text.parse::<i64>().is_ok()) {
            return self.finished(Kind::Number, text, start);
        }
        let error = Diagnostic::error(format!("the number {} is out of range", shown(&text)));
        cx.report.push(error.at(self.since(start), "does not fit into 64 bits"));
        self.finished(Kind::Error, text, start)
    }

    fn ends_number(&mut self) -> bool {
        let mark = self.cursor.mark();
        while self.cursor.peek() == Some(b';') {
            self.cursor.bump();
        }
        let next = self.cursor.peek();
        let separated = self.cursor.mark().is_behind(mark);
        self.cursor.reset(mark);
        match next {
            Some(b')' | b',' | b'/' | b'=') => !separated,
            Some(byte) => is_space(byte) || byte == b'}',
            None => true,
        }
    }

    fn quoted(&mut self, quote: u8, start: Span, cx: &mut Context) -> Token {
        self.cursor.bump();
        let mut text = Vec::new();
        let mut multiline = false;
        loop {
            match self.cursor.bump_raw() {
                Some(byte) if byte == quote => break,
                Some(b'\n') => multiline = true,
                Some(b'\\') => text.extend(self.escaped(quote)),
                Some(0) => return self.binary(start, cx),
                Some(byte) => text.push(byte),
                None => return self.unterminated(start, cx),
            }
        }
        if multiline && self.first_multiline.is_none() {
            self.first_multiline = Some(start);
        }
        Token { multiline, ..self.string(Kind::Quoted, text, start, cx) }
    }

    /// What a backslash stands for inside quotes: the quote or a blank behind it, nothing at the end of a
    /// line, itself otherwise.
    fn escaped(&mut self, quote: u8) -> Option<u8> {
        match self.cursor.peek_raw() {
            Some(byte) if byte == quote || byte == b' ' || byte == b'\t' => self.cursor.bump_raw(),
            Some(b'\n') => {
                self.cursor.bump_raw();
                None
            }
            _ => Some(b'\\'),
        }
    }

    fn unterminated(&mut self, start: Span, cx: &mut Context) -> Token {
        let last = self.since(start).opening();
        let culprit = self.first_multiline.map_or(last, |first| Span { end: first.start + 1, ..first });
        cx.report.mute_from(culprit);
        let mut error = Diagnostic::error("a quoted string is not closed").at(culprit, "opened here");
        if culprit.start != last.start {
            error = error.at(last, "and the file ends inside the string that starts here");
        }
        self.give_up();
        cx.report.push_unmuted(error.help("put the missing quote where the string should end"));
        self.finished(Kind::Error, Vec::new(), start)
    }

    /// A NUL: this is no text. Nothing good can come from the rest of the file.
    fn binary(&mut self, start: Span, cx: &mut Context) -> Token {
        let path = cx.report.sources.path(self.source).display().to_string();
        let error = Diagnostic::error(format!("{path} is not a text file: it contains a NUL byte"));
        cx.report.push(error.at(self.since(start).after(), "the rest of the file is not read"));
        self.give_up();
        self.finished(Kind::Error, Vec::new(), start)
    }

    /// Something that starts no token, with all that would belong to the word if it did.
    fn stray(&mut self, start: Span) -> Token {
        let mut text: Vec<u8> = self.cursor.bump().into_iter().collect();
        while let Some(byte) = self.cursor.peek().filter(|b| continues_word(*b) || !b.is_ascii()) {
            self.cursor.bump();
            text.push(byte);
        }
        text.truncate(MAX_TOKEN);
        self.finished(Kind::Stray, text, start)
    }

    /// A word or a quoted string, unless it is too long.
    fn string(&self, kind: Kind, text: Vec<u8>, start: Span, cx: &mut Context) -> Token {
        if text.len() <= MAX_TOKEN {
            return self.finished(kind, text, start);
        }
        let error = Diagnostic::error(format!("a string is longer than {MAX_TOKEN} bytes"));
        cx.report.push(error.at(self.since(start).opening(), format!("this one has {}", text.len())));
        self.finished(Kind::Error, Vec::new(), start)
    }

    fn give_up(&mut self) {
        self.gave_up = true;
        self.cursor.finish();
    }

    fn finished(&self, kind: Kind, text: Vec<u8>, start: Span) -> Token {
        Token { kind, text, span: self.since(start), multiline: false }
    }

    /// The empty stretch where a token starts.
    fn start(&mut self) -> Span {
        let (at, origin) = self.cursor.start();
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        Span { source: self.source, start: at, end: at, origin }
    }

    /// The stretch from there to here.
    fn since(&self, start: Span) -> Span {
        let here = u32::try_from(self.cursor.position()).unwrap_or(u32::MAX);
        Span { end: here.max(start.start), ..start }
    }
}

fn unknown_macro(name: &[u8], span: Span, similar: Option<String>) -> Diagnostic {
    if name.is_empty() {
        let error = Diagnostic::error("\"$\" without the name of a macro");
        return error.at(span, "expected a name of letters, digits and \"_\" right behind it");
    }
    Diagnostic::error(format!("macro \"{}\" is not defined", shown(name)))
        .at(span, "not defined up to here")
        .maybe_help(similar.map(|known| format!("there is a macro \"{known}\"")))
}

/// `isspace` of the C locale.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a word can start with it.
pub(crate) fn starts_word(byte: u8) -> bool {
    is_name(byte) || matches!(byte, b':' | b'/')
}

/// Whether a word can go on with it.
pub(crate) fn continues_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte.is_ascii_punctuation() && !b"(){}!=#,".contains(&byte)
}

#[cfg(test)]
#[path = "lexer_test.rs"]
mod tests;
