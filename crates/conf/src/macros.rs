//! Macros: `name = value` in a file, `-D name=value` on the command line.

use std::collections::HashMap;
use std::sync::Arc;

use crate::keyword::closest;
use crate::source::{Origin, OriginId, SourceMap, Span};

/// A macro of the command line. It wins over definitions of the same name in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Macro {
    /// What follows the `$`.
    pub name: String,
    /// What is put in its place.
    pub value: String,
}

/// An argument that defines no macro.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} defines no macro; write name=value")]
pub struct MacroError(String);

impl Macro {
    /// Reads the argument of `-D`: it is split at the last `=`, as OpenBSD does it.
    ///
    /// # Errors
    /// [`MacroError`] without a `=`, or with nothing in front of it.
    pub fn from_argument(argument: &str) -> Result<Self, MacroError> {
        match argument.rsplit_once('=') {
            Some((name, value)) if !name.is_empty() => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err(MacroError(argument.to_owned())),
        }
    }
}

/// What a name stands for.
#[derive(Debug)]
struct Definition {
    /// `None`: its definition was wrong, which has been reported.
    value: Option<Arc<[u8]>>,
    origin: OriginId,
    fixed: bool,
    used: bool,
    order: usize,
}

/// The answer to a use of a macro.
pub(crate) enum Lookup {
    /// Its text.
    Value(Arc<[u8]>, OriginId),
    /// There was a definition with an error in it: nothing more is to be said.
    Broken,
    /// There is none.
    Unknown,
}

/// The macros that are known at this point of the file.
#[derive(Debug, Default)]
pub(crate) struct MacroTable {
    definitions: HashMap<Vec<u8>, Definition>,
}

impl MacroTable {
    /// Takes a macro of the command line in.
    pub(crate) fn fix(&mut self, from: &Macro, sources: &mut SourceMap) {
        let value = Some(from.value.as_bytes());
        self.insert(from.name.as_bytes(), value, None, sources);
    }

    /// Defines a macro, in place of an earlier definition unless that is one of the command line. Without a
    /// value its uses are let pass in silence.
    pub(crate) fn define(&mut self, name: &[u8], value: Option<&[u8]>, at: Span, sources: &mut SourceMap) {
        if !self.definitions.get(name).is_some_and(|known| known.fixed) {
            self.insert(name, value, Some(at), sources);
        }
    }

    fn insert(&mut self, name: &[u8], value: Option<&[u8]>, at: Option<Span>, sources: &mut SourceMap) {
        let origin = sources.add_origin(Origin {
            name: String::from_utf8_lossy(name).into_owned(),
            value: String::from_utf8_lossy(value.unwrap_or_default()).into_owned(),
            definition: at,
        });
        let order = self.definitions.len();
        let definition =
            Definition { value: value.map(Arc::from), origin, fixed: at.is_none(), used: false, order };
        self.definitions.insert(name.to_owned(), definition);
    }

    /// Looks a macro up for a use of it.
    pub(crate) fn look_up(&mut self, name: &[u8]) -> Lookup {
        match self.definitions.get_mut(name) {
            Some(Definition { value: Some(value), origin, used, .. }) => {
                *used = true;
                Lookup::Value(Arc::clone(value), *origin)
            }
            Some(Definition { value: None, .. }) => Lookup::Broken,
            None => Lookup::Unknown,
        }
    }

    /// The macro that may have been meant. It looks at all of them.
    pub(crate) fn similar(&self, name: &[u8]) -> Option<String> {
        let mut known: Vec<_> = self.definitions.keys().filter_map(|k| std::str::from_utf8(k).ok()).collect();
        known.sort_unstable();
        closest(&String::from_utf8_lossy(name), known.into_iter()).map(str::to_owned)
    }

    /// The macros that were never used, in the order of their definition.
    pub(crate) fn unused(&self) -> Vec<OriginId> {
        let mut unused: Vec<_> = self.definitions.values().filter(|d| !d.used && d.value.is_some()).collect();
        unused.sort_by_key(|definition| definition.order);
        unused.into_iter().map(|definition| definition.origin).collect()
    }
}
