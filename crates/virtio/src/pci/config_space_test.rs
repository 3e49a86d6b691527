use proptest::prelude::*;

use super::*;

const IDENTITY: Identity = Identity { vendor: 0x1234, device: 0x5678, revision: 3, class: [1, 2, 4] };

fn space() -> ConfigSpace {
    let mut space = ConfigSpace::new(IDENTITY);
    space.add_port_bar(0, 64);
    space.add_memory_bar(4, 0x8000);
    space
}

fn sized(space: &mut ConfigSpace, index: u8) -> u32 {
    space.write(bar_register(index), &u32::MAX.to_le_bytes());
    space.u32(bar_register(index))
}

#[test]
fn sizes_are_found_by_writing_ones() {
    let mut space = space();
    assert_eq!((sized(&mut space, 0), sized(&mut space, 4)), (0xffff_ffc1, 0xffff_8000));
    assert_eq!([1, 2, 3, 5].map(|index| sized(&mut space, index)), [0; 4]);
}

#[test]
fn each_kind_of_range_has_its_own_bit_of_the_command_register() {
    let mut space = space();
    space.write(bar_register(0), &0xc03fu32.to_le_bytes());
    space.write(bar_register(4), &0xe000_0000u32.to_le_bytes());
    let ports = Bar { index: 0, kind: BarKind::Io, address: 0xc000, size: 64 };
    let memory = Bar { index: 4, kind: BarKind::Memory, address: 0xe000_0000, size: 0x8000 };
    for (command, expected) in [
        (0u16, vec![]),
        (command::PORTS, vec![ports]),
        (command::MEMORY, vec![memory]),
        (3, vec![ports, memory]),
    ] {
        space.write(register::COMMAND, &command.to_le_bytes());
        assert_eq!(space.bars(), expected);
    }
    assert_eq!(ConfigSpace::new(IDENTITY).writable[4] & 1, 0, "without ports there is nothing to decode");
}

#[test]
fn ports_that_do_not_exist_are_nowhere() {
    let mut space = space();
    space.write(register::COMMAND, &command::PORTS.to_le_bytes());
    for (address, found) in [(0xffc0u32, 1), (0x1_0000, 0), (0xffff_ffc0, 0), (0, 1)] {
        space.write(bar_register(0), &address.to_le_bytes());
        assert_eq!(space.bars().len(), found, "{address:#x}");
    }
}

proptest! {
    /// Whatever is written anywhere, what is fixed stays, and the ranges are aligned and inside of their space.
    #[test]
    fn no_sequence_of_writes_changes_what_is_fixed(
        writes in prop::collection::vec((any::<u8>(), any::<u32>(), prop_oneof![Just(1usize), Just(2), Just(4)]), 1..200)
    ) {
        let mut space = space();
        let before = space.bytes;
        for (offset, value, width) in writes {
            space.write(offset, &value.to_le_bytes()[..width]);
            for bar in space.bars() {
                prop_assert_eq!(bar.address % bar.size, 0);
                let end = if bar.kind == BarKind::Io { 1 << 16 } else { 1 << 32 };
                prop_assert!(bar.address + bar.size <= end);
            }
        }
        for (at, (old, new)) in before.iter().zip(space.bytes).enumerate() {
            prop_assert_eq!(old & !space.writable[at], new & !space.writable[at]);
        }
        space.reset();
        prop_assert_eq!(space.bytes, before);
    }
}
