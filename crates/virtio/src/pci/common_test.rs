use super::*;

/// A read of any width at any offset gives the bytes that reads by register give.
#[test]
fn reads_are_consistent_at_all_offsets_and_widths() {
    let interrupt = PciInterrupt::new("test", 2).unwrap();
    let mut common = Common::new(0x1234_5678, &[8, 64]);
    for (offset, value) in [(0, 1u64), (8, 1), (22, 1), (32, 0x0102_0304_0506_0708), (40, 0x1112), (48, 0x21)]
    {
        let width = match offset {
            22 => 2,
            32.. => 8,
            _ => 4,
        };
        assert_eq!(common.write(&interrupt, offset, &value.to_le_bytes()[..width]), Command::None);
    }
    let mut whole = [0xa5; 64];
    common.read(&interrupt, 0, &mut whole);
    assert_eq!(whole[..4], 1u32.to_le_bytes());
    assert_eq!(whole[4..8], 1u32.to_le_bytes(), "VERSION_1");
    assert_eq!(whole[18..20], [2, 0]);
    assert_eq!(whole[24..26], [64, 0]);
    assert_eq!(whole[26..28], [0xff, 0xff]);
    assert_eq!(whole[30..32], [1, 0], "queue_notify_off");
    assert_eq!(whole[32..40], [8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(whole[60..], [0; 4], "behind the end");
    for width in [1, 2, 4, 8] {
        for offset in 0..64 - width {
            let mut data = vec![0xa5; width];
            common.read(&interrupt, offset as u64, &mut data);
            assert_eq!(data, whole[offset..offset + width]);
        }
    }
}

#[test]
fn writes_of_widths_that_a_register_does_not_have_do_nothing() {
    let interrupt = PciInterrupt::new("test", 1).unwrap();
    let mut common = Common::new(0, &[8]);
    let mut before = [0; 60];
    common.read(&interrupt, 0, &mut before);
    for (offset, width) in [
        (0, 1),
        (0, 2),
        (0, 8),
        (12, 2),
        (16, 4),
        (20, 2),
        (21, 1),
        (22, 1),
        (24, 4),
        (28, 1),
        (32, 2),
        (34, 4),
        (35, 8),
        (59, 8),
    ] {
        assert_eq!(common.write(&interrupt, offset, &[1; 8][..width]), Command::None);
        let mut after = [0; 60];
        common.read(&interrupt, 0, &mut after);
        assert_eq!(before, after, "{width} bytes at {offset}");
    }
}
