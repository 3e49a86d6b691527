use super::*;

#[test]
fn an_address_is_six_octets_of_one_or_two_digits() {
    let address = |text: &str| text.parse::<MacAddress>();
    assert_eq!(address("fe:e1:bb:d1:0:a"), Ok(MacAddress([0xfe, 0xe1, 0xbb, 0xd1, 0, 10])));
    assert_eq!(address("FE:E1:BB:D1:00:0A").map(|mac| mac.to_string()), Ok("fe:e1:bb:d1:00:0a".into()));
    for bad in ["", "fe", "1:2:3:4:5", "1:2:3:4:5:6:7", "1:2:3:4:5:", "1:2:3:4:5:123", "1:2:3:4:5:+1"] {
        assert_eq!(address(bad), Err(MacAddressError), "{bad:?}");
    }
    assert!(MacAddress([0; 6]).is_zero());
    assert!(MacAddress([1, 0, 0, 0, 0, 0]).is_multicast());
}

#[test]
fn a_tap_has_a_number() {
    assert!(TapName::new("tap0").is_ok());
    assert!(TapName::new("tap123456789012").is_ok());
    for bad in ["tap", "tap1234567890123", "tap-1", "tun0", "eth0", "tap0 "] {
        assert_eq!(TapName::new(bad), Err(NetNameError::NoTap), "{bad:?}");
    }
}

#[test]
fn a_group_does_not_look_like_an_interface() {
    assert!(GroupName::new("mygroup").is_ok());
    assert_eq!(GroupName::new("group1"), Err(NetNameError::Digit));
    assert_eq!(GroupName::new("sixteen_letters_"), Err(NetNameError::TooLong(15)));
    assert_eq!(GroupName::new(""), Err(NetNameError::Empty));
}

#[test]
fn an_interface_is_named_as_the_kernel_allows() {
    for good in ["br0", "bridge0", "virbr0", "br-lan", "br.10"] {
        assert!(InterfaceName::new(good).is_ok(), "{good}");
    }
    assert_eq!(InterfaceName::new("a/b"), Err(NetNameError::Character('/')));
    assert_eq!(InterfaceName::new("a b"), Err(NetNameError::Character(' ')));
    assert_eq!(InterfaceName::new(".."), Err(NetNameError::Dots("..".into())));
    assert_eq!(InterfaceName::new("x".repeat(16)), Err(NetNameError::TooLong(15)));
}

#[test]
fn a_switch_has_any_text_for_a_name() {
    assert!(SwitchName::new("my switch").is_ok());
    assert_eq!(SwitchName::new("x".repeat(64)), Err(NetNameError::TooLong(63)));
    assert_eq!(SwitchName::new("a\nb"), Err(NetNameError::Character('\n')));
}
