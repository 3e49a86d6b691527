//! What a processor's thread does for the guest between two stretches of running it.

use std::sync::Arc;

use hv::{Bytes, Entry, Exit, Hardware, Processor, Space};
use proto::ResetCause;

use super::failure::describe;
use crate::bus::{Bus, BusAction};
use crate::event::{Events, MachineEvent};
use crate::firmware::Shadow;
use crate::pci::PciBus;

/// What a processor is wired to.
#[derive(Clone)]
pub(crate) struct Board {
    /// The ports.
    pub ports: Arc<Bus>,
    /// Memory where no RAM is.
    pub memory: Arc<Bus>,
    /// The PCI functions, for what their registers ask of the bus.
    pub pci: Arc<PciBus>,
    /// What memory the host bridge shows below 1 MiB, where firmware decides that.
    pub shadow: Option<Arc<Shadow>>,
    /// The way to the owner.
    pub events: Arc<Events>,
    /// What runs privileged code here, for explanations.
    pub hardware: Hardware,
}

/// Whether a processor goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Run(Entry),
    /// Not before the owner says so, but what the guest has begun is completed.
    Leave,
}

impl Board {
    /// Runs the guest until `over` says so, or until the guest has ended its own round.
    pub fn run(&self, processor: &mut impl Processor, over: impl Fn() -> bool) {
        let mut entry = Entry::Resume;
        let mut leaving = false;
        loop {
            let next = match processor.run(entry) {
                Exit::Read { space, address, len } => Next::Run(Entry::Data(self.read(space, address, len))),
                Exit::Write { space, address, data } => self.write(space, address, data),
                Exit::Interrupted if leaving || over() => return,
                Exit::Interrupted => Next::Run(Entry::Resume),
                Exit::Shutdown => return self.events.send(MachineEvent::Reset(ResetCause::TripleFault)),
                Exit::Failed(failure) => {
                    let why = describe(&failure, self.hardware);
                    return self.events.send(MachineEvent::Failed(why));
                }
            };
            entry = match next {
                Next::Run(entry) => entry,
                Next::Leave => {
                    leaving = true;
                    Entry::Resume
                }
            };
            if leaving {
                processor.leave();
            }
        }
    }

    fn bus(&self, space: Space) -> &Bus {
        match space {
            Space::Port => &self.ports,
            Space::Memory => &self.memory,
        }
    }

    fn read(&self, space: Space, address: u64, len: u8) -> Bytes {
        let mut data = Bytes::ones(len.into());
        self.bus(space).read(address, data.as_mut_slice());
        data
    }

    fn write(&self, space: Space, address: u64, data: Bytes) -> Next {
        match self.bus(space).write(address, data.as_slice()) {
            BusAction::None => return Next::Run(Entry::Resume),
            BusAction::Pci(slot, action) => {
                self.pci.apply(slot, action);
                if let Some(shadow) = self.shadow.as_ref().filter(|_| action.memory) {
                    shadow.apply();
                }
                return Next::Run(Entry::Resume);
            }
            BusAction::Reset(cause) => self.events.send(MachineEvent::Reset(cause)),
            BusAction::PowerOff => self.events.send(MachineEvent::PoweredOff),
        }
        Next::Leave
    }
}
