//! The words of the language.

macro_rules! keywords {
    ($($variant:ident $text:literal $set:ident;)*) => {
        /// A word with a meaning of its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Keyword {
            $($variant,)*
        }

        impl Keyword {
            const ALL: &[(Self, &str, Set)] = &[$((Self::$variant, $text, Set::$set),)*];

            /// The word as it is written.
            pub(crate) fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

/// To which set a word belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    /// OpenBSD's: a name that is spelled so must be in quotes, everywhere.
    Reserved,
    /// Ours: an ordinary word but where a statement or an option starts, and OpenBSD has no word there.
    Added,
}

keywords! {
    Add "add" Reserved;
    Agentx "agentx" Reserved;
    Allow "allow" Reserved;
    Boot "boot" Reserved;
    Cdrom "cdrom" Reserved;
    Context "context" Reserved;
    Delay "delay" Reserved;
    Device "device" Reserved;
    Disable "disable" Reserved;
    Disk "disk" Reserved;
    Down "down" Reserved;
    Enable "enable" Reserved;
    Format "format" Reserved;
    Group "group" Reserved;
    Id "id" Reserved;
    Include "include" Reserved;
    Inet6 "inet6" Reserved;
    Instance "instance" Reserved;
    Interface "interface" Reserved;
    Interfaces "interfaces" Reserved;
    Lladdr "lladdr" Reserved;
    Local "local" Reserved;
    Locked "locked" Reserved;
    Memory "memory" Reserved;
    Net "net" Reserved;
    Owner "owner" Reserved;
    Parallel "parallel" Reserved;
    Path "path" Reserved;
    Prefix "prefix" Reserved;
    Rdomain "rdomain" Reserved;
    Sev "sev" Reserved;
    Seves "seves" Reserved;
    Size "size" Reserved;
    Socket "socket" Reserved;
    Staggered "staggered" Reserved;
    Start "start" Reserved;
    Switch "switch" Reserved;
    Up "up" Reserved;
    Vm "vm" Reserved;
    Cmdline "cmdline" Added;
    Cpus "cpus" Added;
    Firmware "firmware" Added;
    Initrd "initrd" Added;
    Restart "restart" Added;
    Stop "stop" Added;
}

/// Words that start a statement.
const STATEMENTS: &[&str] = &["agentx", "include", "local", "socket", "staggered", "stop", "switch", "vm"];

/// Words that start an option of a virtual machine.
const VM_OPTIONS: &[&str] = &[
    "allow",
    "boot",
    "cdrom",
    "cmdline",
    "cpus",
    "disable",
    "disk",
    "enable",
    "firmware",
    "initrd",
    "interface",
    "interfaces",
    "local",
    "memory",
    "owner",
    "restart",
    "sev",
    "seves",
    "stop",
];

/// Words that start an option of a switch.
const SWITCH_OPTIONS: &[&str] =
    &["disable", "down", "enable", "group", "interface", "locked", "rdomain", "up"];

/// What people write who come from elsewhere, and what it is called here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("append", "cmdline"),
    ("args", "cmdline"),
    ("image", "disk"),
    ("kernel", "boot"),
    ("mem", "memory"),
    ("ram", "memory"),
    ("ramdisk", "initrd"),
    ("smp", "cpus"),
    ("user", "owner"),
];

impl Keyword {
    /// The reserved word that is spelled so. Case matters.
    pub(crate) fn reserved(text: &[u8]) -> Option<Self> {
        Self::find(text, Set::Reserved)
    }

    /// The added word that is spelled so.
    pub(crate) fn added(text: &[u8]) -> Option<Self> {
        Self::find(text, Set::Added)
    }

    fn find(text: &[u8], set: Set) -> Option<Self> {
        // Shorter and longer than any of ours are most words of a file.
        if !(2..=10).contains(&text.len()) {
            return None;
        }
        let found = Self::ALL.iter().find(|(_, word, of)| word.as_bytes() == text && *of == set);
        found.map(|(keyword, ..)| *keyword)
    }

