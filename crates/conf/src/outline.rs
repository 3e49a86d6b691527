//! Tokens to statements: what belongs to which line, and which lines to which block.
//!
//! This is where recovery happens. An error in an option ends with its line, one in a statement with its
//! block, and a brace that is missing or too much is told here, so that the grammar never sees it.

use std::collections::VecDeque;

use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::keyword::Keyword;
use crate::lexer::Lexer;
use crate::source::{SourceId, Span};
use crate::token::{Kind, Token};

/// A line of tokens without the newline; never empty.
pub(crate) type Line = Vec<Token>;

/// A statement in its lines.
#[derive(Debug)]
pub(crate) struct Outline {
    /// Up to the end of the line or the opening brace, which belongs to it.
    pub(crate) head: Line,
    pub(crate) block: Option<Block>,
}

/// What is between braces.
#[derive(Debug)]
pub(crate) struct Block {
    /// One line for each option.
    pub(crate) options: Vec<Line>,
    /// The last token, the closing brace if there is one.
    pub(crate) end: Span,
    /// Whether both braces are there.
    pub(crate) closed: bool,
}

/// From the first to the last token of a line.
pub(crate) fn line_span(line: &[Token]) -> Option<Span> {
    Some(line.first()?.span.to(line.last()?.span))
}

/// Takes the statements out of one file.
#[derive(Debug)]
pub(crate) struct Outliner {
    lexer: Lexer,
    /// Tokens that were read too early.
    ahead: VecDeque<Token>,
}

impl Outliner {
    pub(crate) fn new(source: SourceId, cx: &Context) -> Self {
        Self { lexer: Lexer::new(source, cx), ahead: VecDeque::new() }
    }

    /// The next statement. It is read no further than its end, so that a macro that it defines is known
    /// when the next one is read.
    pub(crate) fn statement(&mut self, cx: &mut Context) -> Option<Outline> {
        let mut head = Line::new();
        loop {
            let token = self.token(cx);
            match token.kind {
                Kind::End if head.is_empty() => return None,
                Kind::End => return Some(Outline { head, block: None }),
                Kind::Newline if head.is_empty() => {}
                Kind::Newline => return Some(self.end_of_head(head, cx)),
                Kind::Open => return Some(self.block_statement(head, token, cx)),
                Kind::Close => {
                    let error = Diagnostic::error("\"}\" without a block");
                    cx.report.push(error.at(token.span, "no block is open here"));
                }
                _ => head.push(token),
            }
        }
    }

    fn token(&mut self, cx: &mut Context) -> Token {
        self.ahead.pop_front().unwrap_or_else(|| self.lexer.token(cx))
    }

    fn unread(&mut self, token: Token) {
        self.ahead.push_front(token);
    }

    /// Ends a statement with its line. If it should have a block, looks for what may be one all the same.
    fn end_of_head(&mut self, head: Line, cx: &mut Context) -> Outline {
        let Some(head_span) = line_span(&head).filter(|_| head.first().is_some_and(heads_block)) else {
            return Outline { head, block: None };
        };
        let mut next = self.token(cx);
        while next.kind == Kind::Newline {
            next = self.token(cx);
        }
        if next.kind == Kind::Open {
            cx.report.push(late_brace(head_span, next.span));
            return self.block_statement(head, next, cx);
        }
        let word = next.keyword().or_else(|| Keyword::added(&next.text));
        let option = word.is_some_and(|word| word.starts_vm_option() && !word.starts_statement());
        self.unread(next);
        // Without a brace, which the grammar will miss. The options are taken as such, not as statements.
        let block = option.then(|| self.block(head_span, None, cx));
        Outline { head, block }
    }

    fn block_statement(&mut self, mut head: Line, brace: Token, cx: &mut Context) -> Outline {
        let open = brace.span;
        head.push(brace);
        let block = self.block(open, Some(open), cx);
        if block.closed {
            self.end_of_block(cx);
        }
        Outline { head, block: Some(block) }
    }

