//! How a device's interrupts find their MSI-X vectors, or the pin (virtio 1.2, 4.1.5.1).

use std::fmt::Display;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::isr::InterruptStatus;
use super::msix::{CONTROL_ENABLE, Msix};
use super::{Pin, command};
use crate::Interrupt;
use crate::rate_limit::RateLimit;

/// The number that says "no vector" (4.1.5.1.2).
pub(super) const NO_VECTOR: u16 = 0xffff;

/// Bits of the ISR status (4.1.4.5).
const ISR_QUEUE: u8 = 1;
const ISR_CONFIG: u8 = 2;

/// The interrupts of one device, shared by the transport, where the guest sets them up, and the workers.
pub(super) struct PciInterrupt {
    pub(super) msix: Msix,
    config_vector: AtomicU16,
    queue_vectors: Vec<AtomicU16>,
    /// Decides between pin and messages, so it is held until either is done.
    isr: Mutex<InterruptStatus>,
    needs_reset: AtomicBool,
    /// What the device is called in the log, and how often it is found there.
    name: String,
    log: Mutex<RateLimit>,
}

impl PciInterrupt {
    /// Interrupts for a device named `name` in the log, with `queues` queues: a vector for each, and one for
    /// the configuration.
    pub(super) fn new(name: &str, queues: u16) -> io::Result<Self> {
        Ok(Self {
            msix: Msix::new(queues.saturating_add(1))?,
            config_vector: AtomicU16::new(NO_VECTOR),
            queue_vectors: (0..queues).map(|_| AtomicU16::new(NO_VECTOR)).collect(),
            isr: Mutex::default(),
            needs_reset: AtomicBool::new(false),
            name: name.to_owned(),
            log: Mutex::default(),
        })
    }

    pub(super) fn config_vector(&self) -> u16 {
        self.config_vector.load(Ordering::Relaxed)
    }

    pub(super) fn set_config_vector(&self, vector: u16) {
        self.config_vector.store(self.checked(vector), Ordering::Relaxed);
    }

    pub(super) fn queue_vector(&self, queue: u16) -> u16 {
        self.queue_vectors.get(usize::from(queue)).map_or(NO_VECTOR, |vector| vector.load(Ordering::Relaxed))
    }

    pub(super) fn set_queue_vector(&self, queue: u16, vector: u16) {
        if let Some(place) = self.queue_vectors.get(usize::from(queue)) {
            place.store(self.checked(vector), Ordering::Relaxed);
        }
    }

    /// A driver that maps to a vector that does not exist reads back that there is none (4.1.5.1.2.1).
    fn checked(&self, vector: u16) -> u16 {
        if usize::from(vector) < self.msix.events().len() { vector } else { NO_VECTOR }
    }

    /// Connects the interrupt pin.
    pub(super) fn connect(&self, pin: Arc<dyn Pin>) {
        self.isr().connect(pin);
    }

    /// The guest wrote the message control register or the command register. `true` if vectors have changed.
    pub(super) fn configure(&self, control: u16, command: u16) -> bool {
        let mut isr = self.isr();
        isr.configure(control & CONTROL_ENABLE != 0, command);
        self.msix.set_control(control, command & command::BUS_MASTER != 0)
    }

    /// Whether an interrupt by the pin is due.
    pub(super) fn is_due(&self) -> bool {
        self.isr().is_due()
    }

    /// Reads the ISR status, which clears it and lowers the pin.
    pub(super) fn take_isr(&self) -> u8 {
        self.isr().take()
    }

    /// Whether DEVICE_NEEDS_RESET is to be seen in the device's status.
    pub(super) fn is_reset_needed(&self) -> bool {
        self.needs_reset.load(Ordering::Relaxed)
    }

    /// As after a reset of the device by its driver: the vectors stay, what is mapped to them does not.
    pub(super) fn reset(&self) {
        self.config_vector.store(NO_VECTOR, Ordering::Relaxed);
        for vector in &self.queue_vectors {
            vector.store(NO_VECTOR, Ordering::Relaxed);
        }
        self.isr().take();
        self.needs_reset.store(false, Ordering::Relaxed);
    }

    /// The ISR status is for drivers that do without MSI-X: with it the bits stay clear (4.1.5.1.3).
    fn raise(&self, reason: u8, vector: u16) {
        let mut isr = self.isr();
        if isr.uses_messages() {
            self.msix.raise(vector);
        } else {
            isr.raise(reason);
        }
    }

    fn isr(&self) -> MutexGuard<'_, InterruptStatus> {
        self.isr.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Interrupt for PciInterrupt {
    fn queue(&self, queue: u16) {
        self.raise(ISR_QUEUE, self.queue_vector(queue));
    }

    fn config(&self) {
        self.raise(ISR_CONFIG, self.config_vector());
    }

    fn needs_reset(&self, why: &dyn Display) {
        let limit = &mut *self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(more) = limit.allow() {
            let name = &self.name;
            tracing::warn!("{name}: broken by its driver, needs a reset: {why} ({more} more before)");
        }
        self.needs_reset.store(true, Ordering::Relaxed);
        self.config();
    }
}
