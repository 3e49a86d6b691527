//! An emulated machine that runs, and the agent in it.

use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::port::Ports;
use super::qemu::{self, Hardware, Logs};

/// How often it is looked whether a machine has ended.
const LOOK: Duration = Duration::from_millis(50);

/// A machine whose agent takes commands. It is gone when this is dropped.
pub struct Machine {
    qemu: Mutex<Child>,
    ports: Arc<Ports>,
    logs: Arc<Logs>,
}

impl Machine {
    /// Starts a machine with its sockets and logs in `directory`, and waits for its agent.
    ///
    /// # Errors
    /// When QEMU cannot be run, and when no agent answers in time: with what the machine wrote to its console.
    pub fn boot(directory: &Path, hardware: &Hardware<'_>, limit: Duration) -> Result<Self> {
        let qemu = qemu::start(directory, hardware)?;
        let logs = Arc::new(Logs::open(directory).context("cannot open the logs of the lab")?);
        // From here on dropping it ends QEMU.
        let mut machine = Self { qemu: Mutex::new(qemu), ports: Arc::new(Ports::new(logs.clone())), logs };
        let failed = || format!("the lab did not start\n{}", machine.logs);
        let ports = Ports::connect(directory, machine.logs.clone(), limit).with_context(failed)?;
        machine.ports = Arc::new(ports);
        Ok(machine)
    }

    /// The connections to its agent.
    pub fn ports(&self) -> &Arc<Ports> {
        &self.ports
    }

    /// What it has written so far.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Waits until the machine has switched itself off; `None` if it has not after `limit`.
    ///
    /// # Errors
    /// When QEMU cannot be waited for.
    pub fn wait(&self, limit: Duration) -> Result<Option<ExitStatus>> {
        let start = Instant::now();
        loop {
            let status = self.qemu().try_wait().context("cannot wait for QEMU")?;
            if status.is_some() || start.elapsed() > limit {
                return Ok(status);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Ends it at once, as pulling its plug would.
    pub fn end(&self) {
        let mut qemu = self.qemu();
        // Failing means that it has ended already.
        let _ = qemu.kill();
        let _ = qemu.wait();
    }

    fn qemu(&self) -> MutexGuard<'_, Child> {
        self.qemu.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end();
    }
}
