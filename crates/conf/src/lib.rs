//! The vm.conf language: text to specifications of virtual machines, with every error in its place.
//!
//! ```text
//! bytes ── Lexer ──> tokens ── Outliner ──> lines and blocks ── grammar ──> options ── VmBuilder ──> VmSpec
//!            ^ macros put in       ^ recovery from errors                       ^ Environment asked
//! ```
//!
//! A statement goes all the way before the next one is read, since it may define a macro or include a file.
//! A `switch` block goes the same way to a `SwitchSpec`, and [`Config::to_text`] goes all of it back.
//! Nothing stops at an error: it is told once, with the smallest stretch of the file that it spoils.
//!
//! This crate does no I/O: files and accounts are the caller's, through [`Environment`].

#![forbid(unsafe_code)]

mod advice;
mod ast;
mod context;
mod cursor;
mod diagnostic;
mod environment;
mod glob;
mod globals;
mod include;
mod keyword;
mod lexer;
mod load;
mod macros;
mod network;
mod outline;
mod policy;
mod render;
mod setting;
mod source;
mod switch_block;
mod syntax;
mod text;
mod token;
mod unsupported;
mod values;
mod vm;
mod vm_block;

lalrpop_util::lalrpop_mod!(
    #[allow(missing_docs, rust_2018_idioms, unused)]
    #[allow(clippy::all, clippy::panic, clippy::unreachable, clippy::unwrap_used, clippy::expect_used)]
    grammar
);

pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity};
pub use environment::{Environment, FileKind, User};
pub use load::{Config, load};
pub use macros::{Macro, MacroError};
