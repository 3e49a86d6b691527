//! Asking about a single descriptor, without a loop.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whether there is something to read from `source`, or its peer has hung up, now or within `timeout`. Of a pidfd:
/// whether the process has ended.
///
/// # Errors
/// Those of `poll(2)`.
pub fn is_readable(source: impl AsFd, timeout: Duration) -> io::Result<bool> {
    // A time too long for the kernel is as good as none.
    let timeout = Timespec::try_from(timeout).ok();
    Ok(poll(&mut [PollFd::new(&source, PollFlags::IN)], timeout.as_ref())? > 0)
}

#[cfg(test)]
mod tests {
    use rustix::io::write;
    use rustix::pipe::pipe;

    use super::*;

    #[test]
    fn what_came_and_the_end_are_both_readable() {
        let (reader, writer) = pipe().unwrap();
        assert!(!is_readable(&reader, Duration::ZERO).unwrap());
        write(&writer, b"x").unwrap();
        assert!(is_readable(&reader, Duration::ZERO).unwrap());
        let (reader, writer) = pipe().unwrap();
        drop(writer);
        assert!(is_readable(&reader, Duration::from_secs(5)).unwrap());
    }
}
