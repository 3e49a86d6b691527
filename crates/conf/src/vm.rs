//! The options of a `vm` block to the specification of a virtual machine.

use std::mem;
use std::path::PathBuf;
use std::time::Duration;

use proto::{
    AllowInstance, BootDevice, CdromSpec, CpuCount, DiskFormat, DiskSpec, Firmware, Given, InstanceError,
    MemorySize, NicSpec, Owner, RestartPolicy, VmName, VmSpec,
};

use crate::ast::{Setting, Text, VmOption};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::environment::Environment;
use crate::network;
use crate::policy;
use crate::setting::{Last, Once};
use crate::source::Span;
use crate::unsupported;
use crate::values;

/// A virtual machine whose block is being read.
#[derive(Debug)]
pub(crate) struct VmBuilder {
    head: Span,
    enabled: bool,
    memory: Once<MemorySize>,
    cpus: Once<CpuCount>,
    boot: Once<PathBuf>,
    boot_device: Option<BootDevice>,
    firmware: Once<Firmware>,
    initrd: Once<PathBuf>,
    cmdline: Once<String>,
    cdrom: Once<CdromSpec>,
    disks: Vec<DiskSpec>,
    nics: Vec<NicSpec>,
    interfaces: Once<usize>,
    /// How many devices were given, right or wrong.
    devices: usize,
    owner: Last<Owner>,
    allow: AllowInstance,
    allow_place: Option<Span>,
    restart: Last<RestartPolicy>,
    stop_timeout: Last<Duration>,
    /// Something is wrong with it that has been reported: what seems to be missing may not be.
    spoiled: bool,
}

impl VmBuilder {
    /// Starts with the default settings.
    pub(crate) fn new(head: Span) -> Self {
        Self {
            head,
            enabled: true,
            memory: Once::default(),
            cpus: Once::default(),
            boot: Once::default(),
            boot_device: None,
            firmware: Once::default(),
            initrd: Once::default(),
            cmdline: Once::default(),
            cdrom: Once::default(),
            disks: Vec::new(),
            nics: Vec::new(),
            interfaces: Once::default(),
            devices: 0,
            owner: Last::default(),
            allow: AllowInstance::default(),
            allow_place: None,
            restart: Last::default(),
            stop_timeout: Last::default(),
            spoiled: false,
        }
    }

    /// Notes that an option could not be read.
    pub(crate) fn spoil(&mut self) {
        self.spoiled = true;
    }

    /// Takes an option in.
    pub(crate) fn apply(&mut self, option: VmOption, env: &mut dyn Environment, report: &mut Diagnostics) {
        let word = option.word;
        match option.setting {
            Setting::Enabled(enabled) => self.enabled = enabled,
            Setting::Memory(size) => self.memory.set("memory", word, values::memory(&size), report),
            Setting::Cpus(count) => self.cpus.set("cpus", word, values::cpus(&count), report),
            Setting::Boot(path) => self.boot.set("boot", word, values::regular_file(&path, env), report),
            Setting::BootDevice(device) => self.boot_device = Some(device),
            Setting::Initrd(path) => {
                self.initrd.set("initrd", word, values::regular_file(&path, env), report)
            }
            Setting::Cmdline(text) => self.cmdline.set("cmdline", word, values::cmdline(&text), report),
            Setting::Firmware(what) => {
                self.firmware.set("firmware", word, values::firmware(&what, env), report)
            }
            Setting::Disk { path, format } => self.disk(word, &path, format.as_ref(), env, report),
            Setting::Cdrom(path) => self.drive(word, path.as_ref(), env, report),
            Setting::Nic(nic) => self.nic(word, network::nic(&nic, report), report),
            Setting::Interfaces(count) => self.interface_count(word, &count, report),
            Setting::Owner(account) => self.owner.set(word, values::owner(&account, env), report),
            Setting::Allow(rights) => {
                self.allow_place = Some(word);
                policy::allow(&mut self.allow, &rights, env, report);
            }
            Setting::Restart(policy) => self.restart.set(word, policy::restart(&policy), report),
            Setting::StopTimeout(time) => self.stop_timeout.set(word, policy::stop_timeout(&time), report),
            Setting::Encryption => self.refuse(unsupported::encryption(word), report),
        }
    }

    fn refuse(&mut self, error: Diagnostic, report: &mut Diagnostics) {
        self.spoiled = true;
        report.push(error);
    }

    fn disk(
        &mut self,
        word: Span,
        path: &Text,
        format: Option<&Text>,
        env: &mut dyn Environment,
        report: &mut Diagnostics,
    ) {
        let found = report.keep(values::disk_image(path, env));
        let format: Option<DiskFormat> = report.keep(values::disk_format(path, format));
        if self.has_room(word, report)
            && let (Some(path), Some(format)) = (found, format)
        {
            self.disks.push(DiskSpec { path, format });
        }
    }

    /// A drive with a disc in it, or an empty one.
    fn drive(
        &mut self,
        word: Span,
        disc: Option<&Text>,
        env: &mut dyn Environment,
        report: &mut Diagnostics,
    ) {
        let disc = disc.map(|path| values::disk_image(path, env)).transpose();
        if self.cdrom.is_set() || self.has_room(word, report) {
            self.cdrom.set("cdrom", word, disc.map(|disc| CdromSpec { disc }), report);
        }
    }

