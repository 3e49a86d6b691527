//! The clocks that the guest reads without asking: the counter of each processor, and the one that Linux takes
//! from KVM. They follow the host whether the guest runs or not; who lets a machine stand still puts them back
//! to where they stood before it goes on.

#![allow(unsafe_code)]

use std::ffi::c_ulong;
use std::time::Duration;
use std::{io, ptr};

use kvm_bindings::{KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, KVMIO, kvm_clock_data, kvm_device_attr};
use vmm_sys_util::ioctl::ioctl_with_ref;
use vmm_sys_util::ioctl_iow_nr;

use crate::{Error, Hardware, Vcpu, Vm};

// kvm-ioctls has them for devices only; processors answer to the same requests (linux/kvm.h, and
// Documentation/virt/kvm/devices/vcpu.rst, section 4).
ioctl_iow_nr!(KVM_SET_DEVICE_ATTR, KVMIO, 0xe1, kvm_device_attr);
ioctl_iow_nr!(KVM_GET_DEVICE_ATTR, KVMIO, 0xe2, kvm_device_attr);
ioctl_iow_nr!(KVM_HAS_DEVICE_ATTR, KVMIO, 0xe3, kvm_device_attr);

/// Where the machine's own clock stood.
pub struct ClockState(kvm_clock_data);

impl ClockState {
    /// How much time had passed by this clock.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.0.clock)
    }
}

impl Vm {
    /// Reads the clock.
    ///
    /// # Errors
    /// KVM's refusal.
    pub fn clock(&self) -> Result<ClockState, Error> {
        self.inner.fd.get_clock().map(ClockState).map_err(Error::of("read a machine's clock"))
    }

    /// Puts the clock back, so that for the guest no time has passed since it was read. No processor runs.
    ///
    /// # Errors
    /// KVM's refusal.
    pub fn set_clock(&self, state: &ClockState) -> Result<(), Error> {
        // Without a flag KVM does not add the time that has passed on the host.
        let clock = kvm_clock_data { clock: state.0.clock, ..Default::default() };
        self.inner.fd.set_clock(&clock).map_err(Error::of("set a machine's clock"))
    }
}

/// The host's counter, from which those of all processors are offsets.
pub fn host_counter() -> u64 {
    // SAFETY: every processor with which KVM works has the instruction.
    unsafe { std::arch::x86_64::_rdtsc() }
}

impl Vcpu {
    /// Takes `ticks` off the counter of a processor that does not run. Where that can not be done, with a kernel
    /// before 5.16 or a KVM that works without the processor's help, it is left as it is: a guest that keeps time
    /// by its counter alone sees the time that has passed.
    ///
    /// # Errors
    /// KVM's refusal.
    pub fn set_counter_back(&mut self, ticks: u64) -> Result<(), Error> {
        // Without that help the guest reads the host's counter, and KVM's clock would be told another one.
        if Hardware::detect() != Hardware::Native {
            return Ok(());
        }
        if self.counter_request(KVM_HAS_DEVICE_ATTR(), &mut 0).is_err() {
            return Ok(());
        }
        let mut offset = 0;
        self.counter_request(KVM_GET_DEVICE_ATTR(), &mut offset)
            .map_err(refused("read a processor's counter"))?;
        offset = offset.wrapping_sub(ticks);
        self.counter_request(KVM_SET_DEVICE_ATTR(), &mut offset).map_err(refused("set a processor's counter"))
    }

    /// A request about the offset between the host's counter and this processor's.
    fn counter_request(&self, request: c_ulong, offset: &mut u64) -> io::Result<()> {
        let attribute = kvm_device_attr {
            group: KVM_VCPU_TSC_CTRL,
            attr: KVM_VCPU_TSC_OFFSET.into(),
            addr: ptr::from_mut(offset) as u64,
            flags: 0,
        };
        // SAFETY: each of the three requests reads or writes at most the 8 bytes of `offset`.
        match unsafe { ioctl_with_ref(&self.fd, request, &attribute) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Tells the guest's kernel that it was made to stand still, so that its watchdogs do not take that for a
    /// processor that hangs. A guest which does not read KVM's clock is not told.
    pub fn tell_of_pause(&self) {
        // It fails exactly for such a guest.
        let _ = self.fd.kvmclock_ctrl();
    }
}

fn refused(call: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Call { call, source }
}
