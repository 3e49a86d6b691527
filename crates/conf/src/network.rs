//! The texts about networks to values, each checked by itself.

use std::net::{Ipv4Addr, Ipv6Addr};

use proto::{
    GroupName, InterfaceName, Ipv4Prefix, Ipv6Prefix, MacAddress, NetNameError, NicSpec, SwitchName, TapName,
};

use crate::ast::{Nic, NicOption, Text};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::token::shown;
use crate::values::number;

/// `interface`: what is wrong with an option spoils that option only.
pub(crate) fn nic(nic: &Nic, report: &mut Diagnostics) -> NicSpec {
    let tap = nic.tap.as_ref().and_then(|text| report.keep(tap(text)).flatten());
    let mut spec = NicSpec { local: nic.local, tap, ..NicSpec::default() };
    for option in &nic.options {
        nic_option(&mut spec, option, report);
    }
    spec
}

fn nic_option(nic: &mut NicSpec, option: &NicOption, report: &mut Diagnostics) {
    match option {
        NicOption::Switch(name) => nic.switch = report.keep(switch_name(name)),
        NicOption::Group(name) => nic.group = report.keep(group(name)),
        NicOption::Rdomain(id) => nic.rdomain = report.keep(rdomain(id)),
        NicOption::Down(down) => nic.down = *down,
        NicOption::Lladdr { locked, address } => {
            nic.locked |= locked;
            nic.lladdr = address.as_ref().and_then(|text| lladdr(text, report));
        }
    }
}

/// A tap, or the word `tap` for the next free one.
fn tap(text: &Text) -> Result<Option<TapName>, Diagnostic> {
    let name = String::from_utf8_lossy(&text.bytes);
    if name == "tap" {
        return Ok(None);
    }
    TapName::new(name).map(Some).map_err(|error| {
        let name = shown(&text.bytes);
        let problem = Diagnostic::error(format!("\"{name}\" is no tap of the host"));
        let problem = problem.at(text.span, error.to_string());
        // Many take the string behind the word for the name of a switch.
        problem.help(format!("a switch is given as: interface {{ switch \"{name}\" }}"))
    })
}

/// A name of text, by its own rule.
fn name<T>(
    text: &Text,
    what: &str,
    rule: impl FnOnce(String) -> Result<T, NetNameError>,
) -> Result<T, Diagnostic> {
    let bytes = text.bytes.clone();
    let name = String::from_utf8(bytes)
        .map_err(|_| Diagnostic::error(format!("{what} must be UTF-8 text")).at(text.span, "this is not"))?;
    rule(name).map_err(|error| {
        Diagnostic::error(format!("\"{}\" can not be {what}", shown(&text.bytes)))
            .at(text.span, error.to_string())
    })
}

/// The name of a switch.
pub(crate) fn switch_name(text: &Text) -> Result<SwitchName, Diagnostic> {
    name(text, "the name of a switch", SwitchName::new)
}

/// The bridge of a switch.
pub(crate) fn bridge(text: &Text) -> Result<InterfaceName, Diagnostic> {
    name(text, "the name of an interface", InterfaceName::new)
}

/// An interface group.
pub(crate) fn group(text: &Text) -> Result<GroupName, Diagnostic> {
    name(text, "the name of an interface group", GroupName::new)
}

/// `rdomain`: 0 to 255.
pub(crate) fn rdomain(text: &Text) -> Result<u8, Diagnostic> {
    number(&text.bytes).ok_or_else(|| {
        let error = Diagnostic::error(format!("{} is no routing domain", shown(&text.bytes)));
        error.at(text.span, "expected 0 to 255")
    })
}

/// `lladdr`: six octets; all of them zero is the same as none.
fn lladdr(text: &Text, report: &mut Diagnostics) -> Option<MacAddress> {
    let parsed = String::from_utf8_lossy(&text.bytes).parse::<MacAddress>().map_err(|error| {
        let problem = Diagnostic::error(format!("\"{}\" is no address for a card", shown(&text.bytes)));
        problem.at(text.span, error.to_string())
    });
    let address = report.keep(parsed).filter(|address| !address.is_zero())?;
    if address.is_multicast() {
        let warning = Diagnostic::warning(format!("{address} is the address of a group of cards"));
        report.push(warning.at(text.span, "the first octet of the address of one card is even"));
    }
    Some(address)
}

/// `local prefix`: the octets that are not written are zero, and 16 bits are the prefix if nothing is said.
pub(crate) fn ipv4_prefix(text: &Text) -> Result<Ipv4Prefix, Diagnostic> {
    prefix(text, "an IPv4 prefix, like 100.64.0.0/10", |address, length| {
        Some(Ipv4Prefix::new(short_ipv4(address)?, length.unwrap_or(16)).map_err(|error| error.to_string()))
    })
}

/// `local inet6 prefix`: 64 bits are the prefix if nothing is said.
pub(crate) fn ipv6_prefix(text: &Text) -> Result<Ipv6Prefix, Diagnostic> {
    prefix(text, "an IPv6 prefix, like fd00::/64", |address, length| {
        let address: Ipv6Addr = address.parse().ok()?;
        Some(Ipv6Prefix::new(address, length.unwrap_or(64)).map_err(|error| error.to_string()))
    })
}

fn prefix<T>(
    text: &Text,
    expected: &str,
    checked: impl FnOnce(&str, Option<u8>) -> Option<Result<T, String>>,
) -> Result<T, Diagnostic> {
    let error = |label: String| {
        Diagnostic::error(format!("\"{}\" is no prefix", shown(&text.bytes))).at(text.span, label)
    };
    let written = String::from_utf8_lossy(&text.bytes);
    let (address, length) = match written.split_once('/') {
        Some((address, length)) => (address, number::<u8>(length.as_bytes()).map(Some)),
        None => (&*written, Some(None)),
    };
    match length.and_then(|length| checked(address, length)) {
        Some(result) => result.map_err(error),
        None => Err(error(format!("expected {expected}"))),
    }
}

/// `10` for 10.0.0.0, `172.16` for 172.16.0.0.
fn short_ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut places = octets.iter_mut();
    for part in text.split('.') {
        *places.next()? = number(part.as_bytes())?;
    }
    Some(octets.into())
}
