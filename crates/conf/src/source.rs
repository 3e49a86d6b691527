//! The texts that were read, and places in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SourceId(u32);

impl SourceId {
    /// Its place in the order of reading, from 0.
    pub(crate) fn index(self) -> u32 {
        self.0
    }
}

/// A macro definition of a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OriginId(u32);

/// A stretch of a file, in bytes; `end` is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) source: SourceId,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The macro from which the text came. The stretch is then the use of the macro.
    pub(crate) origin: Option<OriginId>,
}

impl Span {
    /// The stretch from the start of this one to the end of another.
    pub(crate) fn to(self, last: Self) -> Self {
        let origin = if self.origin == last.origin { self.origin } else { None };
        Self { end: last.end.max(self.end), origin, ..self }
    }

    /// The empty stretch behind this one.
    pub(crate) fn after(self) -> Self {
        Self { start: self.end, origin: None, ..self }
    }

    /// Its first byte alone, where that is a quote or a brace.
    pub(crate) fn opening(self) -> Self {
        Self { end: self.end.min(self.start.saturating_add(1)), ..self }
    }
}

/// Where the text of a macro came from.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) name: String,
    pub(crate) value: String,
    /// `None`: from the command line.
    pub(crate) definition: Option<Span>,
}

#[derive(Debug)]
struct Source {
    path: PathBuf,
    text: Arc<[u8]>,
}

/// Every file that was read and every macro that was defined: what a [`Span`] refers to.
#[derive(Debug, Default)]
pub(crate) struct SourceMap {
    files: Vec<Source>,
    origins: Vec<Origin>,
}

/// The mark that some editors put in front of UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl SourceMap {
    /// Takes a file in. Its lines end in a plain newline from here on.
    pub(crate) fn add(&mut self, path: &Path, text: Vec<u8>) -> SourceId {
        let id = SourceId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(Source { path: path.to_owned(), text: plain_lines(text).into() });
        id
    }

    pub(crate) fn add_origin(&mut self, origin: Origin) -> OriginId {
        let id = OriginId(u32::try_from(self.origins.len()).unwrap_or(u32::MAX));
        self.origins.push(origin);
        id
    }

    pub(crate) fn origin(&self, id: OriginId) -> Option<&Origin> {
        self.origins.get(id.0 as usize)
    }

    pub(crate) fn path(&self, id: SourceId) -> &Path {
        self.files.get(id.0 as usize).map_or(Path::new(""), |source| &source.path)
    }

    pub(crate) fn text(&self, id: SourceId) -> Arc<[u8]> {
        self.files.get(id.0 as usize).map_or_else(|| Arc::from([]), |source| Arc::clone(&source.text))
    }

    /// Line and column of the start of a stretch, both from 1, the column in characters.
    pub(crate) fn line_and_column(&self, span: Span) -> (usize, usize) {
        let text = self.text(span.source);
        let before = text.get(..span.start as usize).unwrap_or(&text);
        let line = before.split(|b| *b == b'\n').count();
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let column = before.get(start..).map_or(0, |part| String::from_utf8_lossy(part).chars().count());
        (line, column + 1)
    }
}

fn plain_lines(mut text: Vec<u8>) -> Vec<u8> {
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    if text.contains(&b'\r') {
        let mut next = text.iter().copied().skip(1).chain([0]).collect::<Vec<_>>().into_iter();
        text.retain(|byte| !(next.next() == Some(b'\n') && *byte == b'\r'));
    }
    text
}
