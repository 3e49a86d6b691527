//! A machine that stands still for a while, and goes on as if no time had passed.

use hv::{ClockState, Vm, host_counter};

use crate::Machine;

/// Why a machine could not be paused, or could not go on. It stands still; all that is left is to halt it.
#[derive(Debug, thiserror::Error)]
#[error("the guest's clocks can not be kept")]
pub struct PauseError(#[from] hv::Error);

/// Where the guest's clocks stood when it was paused.
///
/// The clock of the date is not among them: it keeps the time of the world.
pub(crate) struct Clocks {
    clock: ClockState,
    /// The host's counter at that moment.
    counter: u64,
}

impl Clocks {
    /// Reads them while no processor runs.
    pub fn of(vm: &Vm) -> Result<Self, hv::Error> {
        Ok(Self { clock: vm.clock()?, counter: host_counter() })
    }
}

impl Machine {
    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Stops all processors and has the devices complete what they have begun. Pausing a paused machine does
    /// nothing.
    ///
    /// # Errors
    /// [`PauseError`].
    pub fn pause(&mut self) -> Result<(), PauseError> {
        if self.paused.is_none() {
            self.cpus.pause();
            self.each_device(|device| device.pause());
            self.paused = Some(Clocks::of(&self.vm)?);
        }
        Ok(())
    }

    /// Goes on after a pause; the guest's clocks go on from where they stood. Does nothing to a machine that is
    /// not paused.
    ///
    /// # Errors
    /// [`PauseError`].
    pub fn resume(&mut self) -> Result<(), PauseError> {
        let Some(clocks) = self.paused.take() else { return Ok(()) };
        // One number for all processors, or their counters would drift apart with each pause.
        let ticks = host_counter().wrapping_sub(clocks.counter);
        self.cpus.each(|_, vcpu| vcpu.set_counter_back(ticks))?;
        // After the counters, since KVM measures its clock by them.
        self.vm.set_clock(&clocks.clock)?;
        self.cpus.each(|_, vcpu| {
            vcpu.tell_of_pause();
            Ok::<_, hv::Error>(())
        })?;
        self.go_on();
        Ok(())
    }

    pub(crate) fn go_on(&self) {
        self.each_device(|device| device.resume());
        self.cpus.run();
    }
}
