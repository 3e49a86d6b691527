//! A `switch` block: its name, and its options one by one.

use std::collections::hash_map::Entry;

use proto::{GroupName, InterfaceName, SwitchName, SwitchSpec};

use crate::advice::second_option;
use crate::ast::{OptionLine, SwitchOption, SwitchSetting, Text};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::load::{Loader, has_error};
use crate::network;
use crate::outline::{Line, Outline, line_span};
use crate::source::Span;

/// A switch whose block is being read.
#[derive(Debug)]
struct SwitchBuilder {
    enabled: bool,
    interface: Option<InterfaceName>,
    group: Option<GroupName>,
    locked: bool,
    rdomain: Option<u8>,
    down: bool,
    /// An interface was given, or something that could not be read may have been one.
    interface_given: bool,
}

impl SwitchBuilder {
    fn new() -> Self {
        Self {
            enabled: true,
            interface: None,
            group: None,
            locked: false,
            rdomain: None,
            down: false,
            interface_given: false,
        }
    }

    fn apply(&mut self, option: &SwitchOption, report: &mut Diagnostics) {
        match &option.setting {
            SwitchSetting::Enabled(enabled) => self.enabled = *enabled,
            SwitchSetting::Group(name) => self.group = report.keep(network::group(name)),
            SwitchSetting::Locked => self.locked = true,
            SwitchSetting::Rdomain(id) => self.rdomain = report.keep(network::rdomain(id)),
            SwitchSetting::Down(down) => self.down = *down,
            SwitchSetting::Interface(name) => {
                self.interface = report.keep(network::bridge(name));
                self.interface_given = true;
            }
        }
    }

    fn finish(self, name: Option<SwitchName>) -> Option<SwitchSpec> {
        let Self { enabled, interface, group, locked, rdomain, down, .. } = self;
        Some(SwitchSpec { name: name?, enabled, interface: interface?, group, locked, rdomain, down })
    }
}

impl Loader<'_> {
    /// Reads a block; without a name its head was wrong, and only its options are checked.
    pub(crate) fn switch(&mut self, name: Option<&Text>, outline: Outline) {
        let (Some(block), Some(head)) = (outline.block, line_span(&outline.head)) else { return };
        self.network_at(head);
        let checked = name.and_then(|name| self.switch_name(name));
        let mut switch = SwitchBuilder::new();
        switch.interface_given = name.is_none() || !block.closed;
        for (nth, line) in block.options.into_iter().enumerate() {
            self.switch_line(&mut switch, &line, nth == 0);
        }
        if !switch.interface_given {
            let error = Diagnostic::error("a switch without an interface").at(head, "this one has none");
            self.cx.report.push(error.help("name a bridge of the host: interface bridge0"));
        }
        self.switches.extend(switch.finish(checked));
    }

    /// Checks the name of a switch, and that no other has it.
    fn switch_name(&mut self, text: &Text) -> Option<SwitchName> {
        let name = self.cx.report.keep(network::switch_name(text))?;
        match self.switch_names.entry(name.clone()) {
            Entry::Vacant(entry) => drop(entry.insert(text.span)),
            Entry::Occupied(first) => {
                let first: Span = *first.get();
                let error = Diagnostic::error(format!("two switches are named \"{name}\""));
                self.cx.report.push(error.at(text.span, "this name is taken").at(first, "by this one"));
            }
        }
        Some(name)
    }

    fn switch_line(&mut self, switch: &mut SwitchBuilder, line: &Line, is_first: bool) {
        let parsed = if has_error(line) { Ok(None) } else { self.parsers.switch_options(line).map(Some) };
        match self.cx.report.keep(parsed).flatten() {
            Some(options) => self.switch_options(switch, &options, is_first),
            None => switch.interface_given = true,
        }
    }

    fn switch_options(
        &mut self,
        switch: &mut SwitchBuilder,
        options: &OptionLine<SwitchOption>,
        is_first: bool,
    ) {
        switch.apply(&options.first, &mut self.cx.report);
        let Some(second) = &options.second else { return };
        // OpenBSD wants no mark behind the first option of a block.
        if !is_first {
            self.cx.report.push(second_option(second.word));
        }
        switch.apply(second, &mut self.cx.report);
    }
}
