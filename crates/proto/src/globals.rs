//! Settings of the daemon that the configuration file makes for all virtual machines.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Owner;

/// The settings that belong to no virtual machine and to no switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Globals {
    /// Who may use the control socket; without it root, and the members of group 0.
    pub socket_owner: Option<Owner>,
    /// How the virtual machines are started one after the other; without it all at once.
    pub staggered: Option<Staggered>,
    /// How long a guest has for stopping by itself, in whole seconds, where its machine says nothing else.
    pub stop_timeout: Duration,
    /// Where the addresses of local interfaces come from.
    pub local_prefix: Ipv4Prefix,
    /// Whether local interfaces have IPv6 addresses too, and where those come from.
    pub local_inet6: Option<LocalInet6>,
}

impl Globals {
    /// The default of [`Globals::stop_timeout`].
    pub const STOP_TIMEOUT: Duration = Duration::from_secs(30);
    /// The longest time that a guest can be given to stop: a day.
    pub const MAX_STOP_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
}

impl Default for Globals {
    fn default() -> Self {
        Self {
            socket_owner: None,
            staggered: None,
            stop_timeout: Self::STOP_TIMEOUT,
            local_prefix: Ipv4Prefix::LOCAL,
            local_inet6: None,
        }
    }
}

/// Starts in groups: `parallel` machines, then a pause of `delay`, then the next ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staggered {
    /// How many are started together, from 1.
    pub parallel: u32,
    /// The pause, in whole seconds.
    pub delay: Duration,
}

/// Where the IPv6 addresses of local interfaces come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LocalInet6 {
    /// A random prefix in fd00::/8, drawn once by the daemon.
    Random,
    /// This prefix.
    Prefix(Ipv6Prefix),
}

/// Why a network is none for local interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// The length is out of range.
    #[error("the length of the prefix must be {0} to {1}")]
    Length(u8, u8),
    /// The address is that of a host.
    #[error("bits of the address behind the prefix are set")]
    HostBits,
}

/// A network of IPv4 addresses that holds one of 256 addresses for each virtual machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv4Prefix {
    address: Ipv4Addr,
    length: u8,
}

impl Ipv4Prefix {
    /// The shortest and the longest prefix.
    pub const LENGTHS: (u8, u8) = (1, 16);
    /// What local interfaces use when nothing is said: the shared address space of RFC 6598.
    pub const LOCAL: Self = Self { address: Ipv4Addr::new(100, 64, 0, 0), length: 10 };

    /// Checks a network.
    ///
    /// # Errors
    /// [`PrefixError`].
    pub fn new(address: Ipv4Addr, length: u8) -> Result<Self, PrefixError> {
        let (least, most) = Self::LENGTHS;
        if !(least..=most).contains(&length) {
            return Err(PrefixError::Length(least, most));
        }
        let host = u32::MAX.checked_shr(length.into()).unwrap_or(0);
        if address.to_bits() & host != 0 { Err(PrefixError::HostBits) } else { Ok(Self { address, length }) }
    }

    /// The first address.
    pub fn address(self) -> Ipv4Addr {
        self.address
    }

    /// How many bits all addresses have in common.
    pub fn length(self) -> u8 {
        self.length
    }
}

impl fmt::Display for Ipv4Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// A network of IPv6 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv6Prefix {
    address: Ipv6Addr,
    length: u8,
}

impl Ipv6Prefix {
    /// The shortest and the longest prefix.
    pub const LENGTHS: (u8, u8) = (0, 64);

    /// Checks a network.
    ///
    /// # Errors
    /// [`PrefixError`].
    pub fn new(address: Ipv6Addr, length: u8) -> Result<Self, PrefixError> {
        let (least, most) = Self::LENGTHS;
        if !(least..=most).contains(&length) {
            return Err(PrefixError::Length(least, most));
        }
        let host = u128::MAX.checked_shr(length.into()).unwrap_or(0);
        if address.to_bits() & host != 0 { Err(PrefixError::HostBits) } else { Ok(Self { address, length }) }
    }

    /// The first address.
    pub fn address(self) -> Ipv6Addr {
        self.address
    }

    /// How many bits all addresses have in common.
    pub fn length(self) -> u8 {
        self.length
    }
}

impl fmt::Display for Ipv6Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_no_host_bits() {
        let v4 = |text: [u8; 4], length| Ipv4Prefix::new(text.into(), length);
        assert_eq!(v4([100, 64, 0, 0], 10), Ok(Ipv4Prefix::LOCAL));
        assert_eq!(v4([100, 64, 0, 1], 10), Err(PrefixError::HostBits));
        assert_eq!(v4([10, 1, 0, 0], 17), Err(PrefixError::Length(1, 16)));
        assert_eq!(v4([0, 0, 0, 0], 0), Err(PrefixError::Length(1, 16)));
        assert!(Ipv6Prefix::new(Ipv6Addr::UNSPECIFIED, 0).is_ok());
        assert_eq!(Ipv6Prefix::new(Ipv6Addr::LOCALHOST, 64), Err(PrefixError::HostBits));
        assert_eq!(Ipv6Prefix::new(Ipv6Addr::UNSPECIFIED, 65), Err(PrefixError::Length(0, 64)));
    }
}
