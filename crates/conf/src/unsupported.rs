//! What the language has and this version can not do yet. It is refused, never passed over.

use crate::diagnostic::Diagnostic;
use crate::source::Span;

fn refusal(words: &str, place: Span, why: &str) -> Diagnostic {
    Diagnostic::error(format!("\"{words}\" is not supported yet")).at(place, why)
}

/// `agentx`
pub(crate) fn agentx(place: Span) -> Diagnostic {
    refusal("agentx", place, "vmd does not tell an SNMP daemon of its virtual machines")
}

/// `sev` and `seves`
pub(crate) fn encryption(place: Span) -> Diagnostic {
    refusal("sev", place, "the memory of a virtual machine is not encrypted").help("remove it for now")
}

/// Everything about networks: it is checked and kept.
pub(crate) fn network(place: Span) -> Diagnostic {
    Diagnostic::warning("networks do not take effect in this version")
        .at(place, "checked, but a virtual machine has no network interface")
}
