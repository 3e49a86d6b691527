//! Options as getopt(3) reads them, in any order with the operands.
//!
//! A value follows its option at once (`-m1G`) or as the next argument (`-m 1G`); letters without a value
//! can be joined (`-fw`); `--` ends the options. Long options take their value after `=` or as the next
//! argument.

use std::collections::VecDeque;

use crate::failure::Failure;

/// What a command accepts.
#[derive(Clone, Copy, Debug)]
pub struct Syntax {
    /// The letters, each followed by `:` if it takes a value.
    pub letters: &'static str,
    /// The words, each ended by `:` if it takes a value.
    pub words: &'static [&'static str],
}

/// An option that was given: its letter or word, and its value (empty if it takes none).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The letter or the word, without dashes.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A command line, sorted out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Options in the order in which they were given.
    pub options: Vec<Given>,
    /// Everything else.
    pub operands: Vec<String>,
}

impl Arguments {
    /// Whether an option was given.
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().any(|option| option.name == name)
    }

    /// The value of an option that may be given again.
    pub fn last(&self, name: &str) -> Option<&str> {
        self.options.iter().rfind(|option| option.name == name).map(|option| option.value.as_str())
    }

    /// The one operand of a command that takes exactly one.
    ///
    /// # Errors
    /// Misuse.
    pub fn operand(&self) -> Result<&str, Failure> {
        match self.operands.as_slice() {
            [operand] => Ok(operand),
            _ => Err(Failure::misuse()),
        }
    }
}

/// Why a command line can not be read. The texts of the first two are those of getopt(3).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// An option that the command does not have.
    #[error("unknown option -- {0}")]
    Unknown(String),
    /// An option at the end whose value is missing.
    #[error("option requires an argument -- {0}")]
    NoValue(String),
    /// A long option with `=` that takes no value.
    #[error("option doesn't take an argument -- {0}")]
    Value(String),
}

/// Reads a whole command line.
///
/// # Errors
/// The first [`SyntaxError`] from the left.
pub fn parse(arguments: Vec<String>, syntax: Syntax) -> Result<Arguments, SyntaxError> {
    parse_until(arguments, syntax, |_| false).map(|(parsed, _)| parsed)
}

/// Reads up to the first operand, and returns it and what follows it unread: the global options in front of
/// a command.
///
/// # Errors
/// The first [`SyntaxError`] from the left.
pub fn parse_leading(
    arguments: Vec<String>,
    syntax: Syntax,
) -> Result<(Arguments, Vec<String>), SyntaxError> {
    parse_until(arguments, syntax, |_| true)
}

fn parse_until(
    arguments: Vec<String>,
    syntax: Syntax,
    ends_at: impl Fn(&str) -> bool,
) -> Result<(Arguments, Vec<String>), SyntaxError> {
    let mut rest = VecDeque::from(arguments);
    let mut parsed = Arguments::default();
    while let Some(argument) = rest.pop_front() {
        if argument == "--" {
            parsed.operands.extend(rest.drain(..));
        } else if let Some(word) = argument.strip_prefix("--") {
            parsed.options.push(syntax.word(word, &mut rest)?);
        } else if let Some(letters) = argument.strip_prefix('-').filter(|l| !l.is_empty()) {
            syntax.letters(letters, &mut rest, &mut parsed.options)?;
        } else if ends_at(&argument) {
            rest.push_front(argument);
            break;
        } else {
            parsed.operands.push(argument);
        }
    }
    Ok((parsed, rest.into()))
}

impl Syntax {
    fn word(self, text: &str, rest: &mut VecDeque<String>) -> Result<Given, SyntaxError> {
        let (word, glued) = match text.split_once('=') {
            Some((word, value)) => (word, Some(value.to_owned())),
            None => (text, None),
        };
        let known = self.words.iter().find(|w| w.trim_end_matches(':') == word);
        let takes_value = known.ok_or_else(|| SyntaxError::Unknown(word.to_owned()))?.ends_with(':');
        let value = match (takes_value, glued) {
            (false, Some(_)) => return Err(SyntaxError::Value(word.to_owned())),
            (false, None) => String::new(),
            (true, Some(value)) => value,
            (true, None) => rest.pop_front().ok_or_else(|| SyntaxError::NoValue(word.to_owned()))?,
        };
        Ok(Given { name: word.to_owned(), value })
    }

    /// One argument of letters: `-c`, `-fw`, `-m1G`.
    fn letters(
        self,
        argument: &str,
        rest: &mut VecDeque<String>,
        options: &mut Vec<Given>,
    ) -> Result<(), SyntaxError> {
        let mut letters = argument.chars();
        while let Some(letter) = letters.next() {
            let name = letter.to_string();
            let value = if !self.takes_value(letter)? {
                String::new()
            } else if letters.as_str().is_empty() {
                rest.pop_front().ok_or_else(|| SyntaxError::NoValue(name.clone()))?
            } else {
                letters.by_ref().collect()
            };
            options.push(Given { name, value });
        }
        Ok(())
    }

    fn takes_value(self, letter: char) -> Result<bool, SyntaxError> {
        let unknown = || SyntaxError::Unknown(letter.to_string());
        let at = self.letters.find(letter).filter(|_| letter != ':').ok_or_else(unknown)?;
        Ok(self.letters.get(at + letter.len_utf8()..).is_some_and(|after| after.starts_with(':')))
    }
}

#[cfg(test)]
#[path = "options_test.rs"]
mod tests;
