//! Where a function is on the bus.

use std::fmt;

/// A function's place: its slot and its number in there. In the order of the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PciAddress {
    slot: u8,
    function: u8,
}

impl PciAddress {
    /// How many slots the bus has.
    pub const SLOTS: u8 = 32;
    /// How many functions a slot has.
    pub const FUNCTIONS: u8 = 8;

    /// A function of a slot. A place that the bus does not have can be named, see [`PciAddress::exists`].
    pub const fn new(slot: u8, function: u8) -> Self {
        Self { slot, function }
    }

    /// The first function of a slot, the one that is always there.
    pub const fn slot(slot: u8) -> Self {
        Self::new(slot, 0)
    }

    /// The number of its slot.
    pub const fn slot_number(self) -> u8 {
        self.slot
    }

    /// The number in its slot.
    pub const fn function_number(self) -> u8 {
        self.function
    }

    /// Whether the bus has such a place.
    pub const fn exists(self) -> bool {
        self.slot < Self::SLOTS && self.function < Self::FUNCTIONS
    }
}

/// As everybody writes it: `03.0`.
impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}.{:x}", self.slot, self.function)
    }
}
