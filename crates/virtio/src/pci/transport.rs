//! virtio over PCI (virtio 1.2, 4.1): binds a device to configuration space and one range of registers.

use std::io;
use std::sync::Arc;

use vmm_sys_util::eventfd::EventFd;

use super::common::{self, Command, Common};
use super::config_space::{ConfigSpace, Identity, command, register};
use super::interrupt::PciInterrupt;
use super::msix;
use super::{Action, Bar, Doorbell, MsixVector, PciFunction, Pin, read_image};
use crate::{DeviceType, GuestRam, Interrupt, Lifecycle, Queue, VirtioDevice};

/// The vendor of all virtio devices, and the device id that the virtio device id is added to (4.1.2).
const VENDOR: u16 = 0x1af4;
const DEVICE_BASE: u16 = 0x1040;
/// 1 and above: there is no legacy interface (4.1.2.1).
const REVISION: u8 = 1;

/// What the register of the interrupt pin says for pin A (PCI 3.0, 6.2.4).
const PIN_A: u8 = 1;

/// The range of registers. 0 is left to the ports of the legacy interface, which have to be there.
const BAR: u8 = 4;
const BAR_SIZE: u32 = 0x8000;

/// What the range consists of: every part on a page of its own.
const COMMON: u64 = 0x0000;
const ISR: u64 = 0x1000;
const DEVICE: u64 = 0x2000;
const NOTIFY: u64 = 0x3000;
const MSIX_TABLE: u64 = 0x4000;
const MSIX_PENDING: u64 = 0x5000;
const PAGE: u64 = 0x1000;

/// Bytes from one queue's doorbell to the next one's.
const NOTIFY_STRIDE: u32 = 4;

/// The vendor-specific capability (4.1.4), and its kinds.
const CAPABILITY_VENDOR: u8 = 0x09;
const CAP_COMMON: u8 = 1;
const CAP_NOTIFY: u8 = 2;
const CAP_ISR: u8 = 3;
const CAP_DEVICE: u8 = 4;
const CAP_WINDOW: u8 = 5;

/// One virtio device as a PCI function: one 32-bit memory range of 32 KiB behind base address register 4, MSI-X
/// with a vector for each queue and one for the configuration, interrupt pin A for drivers that do without, no legacy
/// interface.
///
/// As long as the command register does not make it a bus master, the device touches no memory: it stands still with
/// its requests in their queues, and goes on with them when it becomes one.
///
/// [`Lifecycle::pause`] completes what the device has begun; it does not make a disk durable
/// ([`blk::Blk::syncer`](crate::blk::Blk::syncer) does).
pub struct VirtioPci {
    device: Box<dyn VirtioDevice>,
    memory: GuestRam,
    config: ConfigSpace,
    /// Where in configuration space the parts are that need attention when they are written.
    msix_control: u8,
    window: u8,
    common: Common,
    interrupt: Arc<PciInterrupt>,
    active: bool,
    /// The machine has it stand still.
    paused: bool,
    /// The device was told to stand still, by the machine or because it may not touch memory.
    held: bool,
}

