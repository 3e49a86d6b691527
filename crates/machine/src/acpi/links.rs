//! How PCI interrupts arrive (ACPI 6.5, 6.2.13): which pin of which slot uses which line, and each line as a link
//! device whose setting is the route register of the ISA bridge. They mean the same to a system that uses the 8259s
//! and to one that uses the I/O APIC: both have inputs of the same numbers.

use acpi_tables::aml::{
    Arg, CreateDWordField, Device, EISAName, Field, FieldAccessType, FieldEntry, FieldLockRule,
    FieldUpdateRule, If, LessThan, Method, Name, OpRegion, OpRegionSpace, Or, Package, PackageBuilder, Path,
    ResourceTemplate, Return, Store,
};
use acpi_tables::{Aml, AmlSink};

use super::dsdt::{Encoded, device};
use crate::layout::{ISA_BRIDGE, PCI_IRQ_CHOICE};
use crate::pci::{PIRQ_ROUTES, PciAddress, line_of};

/// The name of each line's register and link.
const LINKS: [(&str, &str); 4] = [("PRQA", "LNKA"), ("PRQB", "LNKB"), ("PRQC", "LNKC"), ("PRQD", "LNKD")];
/// The bit of a route register that says that the line leads nowhere.
const DISABLED: u8 = 0x80;
/// What `_STA` says of a link (6.3.7): present, working, shown; and in use.
const PRESENT: u8 = 0x09;
const IN_USE: u8 = 0x0B;
/// Where the number lies in a descriptor of one interrupt (6.4.3.6).
const NUMBER: u8 = 5;

/// Interrupts of a link: level triggered, active high, shared (6.4.3.6).
struct Shared<'a>(&'a [u8]);

impl Aml for Shared<'_> {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        const EXTENDED_INTERRUPT: u8 = 0x89;
        const CONSUMER_LEVEL_HIGH_SHARED: u8 = 0b1001;
        let count = u8::try_from(self.0.len()).unwrap_or(u8::MAX);
        sink.byte(EXTENDED_INTERRUPT);
        sink.word(u16::from(count).saturating_mul(4).saturating_add(2));
        sink.byte(CONSUMER_LEVEL_HIGH_SHARED);
        sink.byte(count);
        self.0.iter().for_each(|number| sink.dword((*number).into()));
    }
}

/// The ISA bridge: its route registers, and a link for each.
pub(super) fn isa_bridge() -> Encoded {
    let registers = Path::new("PIRQ");
    let region = OpRegion::new(registers, OpRegionSpace::PCIConfig, &PIRQ_ROUTES, &4_u8);
    let fields = LINKS.iter().filter_map(|(register, _)| register.as_bytes().try_into().ok());
    let fields = Field::new(
        Path::new("PIRQ"),
        FieldAccessType::Byte,
        FieldLockRule::NoLock,
        FieldUpdateRule::Preserve,
        fields.map(|name| FieldEntry::Named(name, 8)).collect(),
    );
    let links: Vec<_> = (0..).zip(LINKS).map(|(n, (register, name))| link(n, register, name)).collect();
    let address = Name::new(Path::new("_ADR"), &bus_address(ISA_BRIDGE));
    let content = [&address as &dyn Aml, &region, &fields].into_iter();
    let content = content.chain(links.iter().map(|link| link as &dyn Aml)).collect();
    Encoded::new(&Device::new(Path::new("ISA_"), content))
}

/// One link: what it may be and is set to, and how to change that (6.2.2, 6.2.4, 6.2.13, 6.2.16).
fn link(number: u8, register: &str, name: &str) -> Encoded {
    let (register, field) = (Path::new(register), Path::new("IRQN"));
    let in_use = LessThan::new(&register, &DISABLED);
    let choice = Name::new(Path::new("_PRS"), &ResourceTemplate::new(vec![&Shared(&PCI_IRQ_CHOICE)]));

    let yes = Return::new(&IN_USE);
    let (when_in_use, no) = (If::new(&in_use, vec![&yes]), Return::new(&PRESENT));
    let status = Method::new(Path::new("_STA"), 0, false, vec![&when_in_use, &no]);

    let off = Or::new(&register, &register, &DISABLED);
    let disable = Method::new(Path::new("_DIS"), 0, false, vec![&off]);

    let buffer = Path::new("CURR");
    let current = Name::new(Path::new("CURR"), &ResourceTemplate::new(vec![&Shared(&[0])]));
    let in_buffer = CreateDWordField::new(&field, &buffer, &NUMBER);
    let told = Store::new(&field, &register);
    let (when_in_use, answer) = (If::new(&in_use, vec![&told]), Return::new(&buffer));
    let settings = Method::new(Path::new("_CRS"), 0, true, vec![&current, &in_buffer, &when_in_use, &answer]);

    let in_argument = CreateDWordField::new(&field, &Arg(0), &NUMBER);
    let set = Store::new(&register, &field);
    let change = Method::new(Path::new("_SRS"), 1, true, vec![&in_argument, &set]);
    device(name, &EISAName::new("PNP0C0F"), number, vec![&choice, &status, &disable, &settings, &change])
}

/// Which link each pin of each slot uses (6.2.13).
pub(super) fn routing() -> Name {
    let mut table = PackageBuilder::new();
    for slot in 0..PciAddress::SLOTS {
        // The lower half says: whichever function it is.
        let address = bus_address(PciAddress::slot(slot)) | 0xFFFF;
        for pin in 0..4_u8 {
            let line = line_of(PciAddress::slot(slot), pin.saturating_add(1));
            let Some((_, link)) = LINKS.get(line) else { continue };
            let link = Path::new(&format!("ISA_.{link}"));
            table.add_element(&Package::new(vec![&address, &pin, &link, &0_u8]));
        }
    }
    Name::new(Path::new("_PRT"), &table)
}

/// A function's address as `_ADR` has it (6.1.1).
fn bus_address(address: PciAddress) -> u32 {
    u32::from(address.slot_number()) << 16 | u32::from(address.function_number())
}
