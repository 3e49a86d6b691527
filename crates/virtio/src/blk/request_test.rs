use std::sync::Arc;

use proptest::prelude::*;
use vm_memory::Bytes;

use super::*;
use crate::test_util::{Part, Ring, into, out, ram};
use crate::{Interrupt, Queue};

struct Nobody;

impl Interrupt for Nobody {
    fn queue(&self, _queue: u16) {}
    fn config(&self) {}
    fn needs_reset(&self, _why: &dyn std::fmt::Display) {}
}

/// Whatever the parts of a chain, the header and the size of the disk: what is let through stays on the disk
/// and within the chain.
fn check(parts: &[Part], header: [u8; 48], capacity: u64) {
    let memory = ram();
    memory.write_slice(&header, GuestAddress(0x5000)).unwrap();
    let mut ring = Ring::new(&memory, 16);
    let mut queue = Queue::new(0, ring.state(false), memory.clone(), Arc::new(Nobody)).unwrap();
    ring.add(parts);
    let Some(chain) = queue.pop() else { return };
    let Some(_) = status_address(&chain) else { return };
    let (offset, len) = match parse(&chain, &memory, capacity) {
        Ok(Request::Read { offset, len }) => {
            assert!(len < chain.writable().len() && len % 512 == 0);
            (offset, len)
        }
        Ok(Request::Write { offset, len }) => {
            assert!(len + HEADER == chain.readable().len() && len % 512 == 0);
            (offset, len)
        }
        Ok(Request::GetId { len }) => {
            assert!(len <= 20 && len < chain.writable().len());
            return;
        }
        Ok(Request::Discard { offset, len }) => {
            assert!(len <= u64::from(MAX_DISCARD_SECTORS) * 512);
            (offset, len)
        }
        Ok(Request::WriteZeroes { offset, len, .. }) => {
            assert!(len <= u64::from(MAX_ZEROES_SECTORS) * 512);
            (offset, len)
        }
        Ok(Request::Flush) | Err(_) => return,
    };
    assert!(offset.checked_add(len).is_some_and(|end| end <= capacity));
}

fn part() -> impl Strategy<Value = Part> {
    let len =
        prop_oneof![Just(0), Just(1), Just(16), Just(32), Just(512), Just(513), 0..5000u32, any::<u32>()];
    let address = prop_oneof![Just(0x5000), Just(0x6000), (0..5u64 << 20), any::<u64>()];
    (address, len, any::<bool>()).prop_map(|(address, len, writable)| Part { address, len, writable })
}

/// A header of a kind that exists, for most of the tries.
fn header() -> impl Strategy<Value = [u8; 48]> {
    let kind = prop_oneof![0..16u32, any::<u32>()];
    let small = prop_oneof![0..4000u64, any::<u64>()];
    (kind, small.clone(), small, 0..3u32, any::<u32>()).prop_map(|(kind, sector, first, flags, sectors)| {
        let mut header = [0; 48];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[8..16].copy_from_slice(&sector.to_le_bytes());
        header[16..24].copy_from_slice(&first.to_le_bytes());
        header[24..28].copy_from_slice(&(sectors >> (sectors % 32)).to_le_bytes());
        header[28..32].copy_from_slice(&flags.to_le_bytes());
        header
    })
}

proptest! {
    #[test]
    fn no_request_leaves_the_disk_or_its_chain(
        mut parts in prop::collection::vec(part(), 0..6),
        sensible in any::<bool>(),
        header in header(),
        sectors in 1..4000u64,
    ) {
        if sensible {
            parts = vec![out(0x5000, 16), into(0x6000, 1024), into(0x7000, 1)];
            if header[0] != 0 {
                parts = vec![out(0x5000, 32), into(0x7000, 1)];
            }
        }
        if !parts.is_empty() {
            check(&parts, header, sectors * 512);
        }
    }
}
