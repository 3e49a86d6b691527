//! The whole state of a processor and of the interrupt controllers, read once at power-on and put back by a
//! reset.

#![allow(unsafe_code)]

use kvm_bindings::{
    KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, kvm_debugregs, kvm_irqchip,
    kvm_lapic_state, kvm_mp_state, kvm_msr_entry, kvm_pit_state2, kvm_regs, kvm_sregs, kvm_vcpu_events,
    kvm_xcrs, kvm_xsave,
};

use crate::{Error, Vcpu, Vm, msr};

/// Registers of a processor, its local APIC included.
pub struct ProcessorState {
    regs: kvm_regs,
    sregs: kvm_sregs,
    xsave: Box<kvm_xsave>,
    xcrs: kvm_xcrs,
    debug: kvm_debugregs,
    msrs: Vec<kvm_msr_entry>,
    lapic: kvm_lapic_state,
    events: kvm_vcpu_events,
    run: kvm_mp_state,
}

/// The time-stamp counter. Put back as 0, which KVM takes as "in step with the other processors".
const TSC: u32 = 0x10;
/// The deadline of the local APIC's timer; counts only once the APIC is in the right mode.
const TSC_DEADLINE: u32 = 0x6E0;

/// The inputs of the second 8259 that can be level triggered, from input 8 on: not those of clock and coprocessor.
const LEVEL_BITS: u8 = 0xDE;

const READ: &str = "read a processor's state";
const SET: &str = "set a processor's state";

impl Vcpu {
    /// Reads the state of a processor that does not run.
    ///
    /// # Errors
    /// KVM's refusal.
    pub fn state(&self) -> Result<ProcessorState, Error> {
        let fd = &self.fd;
        Ok(ProcessorState {
            // First, since it also has the processor take a start message that is on its way.
            run: fd.get_mp_state().map_err(Error::of(READ))?,
            regs: fd.get_regs().map_err(Error::of(READ))?,
            sregs: fd.get_sregs().map_err(Error::of(READ))?,
            xsave: Box::new(fd.get_xsave().map_err(Error::of(READ))?),
            xcrs: fd.get_xcrs().map_err(Error::of(READ))?,
            debug: fd.get_debug_regs().map_err(Error::of(READ))?,
            msrs: msr::read(fd, &self.vm.features.msrs)?,
            lapic: fd.get_lapic().map_err(Error::of(READ))?,
            events: fd.get_vcpu_events().map_err(Error::of(READ))?,
        })
    }

    /// Brings a processor that does not run back into its power-on state, as read by [`Vcpu::state`].
    /// Afterwards KVM writes to no place in memory that the guest had named (clock pages and the like are
    /// registers that were 0).
    ///
    /// # Errors
    /// KVM's refusal.
    pub fn reset(&mut self, power_on: &ProcessorState) -> Result<(), Error> {
        let fd = &self.fd;
        // Has the processor take a start message that is on its way, so that it does not come afterwards.
        fd.get_mp_state().map_err(Error::of(READ))?;
        fd.set_mp_state(power_on.run).map_err(Error::of(SET))?;
        fd.set_regs(&power_on.regs).map_err(Error::of(SET))?;
        fd.set_xcrs(&power_on.xcrs).map_err(Error::of(SET))?;
        // SAFETY: the structure has the 4 KiB that KVM reads: features with larger state need a permission
        // that this process never asks for.
        unsafe { fd.set_xsave(&power_on.xsave) }.map_err(Error::of(SET))?;
        // The mode of the local APIC is in here and must be right before its registers.
        fd.set_sregs(&power_on.sregs).map_err(Error::of(SET))?;
        fd.set_debug_regs(&power_on.debug).map_err(Error::of(SET))?;
        fd.set_lapic(&power_on.lapic).map_err(Error::of(SET))?;
        msr::write(fd, &in_order(&power_on.msrs))?;
        fd.set_vcpu_events(&power_on.events).map_err(Error::of(SET))
    }
}

/// The deadline last, the counter at zero.
fn in_order(msrs: &[kvm_msr_entry]) -> Vec<kvm_msr_entry> {
    let (mut last, mut all): (Vec<_>, Vec<_>) =
        msrs.iter().copied().partition(|msr| msr.index == TSC_DEADLINE);
    all.iter_mut().filter(|msr| msr.index == TSC).for_each(|tsc| tsc.data = 0);
    all.append(&mut last);
    all
}

/// State of the interrupt controllers and of the interval timer.
pub struct ControllerState {
    controllers: [kvm_irqchip; 3],
    timer: kvm_pit_state2,
}

impl Vm {
    /// Reads the state of the controllers while no processor runs.
    ///
    /// # Errors
    /// KVM's refusal.
    pub fn controllers(&self) -> Result<ControllerState, Error> {
        let fd = &self.inner.fd;
        let mut controllers = [KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC]
            .map(|chip_id| kvm_irqchip { chip_id, ..Default::default() });
        for controller in &mut controllers {
            fd.get_irqchip(controller).map_err(Error::of("read an interrupt controller"))?;
        }
        let timer = fd.get_pit2().map_err(Error::of("read the interval timer"))?;
        Ok(ControllerState { controllers, timer })
    }

    /// Puts the state of the controllers back while no processor runs.
    ///
    /// # Errors
    /// KVM's refusal.
    pub fn reset_controllers(&self, state: &ControllerState) -> Result<(), Error> {
        let fd = &self.inner.fd;
        for controller in &state.controllers {
            fd.set_irqchip(controller).map_err(Error::of("set an interrupt controller"))?;
        }
        fd.set_pit2(&state.timer).map_err(Error::of("set the interval timer"))
    }

    /// Puts the second 8259 into the state that was read, but with these of its inputs (9 to 12, 14, 15) level triggered,
    /// as its register at port 0x4D1 would. No processor runs.
    ///
    /// # Errors
    /// KVM's refusal.
    pub fn set_level_inputs(&self, state: &ControllerState, inputs: &[u32]) -> Result<(), Error> {
        let [_, mut second, _] = state.controllers;
        let bits = inputs.iter().filter_map(|input| 1u8.checked_shl(input.checked_sub(8)?));
        let level = bits.fold(0, |all, bit| all | bit) & LEVEL_BITS;
        // SAFETY: the structure is that of an 8259, as its number says, and any bits are valid for all of its fields.
        let second_8259 = unsafe { &mut second.chip.pic };
        second_8259.elcr = level;
        self.inner.fd.set_irqchip(&second).map_err(Error::of("set an interrupt controller"))
    }
}