    /// Reads a block from behind its start. Without an opening brace the closing one is not missed.
    fn block(&mut self, start: Span, open: Option<Span>, cx: &mut Context) -> Block {
        let mut block = Block { options: Vec::new(), end: start, closed: false };
        let mut option = OpenOption::default();
        loop {
            let token = self.token(cx);
            let span = token.span;
            match token.kind {
                Kind::End => {
                    let open = option.braces.last().copied().or(open).filter(|_| !self.lexer.gave_up());
                    open.into_iter().for_each(|open| cx.report.push(unclosed(open)));
                    block.options.extend(option.finish());
                    return block;
                }
                Kind::Close if option.braces.is_empty() => {
                    block.options.extend(option.finish());
                    block.end = span;
                    block.closed = open.is_some();
                    return block;
                }
                Kind::Newline | Kind::Semicolon if option.braces.is_empty() => {
                    block.options.extend(option.finish());
                }
                Kind::Open if option.is_head_of_block() => {
                    let next = option.take_head();
                    block.options.extend(option.finish());
                    open.into_iter().for_each(|open| cx.report.push(unclosed_before(open, &next)));
                    self.unread(token);
                    next.into_iter().rev().for_each(|token| self.unread(token));
                    return block;
                }
                _ => option.push(token),
            }
            block.end = span;
        }
    }

    /// Behind a block its line must end. Whatever else stands there is told once.
    fn end_of_block(&mut self, cx: &mut Context) {
        let token = self.token(cx);
        if matches!(token.kind, Kind::Newline | Kind::End) {
            return;
        }
        let starts_statement = token.keyword().is_some_and(Keyword::starts_statement);
        if !matches!(token.kind, Kind::Close | Kind::Error) {
            let error = Diagnostic::error(format!("unexpected {} behind a block", token.described()));
            cx.report.push(error.at(token.span, "expected the end of the line"));
        }
        if starts_statement || token.kind == Kind::Close {
            self.unread(token);
        } else {
            while !matches!(self.token(cx).kind, Kind::Newline | Kind::End) {}
        }
    }
}

/// The option that is being read.
#[derive(Debug, Default)]
struct OpenOption {
    tokens: Line,
    /// Where braces were opened in it.
    braces: Vec<Span>,
    /// Where its last line starts among its tokens.
    line: usize,
}

impl OpenOption {
    fn push(&mut self, token: Token) {
        match token.kind {
            Kind::Open => self.braces.push(token.span),
            Kind::Close => drop(self.braces.pop()),
            _ => {}
        }
        let newline = token.kind == Kind::Newline;
        self.tokens.push(token);
        if newline {
            self.line = self.tokens.len();
        }
    }

    fn finish(&mut self) -> Option<Line> {
        self.line = 0;
        let tokens = std::mem::take(&mut self.tokens);
        (!tokens.is_empty()).then_some(tokens)
    }

    /// Whether its last line can only be the head of a block that stands for itself: the brace of the one
    /// before it is missing.
    fn is_head_of_block(&self) -> bool {
        let head = self.tokens.get(self.line..).unwrap_or_default();
        head.first().is_some_and(heads_block)
    }

    fn take_head(&mut self) -> Line {
        self.tokens.split_off(self.line.min(self.tokens.len()))
    }
}

/// Whether a token starts a statement with a block.
fn heads_block(token: &Token) -> bool {
    token.is(Keyword::Vm) || token.is(Keyword::Switch)
}

fn late_brace(head: Span, brace: Span) -> Diagnostic {
    Diagnostic::error("the brace of a block must stand on the line of its name")
        .at(brace, "expected on the line before")
        .at(head.after(), "put \"{\" here")
}

fn unclosed(open: Span) -> Diagnostic {
    Diagnostic::error("a block is not closed")
        .at(open, "opened here, and open at the end of the file")
        .help("put \"}\" on a line behind its last option")
}

fn unclosed_before(open: Span, next: &Line) -> Diagnostic {
    let error = Diagnostic::error("a block is not closed").at(open, "opened here");
    let error = match line_span(next) {
        Some(head) => error.at(head, "and still open where this block starts"),
        None => error,
    };
    error.help("put \"}\" on a line behind its last option")
}