    /// What must follow the word, for people.
    pub(crate) fn argument(self) -> Option<&'static str> {
        Some(match self {
            Self::Vm => "the name of the virtual machine",
            Self::Include => "the path of a file",
            Self::Memory => "a size, like 512M or 1.5G",
            Self::Cpus => "a number of processors",
            Self::Boot => "the path of a kernel",
            Self::Initrd => "the path of an initial RAM disk",
            Self::Cmdline => "a kernel command line in quotes",
            Self::Disk => "the path of a disk image",
            Self::Format => "the format of the image: raw or qcow2",
            Self::Cdrom => "the path of a CD-ROM image",
            Self::Firmware => "bios, uefi, or the path of a firmware image",
            Self::Group => "the name of an interface group",
            Self::Interfaces | Self::Rdomain | Self::Parallel => "a number",
            Self::Prefix => "a network, like 100.64.0.0/10 or fd00::/64",
            Self::Delay => "a number of seconds",
            Self::Restart => "never, on-failure or always",
            Self::Stop => "\"timeout\" and a number of seconds",
            Self::Switch => "the name of the switch",
            Self::Owner => "a user, user:group, :group or a user id",
            _ => return None,
        })
    }

    /// Whether an option of a virtual machine starts with it.
    pub(crate) fn starts_vm_option(self) -> bool {
        VM_OPTIONS.contains(&self.text())
    }

    /// Whether an option of a switch starts with it.
    pub(crate) fn starts_switch_option(self) -> bool {
        SWITCH_OPTIONS.contains(&self.text())
    }

    /// Whether an option of any block starts with it.
    pub(crate) fn starts_option(self) -> bool {
        self.starts_vm_option() || self.starts_switch_option()
    }

    /// Whether a statement starts with it.
    pub(crate) fn starts_statement(self) -> bool {
        STATEMENTS.contains(&self.text())
    }
}

/// The statement that may have been meant.
pub(crate) fn statement_like(text: &str) -> Option<&'static str> {
    closest(text, STATEMENTS.iter().copied())
}

/// The option of a switch that may have been meant.
pub(crate) fn switch_option_like(text: &str) -> Option<&'static str> {
    closest(text, SWITCH_OPTIONS.iter().copied())
}

/// The option of a virtual machine that may have been meant.
pub(crate) fn vm_option_like(text: &str) -> Option<&'static str> {
    let elsewhere = ELSEWHERE.iter().find(|(theirs, _)| *theirs == text).map(|(_, ours)| *ours);
    elsewhere.or_else(|| closest(text, VM_OPTIONS.iter().copied()))
}

/// The candidate that is the likeliest misspelling: at most a third of the letters wrong.
pub(crate) fn closest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody mistypes that much, and comparing costs the product of the lengths.
    let length = text.chars().take(65).count();
    if length > 64 {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let distance = |word: &str| strsim::osa_distance(&lower, &word.to_ascii_lowercase());
    let allowed = (length / 3).min(3);
    candidates.map(|word| (distance(word), word)).filter(|(d, _)| *d <= allowed).min().map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_page_has_every_word() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../man/vm.conf.5");
        let page = std::fs::read_to_string(page).expect("the manual page");
        let words: Vec<_> = page.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        for (_, word, _) in Keyword::ALL {
            assert!(words.contains(word), "{word}");
        }
    }

    #[test]
    fn words_that_start_something_are_words_of_the_language() {
        for word in STATEMENTS.iter().chain(VM_OPTIONS).chain(SWITCH_OPTIONS) {
            assert!(Keyword::ALL.iter().any(|(_, text, _)| text == word), "{word}");
        }
        assert_eq!(statement_like("swtich"), Some("switch"));
        assert_eq!(vm_option_like("ram"), Some("memory"));
        assert_eq!(switch_option_like("interfaces"), Some("interface"));
    }
}
