use proptest::prelude::*;

use super::*;

const RBR: u64 = 0;
const THR: u64 = 0;
const IER: u64 = 1;
const IIR: u64 = 2;
const FCR: u64 = 2;
const LCR: u64 = 3;
const MCR: u64 = 4;
const LSR: u64 = 5;
const MSR: u64 = 6;
const SCR: u64 = 7;

const FIFO_ON: u8 = 0x01;
const TRIGGER_8: u8 = 0x80;

/// A chip with FIFOs and the interrupt line connected, as drivers set it up.
fn uart(interrupts: u8) -> Uart {
    let mut uart = Uart::new();
    uart.write(FCR, FIFO_ON | TRIGGER_8);
    uart.write(MCR, mcr::OUT2 | mcr::RTS | mcr::DTR);
    uart.write(IER, interrupts);
    uart
}

fn receive(uart: &mut Uart, bytes: &[u8]) {
    bytes.iter().for_each(|byte| uart.receive(*byte));
}

fn read_all(uart: &mut Uart) -> Vec<u8> {
    std::iter::from_fn(|| (uart.read(LSR) & lsr::DATA_READY != 0).then(|| uart.read(RBR))).collect()
}

#[test]
fn registers_after_reset_are_as_in_table_i() {
    let mut uart = Uart::new();
    let values: Vec<_> = (1..8).map(|register| uart.read(register)).collect();
    assert_eq!(values, [0, 0x01, 0, 0, 0x60, msr::CONNECTED, 0]);
    assert!(!uart.interrupt());
}

#[test]
fn a_byte_goes_out_at_once_and_the_divisor_latch_takes_its_place() {
    let mut uart = Uart::new();
    assert_eq!(uart.write(THR, b'x'), Some(b'x'));
    uart.write(LCR, 0x83);
    assert_eq!(uart.write(THR, 0x34), None);
    assert_eq!(uart.write(IER, 0x12), None);
    assert_eq!((uart.read(0), uart.read(1)), (0x34, 0x12));
    uart.write(LCR, 0x03);
    assert_eq!((uart.read(RBR), uart.read(IER)), (0, 0));
    assert_eq!(uart.write(THR, b'y'), Some(b'y'));
}

#[test]
fn scratch_keeps_its_byte_and_interrupt_enable_its_four_bits() {
    let mut uart = Uart::new();
    uart.write(SCR, 0xa5);
    uart.write(IER, 0xff);
    assert_eq!((uart.read(SCR), uart.read(IER)), (0xa5, 0x0f));
}

/// The steps by which Linux tells a 16550A from its relatives.
#[test]
fn linux_finds_a_16550a() {
    let mut uart = Uart::new();
    uart.write(MCR, mcr::LOOPBACK | mcr::OUT2 | mcr::RTS);
    assert_eq!(uart.read(MSR) & 0xf0, msr::DCD | msr::CTS);
    uart.write(MCR, 0);
    uart.write(FCR, FIFO_ON);
    assert_eq!(uart.read(IIR) >> 6, 3);
    // A 16750 would show its 64 byte FIFO, an enhanced one another register under these LCR values.
    uart.write(LCR, 0x80);
    uart.write(FCR, FIFO_ON | 0x20);
    assert_eq!(uart.read(IIR) >> 5, 6);
    uart.write(LCR, 0xbf);
    assert_ne!(uart.read(IIR), 0);
    uart.write(LCR, 0xe0);
    assert_eq!(uart.read(IIR) & 0x10, 0);
}

#[test]
fn interrupts_come_in_order_of_priority_and_each_has_its_own_acknowledgement() {
    let mut uart = uart(ier::ALL);
    uart.write(MCR, mcr::LOOPBACK | mcr::OUT2);
    uart.write(MCR, mcr::OUT2);
    receive(&mut uart, b"12345678");
    (0..9).for_each(|_| uart.receive(b'-'));
    assert!(uart.interrupt());
    assert_eq!(uart.read(IIR), 0xc6, "overrun");
    assert_eq!(uart.read(LSR), 0x63);
    assert_eq!(uart.read(IIR), 0xc4, "eight or more characters");
    (0..9).for_each(|_| _ = uart.read(RBR));
    assert_eq!(uart.read(IIR), 0xcc, "fewer, and the line is idle");
    (0..7).for_each(|_| _ = uart.read(RBR));
    assert_eq!(uart.read(IIR), 0xc2, "transmitter");
    assert_eq!(uart.read(IIR), 0xc0, "modem");
    assert_eq!(uart.read(MSR) & 0x0f, 0x03);
    assert_eq!(uart.read(IIR), 0xc1);
    assert!(!uart.interrupt());
}

#[test]
fn reading_the_identification_spares_a_transmitter_interrupt_that_it_does_not_show() {
    let mut uart = uart(ier::RECEIVED_DATA | ier::TRANSMITTER_EMPTY);
    uart.receive(b'x');
    assert_eq!((uart.read(IIR), uart.read(IIR)), (0xcc, 0xcc));
    assert_eq!(uart.read(RBR), b'x');
    assert_eq!((uart.read(IIR), uart.read(IIR)), (0xc2, 0xc1));
    uart.write(THR, b'y');
    assert_eq!((uart.read(IIR), uart.read(IIR)), (0xc2, 0xc1));
    // Drivers start to send by enabling the interrupt; to enable it once more is no news.
    uart.write(IER, ier::TRANSMITTER_EMPTY);
    assert!(!uart.interrupt());
    uart.write(IER, 0);
    uart.write(IER, ier::TRANSMITTER_EMPTY);
    assert!(uart.interrupt());
}

