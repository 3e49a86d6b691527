//! What is to be said about a configuration, and about which place of it.

use std::path::PathBuf;

use crate::source::{SourceId, SourceMap, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration can not be used.
    Error,
    /// It can, but may not say what was meant.
    Warning,
}

/// A place in a file, for programs; people are better served by [`Diagnostics::render`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named.
    pub path: PathBuf,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// An error or a warning.
#[derive(Debug)]
pub struct Diagnostic {
    pub(crate) severity: Severity,
    pub(crate) message: String,
    /// The first one is the place that it is about.
    pub(crate) labels: Vec<Label>,
    pub(crate) remarks: Vec<Remark>,
}

/// A stretch of a file and what is to be said about it.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) span: Span,
    pub(crate) text: String,
}

/// A sentence below the excerpt.
#[derive(Debug)]
pub(crate) enum Remark {
    /// A fact.
    Note(String),
    /// What to do.
    Help(String),
}

impl Diagnostic {
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), labels: Vec::new(), remarks: Vec::new() }
    }

    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    /// Marks a place, the main one first. The text may be empty.
    pub(crate) fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    pub(crate) fn note(mut self, text: impl Into<String>) -> Self {
        self.remarks.push(Remark::Note(text.into()));
        self
    }

    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.remarks.push(Remark::Help(text.into()));
        self
    }

    pub(crate) fn maybe_help(self, text: Option<impl Into<String>>) -> Self {
        match text {
            Some(text) => self.help(text),
            None => self,
        }
    }

    fn span(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What it is, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// The errors and warnings of a configuration, in the order of the places that they are about.
#[derive(Debug, Default)]
pub struct Diagnostics {
    pub(crate) list: Vec<Diagnostic>,
    pub(crate) sources: SourceMap,
    errors: usize,
    warnings: usize,
    muted: Vec<(SourceId, u32)>,
}

impl Diagnostics {
    /// How many errors and how many warnings are kept; more than that are only counted.
    pub const MAX_SHOWN: usize = 50;

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if !self.is_muted(&diagnostic) {
            self.push_unmuted(diagnostic);
        }
    }

    /// Takes the error in, if it is one.
    pub(crate) fn keep<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Takes one in that tells why its place is mute.
    pub(crate) fn push_unmuted(&mut self, diagnostic: Diagnostic) {
        let count = match diagnostic.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= Self::MAX_SHOWN {
            self.list.push(diagnostic);
        }
    }

    /// Whether a further error is only counted.
    pub(crate) fn is_full(&self) -> bool {
        self.errors >= Self::MAX_SHOWN
    }

    /// Drops what was and will be said about a file from a place on: it was read wrongly from there.
    pub(crate) fn mute_from(&mut self, place: Span) {
        self.muted.push((place.source, place.start));
        let list = std::mem::take(&mut self.list);
        // What was counted but not kept lies behind all that was kept.
        (self.errors, self.warnings) = (0, 0);
        list.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Puts them into the order of the files and of the places in them. The parts of the program that find
    /// them do not all look at the same time.
    pub(crate) fn sort(&mut self) {
        self.list.sort_by_key(|diagnostic| diagnostic.span().map(|span| (span.source.index(), span.start)));
    }

    fn is_muted(&self, diagnostic: &Diagnostic) -> bool {
        diagnostic.span().is_some_and(|span| {
            self.muted.iter().any(|(source, from)| *source == span.source && *from <= span.start)
        })
    }

    /// Whether there is nothing to be said.
    pub fn is_empty(&self) -> bool {
        self.errors == 0 && self.warnings == 0
    }

    /// The number of errors, those beyond [`Diagnostics::MAX_SHOWN`] included.
    pub fn error_count(&self) -> usize {
        self.errors
    }

    /// The number of warnings, those beyond [`Diagnostics::MAX_SHOWN`] included.
    pub fn warning_count(&self) -> usize {
        self.warnings
    }

    /// The errors and warnings that were kept.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Where the main place of one of them is; `None` if it is about no place in a file.
    pub fn place(&self, diagnostic: &Diagnostic) -> Option<Place> {
        let span = diagnostic.span()?;
        let (line, column) = self.sources.line_and_column(span);
        Some(Place { path: self.sources.path(span.source).to_owned(), line, column })
    }
}
