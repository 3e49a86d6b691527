use rustix::process::getpid;

use super::*;

// Signals are the process's; the thread that runs this test is one of several. Only a signal for the thread
// itself stays away from the others.
fn raise(signal: Signal) {
    // SAFETY: sends a signal that this thread blocks.
    unsafe { libc::raise(signal.as_raw()) };
}

#[test]
fn a_blocked_signal_is_read_with_its_sender() {
    let signals = Signals::new(&[Signal::USR1, Signal::USR2]).unwrap();
    assert_eq!(signals.read().unwrap(), None);
    raise(Signal::USR2);
    let received = signals.read().unwrap().unwrap();
    assert!(received.is(Signal::USR2) && !received.is(Signal::USR1));
    assert_eq!(received.sender, Some(getpid()));
    assert_eq!(signals.read().unwrap(), None);
}

#[test]
fn signals_of_one_number_fall_together() {
    let signals = Signals::new(&[Signal::USR1]).unwrap();
    raise(Signal::USR1);
    raise(Signal::USR1);
    assert!(signals.read().unwrap().unwrap().is(Signal::USR1));
    assert_eq!(signals.read().unwrap(), None);
}
