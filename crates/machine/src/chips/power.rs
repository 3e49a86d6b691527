//! Power management with the fixed hardware of ACPI (ACPI 6.5, section 4.8.3): power button, soft off, timer.
//!
//! | offset | size | register |
//! |---|---|---|
//! | 0 | 2 | PM1 status: events, cleared by writing ones |
//! | 2 | 2 | PM1 enable: the events that interrupt |
//! | 4 | 2 | PM1 control: sleep type, sleep enable |
//! | 8 | 4 | PM timer: counts up at 3.579545 MHz |
//!
//! What lies behind reads as zero: no event that it could tell of ever happens.
//!
//! Of the events only the power button ever happens. That the timer has come around is none: operating systems
//! read it far more often than it does so, every 20 minutes.

use std::time::{Duration, Instant};

use virtio::Lifecycle;

use crate::{BusAction, BusDevice, IrqLine};

/// Offset of the event block: status and enable registers, 4 bytes.
pub(crate) const PM_EVENT: u64 = 0;
/// Offset of the control register, 2 bytes.
pub(crate) const PM_CONTROL: u64 = 4;
/// Offset of the timer, 4 bytes.
pub(crate) const PM_TIMER: u64 = 8;
/// The sleep type that means off.
pub(crate) const SLEEP_TYPE_S5: u8 = 5;

/// `PWRBTN_STS` and `PWRBTN_EN`.
const POWER_BUTTON: u16 = 1 << 8;
/// The bits of the enable register that exist: timer, global lock, power button, clock.
const ENABLE_BITS: u16 = 1 << 0 | 1 << 5 | POWER_BUTTON | 1 << 10;
/// `SCI_EN`: events interrupt by the SCI. There is no other mode, so it can not be cleared.
const SCI_ENABLED: u16 = 1 << 0;
/// `SLP_EN` and `SLP_TYP` in the upper byte of the control register.
const SLEEP_ENABLE: u8 = 1 << 5;
const SLEEP_TYPE_SHIFT: u32 = 2;
const SLEEP_TYPE_BITS: u8 = 7;
/// The timer's frequency in Hz.
const TIMER_HZ: u128 = 3_579_545;

/// The power management registers and the power button.
pub struct PowerManagement {
    sci: Box<dyn IrqLine>,
    status: u16,
    enable: u16,
    /// The sleep type as last written, which reads back.
    sleep_type: u8,
    /// How far the timer had run when it was stopped last.
    ran: Duration,
    /// Since when it runs; nothing while paused.
    since: Option<Instant>,
    /// The button was pressed while paused.
    held: bool,
}

impl PowerManagement {
    /// The registers after power on; `sci` is level triggered.
    pub fn new(sci: impl IrqLine + 'static) -> Self {
        Self {
            sci: Box::new(sci),
            status: 0,
            enable: 0,
            sleep_type: 0,
            ran: Duration::ZERO,
            since: Some(Instant::now()),
            held: false,
        }
    }

    /// Presses the power button: the guest is asked to power off, if it listens.
    pub fn press_power_button(&mut self) {
        if self.since.is_none() {
            self.held = true;
            return;
        }
        self.status |= POWER_BUTTON;
        self.update();
    }

    fn update(&self) {
        self.sci.set(self.status & self.enable != 0);
    }

    fn registers(&self) -> [u8; 12] {
        let [status_low, status_high] = self.status.to_le_bytes();
        let [enable_low, enable_high] = self.enable.to_le_bytes();
        let control = SCI_ENABLED | u16::from(self.sleep_type) << (8 + SLEEP_TYPE_SHIFT);
        let [control_low, control_high] = control.to_le_bytes();
        let [a, b, c, d] = ticks(self.running_time()).to_le_bytes();
        [status_low, status_high, enable_low, enable_high, control_low, control_high, 0, 0, a, b, c, d]
    }

    fn running_time(&self) -> Duration {
        self.ran.saturating_add(self.since.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    fn write_byte(&mut self, offset: u64, value: u8) -> BusAction {
        match offset {
            0 => self.status &= !u16::from(value),
            1 => self.status &= !(u16::from(value) << 8),
            2 => self.enable = (self.enable & 0xff00 | u16::from(value)) & ENABLE_BITS,
            3 => self.enable = (self.enable & 0x00ff | u16::from(value) << 8) & ENABLE_BITS,
            5 => return self.write_sleep(value),
            _ => {}
        }
        BusAction::None
    }

    /// The only state to go to is off; the others are not announced, and nothing happens.
    fn write_sleep(&mut self, value: u8) -> BusAction {
        self.sleep_type = value >> SLEEP_TYPE_SHIFT & SLEEP_TYPE_BITS;
        if value & SLEEP_ENABLE != 0 && self.sleep_type == SLEEP_TYPE_S5 {
            return BusAction::PowerOff;
        }
        BusAction::None
    }
}

/// What the timer reads after this time. It comes around every 20 minutes.
fn ticks(elapsed: Duration) -> u32 {
    (elapsed.as_nanos().saturating_mul(TIMER_HZ) / 1_000_000_000) as u32
}

impl BusDevice for PowerManagement {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        let registers = self.registers();
        let registers = registers.iter().chain(std::iter::repeat(&0));
        for (register, byte) in registers.skip(usize::try_from(offset).unwrap_or(usize::MAX)).zip(data) {
            *byte = *register;
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> BusAction {
        let mut action = BusAction::None;
        for (register, byte) in (offset..).zip(data) {
            if let BusAction::PowerOff = self.write_byte(register, *byte) {
                action = BusAction::PowerOff;
            }
        }
        self.update();
        action
    }
}

impl Lifecycle for PowerManagement {
    fn pause(&mut self) {
        self.ran = self.running_time();
        self.since = None;
    }

    fn resume(&mut self) {
        self.since.get_or_insert_with(Instant::now);
        if std::mem::take(&mut self.held) {
            self.press_power_button();
        }
    }

    /// The timer runs on: nothing tells the guest where it starts.
    fn reset(&mut self) {
        self.status = 0;
        self.enable = 0;
        self.sleep_type = 0;
        self.held = false;
        self.update();
    }
}

#[cfg(test)]
#[path = "power_test.rs"]
mod tests;
