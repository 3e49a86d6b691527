//! What people get wrong, and what to tell them.

use crate::diagnostic::Diagnostic;
use crate::keyword::{Keyword, statement_like, switch_option_like, vm_option_like};
use crate::outline::line_span;
use crate::source::Span;
use crate::syntax::{Failure, Scope, unexpected};
use crate::token::{Kind, Token};

const SEPARATE_OPTIONS: &str = "put \";\" or a new line between two options";

/// What to do about a token that was not expected behind another one.
pub(crate) fn advice(
    token: &Token,
    before: Option<&Token>,
    failure: &Failure,
    scope: Scope,
) -> Option<String> {
    let text = token.shown();
    let in_block = scope == Scope::Option;
    let behind_value = before.is_some_and(|before| before.is_string() || before.kind == Kind::Number);
    let behind_option = in_block && failure.is_behind_option();
    let starts_option = match token.kind {
        Kind::Keyword(keyword) => (behind_value || !failure.wants_string()) && keyword.starts_option(),
        Kind::Word => Keyword::added(&token.text).is_some_and(Keyword::starts_option),
        _ => false,
    };
    Some(match token.kind {
        _ if behind_option && starts_option => SEPARATE_OPTIONS.to_owned(),
        Kind::Keyword(_) if !behind_value && failure.wants_string() => {
            format!("\"{text}\" is a word of the language: as a name it must be in quotes")
        }
        Kind::Number if !behind_value && before.is_some() && failure.wants_string() => {
            format!("a number that is meant as a string must be in quotes: \"{text}\"")
        }
        Kind::Equals if in_block && !behind_value => {
            "leave \"=\" out: an option is only followed by its value".to_owned()
        }
        Kind::Semicolon if !in_block => "\";\" separates the options of a block only".to_owned(),
        Kind::Open if !in_block && behind_value => "only \"vm\" and \"switch\" have a block".to_owned(),
        Kind::Stray => return stray_advice(&text),
        _ => return None,
    })
}

fn stray_advice(text: &str) -> Option<String> {
    Some(match text.chars().next()? {
        '~' => "write the whole path: \"~\" does not stand for a home directory here".to_owned(),
        '.' => format!("a path that does not start with \"/\" must be in quotes: \"{text}\""),
        '$' => "the value of a macro can not use another macro, except as a whole".to_owned(),
        // An escaped control character, or no text at all: no quotes would help.
        '\\' | char::REPLACEMENT_CHARACTER => return None,
        '“' | '”' | '„' | '«' | '‘' | '’' => "use plain quotes: \" or '".to_owned(),
        c if !c.is_ascii() || c.is_ascii_punctuation() && text.len() > 1 => {
            format!("a string that starts so must be in quotes: \"{text}\"")
        }
        _ => return None,
    })
}

/// Looks for the mistake in front of the place where it shows: a string over several lines, or a word that
/// two options have grown together to.
pub(crate) fn doubt(error: Diagnostic, line: &[Token]) -> Diagnostic {
    if let Some(token) = line.iter().find(|token| token.multiline) {
        let label = "this string goes over several lines: is its closing quote missing?";
        return error.at(token.span.opening(), label);
    }
    let grown = line.iter().any(|token| token.kind == Kind::Word && token.text.contains(&b';'));
    error.maybe_help(grown.then_some("put a blank behind \";\""))
}

/// A definition that is none.
pub(crate) fn macro_error(name: &Token, head: &[Token], failure: Failure) -> Diagnostic {
    let text = name.shown();
    match (name.kind, head.get(2), head.get(3)) {
        (Kind::Keyword(_), ..) => Diagnostic::error(format!("a macro can not be named \"{text}\""))
            .at(name.span, "this is a word of the language")
            .help("choose another name"),
        (_, Some(value), None) if value.kind == Kind::Number || value.keyword().is_some() => {
            Diagnostic::error(format!("unexpected {}", value.described()))
                .at(value.span, "expected a word or a string in quotes")
                .help(format!("put it in quotes: {text} = \"{}\"", value.shown()))
        }
        (_, Some(first), Some(second)) if first.is_string() && second.kind != Kind::Stray => {
            Diagnostic::error(format!("the value of macro \"{text}\" is more than one word"))
                .at(second.span, "expected the end of the line")
                .help("put all of the value in one pair of quotes")
        }
        _ => unexpected(head, failure, Scope::Statement),
    }
}

/// A definition between options.
pub(crate) fn misplaced_macro(line: &[Token]) -> Diagnostic {
    let error = Diagnostic::error("a macro is defined inside of a block");
    let error = match line_span(line) {
        Some(all) => error.at(all, ""),
        None => error,
    };
    error.help("move the definition in front of the block")
}

