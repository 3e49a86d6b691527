//! The computer: memory, buses, virtual processors, PCI, the chips of a PC, ACPI tables and boot.
//!
//! # What the vm role uses
//!
//! * what was opened goes into [`Resources`], together with a [`VmSpec`](proto::VmSpec) into
//!   [`Machine::build`];
//! * [`Machine::start`] lets the guest run;
//! * [`Machine::event_fd`] is readable while [`Machine::next_event`] has something to say: the guest powered
//!   off, reset, or broke;
//! * [`Machine::power_button`], [`Machine::reset`], [`Machine::halt`] and the console's input.
//!
//! # Where to look
//!
//! `layout` says where everything is. `build` puts a machine together, `machine` has it; `cpu` runs the
//! processors, whose accesses go over `bus` to `legacy` (with the `chips`) and to `pci` (with the `devices`);
//! `boot`, `acpi` and `start` are what a kernel
//! finds at its start, and `firmware` is what there is instead for a machine that starts its BIOS.
//!
//! The machine has one owner thread. The guest is hostile: no access of its reaches a panic.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

pub mod acpi;
pub mod boot;
mod build;
mod bus;
mod cdrom;
pub mod chips;
mod console;
mod cpu;
mod devices;
mod error;
mod event;
mod firmware;
mod irq;
pub mod layout;
mod legacy;
mod machine;
mod memory;
mod pause;
mod pci;
mod source;
mod start;
mod sync;
mod timer;
mod variables;

pub use bus::{BusAction, BusDevice};
pub use console::SerialOutput;
pub use error::{BuildError, HaltError, LoadError, ResetError};
pub use event::MachineEvent;
pub use firmware::FirmwareError;
pub use irq::IrqLine;
pub use machine::{BootFiles, Machine, Resources};
pub use memory::MemoryError;
pub use pause::PauseError;
pub use pci::{PciAddress, PciError};
pub use timer::Wake;
pub use variables::MAX_VARIABLES;
pub use virtio::scsi::{ChangeError, DriveState};
pub use virtio::{ThreadHook, ThreadKind};
