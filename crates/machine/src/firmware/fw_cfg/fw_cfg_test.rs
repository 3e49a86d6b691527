use proptest::prelude::*;
use vm_memory::GuestMemoryBackend;

use super::*;

const RAM: usize = 0x1_0000;
const REQUEST: u64 = 0x100;

fn ram() -> GuestRam {
    GuestRam::from_ranges(&[(GuestAddress(0), RAM)]).unwrap()
}

fn fw_cfg() -> FwCfg {
    let mut items = Items::default();
    items.set(key::NB_CPUS, [2, 0]);
    items.add_file("etc/one", *b"first");
    items.add_file("etc/two", vec![7; 3000]);
    FwCfg::new(items, ram())
}

fn select(device: &mut FwCfg, key: u16) {
    assert_eq!(device.write(SELECTOR, &key.to_le_bytes()), BusAction::None);
}

fn bytes(device: &mut FwCfg, count: usize) -> Vec<u8> {
    let mut next = || {
        let mut data = [0xFF];
        device.read(DATA, &mut data);
        data[0]
    };
    (0..count).map(|_| next()).collect()
}

/// Makes a request for direct access; what its first word says afterwards.
fn request(device: &mut FwCfg, control: u32, length: u32, address: u64) -> u32 {
    let mut request = control.to_be_bytes().to_vec();
    request.extend(length.to_be_bytes());
    request.extend(address.to_be_bytes());
    device.ram.write_slice(&request, GuestAddress(REQUEST)).unwrap();
    assert_eq!(device.write(DMA_HIGH, &[0; 4]), BusAction::None);
    assert_eq!(device.write(DMA_LOW, &(REQUEST as u32).to_be_bytes()), BusAction::None);
    u32::from_be_bytes(device.ram.read_obj(GuestAddress(REQUEST)).unwrap())
}

fn memory(device: &FwCfg, address: u64, count: usize) -> Vec<u8> {
    let mut data = vec![0; count];
    device.ram.read_slice(&mut data, GuestAddress(address)).unwrap();
    data
}

#[test]
fn firmware_recognises_the_interface() {
    let mut device = fw_cfg();
    select(&mut device, key::SIGNATURE);
    assert_eq!(bytes(&mut device, 6), b"QEMU\0\0");
    select(&mut device, key::ID);
    assert_eq!(bytes(&mut device, 4), [3, 0, 0, 0]);
    let mut signature = [0; 4];
    device.read(DMA_HIGH, &mut signature);
    assert_eq!(&signature, b"QEMU");
    device.read(DMA_LOW, &mut signature);
    assert_eq!(&signature, b" CFG");
}

#[test]
fn files_are_found_in_the_directory() {
    let mut device = fw_cfg();
    select(&mut device, key::FILE_DIR);
    let directory = bytes(&mut device, 4 + 2 * 64);
    assert_eq!(directory[..4], [0, 0, 0, 2]);
    let entry = &directory[4 + 64..];
    assert_eq!(entry[..4], 3000u32.to_be_bytes());
    assert_eq!(&entry[8..16], b"etc/two\0");
    let key = u16::from_be_bytes([entry[4], entry[5]]);
    select(&mut device, key);
    assert_eq!(bytes(&mut device, 3001), [vec![7; 3000], vec![0]].concat());
}

#[test]
fn only_accesses_of_the_right_width_count() {
    let mut device = fw_cfg();
    select(&mut device, key::NB_CPUS);
    let mut two = [0xFF; 2];
    device.read(DATA, &mut two);
    assert_eq!(two, [0xFF; 2]);
    assert_eq!(device.write(SELECTOR, &[0]), BusAction::None);
    assert_eq!(device.write(DMA_LOW, &[0, 0]), BusAction::None);
    assert_eq!(bytes(&mut device, 2), [2, 0], "nothing was taken and nothing else selected");
}

#[test]
fn a_request_selects_skips_and_reads() {
    let mut device = fw_cfg();
    assert_eq!(request(&mut device, SELECT | u32::from(key::FILE_FIRST) << 16, 0, 0), 0);
    assert_eq!(request(&mut device, SKIP, 2, 0), 0);
    assert_eq!(request(&mut device, READ, 5, 0x200), 0);
    assert_eq!(memory(&device, 0x200, 5), b"rst\0\0", "zeroes behind its end");
}

#[test]
fn what_can_not_be_done_is_an_error() {
    let mut device = fw_cfg();
    let read = READ | SELECT | (u32::from(key::FILE_FIRST) + 1) << 16;
    for (control, length, address) in [
        (WRITE, 4, 0x200),
        (read, 4, RAM as u64),
        (read, 3000, RAM as u64 - 8),
        (read, 4, u64::MAX - 1),
        (read, MAX_TRANSFER + 1, 0),
        (read, u32::MAX, 0),
    ] {
        assert_eq!(
            request(&mut device, control, length, address),
            ERROR,
            "{control:#x} {length} {address:#x}"
        );
    }
    assert_eq!(request(&mut device, read | WRITE, 4, 0x200), 0, "the read counts");
}

#[test]
fn a_request_may_overwrite_itself() {
    let mut device = fw_cfg();
    let read = READ | SELECT | (u32::from(key::FILE_FIRST) + 1) << 16;
    assert_eq!(request(&mut device, read, 64, REQUEST), 0);
    assert_eq!(memory(&device, REQUEST, 6), [0, 0, 0, 0, 7, 7], "its answer comes last");
}

#[test]
fn a_request_that_is_nowhere_does_nothing() {
    let mut device = fw_cfg();
    for address in [RAM as u64, RAM as u64 - 8, u64::MAX] {
        assert_eq!(device.write(DMA_HIGH, &((address >> 32) as u32).to_be_bytes()), BusAction::None);
        assert_eq!(device.write(DMA_LOW, &(address as u32).to_be_bytes()), BusAction::None);
    }
}

#[test]
fn a_reset_goes_back_to_the_signature() {
    let mut device = fw_cfg();
    select(&mut device, key::NB_CPUS);
    device.pause();
    device.reset();
    device.resume();
    assert_eq!(bytes(&mut device, 4), b"QEMU");
}

proptest! {
    /// The stable twin of a fuzz target: whatever a guest does, only its RAM changes, and never a panic.
    #[test]
    fn no_access_breaks_it(
        accesses in proptest::collection::vec((any::<bool>(), 0u64..12, 1usize..=8, any::<u64>()), 1..64),
        requests in proptest::collection::vec((any::<u32>(), any::<u32>(), any::<u64>()), 1..16),
        small in any::<bool>(),
    ) {
        let mut device = fw_cfg();
        for (write, offset, len, value) in accesses {
            let mut data = value.to_le_bytes();
            match write {
                true => prop_assert_eq!(device.write(offset, &data[..len]), BusAction::None),
                false => device.read(offset, &mut data[..len]),
            }
        }
        for (control, length, address) in requests {
            // Mostly items that exist, lengths and addresses that are in RAM.
            let (control, length, address) = match small {
                true => (control & 0x0021_001F, length % 4096, address % RAM as u64),
                false => (control, length, address),
            };
            let result = request(&mut device, control, length, address);
            prop_assert!(result == 0 || result == ERROR);
        }
        prop_assert_eq!(device.ram.iter().count(), 1);
    }
}
