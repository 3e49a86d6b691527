//! A vm process without a daemon: this task plays vmm.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use privsep::{Channel, Child, Executable, spawn};
use proto::{MemorySize, Slot, VmId, VmName, VmSpec, VmToVmm, VmmToVm};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// How long the process may take to say that it runs.
const READY_LIMIT: Duration = Duration::from_secs(10);

/// A running vm process with a user at its console.
pub struct Alone {
    child: Child,
    // Closed after the process is killed; without it the process would wait for a daemon.
    _channel: Channel<VmmToVm, VmToVmm>,
    /// From before its start to its guest's first byte.
    pub time: Duration,
}

impl Alone {
    /// Starts the program `vmd` as a vm and waits for the guest's first byte.
    ///
    /// # Errors
    /// When the machine does not come up.
    pub fn start(vmd: &Executable, kernel: &Path, mebibytes: u32) -> Result<Self> {
        let (slots, descriptors, mut user) = resources(kernel)?;
        let mut spec = VmSpec::new(VmName::new("bench")?);
        spec.memory = MemorySize::from_bytes(u64::from(mebibytes) << 20)?;
        spec.boot = Some(kernel.to_owned());
        let start = Instant::now();
        let (mut channel, theirs) = Channel::pair()?;
        let child = spawn(vmd, "vmd: vm/bench", &["--role=vm"], theirs)?;
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        channel.send(&VmmToVm::Hello { id: VmId(1), spec: Box::new(spec), slots }, &descriptors)?;
        match channel.recv_wait(READY_LIMIT)?.0 {
            VmToVmm::Ready => {}
            other => bail!("the vm process said {other:?}"),
        }
        user.read_exact(&mut [0]).context("the console closed")?;
        Ok(Self { child, _channel: channel, time: start.elapsed() })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.pid().as_raw_nonzero().get().unsigned_abs()
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        // Its end is all that matters.
        let _ = self.child.kill(rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

/// What the parent would open, and the user's side of the console.
fn resources(kernel: &Path) -> Result<(Vec<Slot>, Vec<OwnedFd>, File)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    unlockpt(&master)?;
    let user = ioctl_tiocgptpeer(&master, flags)?;
    let mut termios = tcgetattr(&user)?;
    termios.make_raw();
    tcsetattr(&user, OptionalActions::Now, &termios)?;
    rustix::io::ioctl_fionbio(&master, true)?;
    let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::NONBLOCK, None)?;
    // Without a name it gets one of its own, which is nowhere in the file system.
    bind(&listener, &SocketAddrUnix::new_unnamed())?;
    let kvm = File::options().read(true).write(true).open("/dev/kvm").context("/dev/kvm")?;
    let slots = vec![Slot::Kvm, Slot::Kernel, Slot::Console, Slot::Listener];
    Ok((slots, vec![kvm.into(), File::open(kernel)?.into(), master, listener], user.into()))
}
