//! Names of virtual machines.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::VmId;

/// The name of a virtual machine: 1 to 63 characters, letters, digits, `.`, `-` and `_`, the first of them
/// a letter or a digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VmName(String);

impl VmName {
    /// The longest name, in characters.
    pub const MAX_LEN: usize = 63;

    /// Checks a name.
    ///
    /// # Errors
    /// What is wrong with it, in words for the user.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        let Some(first) = name.chars().next() else { return Err(NameError::Empty) };
        if name.len() > Self::MAX_LEN {
            return Err(NameError::TooLong);
        }
        if let Some(bad) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || ".-_".contains(*c))) {
            return Err(NameError::Character(bad));
        }
        if !first.is_ascii_alphanumeric() {
            return Err(NameError::Start(first));
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for VmName {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl From<VmName> for String {
    fn from(name: VmName) -> Self {
        name.0
    }
}

/// Why a text is no name of a virtual machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No character at all.
    #[error("the name is empty")]
    Empty,
    /// More than [`VmName::MAX_LEN`] characters.
    #[error("the name is longer than {} characters", VmName::MAX_LEN)]
    TooLong,
    /// A character that is not allowed anywhere.
    #[error("the name contains {0:?}; letters, digits, '.', '-' and '_' are allowed")]
    Character(char),
    /// A character that is not allowed at the start.
    #[error("the name starts with {0:?}; it must start with a letter or a digit")]
    Start(char),
}

/// How a client names a virtual machine: a decimal number is an id, anything else a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VmRef {
    /// The number in the ID column.
    Id(VmId),
    /// The name.
    Name(VmName),
}

impl FromStr for VmRef {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.parse::<u32>() {
            Ok(id) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(Self::Id(VmId(id))),
            _ => VmName::new(text).map(Self::Name),
        }
    }
}

impl fmt::Display for VmRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_of_the_language() {
        for good in ["a", "web", "web-1.example_x", "9lives", &"x".repeat(63)] {
            assert!(VmName::new(good).is_ok(), "{good}");
        }
        assert_eq!(VmName::new(""), Err(NameError::Empty));
        assert_eq!(VmName::new("x".repeat(64)), Err(NameError::TooLong));
        assert_eq!(VmName::new("a b"), Err(NameError::Character(' ')));
        assert_eq!(VmName::new("../etc"), Err(NameError::Character('/')));
        assert_eq!(VmName::new(".."), Err(NameError::Start('.')));
        assert_eq!(VmName::new("-a"), Err(NameError::Start('-')));
    }

    #[test]
    fn digits_alone_are_an_id() {
        assert_eq!("12".parse(), Ok(VmRef::Id(VmId(12))));
        assert!(matches!("12a".parse(), Ok(VmRef::Name(_))));
        assert!(matches!("99999999999".parse(), Ok(VmRef::Name(_))));
        assert!("+1".parse::<VmRef>().is_err());
    }
}
