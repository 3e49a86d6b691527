//! `cargo xtask bench`: figures, always side by side with a peer or a floor in one run, and as ratios, for
//! machines differ and are noisy.

mod alone;
mod boot;
mod conf;
mod control;
mod firmware;
mod floor;
mod memory;
mod sample;
mod start;

use anyhow::Result;
use clap::Subcommand;

/// What is measured.
#[derive(Subcommand)]
pub enum Bench {
    /// From a command to the first byte of a tiny guest, on this machine's /dev/kvm
    Start(start::Options),
    /// From a command to the first line of a Linux guest's init, in the lab or on this machine
    Boot(boot::Options),
    /// SeaBIOS from a command to its last word, on this machine's /dev/kvm, beside QEMU
    Firmware(firmware::Options),
    /// A configuration of ten thousand virtual machines, read and checked
    Conf(conf::Options),
    /// Two hundred running machines: the status, their start from one file, the memory of the daemon
    Control(control::Options),
}

/// Measures and prints.
///
/// # Errors
/// When something cannot be built, started or measured.
pub fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Start(options) => start::run(options),
        Bench::Boot(options) => boot::run(options),
        Bench::Firmware(options) => firmware::run(options),
        Bench::Conf(options) => conf::run(options),
        Bench::Control(options) => control::run(options),
    }
}
