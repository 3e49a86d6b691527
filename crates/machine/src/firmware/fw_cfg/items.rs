//! What can be read: numbered items, and files among them (fw_cfg.rst, "Firmware Configuration Items").

use std::collections::BTreeMap;

/// Numbers of items (fw_cfg.rst and QEMU's `standard-headers/linux/qemu_fw_cfg.h`; the rest is common to all firmware
/// for virtual machines).
pub(crate) mod key {
    /// The interface's name.
    pub const SIGNATURE: u16 = 0x00;
    /// What the interface can do.
    pub const ID: u16 = 0x01;
    /// The machine's UUID, 16 bytes.
    pub const UUID: u16 = 0x02;
    /// RAM below 4 GiB in bytes, 64 bits.
    pub const RAM_SIZE: u16 = 0x03;
    /// There is no display, 16 bits.
    pub const NOGRAPHIC: u16 = 0x04;
    /// Processors at power-on, 16 bits.
    pub const NB_CPUS: u16 = 0x05;
    /// Whether the boot menu is offered, 16 bits.
    pub const BOOT_MENU: u16 = 0x0E;
    /// The number of APIC ids, 16 bits.
    pub const MAX_CPUS: u16 = 0x0F;
    /// The list of files.
    pub const FILE_DIR: u16 = 0x19;
    /// The first file.
    pub const FILE_FIRST: u16 = 0x20;
    /// The timer's interrupt is input 2 of the I/O APIC, 32 bits.
    pub const IRQ0_OVERRIDE: u16 = 0x8002;
}

/// The longest name of a file without its NUL (fw_cfg.rst, "File Directory").
const MAX_NAME: usize = 55;

/// The items of a machine: none of them changes any more.
pub(crate) struct Items {
    items: BTreeMap<u16, Vec<u8>>,
    files: Vec<(String, u16)>,
}

impl Default for Items {
    /// The interface and nothing else.
    fn default() -> Self {
        let mut items = Self { items: BTreeMap::new(), files: Vec::new() };
        items.set(key::SIGNATURE, *b"QEMU");
        // Bit 0: the traditional interface; bit 1: direct access to memory.
        items.set(key::ID, 3u32.to_le_bytes());
        items
    }
}

impl Items {
    /// Sets an item.
    pub fn set(&mut self, key: u16, content: impl Into<Vec<u8>>) {
        self.items.insert(key, content.into());
    }

    /// Adds a file; its name, ASCII, is cut off at 55 bytes.
    pub fn add_file(&mut self, name: &str, content: impl Into<Vec<u8>>) {
        let key = key::FILE_FIRST.saturating_add(u16::try_from(self.files.len()).unwrap_or(u16::MAX));
        self.files.push((name.chars().filter(char::is_ascii).take(MAX_NAME).collect(), key));
        self.set(key, content);
        self.set(key::FILE_DIR, self.directory());
    }

    /// The content of an item; one that does not exist is empty.
    pub fn get(&self, key: u16) -> &[u8] {
        self.items.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The list of files: their number, and for each its size, its item and its name (all numbers big endian).
    fn directory(&self) -> Vec<u8> {
        let mut directory = u32::try_from(self.files.len()).unwrap_or_default().to_be_bytes().to_vec();
        for (name, key) in &self.files {
            let size = u32::try_from(self.get(*key).len()).unwrap_or(u32::MAX);
            directory.extend(size.to_be_bytes());
            directory.extend(key.to_be_bytes());
            directory.extend([0; 2]);
            let padding = std::iter::repeat(0);
            directory.extend(name.bytes().chain(padding).take(MAX_NAME.saturating_add(1)));
        }
        directory
    }
}
