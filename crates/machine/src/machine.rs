//! The machine as its owner has it.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use hv::{ControllerState, ProcessorState, Vcpu, Vm};
use proto::CpuCount;
use virtio::{Lifecycle, ThreadHook};

use crate::cpu::Cpus;
use crate::devices::Devices;
use crate::error::{HaltError, LoadError, ResetError};
use crate::event::{Events, MachineEvent};
use crate::firmware::Firmware;
use crate::legacy::Legacy;
use crate::memory::Memory;
use crate::pause::Clocks;
use crate::pci::PciBus;
use crate::sync::lock;
use crate::variables::WiredVariables;
use crate::{SerialOutput, acpi, boot, start};

/// What was opened for a machine.
pub struct Resources {
    /// `/dev/kvm`, open for reading and writing.
    pub kvm: OwnedFd,
    /// What it starts.
    pub boot: BootFiles,
    /// The variables of UEFI firmware, open for reading and writing and locked.
    pub variables: Option<File>,
    /// The disks in the order of the specification, open for reading and writing and locked.
    pub disks: Vec<File>,
    /// The disc in the CD-ROM drive, open for reading and locked. Whether there is a drive, the specification says.
    pub cdrom: Option<File>,
    /// Where the first serial line's output goes.
    pub console: Arc<dyn SerialOutput>,
    /// Called first thing in each thread that the machine makes.
    pub thread_hook: ThreadHook,
}

/// What was opened for a machine to start, for reading.
pub enum BootFiles {
    /// A kernel, which is read again at each reset, or a BIOS: its content tells.
    Image {
        /// The file.
        image: File,
        /// The initial RAM disk for a kernel.
        initrd: Option<File>,
    },
    /// Firmware.
    Firmware(File),
}

/// One computer. It belongs to one thread, which reacts to its events.
///
/// [`Machine::build`] makes all threads, maps all memory, and makes all descriptors. What comes after needs only
/// these system calls of the owner, besides those of the processors' and the disks' threads:
///
/// | call | for |
/// |---|---|
/// | `read` `write` | event descriptors |
/// | `futex` `getpid` `tgkill` `rt_sigprocmask` | pausing processors |
/// | `timerfd_settime` | the interrupts of the clock |
/// | `ioctl` | `KVM_IRQ_LINE` for input, the clock and the power button; for a reset `KVM_GET_MP_STATE`, `KVM_GET_SREGS`, `KVM_IOEVENTFD` and `KVM_SET_` `MP_STATE`, `REGS`, `XCRS`, `XSAVE`, `SREGS`, `DEBUGREGS`, `LAPIC`, `MSRS`, `VCPU_EVENTS`, `IRQCHIP`, `PIT2` |
/// | `ioctl` | to go on after a pause: `KVM_GET_CLOCK`, `KVM_SET_CLOCK`, `KVM_KVMCLOCK_CTRL`, `KVM_HAS_`, `KVM_GET_` and `KVM_SET_DEVICE_ATTR` |
/// | `fallocate` `pread64` `lseek` `statx` `read` | a reset: memory is cleared, a kernel is read again |
/// | `ioctl` | a reset to firmware: `KVM_SET_USER_MEMORY_REGION` |
/// | `fdatasync` `munmap` `close` | a halt |
/// | `mmap` `munmap` `mremap` `brk` `madvise` | the allocator |
///
/// Dropping a machine ends its threads without syncing the disks.
pub struct Machine {
    // Dropped in this order: nothing of the guest runs any more when the devices go.
    pub(crate) cpus: Cpus<Vcpu>,
    pub(crate) power_on: PowerOn,
    pub(crate) legacy: Legacy,
    pub(crate) devices: Devices,
    pub(crate) variables: Option<Arc<WiredVariables>>,
    pub(crate) pci: Arc<PciBus>,
    pub(crate) events: Arc<Events>,
    pub(crate) vm: Vm,
    pub(crate) memory: Memory,
    pub(crate) system: System,
    /// Its clocks, while it is paused.
    pub(crate) paused: Option<Clocks>,
}

/// The states to which a reset goes back.
pub(crate) struct PowerOn {
    pub processors: Vec<ProcessorState>,
    pub controllers: ControllerState,
}

