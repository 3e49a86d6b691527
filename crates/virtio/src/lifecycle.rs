//! The contract between a machine and each of its devices.

/// What a machine may ask of each of its devices over its life.
///
/// The machine's owner thread alone calls these, and only while no virtual processor runs, so that no
/// access of the guest comes between. A device starts resumed, in its power-on state.
///
/// One conformance suite runs on every device (`lifecycle` in the tests of the crate that holds it).
pub trait Lifecycle {
    /// Stop making work. On return nothing of the device touches guest memory or its backend any more:
    /// requests that were begun are completed, those that were not stay in their queue. Input from the host
    /// is held back, interrupts that were due have been raised. Pausing a paused device does nothing.
    fn pause(&mut self);

    /// Go on, with what arrived while paused first. Resuming a running device does nothing.
    fn resume(&mut self);

    /// Back to the power-on state, as by the machine's reset line. Called only between pause and resume.
    /// What is on a disk stays; requests of the guest that were still in a queue are forgotten.
    fn reset(&mut self);
}
