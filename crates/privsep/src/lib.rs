//! Privilege separation: what the processes of the daemon are made from.
//!
//! * [`Channel`] carries typed messages and descriptors between two processes;
//! * [`spawn()`] executes the own binary again, in a process that shares nothing but its channel;
//! * [`sandbox`] takes from a process what it does not need;
//! * [`event`] is the loop in which a process waits.
//!
//! A process starts with one thread. It confines itself first thing, then makes its other threads: identity,
//! capabilities and the filter belong to a thread and are inherited by those it makes. [`sandbox::Sandbox::enter`]
//! refuses to run beside a second thread.

mod channel;
pub mod event;
pub mod sandbox;
mod spawn;

pub use channel::{Channel, ChannelError, MAX_DESCRIPTORS, MAX_MESSAGE};
pub use spawn::{Child, Executable, Exit, SPAWN_FLAGS, close_stray_descriptors, inherited_channel, spawn};