/// A statement that starts as none does.
pub(crate) fn unknown_statement(first: &Token, head: &[Token]) -> Diagnostic {
    let text = first.shown();
    match first.kind {
        Kind::Keyword(keyword) if keyword.starts_vm_option() => {
            Diagnostic::error(format!("\"{text}\" is an option of a virtual machine"))
                .at(first.span, "not inside of a \"vm\" block")
                .help("write it between the braces of: vm \"name\" { … }")
        }
        Kind::Word => Diagnostic::error(format!("unknown statement \"{text}\""))
            .at(first.span, "no statement starts with this word")
            .maybe_help(did_you_mean(statement_like(&text)).or_else(|| missing_equals(head))),
        _ => no_start(first, "expected a statement"),
    }
}

/// An option that starts as none of a virtual machine does.
pub(crate) fn unknown_vm_option(first: &Token, line: &[Token]) -> Diagnostic {
    let text = first.shown();
    let here = |message: String, label: &str| Diagnostic::error(message).at(first.span, label);
    let error = match first.kind {
        Kind::Keyword(Keyword::Add) => here("\"add\" is no longer used".to_owned(), "leave this word out"),
        Kind::Keyword(keyword) if is_interface_option(keyword) => {
            here(format!("\"{text}\" is an option of an interface"), "not of a virtual machine")
                .help(format!("write: interface {{ {} }}", excerpt(line)))
        }
        Kind::Keyword(keyword) if keyword.starts_statement() => {
            here(format!("\"{text}\" inside of a block"), "this is a statement of its own")
                .help("is the \"}\" of the block missing?")
        }
        Kind::Word => here(format!("unknown option \"{text}\""), "a virtual machine has no such option")
            .maybe_help(did_you_mean(vm_option_like(&text))),
        _ => no_start(first, "expected an option of the virtual machine"),
    };
    doubt(error, line)
}

/// An option that starts as none of a switch does.
pub(crate) fn unknown_switch_option(first: &Token, line: &[Token]) -> Diagnostic {
    let text = first.shown();
    let here = |message: String, label: &str| Diagnostic::error(message).at(first.span, label);
    let error = match first.kind {
        Kind::Keyword(Keyword::Add) => here("\"add\" is no longer used".to_owned(), "leave this line out")
            .help("interfaces of virtual machines are attached there: interface { switch \"name\" }"),
        Kind::Keyword(keyword) if keyword.starts_statement() => {
            here(format!("\"{text}\" inside of a block"), "this is a statement of its own")
                .help("is the \"}\" of the block missing?")
        }
        Kind::Keyword(_) | Kind::Word => {
            here(format!("unknown option \"{text}\""), "a switch has no such option")
                .maybe_help(did_you_mean(switch_option_like(&text)))
        }
        _ => no_start(first, "expected an option of the switch"),
    };
    doubt(error, line)
}

fn no_start(first: &Token, expected: &str) -> Diagnostic {
    let advice = Some(first).filter(|token| token.kind == Kind::Stray).map(Token::shown);
    Diagnostic::error(format!("unexpected {}", first.described()))
        .at(first.span, expected)
        .maybe_help(advice.and_then(|text| stray_advice(&text)))
}

fn did_you_mean(word: Option<&str>) -> Option<String> {
    word.map(|word| format!("did you mean \"{word}\"?"))
}

/// A macro can be meant where a word and a string stand alone.
fn missing_equals(head: &[Token]) -> Option<String> {
    match head {
        [name, value] if value.kind == Kind::Quoted => {
            Some(format!("a macro is defined as: {} = \"{}\"", name.shown(), value.shown()))
        }
        _ => None,
    }
}

fn is_interface_option(keyword: Keyword) -> bool {
    use Keyword::{Down, Group, Lladdr, Locked, Rdomain, Switch, Up};
    matches!(keyword, Switch | Group | Locked | Lladdr | Rdomain | Up | Down)
}

/// The start of a line as it could have been written.
fn excerpt(line: &[Token]) -> String {
    let word = |token: &Token| match token.kind {
        Kind::Quoted => format!("\"{}\"", token.shown()),
        _ => token.shown(),
    };
    line.iter().take(4).map(word).collect::<Vec<_>>().join(" ")
}

/// The second option of a line that may have only one.
pub(crate) fn second_option(word: Span) -> Diagnostic {
    Diagnostic::error("two options on a line without a mark between them")
        .at(word, "the second one starts here")
        .help(SEPARATE_OPTIONS)
}
