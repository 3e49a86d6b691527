//! The devices that can not be found by looking: the DSDT (ACPI 6.5, section 5.2.11.1), in AML.

use acpi_tables::aml::AddressSpaceCacheable::NotCacheable;
use acpi_tables::aml::{
    AddressSpace, Device, EISAName, IO, Interrupt, Name, Package, Path, ResourceTemplate, Scope,
};
use acpi_tables::sdt::Sdt;
use acpi_tables::{Aml, AmlSink};
use proto::CpuCount;

use super::{links, sdt};
use crate::chips::SLEEP_TYPE_S5;
use crate::layout::{
    PCI_CONFIG_PORTS, PCI_PORTS_END, PM_PORTS, RTC_IRQ, RTC_PORTS, SERIAL_IRQ, SERIAL_PORTS,
};

/// From revision 2 on, integers have 64 bits.
const REVISION: u8 = 2;

/// The table for so many processors and this PCI memory window, first address and end.
pub(super) fn table(cpus: CpuCount, window: (u64, u64)) -> Sdt {
    // The sleep type for PM1a and PM1b; the other two elements are reserved (7.4.2).
    let soft_off = Package::new(vec![&SLEEP_TYPE_S5, &SLEEP_TYPE_S5, &0_u8, &0_u8]);
    let mut content = Vec::new();
    Name::new(Path::new("\\_S5_"), &soft_off).to_aml_bytes(&mut content);
    Scope::new(Path::new("\\_SB_"), vec![&host_bridge(window), &processors(cpus)]).to_aml_bytes(&mut content);
    sdt(*b"DSDT", REVISION, &content)
}

/// AML that is made already.
pub(super) struct Encoded(Vec<u8>);

impl Encoded {
    pub(super) fn new(aml: &dyn Aml) -> Self {
        let mut bytes = Vec::new();
        aml.to_aml_bytes(&mut bytes);
        Self(bytes)
    }
}

impl Aml for Encoded {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        sink.vec(&self.0);
    }
}

/// The PCI bus with its windows, and on it what would be behind the ISA bridge.
fn host_bridge((start, end): (u64, u64)) -> Encoded {
    let (config, config_count) = PCI_CONFIG_PORTS;
    let above_config = config.saturating_add(config_count);
    let windows = resources(vec![
        &AddressSpace::new_bus_number(0_u16, 0),
        &AddressSpace::new_io(0, word(config.saturating_sub(1)), None),
        &ports(PCI_CONFIG_PORTS),
        &AddressSpace::new_io(word(above_config), word(PCI_PORTS_END - 1), None),
        &AddressSpace::new_memory(NotCacheable, true, low(start), low(end.saturating_sub(1)), None),
    ]);
    let serial = resources(vec![&ports(SERIAL_PORTS), &isa_interrupt(SERIAL_IRQ)]);
    let clock = resources(vec![&ports(RTC_PORTS), &isa_interrupt(RTC_IRQ)]);
    device(
        "PCI0",
        &EISAName::new("PNP0A03"),
        0,
        vec![
            &windows,
            &links::isa_bridge(),
            &links::routing(),
            &device("COM1", &EISAName::new("PNP0501"), 1, vec![&serial]),
            &device("RTC_", &EISAName::new("PNP0B00"), 1, vec![&clock]),
            &device("PM__", &EISAName::new("PNP0C02"), 1, vec![&resources(vec![&ports(PM_PORTS)])]),
        ],
    )
}

/// One device for each processor, with the number that the MADT gives it.
fn processors(cpus: CpuCount) -> Encoded {
    let mut aml = Vec::new();
    for index in 0..cpus.get() {
        device(&format!("C{index:03X}"), &"ACPI0007", index, vec![]).to_aml_bytes(&mut aml);
    }
    Encoded(aml)
}

/// A device: its kind, which one of that kind, and the rest.
pub(super) fn device(name: &str, id: &dyn Aml, number: u8, content: Vec<&dyn Aml>) -> Encoded {
    let (id, number) = (Name::new(Path::new("_HID"), id), Name::new(Path::new("_UID"), &number));
    let content = [&id as &dyn Aml, &number].into_iter().chain(content).collect();
    Encoded::new(&Device::new(Path::new(name), content))
}

fn resources(list: Vec<&dyn Aml>) -> Name {
    Name::new(Path::new("_CRS"), &ResourceTemplate::new(list))
}

/// An interrupt as it is usual on the ISA bus: edge triggered, active high, not shared.
fn isa_interrupt(line: u32) -> Interrupt {
    Interrupt::new(true, true, false, false, line)
}

/// A range of ports that are always the same.
fn ports((first, count): (u64, u64)) -> IO {
    IO::new(word(first), word(first), 1, u8::try_from(count).unwrap_or(u8::MAX))
}

/// A port's address.
fn word(address: u64) -> u16 {
    u16::try_from(address).unwrap_or(u16::MAX)
}

/// An address below 4 GiB.
fn low(address: u64) -> u32 {
    u32::try_from(address).unwrap_or(u32::MAX)
}
