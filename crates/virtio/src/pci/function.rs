//! The view that the bus has of one PCI function.

use std::sync::Arc;

use vmm_sys_util::eventfd::EventFd;

use crate::Lifecycle;

/// One PCI function, as the bus sees it: configuration space and the ranges behind its base address
/// registers (PCI Local Bus Specification 3.0, chapter 6).
///
/// A function is given offsets, never addresses. It performs nothing that concerns the bus itself: a write
/// returns an [`Action`], and the bus carries it out after its lock is gone.
///
/// Every guest access is valid input: any offset, any width of 1, 2, 4 or 8 bytes, aligned or not, in any
/// state of the device. What makes no sense reads as zero or all ones, and writes are ignored.
///
/// What is not said otherwise is that of a function without ranges and without messages.
///
/// After [`Lifecycle::reset`] all that a function says has changed: the bus asks for everything again.
pub trait PciFunction: Lifecycle + Send {
    /// Connects interrupt pin A, once, before anything else. A function without a pin (register 0x3D is 0) keeps
    /// nothing of it.
    fn connect_pin(&mut self, _pin: Arc<dyn Pin>) {}

    /// Reads configuration space. `offset` is below 256; `data` has 1, 2 or 4 bytes and does not cross a
    /// 32-bit register.
    fn read_config(&mut self, offset: u8, data: &mut [u8]);

    /// Writes configuration space, with the limits of [`PciFunction::read_config`].
    fn write_config(&mut self, offset: u8, data: &[u8]) -> Action;

    /// The memory and port ranges that the function decodes at this moment, as its command register and base
    /// address registers say. The guest may have put them anywhere, over each other and over memory.
    fn bars(&self) -> Vec<Bar> {
        Vec::new()
    }

    /// Reads from the range behind base address register `bar` (0 to 5).
    fn read_bar(&mut self, _bar: u8, _offset: u64, data: &mut [u8]) {
        data.fill(0xFF);
    }

    /// Writes to the range behind base address register `bar`.
    fn write_bar(&mut self, _bar: u8, _offset: u64, _data: &[u8]) -> Action {
        Action::NONE
    }

    /// The doorbells that want to be heard now. A write to one is the same as [`PciFunction::write_bar`] with the
    /// value it names, only quicker: the kernel signals the event without leaving the guest for long.
    fn doorbells(&self) -> Vec<Doorbell> {
        Vec::new()
    }

    /// The MSI-X vectors as the guest has set them up, in table order; entries are `None` while the vector is
    /// masked, the function is masked, or MSI-X is off (PCI 3.0, 6.8.2).
    fn msix(&self) -> Vec<Option<MsixVector>> {
        Vec::new()
    }

    /// The bus has set up `vectors`, which is what [`PciFunction::msix`] said. Between a write that returned
    /// [`Action::msix`] and this call the function holds its interrupts back as pending; what is due and not
    /// masked is raised now. So no interrupt goes to where a vector pointed before, and none is lost when one
    /// is unmasked. A vector that has changed again meanwhile waits for the next call.
    fn msix_routed(&mut self, _vectors: &[Option<MsixVector>]) {}

    /// The event for each MSI-X vector, in table order, as many as [`PciFunction::msix`] has entries: writing
    /// one raises the interrupt. The function writes an event only while its vector is not masked and
    /// [`PciFunction::msix_routed`] was called since it changed.
    fn msix_events(&self) -> &[Arc<EventFd>] {
        &[]
    }
}

/// The interrupt pin of a function (PCI 3.0, 2.2.6), as the function drives it: level triggered, and shared with
/// others by the bus, which takes care of that.
///
/// The function calls [`Pin::set`] whenever its output may have changed, under a lock of its own, so that two
/// changes do not overtake one another; setting a level that the pin already has does nothing. It is low as long
/// as the function uses MSI-X, and when the command register's bit 10 disables it (6.2.2).
pub trait Pin: Send + Sync {
    /// Asserts the pin (`true`) or not.
    fn set(&self, asserted: bool);
}

/// What the bus has to do after a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Action {
    /// The ranges have changed: ask for [`PciFunction::bars`] and, since they move along, the doorbells.
    pub bars: bool,
    /// Ask for [`PciFunction::doorbells`].
    pub doorbells: bool,
    /// Ask for [`PciFunction::msix`], set that up, and call [`PciFunction::msix_routed`].
    pub msix: bool,
    /// The function decides what memory the machine shows below 1 MiB, and has changed its mind. Host bridges do.
    pub memory: bool,
}

impl Action {
    /// Nothing to do.
    pub const NONE: Self = Self { bars: false, doorbells: false, msix: false, memory: false };
}

/// One decoded range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The base address register, 0 to 5.
    pub index: u8,
    /// The address space.
    pub kind: BarKind,
    /// The first address, as the guest chose it.
    pub address: u64,
    /// The size in bytes, a power of two.
    pub size: u64,
}

/// The address space of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// Ports.
    Io,
    /// Memory.
    Memory,
}

/// A write that the kernel can turn into an event.
#[derive(Clone, Debug)]
pub struct Doorbell {
    /// The base address register, 0 to 5.
    pub bar: u8,
    /// The offset in its range.
    pub offset: u64,
    /// The value that has to be written, 16 bits wide; any value and width if `None`.
    pub value: Option<u16>,
    /// The event.
    pub event: Arc<EventFd>,
}

/// The message of one MSI-X vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsixVector {
    /// Where to write, as the guest has set it.
    pub address: u64,
    /// What to write.
    pub data: u32,
}
