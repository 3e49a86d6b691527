//! The threads of the virtual processors.
//!
//! ```text
//!            run()                 pause(): kick, wait until all are parked
//!   parked ─────────> running ──────────────────────────────────────────────> parked
//!     │                  │  asks for a reset, switches off, or fails
//!     │ end()            └──────────> parks by itself until the next run() after a pause()
//!     └──> ended
//! ```
//!
//! A thread holds its processor while it runs and has given it back when it is parked; what the guest had
//! begun is complete then, so that the owner can read and replace the processor's state.
//!
//! System calls of such a thread once it has parked for the first time:
//!
//! | call | for |
//! |---|---|
//! | `ioctl` | `KVM_RUN`; `KVM_IRQ_LINE` for the legacy chips; `KVM_IOEVENTFD`, `KVM_IRQFD` and `KVM_SET_GSI_ROUTING` when the guest sets a PCI function up; `KVM_SET_USER_MEMORY_REGION` when firmware changes what is found below 1 MiB; `KVM_GET_REGS`, `KVM_GET_SREGS` and `KVM_TRANSLATE` after a failure |
//! | `write` | event descriptors: the owner's, doorbells, interrupts; and what the serial output does |
//! | `timerfd_settime` | the interrupts of the clock |
//! | `futex` | locks, parking |
//! | `rt_sigreturn` | the kick |
//! | `getrandom` | the random number device, served by the processor that asks |
//! | `clock_gettime` | the clocks, where the host's vDSO can not tell the time |
//! | `mmap` `munmap` `mprotect` `brk` `madvise` | the allocator |
//! | `rt_sigprocmask` `sigaltstack` `munmap` `madvise` `exit` | the end of the thread |
//!
//! The owner uses `futex`, and `getpid`, `tgkill` and `rt_sigprocmask` for kicks.

mod failure;
mod orders;
mod run;

use std::io;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use hv::Processor;
use virtio::{ThreadHook, ThreadKind};

use crate::sync::lock;
pub(crate) use orders::Orders;
pub(crate) use run::Board;

/// All processors of a machine, each with its thread.
pub(crate) struct Cpus<P> {
    orders: Arc<Orders>,
    cpus: Vec<Cpu<P>>,
}

struct Cpu<P> {
    processor: Arc<Mutex<P>>,
    thread: JoinHandle<()>,
}

impl<P: Processor + 'static> Cpus<P> {
    /// Makes a thread for each processor; they start parked.
    ///
    /// # Errors
    /// The host gives no more threads.
    pub fn new(processors: Vec<P>, board: &Board, hook: &ThreadHook) -> io::Result<Self> {
        let orders = Arc::new(Orders::default());
        let mut all = Self { orders, cpus: Vec::with_capacity(processors.len()) };
        for (index, processor) in processors.into_iter().enumerate() {
            // What exists so far ends with `all` if this fails.
            let cpu = Cpu::new(index, processor, all.orders.clone(), board.clone(), hook.clone())?;
            all.cpus.push(cpu);
        }
        Ok(all)
    }

    /// Lets the parked processors run.
    pub fn run(&self) {
        self.orders.run();
    }

    /// Stops all processors; on return all are parked.
    pub fn pause(&self) {
        self.orders.pause();
        self.cpus.iter().for_each(|cpu| hv::kick(&cpu.thread));
        self.orders.wait_parked(self.cpus.len());
    }

    /// Does `act` with each processor, in order, until one fails. Only while they are parked.
    pub fn each<E>(&self, mut act: impl FnMut(usize, &mut P) -> Result<(), E>) -> Result<(), E> {
        self.cpus.iter().enumerate().try_for_each(|(index, cpu)| act(index, &mut lock(&cpu.processor)))
    }
}

impl<P> Drop for Cpus<P> {
    /// Ends the threads.
    fn drop(&mut self) {
        self.orders.end();
        for cpu in self.cpus.drain(..) {
            hv::kick(&cpu.thread);
            // It fails only if the thread has panicked, and then it has ended as well.
            let _ = cpu.thread.join();
        }
    }
}

impl<P: Processor + 'static> Cpu<P> {
    fn new(
        index: usize,
        processor: P,
        orders: Arc<Orders>,
        board: Board,
        hook: ThreadHook,
    ) -> io::Result<Self> {
        let processor = Arc::new(Mutex::new(processor));
        let own = processor.clone();
        let thread =
            std::thread::Builder::new().name(format!("vcpu{index}")).stack_size(STACK).spawn(move || {
                hook(ThreadKind::Vcpu);
                live(&own, &orders, &board);
            })?;
        Ok(Self { processor, thread })
    }
}

/// Enough for the deepest device access with room to spare; only what is touched is allocated.
const STACK: usize = 256 << 10;

/// The life of a processor's thread.
fn live<P: Processor>(processor: &Mutex<P>, orders: &Orders, board: &Board) {
    let mut last = 0;
    while let Some(round) = orders.park(last) {
        last = round;
        board.run(&mut *lock(processor), || orders.is_over(round));
    }
}

#[cfg(test)]
#[path = "cpu_test.rs"]
mod tests;
