//! A processor that plays a script instead of a guest, for tests without KVM.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::{Entry, Exit, Processor};

/// A processor that reports the exits of its script one by one and keeps the answers. When the script has
/// ended, and after [`Processor::leave`], it reports [`Exit::Interrupted`].
pub struct Scripted {
    script: VecDeque<Exit>,
    answers: Arc<Mutex<Vec<Entry>>>,
    leave: bool,
}

impl Scripted {
    /// A processor that will report these.
    pub fn new(script: impl IntoIterator<Item = Exit>) -> Self {
        Self { script: script.into_iter().collect(), answers: Arc::default(), leave: false }
    }

    /// The answers so far, shared with the processor: the first is the entry before the first exit.
    pub fn answers(&self) -> Arc<Mutex<Vec<Entry>>> {
        self.answers.clone()
    }
}

impl Processor for Scripted {
    fn run(&mut self, entry: Entry) -> Exit {
        self.answers.lock().unwrap_or_else(|poison| poison.into_inner()).push(entry);
        if std::mem::take(&mut self.leave) {
            return Exit::Interrupted;
        }
        self.script.pop_front().unwrap_or(Exit::Interrupted)
    }

    fn leave(&mut self) {
        self.leave = true;
    }
}
