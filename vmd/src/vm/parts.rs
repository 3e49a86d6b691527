//! The descriptors of a machine, each in its place.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;

use anyhow::{Context, bail};
use machine::BootFiles;
use proto::Slot;

/// Everything that the parent opened for the machine.
pub struct Parts {
    pub kvm: OwnedFd,
    pub console: OwnedFd,
    pub listener: OwnedFd,
    pub boot: BootFiles,
    pub firmware_vars: Option<File>,
    pub disks: Vec<File>,
    pub cdrom: Option<File>,
}

impl Parts {
    /// Sorts the descriptors that came with the machine's specification.
    ///
    /// # Errors
    /// When one is missing, is there twice, or has no use.
    pub fn sort(slots: &[Slot], descriptors: Vec<OwnedFd>) -> anyhow::Result<Self> {
        if slots.len() != descriptors.len() {
            bail!("{} descriptors came for {} uses", descriptors.len(), slots.len());
        }
        let mut parts = Unsorted::default();
        for (slot, descriptor) in slots.iter().zip(descriptors) {
            parts.put(*slot, descriptor)?;
        }
        parts.finish()
    }
}

#[derive(Default)]
struct Unsorted {
    kvm: Option<OwnedFd>,
    console: Option<OwnedFd>,
    listener: Option<OwnedFd>,
    kernel: Option<OwnedFd>,
    firmware: Option<OwnedFd>,
    initrd: Option<OwnedFd>,
    firmware_vars: Option<OwnedFd>,
    disks: BTreeMap<u16, OwnedFd>,
    cdrom: Option<OwnedFd>,
}

impl Unsorted {
    fn put(&mut self, slot: Slot, descriptor: OwnedFd) -> anyhow::Result<()> {
        let before = match slot {
            Slot::Kvm => self.kvm.replace(descriptor),
            Slot::Console => self.console.replace(descriptor),
            Slot::Listener => self.listener.replace(descriptor),
            Slot::Kernel => self.kernel.replace(descriptor),
            Slot::Firmware => self.firmware.replace(descriptor),
            Slot::Initrd => self.initrd.replace(descriptor),
            Slot::FirmwareVars => self.firmware_vars.replace(descriptor),
            Slot::Disk(index) => self.disks.insert(index, descriptor),
            Slot::Cdrom => self.cdrom.replace(descriptor),
        };
        match before {
            Some(_) => bail!("two descriptors came for {slot:?}"),
            None => Ok(()),
        }
    }

    fn finish(self) -> anyhow::Result<Parts> {
        let disks = (0..).zip(self.disks);
        let disks = disks.map(|(at, (index, image))| match at == usize::from(index) {
            true => Ok(File::from(image)),
            false => bail!("no descriptor came for disk {at}"),
        });
        Ok(Parts {
            kvm: self.kvm.context("no descriptor came for /dev/kvm")?,
            console: self.console.context("no descriptor came for the console")?,
            listener: self.listener.context("no descriptor came for the socket of the process")?,
            boot: boot(self.kernel, self.initrd, self.firmware)?,
            firmware_vars: self.firmware_vars.map(File::from),
            disks: disks.collect::<anyhow::Result<_>>()?,
            cdrom: self.cdrom.map(File::from),
        })
    }
}

/// A kernel, perhaps with its RAM disk, or firmware.
fn boot(
    kernel: Option<OwnedFd>,
    initrd: Option<OwnedFd>,
    firmware: Option<OwnedFd>,
) -> anyhow::Result<BootFiles> {
    match (kernel, initrd, firmware) {
        (Some(image), initrd, None) => {
            Ok(BootFiles::Image { image: image.into(), initrd: initrd.map(File::from) })
        }
        (None, None, Some(firmware)) => Ok(BootFiles::Firmware(firmware.into())),
        (None, _, None) => bail!("no descriptor came for the kernel"),
        (_, _, Some(_)) => bail!("a descriptor came for firmware beside those for a kernel"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [Slot; 4] = [Slot::Kvm, Slot::Console, Slot::Listener, Slot::Kernel];

    fn sort(slots: &[Slot]) -> anyhow::Result<Parts> {
        let descriptors = slots.iter().map(|_| File::open("/dev/null").map(OwnedFd::from));
        Parts::sort(slots, descriptors.collect::<Result<_, _>>()?)
    }

    #[test]
    fn each_descriptor_finds_its_place_in_any_order() {
        let mut slots = [&NEEDED[..], &[Slot::Disk(1), Slot::Disk(0), Slot::Initrd, Slot::Cdrom]].concat();
        slots.reverse();
        let parts = sort(&slots).unwrap();
        assert_eq!(parts.disks.len(), 2);
        assert!(parts.cdrom.is_some());
        assert!(matches!(parts.boot, BootFiles::Image { initrd: Some(_), .. }));
        let firmware = [&NEEDED[..3], &[Slot::Firmware]].concat();
        assert!(matches!(sort(&firmware).unwrap().boot, BootFiles::Firmware(_)));
    }

    #[test]
    fn what_is_missing_or_doubled_is_named() {
        let error = |slots: &[Slot]| sort(slots).err().unwrap().to_string();
        assert!(error(&NEEDED[1..]).contains("/dev/kvm"));
        assert!(error(&[&NEEDED[..], &[Slot::Kvm]].concat()).contains("two descriptors came for Kvm"));
        assert!(error(&[&NEEDED[..], &[Slot::Disk(1)]].concat()).contains("disk 0"));
        assert!(error(&NEEDED[..3]).contains("the kernel"));
        assert!(error(&[&NEEDED[..], &[Slot::Firmware]].concat()).contains("firmware beside"));
        assert!(Parts::sort(&NEEDED, Vec::new()).is_err());
    }
}
