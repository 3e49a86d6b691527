//! How a command fails. The exit status is always 1.

use proto::Refusal;

use crate::client::ClientError;
use crate::command;
use crate::output::say;

/// The result of a command.
pub type Outcome = Result<(), Failure>;

/// What is left to be said about a failed command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Lines, each printed behind `vmctl: `. The first is the one that programs know.
    lines: Vec<String>,
    /// Whether the command was used wrongly, so that its usage is to follow.
    misuse: bool,
    /// What follows the lines as it is.
    usage: String,
    /// What the daemon refused.
    refusal: Option<Refusal>,
}

impl Failure {
    /// Fails with a message.
    pub fn new(text: impl Into<String>) -> Self {
        Self { lines: vec![text.into()], ..Self::default() }
    }

    /// Fails after everything was said.
    pub fn silent() -> Self {
        Self::default()
    }

    /// Fails because of the way in which the command was written.
    pub fn misuse() -> Self {
        Self::silent().misused()
    }

    /// Adds a line that explains.
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.lines.push(text.into());
        self
    }

    /// Adds the refusal in which it has its cause, for whoever wants data.
    pub fn because(mut self, refusal: Refusal) -> Self {
        self.refusal = Some(refusal);
        self
    }

    /// The refusal in which it has its cause.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Adds the usage of the command.
    pub fn misused(mut self) -> Self {
        self.misuse = true;
        self
    }

    /// Fills in the usage of the command, if it was misused.
    pub fn of_command(mut self, usage: impl FnOnce() -> String) -> Self {
        if self.misuse {
            self.usage = usage();
        }
        self
    }

    /// Fails before a command is known: a line without `vmctl: `, and the usage of the whole program.
    pub fn no_command(line: &str) -> Self {
        Self { usage: format!("{line}{}", command::usage()), ..Self::default() }
    }

    /// The text as it is printed.
    pub fn text(&self) -> String {
        let mut text: String = self.lines.iter().map(|line| format!("vmctl: {line}\n")).collect();
        text.push_str(&self.usage);
        text
    }

    /// Tells the user.
    pub fn report(&self) {
        say(&self.text());
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let failure = Self::new(error.to_string());
        match (error.hint(), error) {
            (Some(hint), _) => failure.hint(hint),
            (None, ClientError::Refused(refusal)) => failure.because(refusal),
            (None, _) => failure,
        }
    }
}
