//! The first serial line: a UART between the bus and the host.

use std::collections::VecDeque;
use std::sync::Arc;

use virtio::Lifecycle;

use super::uart::Uart;
use crate::{BusAction, BusDevice, IrqLine, SerialOutput};

/// Bytes from the host that wait until the guest reads.
const QUEUE_SIZE: usize = 4096;

/// A serial line with a 16550A at the guest's end.
///
/// What the guest sends is given to [`SerialOutput`] byte by byte, at once. What comes for it waits in a queue of
/// 4 KiB and goes into the chip as the guest reads, so that nothing is lost however slow the guest is.
pub struct Serial {
    uart: Uart,
    output: Arc<dyn SerialOutput>,
    irq: Box<dyn IrqLine>,
    room: Box<dyn Fn() + Send>,
    queue: VecDeque<Input>,
    /// Bytes among the queue.
    queued_bytes: usize,
    /// Bytes were refused, and who sent them was not called yet.
    refused: bool,
    paused: bool,
}

/// What arrives on the line.
#[derive(Clone, Copy, Debug)]
enum Input {
    Byte(u8),
    Break,
}

impl Serial {
    /// A line with an idle chip. `room` is called, with the device locked, when bytes were refused and half of the
    /// queue is free again.
    pub fn new(
        output: Arc<dyn SerialOutput>,
        irq: impl IrqLine + 'static,
        room: impl Fn() + Send + 'static,
    ) -> Self {
        Self {
            uart: Uart::new(),
            output,
            irq: Box::new(irq),
            room: Box::new(room),
            queue: VecDeque::new(),
            queued_bytes: 0,
            refused: false,
            paused: false,
        }
    }

    /// Bytes for the guest. The number that was taken is returned; the rest has to come again when there is room.
    pub fn input(&mut self, bytes: &[u8]) -> usize {
        let free = QUEUE_SIZE.saturating_sub(self.queued_bytes);
        let taken = bytes.get(..free).unwrap_or(bytes);
        self.queue.extend(taken.iter().map(|byte| Input::Byte(*byte)));
        self.queued_bytes = self.queued_bytes.saturating_add(taken.len());
        self.refused |= taken.len() < bytes.len();
        self.update();
        taken.len()
    }

    /// A break for the guest, behind the bytes that came before it. Of several in a row one is sent.
    pub fn send_break(&mut self) {
        if !matches!(self.queue.back(), Some(Input::Break)) {
            self.queue.push_back(Input::Break);
        }
        self.update();
    }

    /// Moves input into the chip as far as it has room, and drives the interrupt line.
    fn update(&mut self) {
        while !self.paused && self.uart.can_receive() {
            match self.queue.pop_front() {
                Some(Input::Byte(byte)) => self.receive(byte),
                Some(Input::Break) => self.uart.receive_break(),
                None => break,
            }
        }
        self.irq.set(self.uart.interrupt());
        self.tell_room();
    }

    fn receive(&mut self, byte: u8) {
        self.queued_bytes = self.queued_bytes.saturating_sub(1);
        self.uart.receive(byte);
    }

    fn tell_room(&mut self) {
        if self.refused && self.queued_bytes <= QUEUE_SIZE / 2 {
            self.refused = false;
            (self.room)();
        }
    }
}

impl BusDevice for Serial {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        for (register, byte) in (offset..).zip(data) {
            *byte = self.uart.read(register);
        }
        self.update();
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> BusAction {
        for (register, byte) in (offset..).zip(data) {
            if let Some(sent) = self.uart.write(register, *byte) {
                self.output.write(&[sent]);
            }
        }
        self.update();
        BusAction::None
    }
}

impl Lifecycle for Serial {
    fn pause(&mut self) {
        self.paused = true;
    }

    fn resume(&mut self) {
        self.paused = false;
        self.update();
    }

    /// What was on its way to the guest is lost, as on a real line.
    fn reset(&mut self) {
        self.uart = Uart::new();
        self.queue.clear();
        self.queued_bytes = 0;
        self.update();
    }
}

#[cfg(test)]
#[path = "serial_test.rs"]
mod tests;
