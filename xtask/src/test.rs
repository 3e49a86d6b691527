//! `cargo xtask test`: everything that can be checked, part by part, and one count of it all.

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use vmd_tests::Lab;

use crate::libtest::Tally;
use crate::step::heading;
use crate::{cargo, checks, libtest, package, packages, prepare, where_to};

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Options {
    /// Only these parts
    parts: Vec<Part>,
}

/// What can be run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Formatting, lints, licences, documentation
    Checks,
    /// Tests of the crates, each by itself
    Unit,
    /// Tests of vmd with small guests on this machine's /dev/kvm, or in the lab where there is none
    Native,
    /// Tests of vmd with Debian guests in the lab
    Lab,
}

/// Runs the tests and shows the count as the last line. Each check is counted as a test.
///
/// # Errors
/// When something cannot be prepared. What fails is counted and shown, and makes the status.
pub fn run(options: &Options) -> Result<ExitCode> {
    let chosen = if options.parts.is_empty() { Part::value_variants() } else { &options.parts };
    prepare(chosen)?;
    let mut tally = Tally::default();
    for part in Part::value_variants().iter().filter(|part| chosen.contains(part)) {
        part.run(&mut tally)?;
    }
    report(&tally);
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Part {
    fn run(self, tally: &mut Tally) -> Result<()> {
        match self {
            Self::Checks => checks::run(tally)?,
            Self::Unit => unit(tally)?,
            Self::Native => native(tally)?,
            Self::Lab => lab(tally)?,
        }
        Ok(())
    }
}

/// What the parts need before they can run.
fn prepare(parts: &[Part]) -> Result<()> {
    heading("Preparing");
    packages::ensure(&[packages::FIRMWARE, packages::TEST])?;
    let whole_vmd = parts.iter().any(|part| matches!(part, Part::Native | Part::Lab));
    if whole_vmd {
        cargo::build_programs()?;
    }
    if whole_vmd || parts.contains(&Part::Unit) {
        cargo::build_guests()?;
    }
    if parts.contains(&Part::Lab) || (whole_vmd && where_to::kvm_error().is_some()) {
        prepare::guest()?;
        prepare::lab()?;
    }
    if parts.contains(&Part::Lab) {
        prepare::host()?;
    }
    Ok(())
}

fn unit(tally: &mut Tally) -> Result<()> {
    heading("Unit tests");
    libtest::cargo_test(tally, "unit tests", &["--workspace", "--exclude", "vmd-tests"])?;
    // The other tests of this package need a whole vmd.
    libtest::cargo_test(tally, "unit tests of the lab", &["--package", "vmd-tests", "--lib"])
}

fn native(tally: &mut Tally) -> Result<()> {
    heading("vmd with small guests");
    let Some(error) = where_to::kvm_error() else {
        return libtest::cargo_test(
            tally,
            "native KVM tests",
            &["--package", "vmd-tests", "--test", "whole"],
        );
    };
    println!("  /dev/kvm cannot be opened ({error}): these tests run in the lab.");
    let lab = Lab::boot(&vmd_tests::LabOptions::default())?;
    libtest::in_host(tally, "native KVM tests in the lab", "whole", &lab)
}

fn lab(tally: &mut Tally) -> Result<()> {
    heading("vmd with Debian guests in the lab");
    libtest::cargo_test_in_lab(tally, "lab tests", &["--package", "vmd-tests", "--test", "lab"])?;
    if let Err(error) = cargo::tool("cargo-deb") {
        println!("  NOT TESTED: the Debian package: {error:#}");
        tally.skip("the Debian package on a host with systemd", "cargo-deb cannot be installed");
        return Ok(());
    }
    package::for_tests()?;
    libtest::cargo_test_in_lab(
        tally,
        "package on a host with systemd",
        &["--package", "vmd-tests", "--test", "systemd"],
    )
}

fn report(tally: &Tally) {
    heading("Summary");
    for skipped in &tally.skipped {
        println!("  skipped: {}: {}", skipped.name, skipped.reason);
    }
    for name in &tally.repeated {
        println!("  REPEATED: {name}: it failed before it passed, see above");
    }
    for name in &tally.failures {
        println!("  FAILED: {name}");
    }
    println!("{tally}");
}
