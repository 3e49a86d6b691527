//! A vmd of one's own on a host, with a directory of its own, and vmctl to talk to it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::host::{Host, Output, quote};
use crate::{Console, paths};

/// How long vmd may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take to its end: the guests' grace, what follows it, and a bit.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A running vmd. Dropping it ends it, and its guests with it, without asking them.
pub struct Daemon<'a> {
    host: &'a dyn Host,
    directory: String,
    pid: Option<u32>,
    vmctl: String,
}

impl<'a> Daemon<'a> {
    /// Starts vmd in `directory`, which is made if it is not there, with this configuration.
    ///
    /// # Errors
    /// When it does not answer vmctl in time: with its log.
    pub fn start(host: &'a dyn Host, directory: &str, conf: &str) -> Result<Self> {
        let vmctl = program("vmctl")?;
        let vmctl = format!("{vmctl} -s {}", quote(&format!("{directory}/run/vmd.sock")));
        let mut daemon = Self { host, directory: directory.to_owned(), pid: None, vmctl };
        host.run(&daemon.configure_command(conf))?.success()?;
        let started = host.run(&daemon.start_command()?)?.success()?;
        daemon.pid = Some(started.stdout.trim().parse().context("no process id of vmd")?);
        daemon.wait_for_answer()?;
        Ok(daemon)
    }

    /// Runs `vmctl` with these arguments, which are shell text.
    ///
    /// # Errors
    /// When the host does not answer.
    pub fn vmctl(&self, arguments: &str) -> Result<Output> {
        self.host.run_within(&format!("{} {arguments}", self.vmctl), Duration::from_secs(120))
    }

    /// Runs `vmctl` with these arguments on a terminal.
    ///
    /// # Errors
    /// When the host does not answer.
    pub fn vmctl_console(&self, arguments: &str) -> Result<Console> {
        self.host.console(&format!("exec {} {arguments}", self.vmctl))
    }

    /// The beginning of a command line that runs `vmctl` on this vmd.
    pub fn vmctl_command(&self) -> &str {
        &self.vmctl
    }

    /// What vmd has written to its standard error.
    pub fn log(&self) -> String {
        let log = self.host.run(&format!("cat {}", self.file("vmd.log")));
        log.map_or_else(|error| error.to_string(), |output| output.stdout)
    }

    /// Process id of the parent process.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Ends vmd the way a host does that goes down, and waits for its end.
    ///
    /// # Errors
    /// When it does not end in time: with its log.
    pub fn stop(mut self) -> Result<()> {
        self.terminate()
    }

    /// Lets vmd and its guests run on.
    pub fn leave(mut self) {
        self.pid = None;
    }

    fn terminate(&mut self) -> Result<()> {
        let Some(pid) = self.pid.take() else { return Ok(()) };
        let command = format!("kill -TERM {pid} && tail --pid={pid} -f /dev/null");
        let ended = self.host.run_within(&command, STOP_LIMIT)?.success();
        ended.map(drop).with_context(|| format!("vmd did not end; its log:\n{}", self.log()))
    }

    fn wait_for_answer(&self) -> Result<()> {
        let start = Instant::now();
        while !self.answers()? {
            ensure!(start.elapsed() < START_LIMIT, "vmd does not answer; its log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Whether vmctl reaches vmd.
    fn answers(&self) -> Result<bool> {
        let pid = self.pid.unwrap_or_default();
        let alive = self.host.run(&format!("kill -0 {pid}"))?.status == 0;
        ensure!(alive, "vmd has ended; its log:\n{}", self.log());
        // The status alone would not do: it is 1 without a daemon and also without a machine.
        let refused = format!("{} status 2>&1 | grep -q '^vmctl: connect: '", self.vmctl);
        Ok(self.host.run(&refused)?.status != 0)
    }

    fn configure_command(&self, conf: &str) -> String {
        let conf = quote(conf);
        format!("mkdir -p {} && printf %s {conf} >{}", self.file("run"), self.file("vm.conf"))
    }

    /// Puts vmd into the background and prints its process id.
    fn start_command(&self) -> Result<String> {
        let vmd = program("vmd")?;
        let (conf, run, log) = (self.file("vm.conf"), self.file("run"), self.file("vmd.log"));
        // Without the account that vmd has by default another one without rights will do.
        let account = "$(grep -q '^_vmd:' /etc/passwd || echo --user nobody)";
        Ok(format!(
            "setsid {vmd} -d -f {conf} --runtime-dir {run} {account} </dev/null >{log} 2>&1 & echo $!"
        ))
    }

    fn file(&self, name: &str) -> String {
        quote(&format!("{}/{name}", self.directory))
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        // Somebody else's error is on its way already, or the host is gone.
        if self.pid.is_some() {
            let _ = self.vmctl("stop -fwa");
            let _ = self.terminate();
            // Guests outlive a vmd that did not come to an orderly end, and nobody would adopt them here.
            let _ = self.host.run(&format!("pkill -KILL -f -- --role-root={}/", self.file("run")));
        }
    }
}

fn program(name: &str) -> Result<String> {
    let path = paths::program(name)?;
    Ok(quote(path.to_str().context("the target directory has a name that is not UTF-8")?))
}
