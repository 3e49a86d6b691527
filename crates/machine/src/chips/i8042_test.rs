use super::*;
use proto::ResetCause;

fn read(chip: &mut I8042, offset: u64) -> u8 {
    let mut data = [0xff];
    chip.read(offset, &mut data);
    data[0]
}

fn command(chip: &mut I8042, value: u8) -> BusAction {
    chip.write(STATUS, &[value])
}

fn data(chip: &mut I8042, value: u8) -> BusAction {
    chip.write(DATA, &[value])
}

fn answers(chip: &mut I8042) -> Vec<u8> {
    std::iter::from_fn(|| (read(chip, STATUS) & OUTPUT_FULL != 0).then(|| read(chip, DATA))).collect()
}

#[test]
fn every_way_to_pull_the_reset_line_resets() {
    let chip = &mut I8042::new();
    assert_eq!(command(chip, 0xfe), BusAction::Reset(ResetCause::KeyboardController));
    assert_eq!(command(chip, 0xf0), BusAction::Reset(ResetCause::KeyboardController));
    assert_eq!(command(chip, 0xff), BusAction::None);
    assert_eq!(command(chip, 0xd1), BusAction::None);
    assert_eq!(data(chip, 0xdf), BusAction::None);
    let _ = command(chip, 0xd1);
    assert_eq!(data(chip, 0xfe), BusAction::Reset(ResetCause::KeyboardController));
    assert_eq!(data(chip, 0xfe), BusAction::None, "the command had its data");
}

#[test]
fn commands_are_answered_at_once() {
    let chip = &mut I8042::new();
    for (value, expected) in [(0xaa, 0x55), (0xab, 0x00), (0xa9, 0x01), (0x20, CONTROL), (0xd0, 0x03)] {
        assert_eq!(read(chip, STATUS), 0x14);
        let _ = command(chip, value);
        assert_eq!(read(chip, STATUS), 0x15);
        assert_eq!(read(chip, DATA), expected);
    }
}

#[test]
fn the_control_byte_reads_back() {
    let chip = &mut I8042::new();
    let _ = command(chip, 0x60);
    let _ = data(chip, 0x65);
    let _ = command(chip, 0x20);
    assert_eq!(answers(chip), [0x65]);
    chip.reset();
    let _ = command(chip, 0x20);
    assert_eq!(answers(chip), [CONTROL]);
}

#[test]
fn the_keyboard_answers_and_the_mouse_does_not() {
    let chip = &mut I8042::new();
    for (value, expected) in [(0xff, &[0xfa, 0xaa][..]), (0xf2, &[0xfa, 0xab, 0x83]), (0xf4, &[0xfa])] {
        let _ = data(chip, value);
        assert_eq!(answers(chip), expected);
    }
    let _ = command(chip, 0xd4);
    let _ = data(chip, 0xff);
    assert_eq!(answers(chip), []);
}

#[test]
fn answers_that_nobody_reads_are_bounded_and_other_ports_are_not_ours() {
    let chip = &mut I8042::new();
    (0..1000).for_each(|_| _ = data(chip, 0xf2));
    assert_eq!(answers(chip).len(), OUTPUT_SIZE);
    for offset in 1..4 {
        assert_eq!(chip.write(offset, &[0xfe]), BusAction::None);
        assert_eq!(read(chip, offset), 0xff);
    }
}
