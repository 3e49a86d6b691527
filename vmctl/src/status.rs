//! `vmctl status [-qrvw] [id]`, also called `show`

use proto::VmState;
use proto::api::{Listing, Vm};
use serde::Serialize;
use serde_json::json;

use crate::client::Client;
use crate::failure::{Failure, Outcome};
use crate::options::{Arguments, Syntax};
use crate::target::Target;
use crate::{Settings, output, render, watch};

pub const SYNTAX: Syntax = Syntax { letters: "qrvw", words: &["json"] };

/// Prints the table. No machine at all is a failure, one that is not in the table is not: programs rely on
/// both.
pub fn run(settings: &Settings, arguments: &Arguments) -> Outcome {
    let view = View::of(settings, arguments)?;
    if view.again {
        return watch::run(settings, &view);
    }
    let (text, empty) = view.text(&mut settings.connect()?)?;
    output::print(&text)?;
    if empty { Err(Failure::silent()) } else { Ok(()) }
}

/// What is shown, and how.
pub struct View {
    target: Option<Target>,
    running_only: bool,
    form: Form,
    /// Whether it is shown again and again.
    again: bool,
}

#[derive(Clone, Copy)]
enum Form {
    Table,
    Names,
    Details,
    Data,
    DataOfNames,
}

impl View {
    fn of(settings: &Settings, arguments: &Arguments) -> Result<Self, Failure> {
        let target = match arguments.operands.as_slice() {
            [] => None,
            [operand] => Some(Target::parse(operand)?),
            _ => return Err(Failure::misuse()),
        };
        let form = match (arguments.has("q"), arguments.has("v"), settings.json) {
            (true, true, _) => return Err(Failure::new("-q and -v exclude one another").misused()),
            (true, false, true) => Form::DataOfNames,
            (true, false, false) => Form::Names,
            // All that is known is in the data anyway.
            (false, _, true) => Form::Data,
            (false, true, false) => Form::Details,
            (false, false, false) => Form::Table,
        };
        Ok(Self { target, running_only: arguments.has("r"), form, again: arguments.has("w") })
    }

    /// Whether programs read it.
    pub fn is_data(&self) -> bool {
        matches!(self.form, Form::Data | Form::DataOfNames)
    }

    /// The text as of now, and whether there is no machine at all.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub fn text(&self, client: &mut Client) -> Result<(String, bool), Failure> {
        let Listing { mut vms } = client.call("List", json!({}))?;
        if self.running_only {
            vms.retain(runs);
        }
        let empty = vms.is_empty();
        if let Some(target) = &self.target {
            vms.retain(|vm| target.is(vm));
        }
        Ok((self.render(&vms)?, empty))
    }

    fn render(&self, vms: &[Vm]) -> Result<String, Failure> {
        Ok(match self.form {
            Form::Table => render::table(vms, &render::Accounts::of_this_host()),
            Form::Names => render::names_of(vms),
            Form::Details => render::details(vms, &render::Accounts::of_this_host()),
            Form::Data => self.data(vms)?,
            Form::DataOfNames => self.data(&vms.iter().map(|vm| &vm.name).collect::<Vec<_>>())?,
        })
    }

    /// What comes again and again is a line each time, so that its end can be told.
    fn data<T: Serialize + ?Sized>(&self, data: &T) -> Result<String, Failure> {
        if self.again { render::json_line(data) } else { render::json(data) }
    }
}

/// Whether the machine has a process.
fn runs(vm: &Vm) -> bool {
    !matches!(vm.state, VmState::Stopped | VmState::Waiting)
}
