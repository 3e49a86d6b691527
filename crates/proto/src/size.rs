//! Sizes as vm.conf and vmctl write and show them (scan_scaled and fmt_scaled of OpenBSD's libutil).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Suffixes in ascending powers of 1024.
const UNITS: [char; 7] = ['B', 'K', 'M', 'G', 'T', 'P', 'E'];

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// Not a number with an optional unit.
    #[error(
        "{0:?} is not a size; write a number with an optional unit B, K, M, G, T, P or E, like 512M or 1.5G"
    )]
    Syntax(String),
    /// More than 2^63 - 1 bytes.
    #[error("{0:?} is too large")]
    TooLarge(String),
    /// Less memory than a machine can have.
    #[error("a virtual machine needs at least {}", MemorySize::MIN)]
    TooSmall,
    /// More memory than a machine can have.
    #[error("a virtual machine has at most {}", MemorySize::MAX)]
    TooMuch,
}

/// Reads a size: a decimal number, with a fraction if wanted, and a suffix of either case; without one it
/// counts bytes. A fraction of a byte is dropped.
///
/// # Errors
/// [`SizeError::Syntax`] or [`SizeError::TooLarge`].
pub fn parse_scaled(text: &str) -> Result<u64, SizeError> {
    let syntax = || SizeError::Syntax(text.to_owned());
    let (number, shift) = match text.char_indices().last() {
        Some((at, last)) if !last.is_ascii_digit() => {
            let unit = UNITS.iter().position(|u| *u == last.to_ascii_uppercase()).ok_or_else(syntax)?;
            (text.get(..at).unwrap_or_default(), 10 * u32::try_from(unit).unwrap_or(0))
        }
        _ => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty()
        || !digits(whole)
        || !digits(fraction)
        || (number.contains('.') && fraction.is_empty())
    {
        return Err(syntax());
    }
    let too_large = || SizeError::TooLarge(text.to_owned());
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    // Eighteen digits are more than any of our units can resolve.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let part = if fraction.is_empty() {
        0
    } else {
        let numerator: u128 = fraction.parse().map_err(|_| syntax())?;
        (numerator << shift) / 10u128.pow(u32::try_from(fraction.len()).unwrap_or(18))
    };
    let bytes = (u128::from(whole) << shift) + part;
    match u64::try_from(bytes) {
        Ok(bytes) if i64::try_from(bytes).is_ok() => Ok(bytes),
        _ => Err(too_large()),
    }
}

/// Shows a size in at most five characters: one decimal below 100 units, none above (`512M`, `1.0G`, `0B`).
pub fn format_scaled(bytes: u64) -> String {
    if bytes == 0 {
        return "0B".to_owned();
    }
    let mut unit = 0;
    let mut divisor = 1u64;
    // Rounded, 1023.9K would print as 1024K: one decimal is one thousandth of the next unit at most.
    while unit + 1 < UNITS.len() && bytes / divisor >= 1024 {
        divisor *= 1024;
        unit += 1;
    }
    let suffix = UNITS.get(unit).copied().unwrap_or('E');
    let tenths = (u128::from(bytes) * 10 + u128::from(divisor) / 2) / u128::from(divisor);
    if unit == 0 || tenths >= 1000 {
        let units = (u128::from(bytes) + u128::from(divisor) / 2) / u128::from(divisor);
        return format!("{units}{suffix}");
    }
    format!("{}.{}{suffix}", tenths / 10, tenths % 10)
}

/// The memory of a virtual machine: whole MiB, 1 MiB to 8 TiB. How much a host can give is another matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct MemorySize(u64);

impl MemorySize {
    /// The least that a machine can be given.
    pub const MIN: Self = Self(MIB);
    /// The most that the machine's memory map has room for.
    pub const MAX: Self = Self(8 << 40);
    /// What a machine gets when nothing is said.
    pub const DEFAULT: Self = Self(512 * MIB);

    /// Rounds a number of bytes down to whole MiB.
    ///
    /// # Errors
    /// [`SizeError::TooSmall`] or [`SizeError::TooMuch`].
    pub fn from_bytes(bytes: u64) -> Result<Self, SizeError> {
        match bytes / MIB * MIB {
            b if b < Self::MIN.0 => Err(SizeError::TooSmall),
            b if b > Self::MAX.0 => Err(SizeError::TooMuch),
            b => Ok(Self(b)),
        }
    }

    /// The size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

const MIB: u64 = 1 << 20;

impl fmt::Display for MemorySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_scaled(self.0))
    }
}

impl TryFrom<u64> for MemorySize {
    type Error = SizeError;
    fn try_from(bytes: u64) -> Result<Self, SizeError> {
        Self::from_bytes(bytes)
    }
}

impl From<MemorySize> for u64 {
    fn from(size: MemorySize) -> Self {
        size.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_numbers_are_read_as_openbsd_reads_them() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1024),
            ("7b", 7),
            ("512M", 512 << 20),
            ("512m", 512 << 20),
            ("1.5G", 3 << 29),
            ("0.5k", 512),
            ("7E", 7 << 60),
        ] {
            assert_eq!(parse_scaled(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "512MB", "1.", ".5G", "-1", "1 G", "0x10", "1.5.5", "1e3", "ä"] {
            assert!(matches!(parse_scaled(text), Err(SizeError::Syntax(_))), "{text}");
        }
        for text in ["8E", "99999999999999999999", "9223372036854775808"] {
            assert!(matches!(parse_scaled(text), Err(SizeError::TooLarge(_))), "{text}");
        }
    }

    #[test]
    fn scaled_numbers_are_shown_as_openbsd_shows_them() {
        for (bytes, text) in [
            (0, "0B"),
            (1, "1B"),
            (1023, "1023B"),
            (1024, "1.0K"),
            (33_449_574, "31.9M"),
            (512 << 20, "512M"),
            (1 << 30, "1.0G"),
            (3 << 29, "1.5G"),
            (100 << 30, "100G"),
        ] {
            assert_eq!(format_scaled(bytes), text);
        }
    }

    #[test]
    fn memory_is_whole_mebibytes_in_its_range() {
        assert_eq!(MemorySize::from_bytes(MIB - 1), Err(SizeError::TooSmall));
        assert_eq!(MemorySize::from_bytes(2 * MIB + 5).map(MemorySize::bytes), Ok(2 * MIB));
        assert_eq!(MemorySize::from_bytes(u64::MAX), Err(SizeError::TooMuch));
    }
}
