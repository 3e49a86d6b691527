//! `cargo xtask bench conf`: a configuration of many virtual machines, read, checked and resolved by `vmd -n`.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use vmd_tests::paths;

use super::sample::{Sample, header, row};
use crate::cargo;
use crate::step::heading;

/// One block in so many is an instance of the one before it.
const INSTANCE_EVERY: usize = 10;

/// Options of `cargo xtask bench conf`.
#[derive(clap::Args)]
pub struct Options {
    /// How many blocks the file has
    #[arg(long, default_value_t = 10_000)]
    blocks: usize,
    /// How often each file is read
    #[arg(long, default_value_t = 20)]
    rounds: usize,
}

/// Measures and prints.
///
/// # Errors
/// When the files can not be written, or vmd does not take them.
pub fn run(options: &Options) -> Result<()> {
    heading("Preparing");
    cargo::build_programs()?;
    let files = Files::write(options.blocks)?;
    let vmd = paths::program("vmd")?;
    let (mut floor, mut many) = (Sample::default(), Sample::default());
    for _ in 0..options.rounds {
        floor.add(time(&vmd, &files.empty)?);
        many.add(time(&vmd, &files.many)?);
    }
    heading(&format!("Configuration: vmd -n with {} blocks", options.blocks));
    println!("{}", header("floor"));
    println!("{}", row("(a) floor: an empty file", &floor, &floor));
    println!("{}", row(&format!("(b) {} blocks", options.blocks), &many, &floor));
    let net = many.median().saturating_sub(floor.median());
    println!("  {}", summary(options.blocks, net));
    Ok(())
}

fn summary(blocks: usize, net: Duration) -> String {
    let rate = blocks as f64 / net.as_secs_f64().max(f64::EPSILON);
    format!("(b) - (a): {:.2} ms, {rate:.0} blocks/s", net.as_secs_f64() * 1000.0)
}

fn time(vmd: &Path, file: &Path) -> Result<Duration> {
    let start = Instant::now();
    let status = Command::new(vmd).arg("-n").arg("-f").arg(file).stderr(Stdio::null()).status()?;
    let time = start.elapsed();
    ensure!(status.success(), "vmd -n -f {} failed: {status}", file.display());
    Ok(time)
}

/// The files, in a directory of their own that is removed with this.
struct Files {
    directory: PathBuf,
    empty: PathBuf,
    many: PathBuf,
}

impl Files {
    fn write(blocks: usize) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("vmd-bench-conf-{}", std::process::id()));
        fs::create_dir(&directory)?;
        let files = Self { empty: directory.join("empty"), many: directory.join("many"), directory };
        fs::write(&files.empty, "")?;
        // What a machine needs only has to exist.
        fs::write(&files.many, configuration(blocks, &files.empty)?)?;
        Ok(files)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Files that stay behind in the temporary directory do no harm.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn configuration(blocks: usize, file: &Path) -> Result<String> {
    let file = file.display();
    let mut text = format!("kernel = \"{file}\"\nswitch \"uplink\" {{ interface bridge0 }}\n");
    for nth in 0..blocks {
        match nth.checked_sub(1).filter(|_| nth % INSTANCE_EVERY == INSTANCE_EVERY - 1) {
            Some(template) => writeln!(text, "vm \"vm{template}\" instance \"vm{nth}\" {{ memory 1G }}")?,
            None => write!(
                text,
                "vm \"vm{nth}\" {{\n\tmemory 512M\n\tcpus 2\n\tboot $kernel\n\tcmdline \"console=ttyS0 \
                 root=/dev/vda\"\n\tdisk \"{file}\" format raw\n\tinterface {{ switch \"uplink\" }}\n\towner \
                 root\n}}\n"
            )?,
        }
    }
    Ok(text)
}
