//! One virtual machine: its memory, its interrupt controllers, its processors.

#![allow(unsafe_code)]

use std::sync::Arc;

use kvm_bindings::{CpuId, KVM_PIT_SPEAKER_DUMMY, kvm_pit_config, kvm_userspace_memory_region};
use kvm_ioctls::VmFd;
use vm_memory::{GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};

use crate::cpuid::{self, Topology};
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
    pub memory: GuestMemoryMmap<()>,
    pub features: Features,
    /// Size of the pages that KVM and a processor's thread share.
    pub run_size: usize,
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
        private_pages: u64,
    ) -> Result<Self, Error> {
        let run_size = fd.run_size();
        let vm = Self { inner: Arc::new(Inner { fd, memory, features, run_size }) };
        vm.add_memory()?;
        vm.add_controllers(private_pages)?;
        Ok(vm)
    }

    fn add_memory(&self) -> Result<(), Error> {
        for (slot, region) in (0..).zip(self.inner.memory.iter()) {
            let slot = kvm_userspace_memory_region {
                slot,
                flags: 0,
                guest_phys_addr: region.start_addr().0,
                memory_size: region.len(),
                userspace_addr: region.as_ptr() as u64,
            };
            // SAFETY: the range is a mapping of guest memory, which `inner` keeps as long as the machine and
            // each of its processors, and which nobody uses other than as memory that the guest changes.
            unsafe { self.inner.fd.set_user_memory_region(slot) }
                .map_err(Error::of("give a machine its memory"))?;
        }
        Ok(())
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
