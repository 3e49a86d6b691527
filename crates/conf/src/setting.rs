//! Settings that are given once, or of which the last one counts, with their places.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::Span;

/// A setting of which the last one counts.
#[derive(Debug)]
pub(crate) struct Last<T> {
    /// Where it was given last.
    pub(crate) place: Option<Span>,
    pub(crate) value: Option<T>,
}

impl<T> Default for Last<T> {
    fn default() -> Self {
        Self { place: None, value: None }
    }
}

impl<T> Last<T> {
    /// Takes one in; a wrong one does not replace an earlier one.
    pub(crate) fn set(&mut self, place: Span, value: Result<T, Diagnostic>, report: &mut Diagnostics) {
        self.place = Some(place);
        self.value = report.keep(value).or(self.value.take());
    }
}

/// A setting that may be given only once.
#[derive(Debug)]
pub(crate) struct Once<T> {
    /// Where it was given first.
    pub(crate) place: Option<Span>,
    /// Missing although it was given: it was wrong.
    pub(crate) value: Option<T>,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self { place: None, value: None }
    }
}

impl<T> Once<T> {
    /// Whether it was given, right or wrong.
    pub(crate) fn is_set(&self) -> bool {
        self.place.is_some()
    }

    /// Takes it in, and reports a second one.
    pub(crate) fn set(
        &mut self,
        name: &str,
        place: Span,
        value: Result<T, Diagnostic>,
        report: &mut Diagnostics,
    ) {
        match self.place {
            Some(first) => report.push(twice(name, place, first)),
            None => self.place = Some(place),
        }
        self.value = report.keep(value);
    }
}

fn twice(name: &str, place: Span, first: Span) -> Diagnostic {
    Diagnostic::error(format!("\"{name}\" is given twice")).at(place, "given again").at(first, "given first")
}
