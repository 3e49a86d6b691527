//! Where the bytes of the guest's serial line go.

/// Takes what the guest sends on its first serial line.
pub trait SerialOutput: Send + Sync {
    /// Takes `bytes`, all of them. It never blocks: it is called from the threads of the virtual processors
    /// with the lock of the serial chip held.
    fn write(&self, bytes: &[u8]);
}
