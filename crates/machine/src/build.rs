//! A machine from its specification.
//!
//! The order is the one that KVM is quickest with: memory, controllers, processors. Threads come when all that
//! they need exists, and the guest's system last.

use std::fs::File;
use std::sync::Arc;

use hv::{Kvm, Vcpu, Vm};
use proto::VmSpec;
use virtio::ThreadHook;

use crate::bus::Bus;
use crate::cpu::{Board, Cpus};
use crate::devices::Devices;
use crate::error::{BuildError, LoadError};
use crate::event::Events;
use crate::layout::HIGH_RAM_START;
use crate::legacy::Legacy;
use crate::machine::{Machine, PowerOn, Resources, System};
use crate::memory::Memory;
use crate::pci::PciBus;
use crate::source::Source;
use crate::variables::Variables;

impl Machine {
    /// Builds the machine and loads its system. Its threads exist afterwards and wait for [`Machine::start`].
    ///
    /// # Errors
    /// [`BuildError`]; nothing of the machine is left then.
    pub fn build(spec: &VmSpec, resources: Resources) -> Result<Self, BuildError> {
        let kvm = Kvm::from_fd(resources.kvm)?;
        let memory = Memory::new(spec.memory)?;
        let source = Source::of(spec, resources.boot)?;
        let variables = variables(resources.variables, &source, &resources.thread_hook)?;
        let mut layout = source.layout();
        layout.windows.extend(variables.iter().map(|(variables, address)| variables.window(*address)));
        let vm = kvm.create_vm(memory.ram().clone(), layout)?;
        let (ports, memory_bus) = (Arc::new(Bus::default()), Arc::new(Bus::default()));
        let events = Arc::new(Events::new().map_err(BuildError::Event)?);
        let variables = variables
            .map(|(variables, address)| Arc::new(variables.wire(address, vm.clone(), events.clone())));
        if let Some(variables) = &variables {
            memory_bus.add(variables.range(), variables.clone());
        }
        let inserted = source.insert(&vm, memory.ram());
        let shadow = inserted.shadow();
        let devices =
            Devices::new(spec, resources.disks, memory.ram(), &resources.thread_hook, shadow.clone())?;
        let kernel = Arc::new(vm.clone());
        let pci = PciBus::new(devices.functions.clone(), ports.clone(), memory_bus.clone(), kernel)
            .map_err(LoadError::from)?;
        let pci = Arc::new(pci);
        let legacy = Legacy::new(&vm, &ports, pci.clone(), spec, resources.console, events.clone());
        let (vcpus, power_on) = processors(&vm, spec)?;
        let system = inserted.start(spec, &devices, memory.ram(), (&ports, &memory_bus));
        let board = Board {
            ports,
            memory: memory_bus,
            pci: pci.clone(),
            events: events.clone(),
            shadow,
            hardware: kvm.hardware(),
        };
        let cpus = Cpus::new(vcpus, &board, &resources.thread_hook).map_err(BuildError::Thread)?;
        let machine = Self {
            cpus,
            power_on,
            legacy,
            devices,
            variables,
            pci,
            events,
            vm,
            memory,
            system,
            paused: None,
        };
        machine.load()?;
        Ok(machine)
    }

    /// Has the machine be as at power-on, or ready to enter its kernel: memory, the first processor and the PCI
    /// functions. The processors are in their power-on state.
    pub(crate) fn load(&self) -> Result<(), LoadError> {
        let System::Kernel(kernel) = &self.system else {
            self.pci.unplace();
            return Ok(());
        };
        let state = kernel.load(&self.memory)?;
        self.pci.place()?;
        Ok(self.cpus.each(|index, vcpu| if index == 0 { vcpu.set_start_state(state) } else { Ok(()) })?)
    }
}

/// The variables of the firmware and where they are: right below it.
fn variables(
    file: Option<File>,
    source: &Source,
    hook: &ThreadHook,
) -> Result<Option<(Variables, u64)>, BuildError> {
    let Some(file) = file else { return Ok(None) };
    let variables = Variables::new(file, hook).map_err(BuildError::Variables)?;
    let below = HIGH_RAM_START.saturating_sub(source.firmware_size());
    let address = below.saturating_sub(variables.len());
    Ok(Some((variables, address)))
}

/// The processors, and what a reset has to know.
fn processors(vm: &Vm, spec: &VmSpec) -> Result<(Vec<Vcpu>, PowerOn), hv::Error> {
    let count = spec.cpus.get();
    let vcpus = (0..count).map(|index| vm.create_vcpu(index, count)).collect::<Result<Vec<_>, _>>()?;
    let states = vcpus.iter().map(Vcpu::state).collect::<Result<_, _>>()?;
    Ok((vcpus, PowerOn { processors: states, controllers: vm.controllers()? }))
}