impl VirtioPci {
    /// Puts a device on PCI. `memory` is what its driver's addresses mean.
    ///
    /// # Errors
    /// The host gives no events for the interrupts.
    pub fn new(device: Box<dyn VirtioDevice>, memory: GuestRam) -> io::Result<Self> {
        let queues = u16::try_from(device.queue_sizes().len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let interrupt = Arc::new(PciInterrupt::new(device.name(), queues)?);
        let mut config = ConfigSpace::new(identity(device.device_type()));
        config.add_memory_bar(BAR, BAR_SIZE);
        config.set(register::INTERRUPT_PIN, &[PIN_A]);
        let msix_control = add_msix(&mut config, &interrupt.msix).wrapping_add(2);
        let window = add_virtio(&mut config, queues, device.config().len());
        let common = Common::new(device.features(), device.queue_sizes());
        let (active, paused, held) = (false, false, false);
        Ok(Self { device, memory, config, msix_control, window, common, interrupt, active, paused, held })
    }

    /// Has the device stand still or go on, as machine and command register want it. A device that is not active
    /// has nothing to do with memory, so that a driver's usual order of steps costs no turn of its thread.
    fn settle(&mut self, active: bool) {
        let master = self.config.command() & command::BUS_MASTER != 0;
        let hold = self.paused || (active && !master);
        if hold != std::mem::replace(&mut self.held, hold) {
            if hold { self.device.pause() } else { self.device.resume() }
        }
    }

    /// DRIVER_OK: hands the queues to the device.
    fn start(&mut self) -> Action {
        let mut queues = Vec::new();
        for (index, state) in self.common.enabled_queues() {
            match Queue::new(index, state, self.memory.clone(), self.interrupt.clone()) {
                Ok(queue) => queues.push(queue),
                Err(error) => {
                    self.interrupt.needs_reset(&format_args!("queue {index}, as set up: {error}"));
                    return Action::NONE;
                }
            }
        }
        // Before it has anything that it could touch.
        self.settle(true);
        self.device.activate(self.common.features(), queues);
        self.active = true;
        Action { doorbells: true, ..Action::NONE }
    }

    /// What a driver's reset does (2.1, 4.1.4.3.1): all but configuration space and the MSI-X table.
    fn stop(&mut self) -> Action {
        if std::mem::take(&mut self.active) {
            self.device.deactivate();
            self.settle(false);
        }
        self.common.reset();
        self.interrupt.reset();
        Action { doorbells: true, ..Action::NONE }
    }

    fn notify(&mut self, offset: u64) {
        let queue = offset.checked_div(NOTIFY_STRIDE.into()).and_then(|queue| u16::try_from(queue).ok());
        let Some(queue) = queue.filter(|_| self.active) else { return };
        if usize::from(queue) >= self.device.queue_sizes().len() {
            return;
        }
        match self.device.doorbell(queue) {
            // It fails when the counter is full: then the device is about to look anyway.
            Some(event) => drop(event.write(1)),
            None => self.device.notify(queue),
        }
    }

    /// The range that the window in configuration space shows (4.1.4.9), if it shows one.
    fn window_target(&self) -> Option<(u64, usize)> {
        let bar = self.config.u32(self.window.wrapping_add(4)) as u8;
        let offset = self.config.u32(self.window.wrapping_add(8)).into();
        let len = self.config.u32(self.window.wrapping_add(12));
        let len = usize::try_from(len).ok().filter(|len| matches!(len, 1 | 2 | 4))?;
        (bar == BAR).then_some((offset, len))
    }

    /// Whether an access to configuration space concerns the data of the window.
    fn is_window_data(&self, offset: u8) -> bool {
        offset & !3 == self.window_data()
    }

    fn window_data(&self) -> u8 {
        self.window.wrapping_add(16)
    }

    fn read_window(&mut self) {
        let Some((offset, len)) = self.window_target() else { return };
        let mut data = [0; 4];
        let Some(part) = data.get_mut(..len) else { return };
        self.read_bar(BAR, offset, part);
        self.config.set(self.window_data(), &data);
    }

    fn write_window(&mut self) -> Action {
        let Some((offset, len)) = self.window_target() else { return Action::NONE };
        let data = self.config.u32(self.window_data()).to_le_bytes();
        data.get(..len).map_or(Action::NONE, |data| self.write_bar(BAR, offset, data))
    }
}

impl PciFunction for VirtioPci {
    fn connect_pin(&mut self, pin: Arc<dyn Pin>) {
        self.interrupt.connect(pin);
    }

    fn read_config(&mut self, offset: u8, data: &mut [u8]) {
        self.config.show_interrupt(self.interrupt.is_due());
        if self.is_window_data(offset) {
            self.read_window();
        }
        self.config.read(offset, data);
    }

    fn write_config(&mut self, offset: u8, data: &[u8]) -> Action {
        let bars = self.config.bars();
        self.config.write(offset, data);
        if self.is_window_data(offset) {
            return self.write_window();
        }
        self.settle(self.active);
        let control = self.config.u16(self.msix_control);
        Action {
            bars: bars != self.config.bars(),
            doorbells: false,
            msix: self.interrupt.configure(control, self.config.command()),
            ..Action::NONE
        }
    }

    fn bars(&self) -> Vec<Bar> {
        self.config.bars()
    }

    fn read_bar(&mut self, bar: u8, offset: u64, data: &mut [u8]) {
        data.fill(0);
        if bar != BAR {
            return;
        }
        match split(offset) {
            (COMMON, offset) => self.common.read(&self.interrupt, offset, data),
            (ISR, 0) => read_image(&[self.interrupt.take_isr()], 0, data),
            (DEVICE, offset) => read_image(self.device.config(), offset, data),
            (MSIX_TABLE, offset) => self.interrupt.msix.read_table(offset, data),
            (MSIX_PENDING, offset) => self.interrupt.msix.read_pending(offset, data),
            _ => {}
        }
    }

    fn write_bar(&mut self, bar: u8, offset: u64, data: &[u8]) -> Action {
        if bar != BAR {
            return Action::NONE;
        }
        match split(offset) {
            (COMMON, offset) => match self.common.write(&self.interrupt, offset, data) {
                Command::None => Action::NONE,
                Command::Start => self.start(),
                Command::Reset => self.stop(),
            },
            (NOTIFY, offset) => {
                self.notify(offset);
                Action::NONE
            }
            (MSIX_TABLE, offset) => {
                Action { msix: self.interrupt.msix.write_table(offset, data), ..Action::NONE }
            }
            _ => Action::NONE,
        }
    }

