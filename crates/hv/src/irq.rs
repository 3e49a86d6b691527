//! Interrupts: lines into the controllers, and messages by way of events.

use kvm_bindings::{
    KVM_IRQ_ROUTING_IRQCHIP, KVM_IRQ_ROUTING_MSI, KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER,
    KVM_IRQCHIP_PIC_SLAVE, KvmIrqRouting, kvm_irq_routing_entry, kvm_irq_routing_entry__bindgen_ty_1,
    kvm_irq_routing_irqchip, kvm_irq_routing_msi,
};
use vmm_sys_util::eventfd::EventFd;

use crate::{Error, Vm};

/// The first number for messages; those below are inputs of the controllers.
pub const FIRST_MSI_GSI: u32 = 24;
/// The most messages that can be routed at once (KVM's table has 4096 entries, the controllers take 40).
pub const MAX_MSI_ROUTES: usize = 1024;

/// An input of the interrupt controllers.
pub struct IrqLine {
    vm: Vm,
    gsi: u32,
}

impl IrqLine {
    /// Drives the input high or low.
    ///
    /// # Errors
    /// KVM's refusal: there is no such input.
    pub fn set(&self, high: bool) -> Result<(), Error> {
        self.vm.inner.fd.set_irq_line(self.gsi, high).map_err(Error::of("drive an interrupt line"))
    }
}

/// Where the message of one number goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsiRoute {
    /// The number, from [`FIRST_MSI_GSI`] on.
    pub gsi: u32,
    /// The address to which the device would write.
    pub address: u64,
    /// What it would write.
    pub data: u32,
}

impl Vm {
    /// Input `gsi` (0 to 23) of the controllers: the first 16 go to the 8259s and the I/O APIC (0 to its
    /// input 2), the rest to the I/O APIC alone.
    pub fn irq_line(&self, gsi: u32) -> IrqLine {
        IrqLine { vm: self.clone(), gsi }
    }

    /// Replaces the table of all messages. The controllers' inputs stay as they are.
    ///
    /// # Errors
    /// More than [`MAX_MSI_ROUTES`], or KVM's refusal.
    pub fn route_messages(&self, routes: &[MsiRoute]) -> Result<(), Error> {
        let entries: Vec<_> = controller_routes().chain(routes.iter().map(message_route)).collect();
        let table = KvmIrqRouting::from_entries(&entries)
            .map_err(|_| Error::Capability("a table of interrupt messages of reasonable size"))?;
        self.inner.fd.set_gsi_routing(&table).map_err(Error::of("route interrupt messages"))
    }

    /// From now on each write to `event` raises interrupt `gsi`.
    ///
    /// # Errors
    /// KVM's refusal, among others because the event raises an interrupt already.
    pub fn attach_interrupt(&self, event: &EventFd, gsi: u32) -> Result<(), Error> {
        self.inner.fd.register_irqfd(event, gsi).map_err(Error::of("attach an event to an interrupt"))
    }
}

/// The routes that every machine starts with: as KVM sets them up for the controllers that it creates.
fn controller_routes() -> impl Iterator<Item = kvm_irq_routing_entry> {
    // The timer's input 0 arrives at input 2 of the I/O APIC, as on every PC.
    let io_apic = |gsi| if gsi == 0 { 2 } else { gsi };
    let pics = (0..16).map(|gsi| match gsi {
        0..8 => controller_route(gsi, KVM_IRQCHIP_PIC_MASTER, gsi),
        _ => controller_route(gsi, KVM_IRQCHIP_PIC_SLAVE, gsi & 7),
    });
    let io_apics = (0..FIRST_MSI_GSI).filter(|gsi| *gsi != 2);
    pics.chain(io_apics.map(move |gsi| controller_route(gsi, KVM_IRQCHIP_IOAPIC, io_apic(gsi))))
}

fn controller_route(gsi: u32, irqchip: u32, pin: u32) -> kvm_irq_routing_entry {
    kvm_irq_routing_entry {
        gsi,
        type_: KVM_IRQ_ROUTING_IRQCHIP,
        u: kvm_irq_routing_entry__bindgen_ty_1 { irqchip: kvm_irq_routing_irqchip { irqchip, pin } },
        ..Default::default()
    }
}

fn message_route(route: &MsiRoute) -> kvm_irq_routing_entry {
    let msi = kvm_irq_routing_msi {
        address_lo: route.address as u32,
        address_hi: (route.address >> 32) as u32,
        data: route.data,
        ..Default::default()
    };
    kvm_irq_routing_entry {
        gsi: route.gsi,
        type_: KVM_IRQ_ROUTING_MSI,
        u: kvm_irq_routing_entry__bindgen_ty_1 { msi },
        ..Default::default()
    }
}
