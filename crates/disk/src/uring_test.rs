use io_uring::squeue::Entry;
use io_uring::types::Fd;

use super::*;
use crate::slot::IMAGE;

fn answer(ring: &mut IoUring, entry: Entry) -> i32 {
    // SAFETY: the entries of these tests name no memory.
    unsafe { ring.submission().push(&entry) }.unwrap();
    ring.submit_and_wait(1).unwrap();
    next_completion(ring).unwrap().result()
}

#[test]
fn a_ring_does_nothing_but_disk_requests_on_its_image() {
    let file = tempfile::tempfile().unwrap();
    let mut ring = restricted_ring(4, file.as_raw_fd()).unwrap();
    assert_eq!(answer(&mut ring, opcode::Fsync::new(IMAGE).build()), 0);
    assert_eq!(answer(&mut ring, opcode::Nop::new().build()), -libc::EACCES);
    assert_eq!(answer(&mut ring, opcode::Close::new(Fd(file.as_raw_fd())).build()), -libc::EACCES);
    let unregistered = opcode::Fsync::new(Fd(file.as_raw_fd())).build();
    assert_eq!(answer(&mut ring, unregistered), -libc::EACCES);
    let error = ring.submitter().register_files(&[file.as_raw_fd()]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EACCES));
}
