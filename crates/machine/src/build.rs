//! A machine from its specification.
//!
//! The order is the one that KVM is quickest with: memory, controllers, processors. Threads come when all that
//! they need exists, and the guest's system last.

use std::fs::File;
use std::sync::Arc;

use hv::{Kvm, Vcpu, Vm};
use proto::{MemorySize, VmSpec};
use virtio::ThreadHook;

use crate::bus::Bus;
use crate::cpu::{Board, Cpus};
use crate::devices::Devices;
use crate::error::{BuildError, LoadError};
use crate::event::Events;
use crate::irq::Lines;
use crate::layout::{
    EXTENDED_RAM_START, HIGH_RAM_START, IOAPIC, KVM_PRIVATE, KVM_PRIVATE_PAGES, LOCAL_APIC, PCI_IRQS,
    SCI_IRQ, SHADOW_START, ram_ranges,
};
use crate::legacy::Legacy;
use crate::machine::{Machine, PowerOn, Resources, System};
use crate::memory::Memory;
use crate::pci::{PciBus, PirqRouter};
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
        let firmware_size = source.firmware_size();
        let inserted = source.insert(&vm, memory.ram());
        let shadow = inserted.shadow();
        let lines = Lines::new(|number| vm.irq_line(number));
        let pirq = Arc::new(PirqRouter::new(&lines));
        let mut devices = Devices::new(spec, resources.disks, memory.ram(), &resources.thread_hook)?;
        devices.add_chipset(pirq.clone(), shadow.clone());
        let kernel = Arc::new(vm.clone());
        let pci = PciBus::new(devices.functions.clone(), ports.clone(), memory_bus.clone(), kernel, &pirq)
            .map_err(LoadError::from)?;
        let pci = Arc::new(pci);
        let legacy = Legacy::new(&lines, &ports, pci.clone(), spec, resources.console, events.clone());
        let (vcpus, power_on) = processors(&vm, spec)?;
        let system = inserted.start(spec, &devices, memory.ram(), (&ports, &memory_bus));
        reserve(&memory_bus, spec.memory, firmware_size);
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
        self.pci.set_up()?;
        self.vm.set_level_inputs(&self.power_on.controllers, &LEVEL_INPUTS)?;
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

/// The inputs of the 8259s that firmware makes level triggered: those of PCI interrupts and of ACPI.
const LEVEL_INPUTS: [u32; 3] = [SCI_IRQ, PCI_IRQS[0] as u32, PCI_IRQS[1] as u32];

/// Keeps PCI functions off what KVM answers for: RAM, firmware, the interrupt controllers, and its own pages. A range
/// that is put there is nowhere. Where firmware governs the area below 1 MiB, that is on the bus already.
fn reserve(memory: &Bus, ram: MemorySize, firmware_size: u64) {
    for ram in ram_ranges(ram) {
        let end = ram.start.saturating_add(ram.len);
        for (first, last) in
            [(0, SHADOW_START), (SHADOW_START, EXTENDED_RAM_START), (EXTENDED_RAM_START, u64::MAX)]
        {
            let first = first.max(ram.start);
            memory.reserve((first, end.min(last).saturating_sub(first)));
        }
    }
    memory.reserve((HIGH_RAM_START.saturating_sub(firmware_size), firmware_size));
    memory.reserve((IOAPIC, PAGE));
    memory.reserve((LOCAL_APIC, PAGE));
    memory.reserve((KVM_PRIVATE, KVM_PRIVATE_PAGES * PAGE));
}

const PAGE: u64 = 4096;

/// The processors, and what a reset has to know.
fn processors(vm: &Vm, spec: &VmSpec) -> Result<(Vec<Vcpu>, PowerOn), hv::Error> {
    let count = spec.cpus.get();
    let vcpus = (0..count).map(|index| vm.create_vcpu(index, count)).collect::<Result<Vec<_>, _>>()?;
    let states = vcpus.iter().map(Vcpu::state).collect::<Result<_, _>>()?;
    Ok((vcpus, PowerOn { processors: states, controllers: vm.controllers()? }))
}
