//! Lines to statements and options by the grammar; what does not fit is told in the words of the language.

use lalrpop_util::ParseError;

use crate::advice::{
    advice, doubt, macro_error, misplaced_macro, unknown_statement, unknown_switch_option, unknown_vm_option,
};
use crate::ast::{OptionLine, Statement, SwitchOption, VmOption};
use crate::diagnostic::Diagnostic;
use crate::grammar::{StatementHeadParser, SwitchOptionsParser, VmOptionsParser};
use crate::keyword::Keyword;
use crate::token::{Kind, Token};

/// The parsers with their tables: made once, used for every line.
pub(crate) struct Parsers {
    statement: StatementHeadParser,
    vm_options: VmOptionsParser,
    switch_options: SwitchOptionsParser,
}

/// What a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A statement, or its head.
    Statement,
    /// An option of a block.
    Option,
}

/// Where a line stopped to make sense.
pub(crate) struct Failure {
    /// The token that was not expected; behind the last one it is the end of the line.
    nth: usize,
    /// The grammar's names of what was expected.
    wanted: Vec<String>,
}

impl Parsers {
    pub(crate) fn new() -> Self {
        Self {
            statement: StatementHeadParser::new(),
            vm_options: VmOptionsParser::new(),
            switch_options: SwitchOptionsParser::new(),
        }
    }

    /// Reads a statement up to its opening brace.
    pub(crate) fn statement(&self, head: &[Token]) -> Result<Statement, Diagnostic> {
        self.statement.parse(numbered(head)).map_err(Failure::from).map_err(|failure| match head {
            [name, equals, ..] if equals.kind == Kind::Equals => macro_error(name, head, failure),
            [first, ..] if !first.keyword().is_some_and(Keyword::starts_statement) => {
                unknown_statement(first, head)
            }
            _ => unexpected(head, failure, Scope::Statement),
        })
    }

    /// Reads a line of a `vm` block.
    pub(crate) fn vm_options(&self, line: &[Token]) -> Result<OptionLine<VmOption>, Diagnostic> {
        self.vm_options.parse(numbered(line)).map_err(Failure::from).map_err(|failure| match line {
            [first, ..] if first.keyword().is_some_and(Keyword::starts_vm_option) => {
                unexpected(line, failure, Scope::Option)
            }
            [_, equals, ..] if equals.kind == Kind::Equals => misplaced_macro(line),
            [first, ..] => unknown_vm_option(first, line),
            [] => unexpected(line, failure, Scope::Option),
        })
    }

    /// Reads a line of a `switch` block.
    pub(crate) fn switch_options(&self, line: &[Token]) -> Result<OptionLine<SwitchOption>, Diagnostic> {
        self.switch_options.parse(numbered(line)).map_err(Failure::from).map_err(|failure| match line {
            [first, ..] if first.keyword().is_some_and(Keyword::starts_switch_option) => {
                unexpected(line, failure, Scope::Option)
            }
            [_, equals, ..] if equals.kind == Kind::Equals => misplaced_macro(line),
            [first, ..] => unknown_switch_option(first, line),
            [] => unexpected(line, failure, Scope::Option),
        })
    }
}

impl Failure {
    /// Whether a word or a string could stand there.
    pub(crate) fn wants_string(&self) -> bool {
        self.wanted.iter().any(|name| name == "word")
    }

    /// Whether the option could end there, as far as a further word is no part of it.
    pub(crate) fn is_behind_option(&self) -> bool {
        self.wanted.iter().any(|name| name == "\"enable\"")
            || !self.wanted.iter().any(|name| is_keyword(name))
    }
}

/// The tokens of a line as the generated parsers want them; places are indices.
fn numbered(line: &[Token]) -> impl Iterator<Item = (usize, &Token, usize)> {
    line.iter().enumerate().map(|(nth, token)| (nth, token, nth + 1))
}

impl From<ParseError<usize, &Token, ()>> for Failure {
    fn from(error: ParseError<usize, &Token, ()>) -> Self {
        let (nth, wanted) = match error {
            ParseError::UnrecognizedToken { token: (nth, ..), expected } => (nth, expected),
            ParseError::UnrecognizedEof { location, expected } => (location, expected),
            ParseError::ExtraToken { token: (nth, ..) } => (nth, Vec::new()),
            ParseError::InvalidToken { location } => (location, Vec::new()),
            ParseError::User { error: () } => (0, Vec::new()),
        };
        Self { nth, wanted }
    }
}

/// A token, or the end of the line, where something else was expected.
pub(crate) fn unexpected(line: &[Token], failure: Failure, scope: Scope) -> Diagnostic {
    let before = failure.nth.checked_sub(1).and_then(|nth| line.get(nth));
    let expected = format!("expected {}", expected(&failure.wanted, before, scope));
    let error = match line.get(failure.nth) {
        Some(token) => Diagnostic::error(format!("unexpected {}", token.described()))
            .at(token.span, expected)
            .maybe_help(advice(token, before, &failure, scope)),
        None => unexpected_end(line, expected, scope),
    };
    doubt(error, line.get(..=failure.nth).unwrap_or(line))
}

fn unexpected_end(line: &[Token], expected: String, scope: Scope) -> Diagnostic {
    let error = Diagnostic::error(match scope {
        Scope::Statement => "unexpected end of the line",
        Scope::Option => "unexpected end of the option",
    });
    match line.last() {
        Some(last) => error.at(last.span.after(), expected),
        None => error,
    }
}

/// Whether a name of the grammar is that of a word of the language.
fn is_keyword(name: &str) -> bool {
    let word = name.trim_matches('"');
    word.len() < name.len() && word.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// What could stand there, from the names that the grammar has for it.
fn expected(wanted: &[String], before: Option<&Token>, scope: Scope) -> String {
    if let Some(argument) = before.and_then(Token::keyword).and_then(Keyword::argument) {
        return argument.to_owned();
    }
    let wants = |name: &str| wanted.iter().any(|w| w.trim_matches('"') == name);
    let mut words = Vec::new();
    // Behind a string another one may always stand: that is not what is missing.
    if wants("word") && !before.is_some_and(Token::is_string) {
        words.push("a word or a string in quotes");
    }
    words.extend(wants("number").then_some("a number"));
    words.extend(wants("{").then_some("\"{\""));
    words.extend(wants("=").then_some("\"=\""));
    // Where any option may start, all of them would be named.
    let is_named = |name: &&String| is_keyword(name) && (!wants("enable") || name.as_str() == "\"format\"");
    words.extend(wanted.iter().filter(is_named).map(String::as_str));
    if words.is_empty() || wants("format") {
        words.push(match scope {
            Scope::Statement => "the end of the line",
            Scope::Option => "\";\" or the end of the line",
        });
    }
    listed(&words)
}

/// `a, b or c`.
fn listed(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) if last.contains(" or ") => format!("{}, {last}", others.join(", ")),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
