//! Failures of a processor in words for the user.

use std::fmt::Write;

use hv::{Failure, Hardware};

/// What happened and what to do about it.
pub(super) fn describe(failure: &Failure, hardware: Hardware) -> String {
    match failure {
        Failure::Internal { suberror: Failure::EMULATION, rip, code } => {
            unknown_instruction(*rip, code, hardware)
        }
        Failure::Internal { suberror, rip, code } => format!(
            "KVM met an internal problem (number {suberror}) at guest address {rip:#x}{}; the host's kernel log may \
             say more",
            hex(code)
        ),
        Failure::Entry { reason, rip } => format!(
            "the processor refused to run the guest at address {rip:#x} (hardware reason {reason:#x}); the guest's \
             kernel is broken, or this host's KVM does not support what it does"
        ),
        Failure::Memory { address } => {
            format!(
                "the host could not provide guest memory at {address:#x}; it may be out of memory or have bad memory"
            )
        }
        Failure::Unexpected(reason) => {
            format!("KVM stopped the guest for a reason that vmd does not know (number {reason})")
        }
        Failure::Call(error) => format!("{}: {}", error, source(error)),
    }
}

fn unknown_instruction(rip: u64, code: &[u8], hardware: Hardware) -> String {
    let mut text = format!("KVM can not emulate the guest's instruction at {rip:#x}{}; ", hex(code));
    text.push_str(match hardware {
        Hardware::Emulated => {
            "this host's KVM runs guest kernels in software emulation (no VMX or SVM), which only small guests \
             survive: use a host whose processor has virtualisation, enabled in its firmware"
        }
        Hardware::Native => {
            "the guest's code accesses a device with an instruction that KVM does not know, or has run astray"
        }
    });
    text
}

/// The code, if there is any, as ` (code 0f 0b ...)`.
fn hex(code: &[u8]) -> String {
    if code.is_empty() {
        return String::new();
    }
    let mut text = " (code".to_owned();
    // Writing to a string can not fail.
    code.iter().for_each(|byte| write!(text, " {byte:02x}").unwrap_or_default());
    text.push(')');
    text
}

fn source(error: &hv::Error) -> String {
    std::error::Error::source(error).map_or_else(String::new, ToString::to_string)
}
