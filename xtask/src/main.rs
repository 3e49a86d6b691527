//! What the project does with itself: `cargo xtask demo`, `test`, `bench`, `fuzz`.

mod apt;
mod bench;
mod cargo;
mod checks;
mod contents;
mod debian;
mod demo;
mod fuzz;
mod guest_image;
mod host_image;
mod install;
mod kernels;
mod libtest;
mod live;
mod package;
mod packages;
mod prepare;
mod step;
mod test;
mod uefi_image;
mod where_to;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "What the project does with itself")]
struct Options {
    #[command(subcommand)]
    task: Task,
}

/// Each task is a module with options of its own and a function `run`.
#[derive(Subcommand)]
enum Task {
    /// Boot a Debian guest under vmd and show it
    Demo(demo::Options),
    /// Run all tests, or a part of them
    Test(test::Options),
    /// Measure, side by side with a peer or a floor
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Feed hostile input to the parsers for a while; needs a nightly compiler
    Fuzz(fuzz::Options),
    /// Install the programs, their manual pages and the files for the service manager
    Install(install::Options),
    /// Make a Debian package
    Package(package::Options),
    /// Install the packages and build the lab and the guest that demo and test need
    Prepare,
}

fn main() -> ExitCode {
    run(&Options::parse().task).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(task: &Task) -> Result<ExitCode> {
    match task {
        Task::Demo(options) => demo::run(options)?,
        Task::Test(options) => return test::run(options),
        Task::Bench(bench) => bench::run(bench)?,
        Task::Fuzz(options) => fuzz::run(options)?,
        Task::Install(options) => install::run(options)?,
        Task::Package(options) => package::run(options)?,
        Task::Prepare => prepare::run()?,
    }
    Ok(ExitCode::SUCCESS)
}