    fn nic(&mut self, word: Span, nic: NicSpec, report: &mut Diagnostics) {
        if self.has_room(word, report) {
            self.nics.push(nic);
        }
    }

    /// Counts a device, and tells if it is one too many.
    fn has_room(&mut self, word: Span, report: &mut Diagnostics) -> bool {
        self.devices += 1;
        let fits = self.devices <= VmSpec::MAX_DEVICES;
        if !fits {
            let error = Diagnostic::error(format!(
                "more than {} disks, network interfaces and CD-ROM drives together",
                VmSpec::MAX_DEVICES
            ));
            report.push(error.at(word, format!("this is number {}", self.devices)));
        }
        fits
    }

    /// As on OpenBSD, a count of none may be followed by another one.
    fn interface_count(&mut self, word: Span, count: &Text, report: &mut Diagnostics) {
        if self.interfaces.value == Some(0) {
            self.interfaces = Once::default();
        }
        self.interfaces.set("interfaces", word, values::interfaces(count), report);
    }

    /// The virtual machine, if it can be one. An instance gets from its template what it has not.
    pub(crate) fn finish(
        mut self,
        name: VmName,
        template: Option<&VmSpec>,
        report: &mut Diagnostics,
    ) -> Option<VmSpec> {
        self.add_nics(report);
        let mut spec = self.take(name);
        if let Some(template) = template {
            let instance = spec.instance_of(template, self.given());
            spec = report.keep(instance.map_err(|error| self.misfit(&error)))?;
        }
        if !self.spoiled {
            self.check(&spec, report);
        }
        Some(spec)
    }

    /// Looks at the whole.
    fn check(&self, spec: &VmSpec, report: &mut Diagnostics) {
        self.check_boot(spec, report);
        if spec.device_count() > VmSpec::MAX_DEVICES {
            let error =
                Diagnostic::error("with the interfaces of its template an instance has too many devices");
            report.push(error.at(self.head, format!("at most {} are possible", VmSpec::MAX_DEVICES)));
        }
    }

    /// What was given and could not be used has been reported.
    fn check_boot(&self, spec: &VmSpec, report: &mut Diagnostics) {
        let kernel = spec.boot.is_some() || self.boot.is_set();
        if let (Some(boot), Some(firmware)) = (self.boot.place, self.firmware.place) {
            let error = Diagnostic::error("a virtual machine starts either a kernel or its firmware");
            report.push(error.at(firmware, "this firmware would not be used").at(boot, "with this kernel"));
        }
        for (place, word) in [(self.initrd.place, "initrd"), (self.cmdline.place, "cmdline")] {
            if let Some(place) = place.filter(|_| !kernel) {
                let error = Diagnostic::error(format!("\"{word}\" is for a kernel, and there is none"));
                report.push(error.at(place, "firmware has no use for it").help("name a kernel with boot"));
            }
        }
    }

    fn misfit(&self, error: &InstanceError) -> Diagnostic {
        let place = match error {
            InstanceError::Owner => self.owner.place,
            InstanceError::Allow => self.allow_place,
            InstanceError::Disk(_) | InstanceError::Tap(_) | InstanceError::Lladdr => None,
        };
        let problem = Diagnostic::error("this instance does not fit its template");
        problem.at(place.unwrap_or(self.head), error.to_string())
    }

    /// Adds what `interfaces` asks for beyond those that are described.
    fn add_nics(&mut self, report: &mut Diagnostics) {
        let (Some(count), Some(word)) = (self.interfaces.value, self.interfaces.place) else { return };
        while self.nics.len() < count && self.has_room(word, report) {
            self.nics.push(NicSpec::default());
        }
    }

    fn given(&self) -> Given {
        Given {
            memory: self.memory.is_set(),
            cpus: self.cpus.is_set(),
            cmdline: self.cmdline.is_set(),
            owner: self.owner.place.is_some(),
            restart: self.restart.place.is_some(),
            allow: self.allow_place.is_some(),
        }
    }

    /// The specification, of which only the places stay here.
    fn take(&mut self, name: VmName) -> VmSpec {
        let mut spec = VmSpec::new(name);
        spec.enabled = self.enabled;
        spec.memory = self.memory.value.unwrap_or(spec.memory);
        spec.cpus = self.cpus.value.unwrap_or(spec.cpus);
        spec.boot = self.boot.value.take();
        spec.firmware = self.firmware.value.take();
        spec.initrd = self.initrd.value.take();
        spec.cmdline = self.cmdline.value.take().unwrap_or_default();
        spec.disks = mem::take(&mut self.disks);
        spec.cdrom = self.cdrom.value.take();
        spec.nics = mem::take(&mut self.nics);
        spec.boot_device = self.boot_device;
        spec.owner = self.owner.value.unwrap_or(spec.owner);
        spec.allow = self.allow;
        spec.restart = self.restart.value.unwrap_or(spec.restart);
        spec.stop_timeout = self.stop_timeout.value;
        spec
    }
}
