use super::*;

#[test]
fn a_request_is_for_the_drive_or_a_unit_or_a_target_that_is_not_there() {
    for (lun, address) in [
        ([1, 0, 0, 0, 0, 0, 0, 0], Address::Drive),
        ([1, 0, 0x40, 0, 0, 0, 0, 0], Address::Drive),
        ([1, 0, 0, 1, 0, 0, 0, 0], Address::NoUnit),
        ([1, 0, 0x41, 0, 0, 0, 0, 0], Address::NoUnit),
        ([1, 0, 0xff, 0xff, 0, 0, 0, 0], Address::NoUnit),
        ([0xc1, 1, 0, 0, 0, 0, 0, 0], Address::NoUnit),
        ([1, 1, 0, 0, 0, 0, 0, 0], Address::NoTarget),
        ([0; 8], Address::NoTarget),
        ([0xff; 8], Address::NoTarget),
    ] {
        assert_eq!(Address::of(lun), address, "{lun:?}");
    }
}

#[test]
fn a_response_has_its_parts_where_the_driver_looks_for_them() {
    let response = Response { response: 0, sense: Some(Sense::NO_DISC), residual: 0x0102_0304 };
    let bytes = response.bytes();
    assert_eq!(bytes[..4], 18u32.to_le_bytes(), "length of the sense data");
    assert_eq!(bytes[4..8], [4, 3, 2, 1]);
    assert_eq!(bytes[8..12], [0, 0, 2, 0], "qualifier, check condition, response");
    assert_eq!((bytes[12], bytes[14], bytes[24], bytes[25]), (0x70, 2, 0x3a, 1));
    let good = Response { response: VIRTIO_SCSI_S_BAD_TARGET, sense: None, residual: u64::MAX };
    assert_eq!(good.bytes()[..12], [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 3]);
}

#[test]
fn every_task_management_function_is_answered() {
    let answer = |function, address| task(function, address);
    let task = |response, reset| Control::Task { response, reset };
    for function in [0, 1, 3, 6, 7] {
        assert_eq!(answer(function, Address::Drive), task(0, false), "{function}");
    }
    assert_eq!(answer(4, Address::Drive), task(0, true));
    assert_eq!(answer(4, Address::NoUnit), task(0, true), "that is about the target");
    assert_eq!(answer(5, Address::Drive), task(0, true));
    for unknown in [2, 8, u32::MAX] {
        assert_eq!(answer(unknown, Address::Drive), task(11, false), "{unknown}");
    }
    assert_eq!(answer(5, Address::NoUnit), task(12, false));
    assert_eq!(answer(5, Address::NoTarget), task(3, false));
}
