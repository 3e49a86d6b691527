//! Waiting for several things in one thread: descriptors, deadlines and signals.

mod poller;
mod readable;
mod signals;
mod timers;
mod waker;

pub use poller::{Event, Interest, Poller};
pub use readable::is_readable;
pub(crate) use signals::signal_set;
pub use signals::{Received, Signals};
pub use timers::Timers;
pub use waker::Waker;
