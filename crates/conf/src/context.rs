//! What all parts of a run share: the diagnostics, the macros, and how much may still be read.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::macros::MacroTable;
use crate::source::Span;

/// The most bytes of all files and expanded macros together. A macro value of 8095 characters behind each
/// three characters of a file would be more work than anybody waits for.
const MOST_BYTES: usize = 16 << 20;

/// The state of a run.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) report: Diagnostics,
    pub(crate) macros: MacroTable,
    bytes_left: usize,
}

impl Context {
    pub(crate) fn new() -> Self {
        Self { report: Diagnostics::default(), macros: MacroTable::default(), bytes_left: MOST_BYTES }
    }

    /// Defines a macro that stands in a file; without a value its uses are let pass in silence.
    pub(crate) fn define(&mut self, name: &[u8], value: Option<&[u8]>, at: Span) {
        self.macros.define(name, value, at, &mut self.report.sources);
    }

    /// Asks to read that many bytes more for the sake of a place; reports it when they are too many.
    pub(crate) fn spend(&mut self, bytes: usize, place: Option<Span>) -> bool {
        let left = self.bytes_left.checked_sub(bytes);
        if left.is_none() {
            let error = Diagnostic::error(format!(
                "the configuration is too large: more than {} MiB with all includes and macros",
                MOST_BYTES >> 20
            ));
            self.report.push(match place {
                Some(place) => error.at(place, "given up here"),
                None => error,
            });
        }
        self.bytes_left = left.unwrap_or(0);
        left.is_some()
    }

    /// The text of a file that was taken in.
    pub(crate) fn text(&self, id: crate::source::SourceId) -> Arc<[u8]> {
        self.report.sources.text(id)
    }
}
