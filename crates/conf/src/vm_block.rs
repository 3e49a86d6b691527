//! A `vm` block: its name, and its options one by one.

use std::collections::hash_map::Entry;

use proto::{VmName, VmSpec};

use crate::advice::second_option;
use crate::ast::{OptionLine, Setting, Text, VmOption};
use crate::diagnostic::Diagnostic;
use crate::keyword::closest;
use crate::load::{Loader, Named, has_error};
use crate::outline::{Line, Outline, line_span};
use crate::vm::VmBuilder;

impl Loader<'_> {
    /// Reads a block; without a name its head was wrong, and only its options are checked.
    pub(crate) fn vm(&mut self, name: Option<&Text>, template: Option<&Text>, outline: Outline) {
        let (Some(block), Some(head)) = (outline.block, line_span(&outline.head)) else { return };
        let template = template.map(|text| self.template(text));
        let name = name.and_then(|name| self.vm_name(name));
        let errors = self.cx.report.error_count();
        let mut vm = VmBuilder::new(head);
        if name.is_none() || !block.closed || template.as_ref().is_some_and(Option::is_none) {
            vm.spoil();
        } else if block.options.is_empty() && template.is_none() {
            let error = Diagnostic::error("a block without options");
            let error =
                error.at(head.to(block.end), "a virtual machine needs a disk, a kernel or firmware at least");
            self.cx.report.push(error);
            vm.spoil();
        }
        for (nth, line) in block.options.into_iter().enumerate() {
            self.vm_line(&mut vm, line, nth == 0);
        }
        let Some(name) = name else { return };
        if let Some(spec) = vm.finish(name, template.flatten().as_ref(), &mut self.cx.report) {
            self.add_vm(spec, self.cx.report.error_count() == errors);
        }
    }

    /// Keeps a virtual machine, as a template only if nothing is wrong with it: instances would repeat its errors.
    fn add_vm(&mut self, spec: VmSpec, is_right: bool) {
        if let Some(named) = self.names.get_mut(&spec.name).filter(|_| is_right) {
            named.nth.get_or_insert(self.vms.len());
        }
        self.vms.push(spec);
    }

    /// The template of that name, which must stand in front of its instances.
    fn template(&mut self, text: &Text) -> Option<VmSpec> {
        let name = self.checked_name(text)?;
        match self.names.get(&name) {
            Some(Named { nth, .. }) => nth.and_then(|nth| self.vms.get(nth)).cloned(),
            None => {
                let names = self.names.keys().map(VmName::as_str);
                let similar = if self.cx.report.is_full() { None } else { did_you_mean(&name, names) };
                let error = Diagnostic::error(format!("unknown template \"{name}\""));
                let error = error.at(text.span, "no virtual machine above is named so");
                self.cx.report.push(error.maybe_help(similar));
                None
            }
        }
    }

    fn checked_name(&mut self, text: &Text) -> Option<VmName> {
        let name = VmName::new(String::from_utf8_lossy(&text.bytes));
        self.cx.report.keep(name.map_err(|error| {
            let problem = Diagnostic::error("this can not be the name of a virtual machine");
            problem.at(text.span, error.to_string())
        }))
    }

    /// Checks the name of a virtual machine, and that no other has it.
    fn vm_name(&mut self, text: &Text) -> Option<VmName> {
        let name = self.checked_name(text)?;
        match self.names.entry(name.clone()) {
            Entry::Vacant(entry) => drop(entry.insert(Named { place: text.span, nth: None })),
            Entry::Occupied(first) => {
                let error = Diagnostic::error(format!("two virtual machines are named \"{name}\""));
                let error = error.at(text.span, "this name is taken").at(first.get().place, "by this one");
                self.cx.report.push(error);
            }
        }
        Some(name)
    }

    fn vm_line(&mut self, vm: &mut VmBuilder, mut line: Line, is_first: bool) {
        if let Some(first) = line.first_mut() {
            first.promote();
        }
        if has_error(&line) {
            return vm.spoil();
        }
        match self.parsers.vm_options(&line) {
            Ok(options) => self.vm_options(vm, options, is_first),
            Err(error) => {
                self.cx.report.push(error);
                vm.spoil();
            }
        }
    }

    fn vm_options(&mut self, vm: &mut VmBuilder, options: OptionLine<VmOption>, is_first: bool) {
        self.note_network(&options.first);
        vm.apply(options.first, self.env, &mut self.cx.report);
        let Some(second) = options.second else { return };
        // OpenBSD wants no mark behind the first option of a block.
        if !is_first {
            self.cx.report.push(second_option(second.word));
        }
        self.note_network(&second);
        vm.apply(second, self.env, &mut self.cx.report);
    }

    fn note_network(&mut self, option: &VmOption) {
        if matches!(option.setting, Setting::Nic(_) | Setting::Interfaces(_)) {
            self.network_at(option.word);
        }
    }
}

fn did_you_mean<'a>(name: &VmName, known: impl Iterator<Item = &'a str>) -> Option<String> {
    closest(name.as_str(), known).map(|name| format!("did you mean \"{name}\"?"))
}
