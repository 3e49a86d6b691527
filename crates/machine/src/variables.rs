//! The flash chip with the variables of UEFI firmware in its place: right below the firmware, which ends at 4 GiB.
//!
//! While the chip gives what is stored, the guest reads it as memory: a window that it can not write to. Its writes
//! arrive here, and while the chip gives something else (its status), so do its reads: the window is hidden then.
//!
//! ```text
//! guest ── reads ──> window ────────────────────> array (memory) <──┐
//!       ── writes, and reads while hidden ──> chip ────────────────┘
//!                                                └── changed blocks ──> keeper (a thread) ──> file
//! ```
//!
//! A thread of its own writes what changed to the file whenever the chip goes back to its array, and syncs it: so the
//! processor that runs the firmware does not wait for the disk, and many small writes become few. It takes all blocks
//! that changed at one moment. A file that can not be written is reported, and tried again with the next change.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hv::{Shown, Vm, Window};
use virtio::{Lifecycle, ThreadHook, ThreadKind};
use vm_memory::{Bytes, MmapRegion, VolatileMemory};

use crate::bus::{BusAction, Target};
use crate::chips::{BLOCK, Flash, Mode};
use crate::event::{Events, MachineEvent};
use crate::sync::lock;

/// The most bytes of variables that are taken: far more than any firmware has.
pub const MAX_VARIABLES: u64 = 4 << 20;
/// The failures of the file are logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(10);
/// Enough for what the keeper does.
const STACK: usize = 256 << 10;

/// The chip, and what keeps its file. It is in no place yet.
pub(crate) struct Variables {
    array: Arc<MmapRegion>,
    keeper: Keeper,
}

impl Variables {
    /// Makes the chip with what is in `file`, which is open for reading and writing.
    ///
    /// # Errors
    /// The file can not be read or is of a size that no chip has; the host gives no memory or no thread.
    pub fn new(file: File, hook: &ThreadHook) -> io::Result<Self> {
        let len = file.metadata()?.len();
        if len == 0 || len > MAX_VARIABLES || !len.is_multiple_of(BLOCK as u64) {
            return Err(io::Error::other(format!("{len} bytes are no size of a file of variables")));
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, 0)?;
        let array = Arc::new(MmapRegion::new(bytes.len()).map_err(io::Error::other)?);
        array
            .get_slice(0, bytes.len())
            .and_then(|all| all.write_slice(&bytes, 0))
            .map_err(io::Error::other)?;
        let keeper = Keeper::new(Flash::new(array.clone()), file, hook)?;
        Ok(Self { array, keeper })
    }

    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        self.array.size() as u64
    }

    /// The window through which it is read if the first byte is at `address`.
    pub fn window(&self, address: u64) -> Window {
        let shows = Shown::Memory(self.array.clone(), 0);
        Window { address, len: self.len(), shows, writable: false }
    }

    /// Puts it into its place, where [`Variables::window`] is shown already.
    pub fn wire(self, address: u64, vm: Vm, events: Arc<Events>) -> WiredVariables {
        let window = self.window(address);
        WiredVariables { keeper: self.keeper, window, shown: Mutex::new(true), vm, events }
    }
}

/// The chip in its place.
pub(crate) struct WiredVariables {
    keeper: Keeper,
    window: Window,
    /// Whether the window is there.
    shown: Mutex<bool>,
    vm: Vm,
    events: Arc<Events>,
}

impl WiredVariables {
    /// The addresses that it answers for: first and number.
    pub fn range(&self) -> (u64, u64) {
        (self.window.address, self.window.len)
    }

    /// Brings the window in line with the chip. Of processors that come together the last one finds the chip as it is.
    fn settle(&self) {
        let mut shown = lock(&self.shown);
        let wanted = self.keeper.chip().mode() == Mode::Array;
        if *shown == wanted {
            return;
        }
        let done = match wanted {
            true => self.vm.show(self.window.clone()),
            false => self.vm.hide(self.window.address),
        };
        match done {
            Ok(()) => *shown = wanted,
            Err(why) => self.events.send(MachineEvent::Failed(format!("the firmware's flash chip: {why}"))),
        }
    }
}

