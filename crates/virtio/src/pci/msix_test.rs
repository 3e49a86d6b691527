use super::*;

fn msix() -> Msix {
    let msix = Msix::new(2).unwrap();
    assert!(msix.set_control(CONTROL_ENABLE, true));
    msix
}

/// What the bus does.
fn route(msix: &Msix) {
    msix.routed(&msix.vectors());
}

fn raised(msix: &Msix, vector: usize) -> u64 {
    msix.events()[vector].read().unwrap_or(0)
}

fn pending(msix: &Msix) -> u64 {
    let mut data = [0; 8];
    msix.read_pending(0, &mut data);
    u64::from_le_bytes(data)
}

fn unmask(msix: &Msix, vector: u64) {
    assert!(msix.write_table(vector * ENTRY_SIZE + 12, &[0; 4]));
}

#[test]
fn all_vectors_are_masked_after_reset() {
    let msix = msix();
    assert_eq!(msix.vectors(), [None, None]);
    let mut entry = [0xff; 16];
    msix.read_table(16, &mut entry);
    assert_eq!(entry, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
}

#[test]
fn a_vector_is_raised_when_it_is_unmasked_and_routed() {
    let msix = msix();
    unmask(&msix, 1);
    msix.raise(1);
    assert_eq!((raised(&msix, 1), pending(&msix)), (0, 0b10), "not routed yet");
    route(&msix);
    assert_eq!((raised(&msix, 1), pending(&msix)), (1, 0));
    msix.raise(1);
    msix.raise(1);
    assert_eq!(raised(&msix, 1), 2);
    assert_eq!(raised(&msix, 0), 0);
}

#[test]
fn a_masked_vector_is_pending_and_raised_once_when_unmasked() {
    let msix = msix();
    unmask(&msix, 0);
    route(&msix);
    assert!(msix.write_table(12, &[1, 0, 0, 0]));
    msix.raise(0);
    msix.raise(0);
    assert_eq!((raised(&msix, 0), pending(&msix)), (0, 1));
    unmask(&msix, 0);
    route(&msix);
    assert_eq!((raised(&msix, 0), pending(&msix)), (1, 0));
}

#[test]
fn the_function_mask_masks_all_of_them() {
    let msix = msix();
    unmask(&msix, 0);
    route(&msix);
    assert!(msix.set_control(CONTROL_ENABLE | CONTROL_FUNCTION_MASK, true));
    assert_eq!(msix.vectors(), [None, None]);
    route(&msix);
    msix.raise(0);
    assert_eq!((raised(&msix, 0), pending(&msix)), (0, 1));
    assert!(msix.set_control(CONTROL_ENABLE, true));
    route(&msix);
    assert_eq!(raised(&msix, 0), 1);
}

#[test]
fn nothing_is_raised_or_pending_while_msix_is_off_or_for_vectors_that_do_not_exist() {
    let msix = msix();
    unmask(&msix, 0);
    route(&msix);
    msix.raise(2);
    msix.raise(u16::MAX);
    assert!(msix.set_control(0, true));
    msix.raise(0);
    assert_eq!((raised(&msix, 0), pending(&msix)), (0, 0));
}

#[test]
fn a_vector_that_moves_is_held_back_until_it_is_routed_anew() {
    let msix = msix();
    unmask(&msix, 0);
    route(&msix);
    assert!(msix.write_table(8, &0x41u32.to_le_bytes()));
    msix.raise(0);
    assert_eq!(raised(&msix, 0), 0);
    route(&msix);
    assert_eq!(raised(&msix, 0), 1);
    assert!(!msix.write_table(8, &0x41u32.to_le_bytes()), "nothing has changed");
}

#[test]
fn a_vector_that_moved_while_the_bus_routed_waits_for_the_next_time() {
    let msix = msix();
    unmask(&msix, 0);
    unmask(&msix, 1);
    let stale = msix.vectors();
    assert!(msix.write_table(16 + 8, &0x41u32.to_le_bytes()));
    msix.raise(0);
    msix.raise(1);
    msix.routed(&stale);
    assert_eq!((raised(&msix, 0), raised(&msix, 1)), (1, 0));
    route(&msix);
    assert_eq!(raised(&msix, 1), 1);
}

#[test]
fn an_entry_is_written_by_doublewords_and_quadwords_only() {
    let msix = msix();
    assert!(msix.write_table(16, &0xfee0_1003_u64.to_le_bytes()));
    assert!(msix.write_table(24, &0x55u32.to_le_bytes()));
    unmask(&msix, 1);
    let expected = MsixVector { address: 0xfee0_1000, data: 0x55 };
    assert_eq!(msix.vectors(), [None, Some(expected)]);
    assert!(msix.write_table(20, &1u32.to_le_bytes()));
    assert_eq!(msix.vectors()[1].unwrap().address, 0x1_fee0_1000);

    for (offset, data) in
        [(16, &[7; 1][..]), (16, &[7; 2]), (17, &[7; 4]), (32, &[7; 4]), (u64::MAX - 3, &[7; 8])]
    {
        assert!(!msix.write_table(offset, data), "{offset} {data:?}");
    }
}

#[test]
fn reset_forgets_masks_addresses_pending_bits_and_signals() {
    let msix = msix();
    unmask(&msix, 0);
    route(&msix);
    msix.raise(0);
    msix.raise(1);
    msix.reset();
    assert_eq!((raised(&msix, 0), pending(&msix)), (0, 0));
    assert!(msix.set_control(CONTROL_ENABLE, true));
    assert_eq!(msix.vectors(), [None, None]);
}
