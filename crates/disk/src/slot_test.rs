use super::*;

/// A slot in the middle of a request, without a ring: what it asks for after the kernel did a part.
#[test]
fn what_a_short_transfer_leaves_is_asked_for_again() {
    let iovec = |base, len| IoVec { base, len };
    let iovecs = vec![iovec(1000, 100), iovec(2000, 50), iovec(3000, 10)];
    let mut slot = Slot { token: 1, op: Op::Read, offset: 512, len: 160, iovecs, first: 0 };
    assert!(matches!(slot.step(120), Step::Again));
    assert_eq!((slot.offset, slot.len, slot.first), (632, 40, 1));
    assert_eq!((slot.iovecs[1].base, slot.iovecs[1].len), (2020, 30));
    assert!(matches!(slot.step(-libc::EINTR), Step::Again));
    assert!(matches!(slot.step(30), Step::Again));
    assert_eq!((slot.offset, slot.len, slot.first), (662, 10, 2));
    assert!(matches!(slot.step(10), Step::End(Ok(()))));
}

#[test]
fn a_transfer_that_does_not_move_is_an_error() {
    let mut slot = Slot { op: Op::Write { durable: false }, len: 5, ..Slot::default() };
    assert!(matches!(slot.step(0), Step::End(Err(error)) if error.kind() == io::ErrorKind::WriteZero));
    assert!(
        matches!(slot.step(-libc::ENOSPC), Step::End(Err(error)) if error.raw_os_error() == Some(libc::ENOSPC))
    );
}

#[test]
fn a_host_that_cannot_zero_or_discard_is_helped() {
    let mut slot = Slot { op: Op::ZeroRange, len: 200 << 20, ..Slot::default() };
    assert!(matches!(slot.step(-libc::EOPNOTSUPP), Step::Again));
    assert!(matches!(slot.op, Op::ZeroPunch));
    assert!(matches!(slot.step(-libc::EOPNOTSUPP), Step::Again));
    assert!(matches!(slot.op, Op::ZeroWrite));
    slot.entry();
    assert_eq!(slot.iovecs.len(), MAX_IOVECS, "64 MiB at a time");
    assert!(matches!(slot.step(64 << 20), Step::Again));
    assert_eq!((slot.offset, slot.len), (64 << 20, 136 << 20));
    slot.len = 70_000;
    slot.entry();
    assert_eq!(slot.iovecs.iter().map(|iovec| iovec.len).collect::<Vec<_>>(), [65_536, 4464]);
    assert!(matches!(slot.step(70_000), Step::End(Ok(()))));

    let mut slot = Slot { op: Op::Discard, len: 1, ..Slot::default() };
    assert!(matches!(slot.step(-libc::EOPNOTSUPP), Step::End(Ok(()))));
}