impl Target for WiredVariables {
    fn read(&self, offset: u64, data: &mut [u8]) {
        self.keeper.chip().read(offset, data);
    }

    /// The processor does here what the write asks for, when the chip is unlocked.
    fn write(&self, offset: u64, data: &[u8]) -> BusAction {
        let ready = {
            let mut chip = self.keeper.chip();
            chip.write(offset, data);
            chip.mode() == Mode::Array && chip.has_changed()
        };
        self.settle();
        if ready {
            self.keeper.begin();
        }
        BusAction::None
    }
}

/// As the owner's [`Lifecycle`] calls see it.
impl Lifecycle for &WiredVariables {
    /// The file is up to date on return.
    fn pause(&mut self) {
        self.keeper.finish();
    }

    fn resume(&mut self) {}

    fn reset(&mut self) {
        self.keeper.chip().reset();
        self.settle();
    }
}

/// Writes what changes in the chip to its file.
struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    chip: Mutex<Flash>,
    orders: Mutex<Orders>,
    changed: Condvar,
}

/// How often the file was to be brought up to date, and how often it has been.
#[derive(Default)]
struct Orders {
    wanted: u64,
    done: u64,
    end: bool,
}

impl Keeper {
    fn new(chip: Flash, file: File, hook: &ThreadHook) -> io::Result<Self> {
        let shared = Shared { chip: Mutex::new(chip), orders: Mutex::default(), changed: Condvar::new() };
        let shared = Arc::new(shared);
        let (own, hook) = (shared.clone(), hook.clone());
        let thread =
            std::thread::Builder::new().name("variables".to_owned()).stack_size(STACK).spawn(move || {
                hook(ThreadKind::Disk);
                keep(&own, &file);
            })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    fn chip(&self) -> MutexGuard<'_, Flash> {
        lock(&self.shared.chip)
    }

    /// Has the file brought up to date; does not wait for it. The number of the order.
    fn begin(&self) -> u64 {
        let mut orders = lock(&self.shared.orders);
        orders.wanted = orders.wanted.saturating_add(1);
        self.shared.changed.notify_all();
        orders.wanted
    }

    /// Brings the file up to date, as far as it can be.
    fn finish(&self) {
        if !self.chip().has_changed() && lock(&self.shared.orders).is_done() {
            return;
        }
        let order = self.begin();
        let mut orders = lock(&self.shared.orders);
        while orders.done < order && !orders.end {
            orders = self.shared.changed.wait(orders).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Orders {
    fn is_done(&self) -> bool {
        self.done == self.wanted
    }
}

impl Drop for Keeper {
    /// What has been asked for is still written.
    fn drop(&mut self) {
        lock(&self.shared.orders).end = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It fails only if the thread has panicked, and then it has ended as well.
            let _ = thread.join();
        }
    }
}

/// The life of the thread.
fn keep(shared: &Shared, file: &File) {
    let mut reported: Option<Instant> = None;
    while let Some(order) = next_order(shared) {
        if let Err(why) = update(&shared.chip, file)
            && reported.is_none_or(|last| last.elapsed() >= LOG_EVERY)
        {
            reported = Some(Instant::now());
            tracing::error!(
                "cannot write the variables of the firmware: {why}; what the guest set may be lost"
            );
        }
        lock(&shared.orders).done = order;
        shared.changed.notify_all();
    }
}

/// Waits for the next order; `None` at the end.
fn next_order(shared: &Shared) -> Option<u64> {
    let mut orders = lock(&shared.orders);
    loop {
        if !orders.is_done() {
            return Some(orders.wanted);
        }
        if orders.end {
            return None;
        }
        orders = shared.changed.wait(orders).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Writes the blocks that have changed. What could not be written stays changed.
fn update(chip: &Mutex<Flash>, file: &File) -> io::Result<()> {
    let blocks = lock(chip).take_changed();
    let write = || {
        blocks.iter().try_for_each(|(first, bytes)| file.write_all_at(bytes, *first))?;
        file.sync_data()
    };
    let written = write();
    if written.is_err() {
        lock(chip).put_back(&blocks);
    }
    written
}

#[cfg(test)]
#[path = "variables_test.rs"]
mod tests;