#[test]
fn the_fifo_takes_sixteen_and_tells_what_it_lost() {
    let mut uart = uart(0);
    receive(&mut uart, b"0123456789abcdef");
    assert!(!uart.can_receive());
    assert_eq!(uart.read(LSR) & lsr::OVERRUN, 0);
    uart.receive(b'!');
    assert_eq!(uart.read(LSR) & lsr::OVERRUN, lsr::OVERRUN);
    assert_eq!(uart.read(LSR) & lsr::OVERRUN, 0);
    assert_eq!(read_all(&mut uart), b"0123456789abcdef");
}

#[test]
fn without_fifos_there_is_one_place_and_the_last_character_has_it() {
    let mut uart = Uart::new();
    receive(&mut uart, b"ab");
    assert_eq!(uart.read(LSR) & (lsr::OVERRUN | lsr::DATA_READY), lsr::OVERRUN | lsr::DATA_READY);
    assert_eq!(read_all(&mut uart), b"b");
    assert_eq!(uart.read(IIR), 0x01);
}

#[test]
fn fifo_control_resets_and_switching_empties() {
    let mut uart = uart(0);
    receive(&mut uart, b"abc");
    uart.write(FCR, FIFO_ON | TRIGGER_8);
    assert_eq!(uart.read(LSR) & lsr::DATA_READY, lsr::DATA_READY);
    uart.write(FCR, FIFO_ON | fcr::RESET_RECEIVER);
    assert_eq!(uart.read(LSR) & lsr::DATA_READY, 0);
    uart.receive(b'd');
    uart.write(FCR, 0);
    assert_eq!(read_all(&mut uart), b"");
    // With the FIFOs off, the reset bit is not programmed.
    uart.receive(b'e');
    uart.write(FCR, fcr::RESET_RECEIVER);
    assert_eq!(read_all(&mut uart), b"e");
}

#[test]
fn trigger_levels_are_1_4_8_14() {
    for (bits, level) in [(0x00, 1), (0x40, 4), (0x80, 8), (0xc0, 14)] {
        let mut uart = uart(ier::RECEIVED_DATA);
        uart.write(FCR, FIFO_ON | bits);
        for received in 1..=16 {
            uart.receive(b'x');
            assert_eq!(uart.read(IIR), if received >= level { 0xc4 } else { 0xcc });
        }
    }
}

#[test]
fn a_break_shows_with_its_character_and_in_the_fifo_before() {
    let mut uart = uart(ier::LINE_STATUS);
    uart.receive(b'a');
    uart.receive_break();
    assert_eq!(uart.read(LSR) & (lsr::BREAK | lsr::ERROR_IN_FIFO), lsr::ERROR_IN_FIFO);
    assert!(!uart.interrupt());
    assert_eq!(uart.read(RBR), b'a');
    assert_eq!(uart.read(IIR), 0xc6);
    assert_eq!(uart.read(LSR), 0xf1);
    assert_eq!(uart.read(LSR), 0x61);
    assert_eq!(uart.read(RBR), 0);
    assert!(!uart.interrupt());
}

#[test]
fn loopback_sends_to_itself_and_cuts_the_line() {
    let mut uart = uart(ier::RECEIVED_DATA);
    uart.write(MCR, mcr::LOOPBACK | mcr::OUT2);
    assert!(!uart.can_receive());
    assert_eq!(uart.write(THR, b'x'), None);
    assert_eq!((uart.read(IIR), uart.interrupt()), (0xcc, false));
    assert_eq!(read_all(&mut uart), b"x");
    for (outputs, inputs) in
        [(mcr::RTS, msr::CTS), (mcr::DTR, msr::DSR), (mcr::OUT1, msr::RI), (mcr::OUT2, msr::DCD)]
    {
        uart.write(MCR, mcr::LOOPBACK | outputs);
        assert_eq!(uart.read(MSR) & 0xf0, inputs);
    }
}

#[test]
fn ri_counts_when_it_ends() {
    let mut uart = Uart::new();
    uart.write(MCR, mcr::LOOPBACK);
    uart.read(MSR);
    uart.write(MCR, mcr::LOOPBACK | mcr::OUT1);
    assert_eq!(uart.read(MSR), msr::RI);
    uart.write(MCR, mcr::LOOPBACK);
    assert_eq!(uart.read(MSR), msr::TRAILING_RI);
    assert_eq!(uart.read(MSR), 0);
}

#[test]
fn without_out2_the_line_is_not_connected() {
    let mut uart = uart(ier::RECEIVED_DATA);
    uart.receive(b'x');
    assert!(uart.interrupt());
    uart.write(MCR, 0);
    assert!(!uart.interrupt());
}

proptest! {
    /// Whatever a guest does, the chip keeps within its FIFO, and a line that is high has a cause that is shown.
    #[test]
    fn any_sequence_of_accesses_leaves_a_sound_chip(
        steps in prop::collection::vec((0..4_u8, 0..9_u64, any::<u8>()), 0..200)
    ) {
        let mut uart = Uart::new();
        for (step, register, value) in steps {
            match step {
                0 => _ = uart.read(register),
                1 => _ = uart.write(register, value),
                2 => uart.receive(value),
                _ => uart.receive_break(),
            }
            prop_assert!(uart.received.len() <= FIFO_SIZE);
            let high = uart.interrupt();
            prop_assert!(!high || uart.pending() != iir::NONE);
        }
    }
}
