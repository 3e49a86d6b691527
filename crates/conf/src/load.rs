//! Files to virtual machines: one statement after the other, includes in their place.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use proto::{Globals, SwitchName, SwitchSpec, VmName, VmSpec};

use crate::ast::{Statement, Text};
use crate::context::Context;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::environment::Environment;
use crate::keyword::Keyword;
use crate::macros::Macro;
use crate::outline::{Outline, Outliner, line_span};
use crate::source::{Origin, Span};
use crate::syntax::Parsers;
use crate::token::{Kind, Token};
use crate::unsupported;
use crate::values::io_words;

/// What a configuration asks for.
#[derive(Debug, Default)]
pub struct Config {
    /// The virtual machines in the order of the file; no two have the same name.
    pub vms: Vec<VmSpec>,
    /// The switches in the order of the file; no two have the same name.
    pub switches: Vec<SwitchSpec>,
    /// What belongs to neither.
    pub globals: Globals,
    /// What is allowed but may not be meant, like a macro that is never used.
    pub warnings: Diagnostics,
}

/// Reads a configuration file with all that it includes.
///
/// `macros` are those of the command line: they win over definitions of the same name in the file.
///
/// # Errors
/// Everything that is wrong with it, not only the first thing. Warnings are among the errors then.
pub fn load(main: &Path, macros: &[Macro], env: &mut dyn Environment) -> Result<Config, Diagnostics> {
    let mut cx = Context::new();
    for fixed in macros {
        cx.macros.fix(fixed, &mut cx.report.sources);
    }
    let mut loader = Loader {
        cx,
        env,
        parsers: Parsers::new(),
        files: Vec::new(),
        names: HashMap::new(),
        vms: Vec::new(),
        switch_names: HashMap::new(),
        switches: Vec::new(),
        globals: Globals::default(),
        network: None,
    };
    loader.file(main, None);
    loader.finish()
}

/// A run: what was read so far, and how the rest is to be read.
pub(crate) struct Loader<'e> {
    pub(crate) cx: Context,
    pub(crate) env: &'e mut dyn Environment,
    pub(crate) parsers: Parsers,
    /// The files that are being read, each included by the one before it.
    pub(crate) files: Vec<PathBuf>,
    /// Where the names of virtual machines were given.
    pub(crate) names: HashMap<VmName, Named>,
    pub(crate) vms: Vec<VmSpec>,
    /// Where the names of switches were given.
    pub(crate) switch_names: HashMap<SwitchName, Span>,
    pub(crate) switches: Vec<SwitchSpec>,
    pub(crate) globals: Globals,
    /// Where networks were first configured.
    pub(crate) network: Option<Span>,
}

/// Where a virtual machine is defined, and where it is among [`Loader::vms`] unless it was wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    pub(crate) place: Span,
    pub(crate) nth: Option<usize>,
}

impl Loader<'_> {
    fn finish(mut self) -> Result<Config, Diagnostics> {
        if self.cx.report.error_count() > 0 {
            self.cx.report.sort();
            return Err(self.cx.report);
        }
        for id in self.cx.macros.unused() {
            let warning = self.cx.report.sources.origin(id).map(unused_macro);
            warning.into_iter().for_each(|warning| self.cx.report.push(warning));
        }
        self.network.into_iter().for_each(|place| self.cx.report.push(unsupported::network(place)));
        // Without a warning nobody needs the texts any more.
        let warnings = if self.cx.report.is_empty() { Diagnostics::default() } else { self.cx.report };
        Ok(Config { vms: self.vms, switches: self.switches, globals: self.globals, warnings })
    }

    /// Reads a file; `by` is the path in the statement that includes it.
    pub(crate) fn file(&mut self, file: &Path, by: Option<Span>) {
        let text = match self.env.read(file) {
            Ok(text) => text,
            Err(error) => return self.unreadable(file, &error, by),
        };
        if !self.cx.spend(text.len(), by) {
            return;
        }
        let source = self.cx.report.sources.add(file, text);
        let mut outliner = Outliner::new(source, &self.cx);
        self.files.push(file.to_owned());
        while let Some(outline) = outliner.statement(&mut self.cx) {
            self.statement(outline);
        }
        self.files.pop();
    }

    fn unreadable(&mut self, file: &Path, error: &io::Error, by: Option<Span>) {
        let problem = Diagnostic::error(format!("can not read {}: {}", file.display(), io_words(error)));
        self.cx.report.push(match by {
            Some(place) => problem.at(place, "included here"),
            None => problem,
        });
    }

    fn statement(&mut self, mut outline: Outline) {
        if !defines_macro(&outline.head) {
            outline.head.first_mut().into_iter().for_each(Token::promote);
        }
        if has_error(&outline.head) {
            return self.broken(outline);
        }
        match self.parsers.statement(&outline.head) {
            Ok(Statement::Macro { name, value }) => self.define(&name, &value),
            Ok(Statement::Include { path }) => self.include(&path),
            Ok(Statement::Switch { name }) => self.switch(Some(&name), outline),
            Ok(Statement::Vm { template, name }) => self.vm(Some(&name), template.as_ref(), outline),
            Ok(Statement::Global(statement)) => {
                let place = line_span(&outline.head);
                place.into_iter().for_each(|place| self.global(&statement, place));
            }
            Err(error) => {
                self.cx.report.push(error);
                self.broken(outline);
            }
        }
    }

    fn define(&mut self, name: &Text, value: &Text) {
        let white_space = name.bytes.iter().any(u8::is_ascii_whitespace);
        if white_space {
            let error = Diagnostic::error("the name of a macro contains white space");
            self.cx.report.push(error.at(name.span, "use letters, digits and \"_\""));
        }
        let value_bytes = (!white_space).then_some(value.bytes.as_slice());
        self.cx.define(&name.bytes, value_bytes, name.span.to(value.span));
    }

    /// Goes on behind a head that can not be used: its macro counts as known, its options are checked.
    fn broken(&mut self, outline: Outline) {
        match outline.head.as_slice() {
            [name, ..] if defines_macro(&outline.head) => self.cx.define(&name.text, None, name.span),
            [vm, ..] if vm.is(Keyword::Vm) => self.vm(None, None, outline),
            [switch, ..] if switch.is(Keyword::Switch) => self.switch(None, outline),
            _ => {}
        }
    }
}

fn unused_macro(origin: &Origin) -> Diagnostic {
    let warning = Diagnostic::warning(format!("macro \"{}\" is not used", origin.name));
    match origin.definition {
        Some(place) => warning.at(place, "defined here"),
        None => warning.note("it was defined on the command line with -D"),
    }
}

fn defines_macro(head: &[Token]) -> bool {
    head.get(1).is_some_and(|second| second.kind == Kind::Equals)
}

/// Whether something in a line has been reported already.
pub(crate) fn has_error(line: &[Token]) -> bool {
    line.iter().any(|token| token.kind == Kind::Error)
}
