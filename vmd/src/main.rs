//! vmd(8), the virtual machine daemon.
//!
//! One program in several roles, each a process of its own: it executes itself again for each of them
//! (`role.rs` is the table of the roles and of what each may do). Without a role it is the command that the
//! administrator types: it checks what can be checked and then becomes the parent, or starts one in the
//! background.

mod background;
mod control;
mod link;
mod log;
mod notify;
mod options;
mod parent;
mod privileged;
mod role;
mod vm;
mod vmm;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use privsep::event::Signals;
use privsep::{Channel, Executable, close_stray_descriptors, inherited_channel};

use log::Sink;
use notify::Notifier;
use options::{Inherited, Options};
use parent::accounts::{self, Account};
use parent::config::Source;
use parent::{Ending, RuntimeDir, Service, Starter};
use role::Role;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

/// The exit status of a daemon that another one has to follow: `EX_TEMPFAIL` of sysexits.h. A service manager that
/// restarts what failed starts that one.
const HANDED_OVER: u8 = 75;

/// The switch of huge pages for shared memory.
const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

fn main() -> ExitCode {
    let mut options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // Nothing is left to do about a closed standard error.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    options.inherited.log = match sink(&options) {
        Ok(sink) => sink,
        // Nobody can be told.
        Err(_) => return ExitCode::FAILURE,
    };
    log::start(&title(), options.inherited.log, options.verbose);
    match run(&options) {
        Ok(Ending::Down) => ExitCode::SUCCESS,
        Ok(Ending::HandedOver) => ExitCode::from(HANDED_OVER),
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Where this process logs: a role of a daemon, where it was told.
fn sink(options: &Options) -> std::io::Result<Sink> {
    match options.role.as_deref().and_then(Role::from_name) {
        Some(Role::Parent) => log::to_system(),
        Some(_) => Ok(options.inherited.log),
        None if options.foreground && !options.check_only => {
            Ok(log::to_journal_of_stderr(std::env::var("JOURNAL_STREAM").ok().as_deref()))
        }
        None => Ok(Sink::Terminal),
    }
}

/// The name of this process in the log: a role's is the end of its title.
fn title() -> String {
    let title = std::env::args().next().unwrap_or_default();
    title.strip_prefix("vmd: ").unwrap_or("vmd").to_owned()
}

fn run(options: &Options) -> anyhow::Result<Ending> {
    match options.role.as_deref() {
        None => command(options),
        Some(name) => be(name, options),
    }
}

/// What the administrator typed.
fn command(options: &Options) -> anyhow::Result<Ending> {
    if options.check_only {
        let config = parent::config::load(&Source::new(options)?, options.inherited.log)?;
        if options.verbose > 0 {
            std::io::stdout().write_all(config.to_text().as_bytes()).context("standard output")?;
        }
        eprintln!("configuration OK");
        return Ok(Ending::Down);
    }
    close_stray_descriptors()?;
    check_host(options)?;
    if options.foreground {
        return daemon(options, &mut || Ok(()));
    }
    parent::config::load(&Source::new(options)?, options.inherited.log)?;
    background::start(options).map(|()| Ending::Down)
}

/// Becomes a role.
fn be(name: &str, options: &Options) -> anyhow::Result<Ending> {
    let role = Role::from_name(name).with_context(|| format!("there is no role {name:?}"))?;
    let channel = inherited_channel().context("a role is started by vmd itself")?;
    if matches!(role, Role::Control | Role::Priv | Role::Vmm) {
        // Told to all processes of a service at once, these signals are the parent's: a role ends with its channel.
        drop(Signals::new(&[Signal::TERM, Signal::INT, Signal::HUP])?);
    }
    let confine = || role.confine(options.inherited.account(), &options.inherited.role_root);
    match role {
        Role::Parent => return background::run(channel, |ready| daemon(options, ready)),
        Role::Control => confine().and_then(|()| control::run(Channel::from_fd(channel)?)),
        Role::Priv => confine().and_then(|()| privileged::run(Channel::from_fd(channel)?)),
        Role::Vmm => {
            let exe = Executable::open()?;
            confine()?;
            vmm::run(Channel::from_fd(channel)?, exe, options.for_role(Role::Vm.name(), &options.inherited))
        }
        Role::Vm => confine().and_then(|()| vm::run(Channel::from_fd(channel)?)),
    }?;
    Ok(Ending::Down)
}

/// Runs the daemon until it ends. `ready` is called when clients can come.
fn daemon(options: &Options, ready: &mut dyn FnMut() -> anyhow::Result<()>) -> anyhow::Result<Ending> {
    let account = account(&options.user)?;
    raise_descriptor_limit();
    // Before the working directory changes.
    let source = Source::new(options)?;
    let state_dir = std::path::absolute(options.state_dir())?;
    let config = parent::config::load(&source, options.inherited.log)?;
    let exe = Executable::open()?;
    let dir = RuntimeDir::open(&options.runtime_dir())?;
    let inherited = Inherited {
        role_uid: account.uid,
        role_gid: account.gid,
        role_root: dir.empty(),
        log: options.inherited.log,
    };
    let notifier = Notifier::from_environment().context("the socket of the service manager")?;
    let service = Service::new(notifier, options.successor()?);
    let starter = Starter { exe, options, inherited, state_dir };
    std::env::set_current_dir("/")?;
    parent::run(&starter, dir, source, config, service, ready)
}

/// Every machine needs some descriptors in vmm, and more in the parent while it waits for its process. The usual soft
/// limit is for programs that use select(2).
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(why) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!("cannot raise the limit of open files: {why}; it may be too low for many machines");
    }
}

/// Finds out early, in words that help, what would fail later in others.
fn check_host(options: &Options) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("vmd must be started by root; `vmd -n` checks a configuration without that");
    }
    account(&options.user)?;
    if let Err(refusal) = parent::kvm() {
        bail!("{}", refusal.message);
    }
    if !has_hardware_virtualization()? {
        tracing::warn!(
            "this processor offers neither VMX nor SVM: /dev/kvm runs guest kernels in software here, a thousand \
             times slower and with instructions missing; small test guests run, ordinary operating systems do not"
        );
    }
    if !has_huge_pages() {
        tracing::info!(
            "guests run without huge pages, and slower; `echo advise >{HUGE_PAGES}` lets them have some"
        );
    }
    Ok(())
}

fn account(name: &str) -> anyhow::Result<Account> {
    let found = accounts::user(name).context("/etc/passwd")?;
    found.with_context(|| {
        format!(
            "there is no user \"{name}\" for the parts of vmd that need no privilege; create it with `useradd --system \
             --no-create-home --shell /usr/sbin/nologin {name}`, or name another account with --user"
        )
    })
}

/// Whether memory like that of the guests, a memfd, gets huge pages when it asks for them. A kernel that does not
/// say can not be told.
fn has_huge_pages() -> bool {
    std::fs::read_to_string(HUGE_PAGES)
        .map_or(true, |modes| !modes.contains("[never]") && !modes.contains("[deny]"))
}

fn has_hardware_virtualization() -> anyhow::Result<bool> {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
    Ok(cpuinfo.lines().filter(|line| line.starts_with("flags")).any(|line| {
        let (_, flags) = line.split_once(':').unwrap_or_default();
        flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm")
    }))
}