/// What the guest starts from.
pub(crate) enum System {
    Kernel(Kernel),
    Firmware(Firmware),
}

/// A kernel: files that are kept so that it can be loaded again.
pub(crate) struct Kernel {
    pub image: File,
    pub name: String,
    pub initrd: Option<File>,
    pub initrd_name: String,
    pub cmdline: String,
    pub boot_mac: Option<[u8; 6]>,
    pub cpus: CpuCount,
}

impl Kernel {
    /// Puts the kernel into memory that is all zeroes and says how the first processor starts.
    pub fn load(&self, memory: &Memory) -> Result<hv::StartState, LoadError> {
        let ram = memory.ram();
        let rsdp = acpi::write(ram, self.cpus)?;
        let entry = boot::load(ram, self.source(), rsdp)?;
        Ok(start::prepare(ram, entry)?)
    }

    fn source(&self) -> boot::Source<'_> {
        boot::Source {
            kernel: &self.image,
            kernel_name: &self.name,
            initrd: self.initrd.as_ref(),
            initrd_name: &self.initrd_name,
            cmdline: &self.cmdline,
            boot_mac: self.boot_mac,
        }
    }
}

impl Machine {
    /// Lets the guest run.
    pub fn start(&mut self) {
        self.cpus.run();
    }

    /// Readable as long as [`Machine::next_event`] has something to say.
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// What happened since the last call, the most serious first; `None` when there is nothing new.
    pub fn next_event(&mut self) -> Option<MachineEvent> {
        if self.events.timer().has_expired() {
            self.legacy.tick();
        }
        self.events.next()
    }

    /// Resets the machine, as its reset button would: the same processors, memory, devices and files, all in
    /// their power-on state. It runs on return, unless it is paused. What is on the disks stays; input for the serial line that
    /// the guest has not read is lost.
    ///
    /// # Errors
    /// [`ResetError`]: the machine stands still, halt it.
    pub fn reset(&mut self) -> Result<(), ResetError> {
        self.cpus.pause();
        self.each_device(|device| device.pause());
        self.each_device(|device| device.reset());
        // From here on KVM writes to no page that the guest had named.
        let states = &self.power_on.processors;
        self.cpus.each(|index, vcpu| states.get(index).map_or(Ok(()), |state| vcpu.reset(state)))?;
        self.vm.reset_controllers(&self.power_on.controllers)?;
        self.memory.clear()?;
        self.load()?;
        self.events.forget_reset();
        match self.paused {
            // Its clocks begin anew when it goes on.
            Some(_) => self.paused = Some(Clocks::of(&self.vm)?),
            None => self.go_on(),
        }
        Ok(())
    }

    /// Presses the power button.
    pub fn power_button(&self) {
        self.legacy.power_button();
    }

    /// Input for the guest on its first serial line. The number of bytes that were taken; the rest can come
    /// again after [`MachineEvent::SerialRoom`].
    pub fn serial_input(&self, bytes: &[u8]) -> usize {
        self.legacy.serial_input(bytes)
    }

    /// A break on the first serial line.
    pub fn serial_break(&self) {
        self.legacy.serial_break();
    }

    /// Ends the machine: the processors stop, the devices complete what they have begun, the disks are
    /// synced, the threads end.
    ///
    /// # Errors
    /// [`HaltError`]: a disk could not be synced.
    pub fn halt(self) -> Result<(), HaltError> {
        self.cpus.pause();
        self.each_device(|device| device.pause());
        // All of them, whatever comes of the first.
        let synced: Vec<_> = self.devices.disks.iter().map(disk::Syncer::sync).collect();
        for (index, result) in synced.into_iter().enumerate() {
            result.map_err(|source| HaltError { index, source })?;
        }
        Ok(())
    }

    pub(crate) fn each_device(&self, act: impl Fn(&mut dyn Lifecycle)) {
        for function in self.devices.functions.values() {
            act(&mut *lock(function));
        }
        if let Some(variables) = &self.variables {
            act(&mut variables.as_ref());
        }
        self.legacy.each(&act);
        if let System::Firmware(firmware) = &self.system {
            firmware.each(act);
        }
    }
}
