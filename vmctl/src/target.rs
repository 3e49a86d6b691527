//! Which virtual machine a command is about.

use std::fmt;

use proto::{NameError, VmRef};

use crate::failure::Failure;

/// A machine as the user named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(VmRef);

impl Target {
    /// Reads an operand: digits are a number, anything else is a name.
    ///
    /// # Errors
    /// The messages of OpenBSD for what can be neither.
    pub fn parse(operand: &str) -> Result<Self, Failure> {
        let wrong = |e: NameError| match e {
            NameError::TooLong => Failure::new("name too long"),
            why => Failure::new(format!("invalid id: {operand}")).hint(why.to_string()),
        };
        operand.parse().map(Self).map_err(wrong)
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            VmRef::Name(name) => Some(name.as_str()),
            VmRef::Id(_) => None,
        }
    }

    /// Whether it names this machine.
    pub fn is(&self, vm: &proto::api::Vm) -> bool {
        match &self.0 {
            VmRef::Name(name) => *name == vm.name,
            VmRef::Id(id) => *id == vm.id,
        }
    }
}

/// The form in which the daemon takes it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// ` web` behind a verb, nothing for a number: `stopping vm web: `, `stopping vm: `.
pub fn progress(verb: &str, target: &Target) -> String {
    match target.name() {
        Some(name) => format!("{verb} vm {name}: "),
        None => format!("{verb} vm: "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_are_numbers_or_names() {
        assert_eq!(progress("stopping", &Target::parse("web").unwrap()), "stopping vm web: ");
        assert_eq!(progress("stopping", &Target::parse("12").unwrap()), "stopping vm: ");
        assert_eq!(Target::parse("007").unwrap().to_string(), "7");
    }

    #[test]
    fn what_is_neither_is_refused_in_the_known_words() {
        let text = Target::parse("-x").unwrap_err().text();
        assert!(text.starts_with("vmctl: invalid id: -x\n"), "{text}");
        assert_eq!(Target::parse(&"x".repeat(64)).unwrap_err().text(), "vmctl: name too long\n");
    }
}
