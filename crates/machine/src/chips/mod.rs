//! The chips of a PC that are not in KVM, each with its wiring: serial line, clock, keyboard controller, ACPI
//! power management, and the two registers that reset.

mod date;
mod flash;
mod i8042;
mod power;
mod reset;
mod rtc;
mod serial;
mod system_port;
mod uart;

pub(crate) use flash::{BLOCK, Mode};
pub use flash::{Flash, FlashState};
pub use i8042::I8042;
pub use power::PowerManagement;
pub(crate) use power::{PM_CONTROL, PM_EVENT, PM_TIMER, SLEEP_TYPE_S5};
pub(crate) use reset::RESET_VALUE;
pub use reset::ResetControl;
pub(crate) use rtc::CENTURY;
pub use rtc::Rtc;
pub use serial::Serial;
pub use system_port::SystemPort;

#[cfg(test)]
mod lifecycle_test;
