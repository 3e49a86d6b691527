//! What the tests of a whole vmd stand on: hosts to run it on, consoles to talk to, small systems to boot.
//!
//! A [`Host`] is a place where commands run as root and `/dev/kvm` can be used: [`Direct`] is this machine,
//! [`Lab`] is an emulated one with hardware virtualisation of its own, and [`SystemdHost`] such a one that can
//! be switched off and on again. A test is written against the trait and asserts what a user or a guest sees.

#![forbid(unsafe_code)]

pub mod console;
pub mod cpio;
pub mod daemon;
pub mod direct;
pub mod foreign;
pub mod guest;
pub mod host;
pub mod initramfs;
pub mod kernel;
pub mod lab;
pub mod package;
pub mod paths;
pub mod process;

pub use console::Console;
pub use daemon::Daemon;
pub use direct::Direct;
pub use guest::Guest;
pub use host::{Host, Output, quote};
pub use lab::{Lab, LabDisk, LabOptions, SystemdHost};

/// Ends a test that cannot run on this machine, saying why.
///
/// The line it prints is how `cargo xtask test` finds and counts the test as skipped.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)+) => {{
        println!("SKIP: {}", format_args!($($reason)+));
        return;
    }};
}
