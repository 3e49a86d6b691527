//! One virtual machine: its memory, its interrupt controllers, its processors.

use std::ops::Range;
use std::sync::Arc;

use kvm_bindings::{CpuId, KVM_PIT_SPEAKER_DUMMY, kvm_pit_config};
use kvm_ioctls::VmFd;
use vm_memory::GuestMemoryMmap;

use crate::cpuid::{self, Topology};
use crate::window::{Slots, Window};
use crate::{Error, Vcpu, msr};

/// A machine of KVM's. A cheap handle: a clone is the same machine.
///
/// System calls after the start: `ioctl` with `KVM_IRQ_LINE`, `KVM_IOEVENTFD`, `KVM_IRQFD`,
/// `KVM_SET_GSI_ROUTING` from any thread of the machine; `KVM_SET_IRQCHIP` and `KVM_SET_PIT2` from whoever
/// resets it.
#[derive(Clone)]
pub struct Vm {
    pub(crate) inner: Arc<Inner>,
}

/// What every handle and every processor keeps alive. The machine goes before the memory that it uses.
pub(crate) struct Inner {
    pub fd: VmFd,
    /// What its addresses show of `memory`, and of what else there is.
    pub slots: Slots,
    pub memory: GuestMemoryMmap<()>,
    pub features: Features,
    /// Size of the pages that KVM and a processor's thread share.
    pub run_size: usize,
}

/// What a machine shows at which of its addresses when it is made, besides RAM at the addresses of its regions.
#[derive(Clone, Debug, Default)]
pub struct MemoryLayout {
    /// The first of four pages, where no RAM and no window is, that KVM uses itself on some processors.
    pub private_pages: u64,
    /// Addresses at which no RAM is shown though there may be some: they are left to windows. Multiples of 4 KiB.
    pub hole: Range<u64>,
    /// The windows that are there from the start.
    pub windows: Vec<Window>,
}

/// What this KVM can give to processors.
pub(crate) struct Features {
    pub cpuid: CpuId,
    /// The deadline timer of the local APIC, which is not in the table above.
    pub tsc_deadline: bool,
    /// The registers that it saves and restores.
    pub msrs: Vec<u32>,
}

impl Vm {
    /// Memory first, then the controllers: see the crate's documentation.
    pub(crate) fn new(
        fd: VmFd,
        memory: GuestMemoryMmap<()>,
        features: Features,
        layout: MemoryLayout,
    ) -> Result<Self, Error> {
        let run_size = fd.run_size();
        let slots = Slots::show_ram(&fd, &memory, &layout.hole)?;
        let vm = Self { inner: Arc::new(Inner { fd, slots, memory, features, run_size }) };
        layout.windows.into_iter().try_for_each(|window| vm.show(window))?;
        vm.add_controllers(layout.private_pages)?;
        Ok(vm)
    }

    fn add_controllers(&self, private_pages: u64) -> Result<(), Error> {
        let fd = &self.inner.fd;
        fd.set_identity_map_address(private_pages).map_err(Error::of("place its private page"))?;
        let task_state = private_pages.saturating_add(PAGE) as usize;
        fd.set_tss_address(task_state).map_err(Error::of("place its private pages"))?;
        fd.create_irq_chip().map_err(Error::of("create a machine's interrupt controllers"))?;
        // The flag lets KVM answer port 0x61 too, with which guests measure their clocks.
        let timer = kvm_pit_config { flags: KVM_PIT_SPEAKER_DUMMY, ..Default::default() };
        fd.create_pit2(timer).map_err(Error::of("create a machine's interval timer"))
    }

    /// Makes processor `index` of `count`, in its power-on state: the first is about to run, the others wait
    /// to be started by it.
    ///
    /// # Errors
    /// KVM's refusal.
    pub fn create_vcpu(&self, index: u8, count: u8) -> Result<Vcpu, Error> {
        let inner = &self.inner;
        let fd = inner.fd.create_vcpu(index.into()).map_err(Error::of("create a virtual processor"))?;
        let topology = Topology { index, count };
        let cpuid = cpuid::for_vcpu(&inner.features.cpuid, topology, inner.features.tsc_deadline)
            .ok_or(Error::Capability("a CPUID table of reasonable size"))?;
        fd.set_cpuid2(&cpuid).map_err(Error::of("tell a virtual processor its features"))?;
        msr::set_memory_types(&fd)?;
        Ok(Vcpu::new(fd, inner.clone()))
    }
}

const PAGE: u64 = 4096;
