//! Networks as they were asked for: interfaces of virtual machines and the switches that join them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network interface of a virtual machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicSpec {
    /// Whether the host takes part: it has an address on the tap and answers the guest's DHCP.
    pub local: bool,
    /// The tap on the host; without one it is the next free one.
    pub tap: Option<TapName>,
    /// The switch that the tap is attached to.
    pub switch: Option<SwitchName>,
    /// An interface group of the tap.
    pub group: Option<GroupName>,
    /// The address of the card; without one it is drawn at random.
    pub lladdr: Option<MacAddress>,
    /// Whether frames from another address are dropped. A switch can ask for it as well.
    pub locked: bool,
    /// The routing domain of the tap; without one that of the switch.
    pub rdomain: Option<u8>,
    /// Whether the tap is left down.
    pub down: bool,
}

/// A switch: a bridge of the host under a name for virtual machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchSpec {
    /// Its name, unique in a configuration.
    pub name: SwitchName,
    /// Whether virtual machines are attached to it at all.
    pub enabled: bool,
    /// The bridge on the host.
    pub interface: InterfaceName,
    /// An interface group of every tap on it.
    pub group: Option<GroupName>,
    /// Whether frames from another address than an interface's own are dropped on all of its taps.
    pub locked: bool,
    /// The routing domain of the bridge, and of taps without one of their own.
    pub rdomain: Option<u8>,
    /// Whether the bridge is left down.
    pub down: bool,
}

impl SwitchSpec {
    /// A switch with the default settings.
    pub fn new(name: SwitchName, interface: InterfaceName) -> Self {
        Self { name, enabled: true, interface, group: None, locked: false, rdomain: None, down: false }
    }
}

/// Why a text names nothing of a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetNameError {
    /// Nothing at all.
    #[error("the name is empty")]
    Empty,
    /// More bytes than the limit.
    #[error("the name is longer than {0} characters")]
    TooLong(usize),
    /// A character that is not allowed.
    #[error("the name contains {0:?}")]
    Character(char),
    /// `.` and `..`, which are taken by the file system of the kernel.
    #[error("an interface can not be named {0:?}")]
    Dots(String),
    /// A group that could be taken for an interface.
    #[error("the name of a group does not end in a digit")]
    Digit,
    /// Not `tap` with a number.
    #[error("a tap is named \"tap\" and a number of at most {} digits", TapName::MAX_DIGITS)]
    NoTap,
}

/// A checked text: its constructor, and how it is shown, sent and received.
macro_rules! checked_text {
    ($name:ident, $error:ty) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, $error> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

/// The name of a switch: 1 to 63 bytes of text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SwitchName(String);

impl SwitchName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 63;

    /// Checks a name.
    ///
    /// # Errors
    /// [`NetNameError`] when it is empty, too long or has a control character.
    pub fn new(name: impl Into<String>) -> Result<Self, NetNameError> {
        bounded(name.into(), Self::MAX_LEN, char::is_control).map(Self)
    }
}

checked_text!(SwitchName, NetNameError);

/// The name of a network interface of the host: 1 to 15 bytes, as the kernel takes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceName(String);

impl InterfaceName {
    /// The longest name, in bytes (`IFNAMSIZ` without the NUL).
    pub const MAX_LEN: usize = 15;

    /// Checks a name.
    ///
    /// # Errors
    /// [`NetNameError`] when it is empty or too long, or has a character that the kernel refuses.
    pub fn new(name: impl Into<String>) -> Result<Self, NetNameError> {
        let refused = |c: char| c.is_control() || c.is_whitespace() || c == '/' || c == ':' || c == '%';
        let name = bounded(name.into(), Self::MAX_LEN, refused)?;
        if matches!(name.as_str(), "." | "..") {
            return Err(NetNameError::Dots(name));
        }
        Ok(Self(name))
    }
}

checked_text!(InterfaceName, NetNameError);

/// The name of an interface group: 1 to 15 bytes that do not end in a digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(String);

impl GroupName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 15;

    /// Checks a name.
    ///
    /// # Errors
    /// [`NetNameError`] when it is empty or too long, has white space, or ends in a digit.
    pub fn new(name: impl Into<String>) -> Result<Self, NetNameError> {
        let refused = |c: char| c.is_control() || c.is_whitespace();
        let name = bounded(name.into(), Self::MAX_LEN, refused)?;
        if name.ends_with(|c: char| c.is_ascii_digit()) {
            return Err(NetNameError::Digit);
        }
        Ok(Self(name))
    }
}

checked_text!(GroupName, NetNameError);

/// The name of a tap: `tap` and a decimal number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TapName(String);

impl TapName {
    /// The longest number, in digits: longer ones do not fit into the name of an interface.
    pub const MAX_DIGITS: usize = 12;

    /// Checks a name.
    ///
    /// # Errors
    /// [`NetNameError::NoTap`].
    pub fn new(name: impl Into<String>) -> Result<Self, NetNameError> {
        let name = name.into();
        let unit = name.strip_prefix("tap").unwrap_or_default();
        let fits = (1..=Self::MAX_DIGITS).contains(&unit.len());
        if fits && unit.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(name))
        } else {
            Err(NetNameError::NoTap)
        }
    }
}

checked_text!(TapName, NetNameError);

fn bounded(name: String, most: usize, refused: impl Fn(char) -> bool) -> Result<String, NetNameError> {
    if name.is_empty() {
        return Err(NetNameError::Empty);
    }
    if name.len() > most {
        return Err(NetNameError::TooLong(most));
    }
    match name.chars().find(|c| refused(*c)) {
        Some(bad) => Err(NetNameError::Character(bad)),
        None => Ok(name),
    }
}

/// The address of a network card: six octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MacAddress(pub [u8; 6]);

/// A text that is no address of a network card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address is six octets in hexadecimal with colons between them, like fe:e1:bb:d1:00:01")]
pub struct MacAddressError;

impl MacAddress {
    /// Whether every octet is zero, which stands for no address.
    pub fn is_zero(self) -> bool {
        self.0 == [0; 6]
    }

    /// Whether it is the address of a group of cards, which no card can have.
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for MacAddress {
    type Err = MacAddressError;

    /// Reads six octets of one or two hexadecimal digits each.
    fn from_str(text: &str) -> Result<Self, MacAddressError> {
        let mut octets = text.split(':').map(octet);
        let mut address = [0; 6];
        for place in &mut address {
            *place = octets.next().flatten().ok_or(MacAddressError)?;
        }
        if octets.next().is_some() { Err(MacAddressError) } else { Ok(Self(address)) }
    }
}

fn octet(digits: &str) -> Option<u8> {
    let all_digits = digits.bytes().all(|b| b.is_ascii_hexdigit());
    if all_digits && digits.len() <= 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
#[path = "network_test.rs"]
mod tests;
