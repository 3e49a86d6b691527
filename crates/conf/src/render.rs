//! Diagnostics as text for people.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str,
};

use crate::diagnostic::{Diagnostic, Diagnostics, Label, Remark, Severity};
use crate::source::{SourceId, SourceMap, Span};

impl Diagnostics {
    /// All of it, with excerpts of the files, in colour if wanted. Every line ends with a newline.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let texts = Texts::new(self);
        let mut out = String::new();
        for diagnostic in self.iter() {
            out.push_str(&renderer.render(&[group(diagnostic, &self.sources, &texts)]));
            out.push_str("\n\n");
        }
        out.push_str(&self.rest());
        // No blank line behind the last one.
        out.truncate(out.trim_end().len());
        out.push('\n');
        if self.is_empty() { String::new() } else { out }
    }

    /// A line about those that were only counted.
    fn rest(&self) -> String {
        let more = |count: usize, what| match count.saturating_sub(Self::MAX_SHOWN) {
            0 => None,
            1 => Some(format!("1 more {what}")),
            more => Some(format!("{more} more {what}s")),
        };
        let rest = [more(self.error_count(), "error"), more(self.warning_count(), "warning")];
        let rest: Vec<_> = rest.into_iter().flatten().collect();
        if rest.is_empty() { String::new() } else { format!("and {}\n", rest.join(" and ")) }
    }
}

/// The files as text, every byte in its place.
struct Texts(HashMap<u32, String>);

impl Texts {
    fn new(diagnostics: &Diagnostics) -> Self {
        let mut texts = HashMap::new();
        let sources = &diagnostics.sources;
        for label in diagnostics.iter().flat_map(|d| labels(d, sources)) {
            let id = label.span.source;
            texts.entry(id.index()).or_insert_with(|| readable(&sources.text(id)));
        }
        Self(texts)
    }

    fn get(&self, id: SourceId) -> &str {
        self.0.get(&id.index()).map_or("", String::as_str)
    }
}

/// A question mark for every byte that is no text or that a terminal may obey.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&tame(chunk.valid()));
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

/// Takes out the control characters from U+0080 on, each two bytes long. The renderer knows only the others.
fn tame(text: &str) -> Cow<'_, str> {
    let is_control = |c: char| ('\u{80}'..='\u{9f}').contains(&c);
    if text.contains(is_control) { text.replace(is_control, "??").into() } else { text.into() }
}

/// A text of ours, perhaps with parts of a file or a file name in it.
fn harmless(text: &str) -> String {
    normalize_untrusted_str(&tame(text))
}

fn group<'a>(diagnostic: &'a Diagnostic, sources: &'a SourceMap, texts: &'a Texts) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(harmless(&diagnostic.message));
    let labels = labels(diagnostic, sources);
    let snippets = files(&labels).into_iter().map(|id| snippet(id, &labels, sources, texts));
    snippets
        .fold(Group::with_title(title), Group::element)
        .elements(command_line_macro(diagnostic, sources))
        .elements(diagnostic.remarks.iter().map(remark))
}

/// What a macro of the command line holds whose text the diagnostic is about: no label can show it.
fn command_line_macro(
    diagnostic: &Diagnostic,
    sources: &SourceMap,
) -> Option<annotate_snippets::Message<'static>> {
    let origin = diagnostic.labels.first()?.span.origin.and_then(|id| sources.origin(id))?;
    let text = format!("${} was given on the command line as \"{}\"", origin.name, origin.value);
    origin.definition.is_none().then(|| Level::NOTE.message(harmless(&text)))
}

fn remark(remark: &Remark) -> annotate_snippets::Message<'_> {
    match remark {
        Remark::Note(text) => Level::NOTE.message(harmless(text)),
        Remark::Help(text) => Level::HELP.message(harmless(text)),
    }
}

/// The labels of a diagnostic, and one for each macro whose text they are about.
fn labels(diagnostic: &Diagnostic, sources: &SourceMap) -> Vec<Label> {
    let mut all: Vec<Label> = Vec::new();
    for Label { span, text } in &diagnostic.labels {
        all.push(Label { span: *span, text: text.clone() });
    }
    for Label { span, .. } in &diagnostic.labels {
        let Some(origin) = span.origin.and_then(|id| sources.origin(id)) else { continue };
        let Some(definition) = origin.definition else { continue };
        if !all.iter().any(|label| label.span == definition) {
            all.push(Label {
                span: definition,
                text: format!("the value of ${} is defined here", origin.name),
            });
        }
    }
    all
}

/// The files that labels are about, that of the main one first.
fn files(labels: &[Label]) -> Vec<SourceId> {
    let mut files = Vec::new();
    for label in labels {
        if !files.contains(&label.span.source) {
            files.push(label.span.source);
        }
    }
    files
}

fn snippet<'a>(
    id: SourceId,
    labels: &[Label],
    sources: &'a SourceMap,
    texts: &'a Texts,
) -> Snippet<'a, Annotation<'a>> {
    let text = texts.get(id);
    let path = harmless(&sources.path(id).display().to_string());
    let annotations =
        labels.iter().enumerate().filter(|(_, label)| label.span.source == id).map(|(nth, label)| {
            let kind = if nth == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let label_text = (!label.text.is_empty()).then(|| harmless(&label.text));
            kind.span(range(text, label.span)).label(label_text)
        });
    Snippet::source(text).path(path).annotations(annotations)
}

/// A stretch of text that ends on whole characters.
fn range(text: &str, span: Span) -> Range<usize> {
    let start = text.floor_char_boundary(span.start as usize);
    let end = text.ceil_char_boundary(span.end as usize).max(start);
    start..end
}
