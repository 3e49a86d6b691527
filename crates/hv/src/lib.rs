//! The KVM seam: everything that the machine asks of the kernel's hypervisor, and nothing else.
//!
//! * [`Kvm`] is `/dev/kvm`, checked; [`Vm`] one virtual machine with its memory and interrupt controllers;
//!   [`Vcpu`] one of its processors.
//! * A processor's loop is "exit in, entry out": [`Processor::run`] takes the answer to the last [`Exit`] and
//!   returns the next one. [`Scripted`] stands in for a processor where there is no KVM.
//! * The order that makes a machine start fast is built in: [`Kvm::create_vm`] hands over the memory before
//!   the interrupt controllers exist, and processors come last. Each call that comes later, when the kernel has
//!   to wait for everybody who might look at its tables, can cost milliseconds.
//!
//! Only this crate makes KVM calls. Which thread makes which after the start is said at each type.

mod clock;
mod cpuid;
mod doorbell;
mod error;
mod exit;
mod irq;
mod kick;
mod kvm;
mod msr;
mod run_page;
mod scripted;
mod start;
mod state;
mod vcpu;
mod vm;
mod window;

pub use clock::{ClockState, host_counter};
pub use doorbell::{Doorbell, DoorbellAddress};
pub use error::Error;
pub use exit::{Bytes, Entry, Exit, Failure, Space};
pub use irq::{FIRST_MSI_GSI, IrqLine, MAX_MSI_ROUTES, MsiRoute};
pub use kick::{kick, prepare_kicks};
pub use kvm::{Hardware, Kvm};
pub use scripted::Scripted;
pub use start::StartState;
pub use state::{ControllerState, ProcessorState};
pub use vcpu::{Processor, Vcpu};
pub use vm::{MemoryLayout, Vm};
pub use window::{Shown, Window};
