use super::*;
use crate::irq::tests::Record;
use crate::pci::PciAddress;

fn word(function: &mut impl PciFunction, offset: u8) -> u32 {
    let mut data = [0; 4];
    function.read_config(offset, &mut data);
    u32::from_le_bytes(data)
}

#[test]
fn the_functions_are_what_firmware_looks_for() {
    let mut isa = IsaBridge::new(Arc::new(PirqRouter::new(&Record::default().lines())));
    assert_eq!((word(&mut isa, 0), word(&mut isa, 8)), (0x7000_8086, 0x0601_0000));
    assert_eq!((word(&mut isa, 4), word(&mut isa, PIRQ_ROUTES)), (7, 0x8080_8080));
    let mut power = PowerFunction::new();
    assert_eq!((word(&mut power, 0), word(&mut power, 8)), (0x7113_8086, 0x0680_0003));
    assert_eq!((word(&mut power, PM_BASE), word(&mut power, SMB_BASE)), (1, 1));
    assert_eq!(word(&mut power, 0x58), 0x0200_0000, "SeaBIOS does not set up system management mode");
}

#[test]
fn routes_move_what_is_asserted_and_a_reset_takes_it_away() {
    let record = Record::default();
    let pirq = Arc::new(PirqRouter::new(&record.lines()));
    let mut isa = IsaBridge::new(pirq.clone());
    pirq.pin(PciAddress::slot(2), 1).set(true);
    assert_eq!(record.take(), []);
    assert_eq!(isa.write_config(PIRQ_ROUTES + 1, &[11]), Action::NONE);
    assert_eq!(record.take(), [(11, true)]);
    assert_eq!(isa.write_config(PIRQ_ROUTES, &[0x7a, 0x75]), Action::NONE);
    assert_eq!(word(&mut isa, PIRQ_ROUTES) as u16, 0x050a, "reserved bits stay clear");
    assert_eq!(record.take(), [(5, true), (11, false)]);
    isa.reset();
    assert_eq!(record.take(), [(5, false)]);
}

#[test]
fn the_ports_are_where_firmware_puts_them_while_they_are_enabled() {
    let mut power = PowerFunction::new();
    let ports = |address| Bar { index: 0, kind: BarKind::Io, address, size: 64 };
    assert!(!power.write_config(PM_BASE, &0xb000u32.to_le_bytes()).bars);
    assert_eq!(power.bars(), []);
    assert!(power.write_config(PM_MISC, &[0xff]).bars);
    assert_eq!(word(&mut power, PM_MISC), 1);
    assert_eq!(power.bars(), [ports(0xb000)]);
    assert!(power.write_config(PM_BASE, &0xffff_063fu32.to_le_bytes()).bars);
    assert_eq!((power.bars(), word(&mut power, PM_BASE)), (vec![ports(0x600)], 0x601));
    power.reset();
    assert_eq!(power.bars(), []);
}
