//! `cargo xtask bench boot`: from a command to the first line of a Linux guest's init, beside QEMU.

use std::time::Duration;

use anyhow::{Context, Result};
use vmd_tests::{Daemon, Direct, Host, Lab, LabOptions, initramfs, paths, quote};

use super::sample::{Sample, header, row};
use crate::step::{heading, step};
use crate::{cargo, kernels, packages, prepare, where_to};

/// What the guest's init prints first.
const FIRST_LINE: &str = "init is here";
/// The guest's kernel command line.
const CMDLINE: &str = "console=ttyS0 quiet panic=-1";
/// How long one boot may take.
const LIMIT: Duration = Duration::from_secs(120);
/// Where the daemon keeps its things on the host.
const DIRECTORY: &str = "/tmp/vmd-bench";

/// The switch of huge pages for memory like that of vmd's guests, a memfd. Hosts come with it off, and QEMU's guests have
/// huge pages without it; `vmd` says so where it is off. In the lab it is switched on, as an administrator would.
const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

/// Options of `cargo xtask bench boot`.
#[derive(clap::Args)]
pub struct Options {
    /// How often each contender boots
    #[arg(long, default_value_t = 7)]
    rounds: usize,
}

/// Measures and prints.
///
/// # Errors
/// When a contender does not boot.
pub fn run(options: &Options) -> Result<()> {
    heading("Preparing");
    packages::ensure(&[packages::INITRAMFS, packages::GUEST, packages::LAB])?;
    cargo::build_programs()?;
    let kernel = step("kernel of the guest", kernels::guest_kernel)?;
    let initrd = paths::target_dir()?.join("bench.initrd");
    let init = format!("#!/bin/busybox sh\necho {FIRST_LINE}\nexec /bin/busybox sleep 1000000\n");
    initramfs::write(&initrd, &kernel, &init, &[], &[])?;
    let guest = Guest { kernel: text(&kernel.image())?, initrd: text(&initrd)? };
    let host: Box<dyn Host> = match where_to::reason_for_the_lab() {
        None => Box::new(Direct),
        Some(reason) => {
            println!("  {reason}: this runs in the lab");
            prepare::guest()?;
            prepare::lab()?;
            let lab = step("lab host", || Lab::boot(&LabOptions::default()))?;
            lab.run(&format!("echo advise >{HUGE_PAGES}"))?.success()?;
            Box::new(lab)
        }
    };
    heading("Boot: Debian's cloud kernel to the first line of init, 256 MiB, 1 processor");
    println!(
        "  huge pages for memfds on this host: {}",
        host.run(&format!("cat {HUGE_PAGES}"))?.stdout.trim()
    );
    measure(&*host, &guest, options.rounds)
}

/// The files of the guest, as shell words.
struct Guest {
    kernel: String,
    initrd: String,
}

fn measure(host: &dyn Host, guest: &Guest, rounds: usize) -> Result<()> {
    // One machine for each round, for a machine that starts too often in a short time is refused.
    let conf: String = (1..=rounds).map(|round| guest.machine(round)).collect();
    let daemon = Daemon::start(host, DIRECTORY, &conf)?;
    let vmctl = daemon.vmctl_command();
    let (mut ours, mut qemus) = (Sample::default(), Sample::default());
    for round in 1..=rounds {
        ours.add(time(host, &format!("{vmctl} start -c bench{round}"))?);
        host.run(&format!("{vmctl} stop -fw bench{round}"))?.success()?;
        qemus.add(time(host, &qemu(guest))?);
        host.run("pkill qemu-system; true")?;
        println!("  round {round} of {rounds}");
    }
    println!("{}", header("QEMU"));
    println!("{}", row("vmctl start", &ours, &qemus));
    println!("{}", row("QEMU, q35 with KVM, direct boot", &qemus, &qemus));
    daemon.stop()
}

impl Guest {
    /// The machine of one round in vm.conf, whose quotes are as good as a shell's.
    fn machine(&self, round: usize) -> String {
        format!(
            "vm \"bench{round}\" {{\n disable\n memory 256M\n boot {}\n initrd {}\n cmdline \"{CMDLINE}\"\n}}\n",
            self.kernel, self.initrd
        )
    }
}

/// The time until a command prints the guest's first line, by the host's own clock.
fn time(host: &dyn Host, command: &str) -> Result<Duration> {
    let seen = format!("grep -q -m1 {}", quote(FIRST_LINE));
    // Its input stays open and silent. The command itself may live on; it is not waited for.
    let timed = format!(
        "f=$(mktemp -u) && mkfifo $f $f.in && exec 3<>$f.in && s=$(date +%s%N) && \
         {{ {command} <&3 >$f 2>&1 & }} && {seen} <$f && e=$(date +%s%N) && rm $f $f.in && echo $((e - s))"
    );
    let output = host.run_within(&timed, LIMIT)?.success()?;
    let nanoseconds =
        output.stdout.trim().parse().with_context(|| format!("no time in {:?}", output.stdout))?;
    Ok(Duration::from_nanos(nanoseconds))
}

fn qemu(guest: &Guest) -> String {
    format!(
        "qemu-system-x86_64 -machine q35 -enable-kvm -cpu host -m 256 -smp 1 -nodefaults -no-user-config -display none \
         -serial stdio -no-reboot -kernel {} -initrd {} -append {}",
        guest.kernel,
        guest.initrd,
        quote(CMDLINE)
    )
}

fn text(path: &std::path::Path) -> Result<String> {
    Ok(quote(path.to_str().context("the target directory has a name that is not UTF-8")?))
}
