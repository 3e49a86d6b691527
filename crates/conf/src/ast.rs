//! What the grammar makes of a statement or an option: still text, with places.

use proto::BootDevice;

use crate::source::Span;
use crate::token::Token;

/// One or more strings that were put together.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) bytes: Vec<u8>,
    pub(crate) span: Span,
    /// Whether a quoted part of it goes over the end of a line.
    pub(crate) multiline: bool,
}

impl Text {
    pub(crate) fn new(first: &Token) -> Self {
        Self { bytes: first.text.clone(), span: first.span, multiline: first.multiline }
    }

    pub(crate) fn join(mut self, next: &Token) -> Self {
        self.bytes.extend_from_slice(&next.text);
        self.span = self.span.to(next.span);
        self.multiline |= next.multiline;
        self
    }
}

/// A statement, of a block only its head.
#[derive(Debug)]
pub(crate) enum Statement {
    /// `name = value`
    Macro { name: Text, value: Text },
    /// `include "path"`
    Include { path: Text },
    /// `switch "name" {`
    Switch { name: Text },
    /// `vm "name" {`, `vm "template" instance "name" {`
    Vm { template: Option<Text>, name: Text },
    /// A setting of the daemon.
    Global(Global),
}

/// A statement that sets something for the whole daemon.
#[derive(Debug)]
pub(crate) enum Global {
    /// `agentx [context string] [path string]`
    Agentx,
    /// `local inet6 [prefix address]`
    LocalInet6(Option<Text>),
    /// `local prefix address`
    LocalPrefix(Text),
    /// `socket owner user:group`
    SocketOwner(Account),
    /// `staggered start parallel N delay S`
    Staggered { parallel: Text, delay: Text },
    /// `stop timeout S`
    StopTimeout(StopTimeout),
}

/// `stop timeout S`, of which only `stop` is a word of the language.
#[derive(Debug)]
pub(crate) struct StopTimeout {
    pub(crate) what: Text,
    pub(crate) seconds: Text,
}

/// An option of a virtual machine.
#[derive(Debug)]
pub(crate) struct VmOption {
    /// The word that it starts with.
    pub(crate) word: Span,
    pub(crate) setting: Setting,
}

/// What an option sets.
#[derive(Debug)]
pub(crate) enum Setting {
    /// `enable`, `disable`
    Enabled(bool),
    /// `memory 512M`, `memory 536870912`
    Memory(Text),
    /// `cpus 2`
    Cpus(Text),
    /// `boot "kernel"`
    Boot(Text),
    /// `boot device disk`
    BootDevice(BootDevice),
    /// `initrd "path"`
    Initrd(Text),
    /// `cmdline "text"`
    Cmdline(Text),
    /// `firmware bios`, `firmware uefi`, `firmware "path"`
    Firmware(Text),
    /// `disk "path" [format word]`
    Disk { path: Text, format: Option<Text> },
    /// `cdrom "path"`, `cdrom`
    Cdrom(Option<Text>),
    /// `[local] interface [tap] [options]`
    Nic(Nic),
    /// `interfaces 2`
    Interfaces(Text),
    /// `owner user`, `owner user:group`, `owner :group`, `owner 1000`
    Owner(Account),
    /// `allow instance { boot, memory }`
    Allow(Vec<Right>),
    /// `restart on-failure`
    Restart(Text),
    /// `stop timeout 60`
    StopTimeout(StopTimeout),
    /// `sev`, `seves`
    Encryption,
}

/// A network interface of a virtual machine.
#[derive(Debug)]
pub(crate) struct Nic {
    pub(crate) local: bool,
    pub(crate) tap: Option<Text>,
    pub(crate) options: Vec<NicOption>,
}

/// An option of a network interface.
#[derive(Debug)]
pub(crate) enum NicOption {
    /// `switch "name"`
    Switch(Text),
    /// `group "name"`
    Group(Text),
    /// `[locked] lladdr [address]`
    Lladdr { locked: bool, address: Option<Text> },
    /// `rdomain 1`
    Rdomain(Text),
    /// `down`, `up`
    Down(bool),
}

/// What instances are allowed.
#[derive(Debug)]
pub(crate) enum Right {
    Boot,
    Memory,
    Interface,
    Disk,
    Cdrom,
    Instance,
    /// Who may make them.
    Owner(Account),
}

/// An option of a switch.
#[derive(Debug)]
pub(crate) struct SwitchOption {
    /// The word that it starts with.
    pub(crate) word: Span,
    pub(crate) setting: SwitchSetting,
}

/// What an option of a switch sets.
#[derive(Debug)]
pub(crate) enum SwitchSetting {
    /// `enable`, `disable`
    Enabled(bool),
    /// `interface bridge0`
    Interface(Text),
    /// `group "name"`
    Group(Text),
    /// `locked lladdr`
    Locked,
    /// `rdomain 1`
    Rdomain(Text),
    /// `down`, `up`
    Down(bool),
}

/// Who an `owner` is.
#[derive(Debug)]
pub(crate) enum Account {
    /// A user id.
    Id(Text),
    /// Names, perhaps with a colon between them.
    Name(Text),
}

/// What may stand on a line of a block: an option, and behind the first one of a block a second.
#[derive(Debug)]
pub(crate) struct OptionLine<T> {
    pub(crate) first: T,
    pub(crate) second: Option<T>,
}
