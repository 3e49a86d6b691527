//! The suite that every device has to pass: what [`Lifecycle`](crate::Lifecycle) promises, seen from the guest.

use crate::blk::Blk;
use crate::pci::{Action, PciFunction};
use crate::rng::Rng;
use crate::scsi::Scsi;
use crate::test_util::{Driver, Part, eventually, into, no_hook, out};
use crate::{Lifecycle, VirtioDevice};

/// A device, and a request that it answers.
struct Subject {
    make: fn() -> Box<dyn VirtioDevice>,
    /// The queue that takes it.
    queue: u16,
    request: fn(&mut Driver) -> Vec<Part>,
}

const SUBJECTS: [Subject; 3] = [
    Subject { make: || Box::new(Rng::new()), queue: 0, request: |driver| vec![into(driver.buffer(32), 32)] },
    Subject {
        make: || {
            let image = tempfile::tempfile().unwrap();
            image.set_len(1 << 20).unwrap();
            Box::new(Blk::new(0, image, &no_hook()).unwrap())
        },
        queue: 0,
        request: |driver| {
            let header = driver.put(&[0; 16]);
            vec![out(header, 16), into(driver.buffer(512), 512), into(driver.buffer(1), 1)]
        },
    },
    Subject {
        make: || {
            let image = tempfile::tempfile().unwrap();
            image.set_len(1 << 20).unwrap();
            Box::new(Scsi::new(Some(image), &no_hook()).unwrap())
        },
        queue: 2,
        request: |driver| {
            // TEST UNIT READY to target 0.
            let header = driver.put(&[&[1][..], &[0; 50]].concat());
            vec![out(header, 51), into(driver.buffer(108), 108)]
        },
    },
];

impl Subject {
    fn driver(&self) -> Driver {
        Driver::with_queues((self.make)(), self.queue, 0)
    }

    fn ask(&self, driver: &mut Driver) {
        let parts = (self.request)(driver);
        driver.ring.add(&parts);
        driver.kick();
    }

    fn serves(&self, driver: &mut Driver) {
        self.ask(driver);
        driver.wait_used();
        driver.wait_interrupt(1);
    }
}

fn is_idle(driver: &mut Driver) {
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(driver.ring.used(), None);
}

#[test]
fn a_device_starts_resumed() {
    for subject in SUBJECTS {
        let mut driver = subject.driver();
        driver.bring_up();
        subject.serves(&mut driver);
    }
}

#[test]
fn a_paused_device_holds_requests_and_serves_them_when_resumed() {
    for subject in SUBJECTS {
        let mut driver = subject.driver();
        driver.bring_up();
        driver.function.pause();
        driver.function.pause();
        subject.ask(&mut driver);
        is_idle(&mut driver);
        driver.function.resume();
        driver.wait_used();
        driver.wait_interrupt(1);
        driver.function.resume();
        subject.serves(&mut driver);
    }
}

#[test]
fn pausing_leaves_registers_interrupts_and_doorbells_as_they_are() {
    for subject in SUBJECTS {
        let mut driver = subject.driver();
        driver.bring_up();
        let view = |driver: &mut Driver| {
            let config: Vec<[u8; 4]> = (0..64).map(|i| driver.config(i * 4)).collect();
            (config, driver.common::<60>(0), driver.function.msix(), driver.function.doorbells().len())
        };
        let before = view(&mut driver);
        driver.function.pause();
        assert_eq!(view(&mut driver), before);
        driver.function.resume();
        assert_eq!(view(&mut driver), before);
    }
}

#[test]
fn a_device_that_no_driver_has_started_can_be_paused_and_reset() {
    for subject in SUBJECTS {
        let mut driver = subject.driver();
        driver.function.pause();
        driver.function.reset();
        driver.function.reset();
        driver.function.resume();
        driver.probe();
        driver.bring_up();
        subject.serves(&mut driver);
    }
}

#[test]
fn a_reset_is_the_power_on_state_and_forgets_requests() {
    for subject in SUBJECTS {
        let mut driver = subject.driver();
        let fresh: Vec<[u8; 4]> = (0..64).map(|i| subject.driver().config(i * 4)).collect();
        driver.bring_up();
        subject.serves(&mut driver);
        driver.function.pause();
        subject.ask(&mut driver);
        driver.function.reset();
        assert!(driver.function.bars().is_empty());
        assert!(driver.function.doorbells().is_empty());
        assert!(driver.function.msix().iter().all(Option::is_none));
        assert_eq!(driver.status(), 0);
        // But for what the test's driver does to find the range.
        driver.set_config(0x20, 0xe000_0000u32);
        driver.set_config(0x04, 6u16);
        let config: Vec<[u8; 4]> = (0..64).map(|i| driver.config(i * 4)).collect();
        assert_eq!(config, fresh);
        driver.function.resume();
        is_idle(&mut driver);
        assert_eq!(driver.interrupts(1), 0);
        driver.bring_up();
        subject.serves(&mut driver);
    }
}

#[test]
fn a_driver_may_reset_a_paused_device_and_start_it() {
    for subject in SUBJECTS {
        let mut driver = subject.driver();
        driver.bring_up();
        driver.function.pause();
        driver.bring_up();
        subject.ask(&mut driver);
        is_idle(&mut driver);
        driver.function.resume();
        driver.wait_used();
    }
}

#[test]
fn a_device_can_be_dropped_in_any_state() {
    for subject in SUBJECTS {
        drop(subject.driver());
        let mut driver = subject.driver();
        driver.bring_up();
        subject.ask(&mut driver);
        drop(driver);
        let mut driver = subject.driver();
        driver.bring_up();
        driver.function.pause();
        subject.ask(&mut driver);
        drop(driver);
    }
}

#[test]
fn an_interrupt_that_was_due_is_not_lost_over_a_pause() {
    for subject in SUBJECTS {
        let mut driver = subject.driver();
        driver.bring_up();
        driver.mask_vector(1, true);
        subject.ask(&mut driver);
        driver.wait_used();
        driver.function.pause();
        driver.function.resume();
        let unmasked = driver.function.write_bar(4, 0x401c, &[0; 4]);
        assert_eq!(unmasked, Action { msix: true, ..Action::NONE });
        driver.obey(unmasked);
        eventually("the interrupt", || (driver.interrupts(1) == 1).then_some(()));
    }
}
