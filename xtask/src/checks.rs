//! Checks of the source that run no test: formatting, lints, licences, documentation.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::cargo::{self, cargo, workspace};
use crate::libtest::Tally;
use crate::step::{heading, logged, step};

/// How cargo-deny begins its message when it cannot get the list of known faults in crates.
const NO_ADVISORIES: &str = "failed to fetch advisory database";

/// A link to a private item is fine here, where private items are documented.
const RUSTDOCFLAGS: &str = "--deny warnings --allow rustdoc::private-intra-doc-links";

/// Runs them all; each is counted as one test.
///
/// # Errors
/// When the workspace or the target directory cannot be found.
pub fn run(tally: &mut Tally) -> Result<()> {
    heading("Checks");
    check(tally, "formatting", cargo()?.args(["fmt", "--all", "--check"]));
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    check(tally, "lints", cargo()?.args(clippy));
    let doc = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    check(tally, "documentation", cargo()?.args(doc).env("RUSTDOCFLAGS", RUSTDOCFLAGS));
    match cargo::tool("cargo-deny") {
        Ok(program) => deny(tally, &program),
        Err(error) => {
            println!("  NOT CHECKED: licences, bans, sources, advisories: {error:#}");
            tally.skip("licences, bans, sources, advisories", "cargo-deny cannot be installed");
            Ok(())
        }
    }
}

fn deny(tally: &mut Tally, program: &PathBuf) -> Result<()> {
    let command = |checks: &[&str]| -> Result<Command> {
        let mut command = Command::new(program);
        command.current_dir(workspace()?).arg("check").args(checks);
        Ok(command)
    };
    check(tally, "licences, bans, sources", &mut command(&["licenses", "bans", "sources"])?);
    let output = command(&["advisories"])?.output()?;
    if String::from_utf8_lossy(&output.stderr).contains(NO_ADVISORIES) {
        println!("  NOT CHECKED: advisories: their database cannot be fetched from here");
        tally.skip("advisories", "the advisory database cannot be fetched from here");
        return Ok(());
    }
    check(tally, "advisories", &mut command(&["advisories"])?);
    Ok(())
}

/// Runs a command as one test.
fn check(tally: &mut Tally, name: &str, command: &mut Command) {
    match step(name, || logged(name, command)) {
        Ok(()) => tally.passed += 1,
        Err(error) => {
            tally.failed += 1;
            tally.failures.push(name.to_owned());
            println!("{error:#}");
        }
    }
}
