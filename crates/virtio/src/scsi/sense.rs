//! Why a command was not carried out (SPC-4, 4.5): sense key, additional sense code and its qualifier.

/// Sense data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sense {
    key: u8,
    code: u8,
    qualifier: u8,
}

/// Sense keys.
const NO_SENSE: u8 = 0x0;
const NOT_READY: u8 = 0x2;
const MEDIUM_ERROR: u8 = 0x3;
const ILLEGAL_REQUEST: u8 = 0x5;
const UNIT_ATTENTION: u8 = 0x6;
const DATA_PROTECT: u8 = 0x7;

impl Sense {
    /// Nothing to tell.
    pub const NONE: Self = Self::new(NO_SENSE, 0x00, 0x00);
    /// Medium not present, tray closed.
    pub const NO_DISC: Self = Self::new(NOT_READY, 0x3a, 0x01);
    /// Medium not present, tray open.
    pub const TRAY_OPEN: Self = Self::new(NOT_READY, 0x3a, 0x02);
    /// Unrecovered read error.
    pub const UNREADABLE: Self = Self::new(MEDIUM_ERROR, 0x11, 0x00);
    /// Invalid command operation code.
    pub const UNKNOWN_COMMAND: Self = Self::new(ILLEGAL_REQUEST, 0x20, 0x00);
    /// Logical block address out of range.
    pub const OUT_OF_RANGE: Self = Self::new(ILLEGAL_REQUEST, 0x21, 0x00);
    /// Invalid field in CDB.
    pub const INVALID_FIELD: Self = Self::new(ILLEGAL_REQUEST, 0x24, 0x00);
    /// Logical unit not supported.
    pub const NO_UNIT: Self = Self::new(ILLEGAL_REQUEST, 0x25, 0x00);
    /// Cannot read medium, incompatible format.
    pub const WRONG_FORMAT: Self = Self::new(ILLEGAL_REQUEST, 0x30, 0x02);
    /// Saving parameters not supported.
    pub const NOT_SAVED: Self = Self::new(ILLEGAL_REQUEST, 0x39, 0x00);
    /// Medium removal prevented.
    pub const LOCKED: Self = Self::new(ILLEGAL_REQUEST, 0x53, 0x02);
    /// Illegal mode for this track.
    pub const WRONG_MODE: Self = Self::new(ILLEGAL_REQUEST, 0x64, 0x00);
    /// Not ready to ready change, medium may have changed.
    pub const CHANGED: Self = Self::new(UNIT_ATTENTION, 0x28, 0x00);
    /// Power on, reset or bus device reset occurred.
    pub const RESET: Self = Self::new(UNIT_ATTENTION, 0x29, 0x00);
    /// Write protected.
    pub const READ_ONLY: Self = Self::new(DATA_PROTECT, 0x27, 0x00);

    const fn new(key: u8, code: u8, qualifier: u8) -> Self {
        Self { key, code, qualifier }
    }

    /// The fixed format (SPC-4, 4.5.3).
    pub fn fixed(self) -> [u8; 18] {
        let Self { key, code, qualifier } = self;
        [0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, qualifier, 0, 0, 0, 0]
    }

    /// The descriptor format (SPC-4, 4.5.2), without a descriptor.
    pub fn descriptor(self) -> [u8; 8] {
        let Self { key, code, qualifier } = self;
        [0x72, key, code, qualifier, 0, 0, 0, 0]
    }

    /// Additional sense code and qualifier as the reason of an event (virtio 1.2, 5.6.6.3).
    pub fn reason(self) -> u32 {
        u32::from_le_bytes([self.code, self.qualifier, 0, 0])
    }
}
