//! The host bridge of the 440FX (82441FX), by which stock firmware and systems know this kind of PC.
//!
//! Of its registers these matter:
//!
//! | register | what |
//! |---|---|
//! | 0x04 | command: what is written reads back |
//! | 0x2C | subsystem: the ids by which SeaBIOS knows a virtual machine that has a configuration for it |
//! | 0x59 to 0x5F | what is found between 768 KiB and 1 MiB, see `firmware::shadow` |
//! | 0x72 | memory for system management, of which there is none: what is written reads back |

use std::sync::Arc;

use virtio::Lifecycle;
use virtio::pci::{Action, PciFunction};

use crate::firmware::{Registers, Shadow};

/// Vendor Intel and the 82441FX; revision 2; a host bridge (class 6, subclass 0).
const IDENTITY: [(usize, &[u8]); 3] =
    [(0x00, &[0x86, 0x80, 0x37, 0x12]), (0x08, &[2, 0, 0, 6]), (SUBSYSTEM, &[0xF4, 0x1A, 0x00, 0x11])];
const SUBSYSTEM: usize = 0x2C;
const COMMAND: usize = 0x04;
/// Decode memory and ports, be bus master.
const COMMAND_POWER_ON: u8 = 7;
const SHADOW: usize = 0x59;
const SMRAM: usize = 0x72;
/// The adapters' area is where the fixed bits say, and nothing is enabled.
const SMRAM_POWER_ON: u8 = 0x02;
const SHADOW_LEN: usize = size_of::<Registers>();

/// The host bridge.
pub(crate) struct HostBridge {
    config: [u8; 256],
    /// What its registers govern; without firmware nothing.
    shadow: Option<Arc<Shadow>>,
}

impl HostBridge {
    /// The bridge after power on.
    pub fn new(shadow: Option<Arc<Shadow>>) -> Self {
        Self { config: power_on(), shadow }
    }

    fn registers(&self) -> Registers {
        self.config.get(SHADOW..).and_then(|bytes| bytes.first_chunk()).copied().unwrap_or_default()
    }

    fn write_byte(&mut self, register: usize, value: u8) {
        let bits = writable(register);
        if let Some(byte) = self.config.get_mut(register) {
            *byte = *byte & !bits | value & bits;
        }
    }
}

/// The bits of a register that keep what is written.
fn writable(register: usize) -> u8 {
    match register {
        COMMAND => COMMAND_POWER_ON,
        // The lower half of the first one belongs to no memory.
        SHADOW => 0x30,
        register if (SHADOW..SHADOW.saturating_add(SHADOW_LEN)).contains(&register) => 0x33,
        SMRAM => 0x78,
        _ => 0,
    }
}

fn power_on() -> [u8; 256] {
    let mut config = [0; 256];
    let registers: [(usize, &[u8]); 2] = [(COMMAND, &[COMMAND_POWER_ON]), (SMRAM, &[SMRAM_POWER_ON])];
    for (at, bytes) in IDENTITY.into_iter().chain(registers) {
        config.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
    }
    config
}

impl PciFunction for HostBridge {
    fn read_config(&mut self, offset: u8, data: &mut [u8]) {
        let bytes = self.config.iter().skip(offset.into()).chain(std::iter::repeat(&0));
        data.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    }

    fn write_config(&mut self, offset: u8, data: &[u8]) -> Action {
        let before = self.registers();
        for (register, value) in (usize::from(offset)..).zip(data) {
            self.write_byte(register, *value);
        }
        let after = self.registers();
        match &self.shadow {
            Some(shadow) if before != after => {
                shadow.set(after);
                Action { memory: true, ..Action::NONE }
            }
            _ => Action::NONE,
        }
    }
}

/// There is no work to pause. What the registers govern is reset with the machine's firmware.
impl Lifecycle for HostBridge {
    fn pause(&mut self) {}

    fn resume(&mut self) {}

    fn reset(&mut self) {
        self.config = power_on();
    }
}