    fn doorbells(&self) -> Vec<Doorbell> {
        if !self.active {
            return Vec::new();
        }
        let doorbell = |queue: u16| {
            let offset = NOTIFY.saturating_add(u64::from(queue).saturating_mul(NOTIFY_STRIDE.into()));
            let event = self.device.doorbell(queue)?;
            Some(Doorbell { bar: BAR, offset, value: None, event })
        };
        (0u16..).zip(self.device.queue_sizes()).filter_map(|(queue, _)| doorbell(queue)).collect()
    }

    fn msix(&self) -> Vec<Option<MsixVector>> {
        self.interrupt.msix.vectors()
    }

    fn msix_routed(&mut self, vectors: &[Option<MsixVector>]) {
        self.interrupt.msix.routed(vectors);
    }

    fn msix_events(&self) -> &[Arc<EventFd>] {
        self.interrupt.msix.events()
    }
}

impl Lifecycle for VirtioPci {
    fn pause(&mut self) {
        self.paused = true;
        self.settle(self.active);
    }

    fn resume(&mut self) {
        self.paused = false;
        self.settle(self.active);
    }

    fn reset(&mut self) {
        // The caller asks for everything again, whatever this says.
        let Action { .. } = self.stop();
        self.interrupt.msix.reset();
        self.config.reset();
        // Nothing is to be routed: MSI-X is off.
        let _ = self.interrupt.configure(0, self.config.command());
    }
}

/// The part of the range that an offset is in, and the offset in there.
fn split(offset: u64) -> (u64, u64) {
    let inside = offset & PAGE.wrapping_sub(1);
    (offset.wrapping_sub(inside), inside)
}

fn identity(device: DeviceType) -> Identity {
    let class = match device {
        // Mass storage, SCSI: what firmware and systems expect of a disk on virtio.
        DeviceType::Block | DeviceType::Scsi => [0x01, 0x00, 0x00],
        // No class fits.
        DeviceType::Entropy => [0x00, 0xff, 0x00],
    };
    let device = DEVICE_BASE.saturating_add(device.id());
    Identity { vendor: VENDOR, device, revision: REVISION, class }
}

/// Adds the MSI-X capability (PCI 3.0, 6.8.2). Gives its offset.
fn add_msix(config: &mut ConfigSpace, msix: &msix::Msix) -> u8 {
    let last = u16::try_from(msix.events().len().saturating_sub(1)).unwrap_or(u16::MAX);
    let mut body = last.to_le_bytes().to_vec();
    body.extend(place_in_bar(MSIX_TABLE).to_le_bytes());
    body.extend(place_in_bar(MSIX_PENDING).to_le_bytes());
    let control = msix::CONTROL_ENABLE | msix::CONTROL_FUNCTION_MASK;
    config.add_capability(msix::CAPABILITY_ID, &body, &control.to_le_bytes())
}

/// An offset and the register that it counts from, in one number.
fn place_in_bar(offset: u64) -> u32 {
    offset as u32 | u32::from(BAR)
}

/// Adds the virtio capabilities (4.1.4). Gives the offset of the window.
fn add_virtio(config: &mut ConfigSpace, queues: u16, device_config: usize) -> u8 {
    let notify_len = u32::from(queues).saturating_mul(NOTIFY_STRIDE);
    add_structure(config, CAP_COMMON, COMMON, common::SIZE as u32, &[]);
    add_structure(config, CAP_NOTIFY, NOTIFY, notify_len, &NOTIFY_STRIDE.to_le_bytes());
    add_structure(config, CAP_ISR, ISR, 1, &[]);
    if device_config > 0 {
        add_structure(config, CAP_DEVICE, DEVICE, u32::try_from(device_config).unwrap_or(0), &[]);
    }
    // The guest chooses range, offset, length, and moves data: all but the padding behind the range.
    let body = structure(CAP_WINDOW, 0, 0, 0, &[0; 4]);
    let writable = [0, 0, 0xff, 0, 0, 0].into_iter().chain([0xff; 12]).collect::<Vec<u8>>();
    config.add_capability(CAPABILITY_VENDOR, &body, &writable)
}

fn add_structure(config: &mut ConfigSpace, kind: u8, offset: u64, len: u32, more: &[u8]) {
    config.add_capability(CAPABILITY_VENDOR, &structure(kind, BAR, offset, len, more), &[]);
}

/// `struct virtio_pci_cap` behind its first two bytes, with what follows it.
fn structure(kind: u8, bar: u8, offset: u64, len: u32, more: &[u8]) -> Vec<u8> {
    let size = 16u8.saturating_add(more.len() as u8);
    let mut body = vec![size, kind, bar, 0, 0, 0];
    body.extend((offset as u32).to_le_bytes());
    body.extend(len.to_le_bytes());
    body.extend(more);
    body
}

#[cfg(test)]
#[path = "transport_test.rs"]
mod tests;
