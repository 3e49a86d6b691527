//! What a client's message asks for.
//!
//! Nothing about a message is left to zlink's own decoding of parameters, which closes the connection when
//! they are wrong: here each mistake has its answer.

use std::path::PathBuf;

use proto::api::{INTERFACE, Spec};
use proto::{DriveRequest, Refusal, RefusalKind, Request, ResetKind, StopMode, VmRef, VmSpec};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use zlink::varlink_service::{self, Error as ServiceError};

/// A message as it came.
#[derive(Debug, Deserialize)]
pub struct Message {
    /// The full name of the method.
    pub method: String,
    #[serde(default)]
    parameters: Option<Value>,
}

/// What it asks for.
#[derive(Debug)]
pub enum Call {
    /// What kind of service this is.
    Info,
    /// The text of an interface.
    Description(String),
    /// Something that only the parent can answer.
    Request(Request),
}

/// Why it is answered with an error.
#[derive(Debug)]
pub enum Fault {
    /// It is no call of the interface.
    Service(ServiceError<'static>),
    /// It makes no sense, or the parent refused.
    Refused(Refusal),
}

impl Message {
    /// Understands it.
    ///
    /// # Errors
    /// An unknown interface or method, a wrong, missing or unknown parameter, a value that makes no sense.
    pub fn call(&self) -> Result<Call, Fault> {
        let mut parameters = Parameters::of(self.parameters.clone())?;
        let call = call(&self.method, &mut parameters)?;
        parameters.end()?;
        Ok(call)
    }
}

fn call(full_name: &str, parameters: &mut Parameters) -> Result<Call, Fault> {
    let (interface, method) = full_name.rsplit_once('.').unwrap_or(("", full_name));
    if interface == INTERFACE {
        return request(method, parameters)?.map(Call::Request).ok_or_else(|| no_method(full_name));
    }
    if interface != varlink_service::INTERFACE_NAME.as_str() {
        return Err(Fault::Service(ServiceError::InterfaceNotFound {
            interface: interface.to_owned().into(),
        }));
    }
    match method {
        "GetInfo" => Ok(Call::Info),
        "GetInterfaceDescription" => Ok(Call::Description(parameters.take("interface")?)),
        _ => Err(no_method(full_name)),
    }
}

/// `None` if there is no such method.
fn request(method: &str, parameters: &mut Parameters) -> Result<Option<Request>, Fault> {
    Ok(Some(match method {
        "List" => Request::Status(parameters.optional_vm()?),
        "Start" => Request::Start(parameters.vm()?),
        "StartNew" => parameters.new_machine()?,
        "Stop" => Request::Stop {
            vm: parameters.vm()?,
            mode: match parameters.flag("force")? {
                true => StopMode::Force,
                false => StopMode::Graceful,
            },
            wait: parameters.flag("wait")?,
        },
        "Wait" => Request::Wait(parameters.vm()?),
        "Break" => Request::Break(parameters.vm()?),
        "Pause" => Request::Pause(parameters.vm()?),
        "Unpause" => Request::Unpause(parameters.vm()?),
        "Cdrom" => Request::Drive(parameters.vm()?, DriveRequest::Look),
        "ChangeCdrom" => Request::Drive(
            parameters.vm()?,
            DriveRequest::Change {
                disc: parameters.optional_file("disc")?,
                force: parameters.flag("force")?,
            },
        ),
        "Reload" => Request::Reload { dry_run: parameters.flag("dryRun")? },
        "Load" => Request::Load(parameters.file()?),
        "Reset" => Request::Reset(parameters.take::<Option<_>>("what")?.unwrap_or(ResetKind::All)),
        "SetLogLevel" => Request::Log(parameters.take("level")?),
        "Restart" => Request::Restart,
        "Monitor" => Request::Events,
        _ => return Ok(None),
    }))
}

/// The parameters that nobody has looked at yet.
struct Parameters(Map<String, Value>);

impl Parameters {
    fn of(value: Option<Value>) -> Result<Self, Fault> {
        match value {
            None | Some(Value::Null) => Ok(Self(Map::new())),
            Some(Value::Object(map)) => Ok(Self(map)),
            Some(_) => Err(invalid("parameters")),
        }
    }

    /// A parameter; one that is left out is as good as null.
    fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Fault> {
        serde_json::from_value(self.0.remove(name).unwrap_or_default()).map_err(|_| invalid(name))
    }

    fn flag(&mut self, name: &str) -> Result<bool, Fault> {
        Ok(self.take::<Option<bool>>(name)?.unwrap_or(false))
    }

    fn vm(&mut self) -> Result<VmRef, Fault> {
        vm(&self.take::<String>("vm")?)
    }

    fn optional_vm(&mut self) -> Result<Option<VmRef>, Fault> {
        self.take::<Option<String>>("vm")?.as_deref().map(vm).transpose()
    }

    /// A machine, or an instance of one.
    fn new_machine(&mut self) -> Result<Request, Fault> {
        let spec: Spec = self.take("spec")?;
        let request = match &spec.template {
            None => VmSpec::try_from(spec).map(|spec| Request::StartNew(Box::new(spec))),
            Some(_) => spec.into_instance().map(|(mut spec, given)| match spec.template.take() {
                Some(template) => Request::StartInstance { template, spec: Box::new(spec), given },
                None => Request::StartNew(Box::new(spec)),
            }),
        };
        request.map_err(|e| refused(RefusalKind::Failed, e.to_string()))
    }

    fn file(&mut self) -> Result<PathBuf, Fault> {
        absolute(self.take("file")?)
    }

    fn optional_file(&mut self, name: &str) -> Result<Option<PathBuf>, Fault> {
        self.take::<Option<PathBuf>>(name)?.map(absolute).transpose()
    }

    /// What is left is not of the method.
    fn end(self) -> Result<(), Fault> {
        self.0.keys().next().map_or(Ok(()), |name| Err(invalid(name)))
    }
}

/// The daemon has another working directory than the client.
fn absolute(file: PathBuf) -> Result<PathBuf, Fault> {
    match file.as_os_str().len() {
        length if length > VmSpec::MAX_PATH => {
            Err(refused(RefusalKind::Failed, format!("a path of {length} bytes is too long")))
        }
        _ if file.is_absolute() => Ok(file),
        _ => Err(refused(RefusalKind::Failed, format!("{} is not an absolute path", file.display()))),
    }
}

fn vm(text: &str) -> Result<VmRef, Fault> {
    text.parse().map_err(|e| {
        refused(
            RefusalKind::NotFound,
            format!("{text:?} is neither number nor name of a virtual machine: {e}"),
        )
    })
}

fn refused(kind: RefusalKind, message: String) -> Fault {
    Fault::Refused(Refusal { kind, message })
}

fn invalid(parameter: &str) -> Fault {
    Fault::Service(ServiceError::InvalidParameter { parameter: parameter.to_owned().into() })
}

fn no_method(full_name: &str) -> Fault {
    Fault::Service(ServiceError::MethodNotFound { method: full_name.to_owned().into() })
}
