//! The interface's file and the service say the same.

use std::collections::BTreeSet;

use proto::{DriveInfo, DriveState, Happening, PlanAction, PlanStep, VmEvent};
use serde::Serialize;
use zlink::idl::{CustomType, Field, Interface, Type};

use super::*;

const FILE: &str = include_str!("../../org.vmd.Manager1.varlink");

fn file() -> Interface<'static> {
    Interface::try_from(FILE).unwrap()
}

#[test]
fn the_service_describes_itself_with_the_file() {
    let bench = Bench::new();
    let mut wire = bench.connect();
    let info = wire.ask("org.varlink.service.GetInfo", json!({}));
    assert_eq!(info["parameters"]["interfaces"], json!(["org.varlink.service", INTERFACE]));
    let mut describe = |interface| {
        wire.ask("org.varlink.service.GetInterfaceDescription", json!({ "interface": interface }))
    };
    assert_eq!(describe(INTERFACE)["parameters"]["description"], FILE);
    assert_eq!(describe("org.odd")["error"], "org.varlink.service.InterfaceNotFound");
    let standard = describe("org.varlink.service");
    let text = standard["parameters"]["description"].as_str().unwrap();
    assert_eq!(Interface::try_from(text).unwrap().name().as_str(), "org.varlink.service");
    assert_eq!(file().name().as_str(), INTERFACE);
}

/// Each parameter of the file is known and checked, and there is no other.
#[test]
fn the_service_takes_the_parameters_of_the_file() {
    let bench = Bench::new();
    let mut wire = bench.connect();
    for method in file().methods() {
        let name = method.name().as_str();
        let right: serde_json::Map<_, _> =
            method.inputs().map(|input| (input.name().to_string(), sample(input.name().as_str()))).collect();
        for wrong in right.keys().map(String::as_str).chain(["odd"]) {
            let mut parameters = right.clone();
            // No parameter is a list of lists.
            parameters.insert(wrong.to_owned(), json!([[]]));
            assert_eq!(wire.ask(name, parameters.into()), invalid(wrong), "{name}");
        }
    }
}

/// A value that suits the parameter of this name.
fn sample(parameter: &str) -> Value {
    match parameter {
        "vm" => json!("web"),
        "force" | "wait" | "dryRun" => json!(true),
        "disc" => json!("/srv/disc2.iso"),
        "file" => json!("/etc/more.conf"),
        "what" => json!("vms"),
        "level" => json!("verbose"),
        "spec" => json!({ "name": "web", "boot": "/boot/vmlinuz" }),
        other => panic!("a value for {other} is missing here"),
    }
}

#[test]
fn the_service_replies_as_the_file_says() {
    let mut bench = Bench::new();
    let rows = [VmState::Running, VmState::Stopped].map(|state| Reply::Vm(Box::new(info(1, state))));
    let listing = [rows.as_slice(), &[Reply::Done]].concat();
    let ended = Reply::Ended { id: VmId(1), how: ExitReason::Exited(2) };
    for method in file().methods() {
        let name = method.name().as_str();
        let replies = match name {
            "List" => listing.as_slice(),
            "Start" | "StartNew" => &[started()],
            "Stop" => &[Reply::Stopping { id: VmId(1) }, ended.clone()],
            "Wait" => std::slice::from_ref(&ended),
            "Break" | "Load" | "Reset" | "SetLogLevel" => &[Reply::Done],
            "Pause" | "Unpause" => &[Reply::Acted { id: VmId(1) }],
            "Cdrom" | "ChangeCdrom" => &[Reply::Drive(drive())],
            "Reload" => &[Reply::Step(step()), Reply::Done],
            "Restart" => &[Reply::Leaving { command: vec!["/usr/sbin/vmd".to_owned()] }],
            // It has no end, and is called in another way.
            "Monitor" => continue,
            other => panic!("replies to {other} are missing here"),
        };
        let parameters =
            method.inputs().map(|input| (input.name().to_string(), sample(input.name().as_str())));
        let reply = bench.exchange(name, Value::Object(parameters.collect()), replies);
        check_object(&file(), method.outputs(), &reply["parameters"], name);
    }
}

fn drive() -> DriveInfo {
    let state = DriveState { locked: true, open: false };
    DriveInfo { id: VmId(1), disc: Some("/srv/disc2.iso".into()), state }
}

fn step() -> PlanStep {
    let name = VmName::new("web").unwrap();
    let setting = |word: &str| vec![word.to_owned()];
    PlanStep { vm: name, action: PlanAction::Change, now: setting("owner"), later: setting("memory") }
}

#[test]
fn what_happens_is_told_as_the_file_says() {
    let happenings = [
        Happening::State(VmState::Running),
        Happening::Rebooted,
        Happening::DiscChanged,
        Happening::Ended(ExitReason::Killed(9)),
        Happening::Forgotten,
    ];
    let mut bench = Bench::new();
    let mut wire = bench.connect();
    assert_eq!(wire.ask("Monitor", json!({}))["error"], "org.varlink.service.ExpectedMore");
    wire.call_with("Monitor", json!({}), json!({ "more": true }));
    let (request, _, _) = bench.request();
    let file = file();
    let monitor = file.methods().find(|method| method.name().as_str() == "Monitor").unwrap();
    for what in happenings {
        let event = VmEvent { id: VmId(1), name: VmName::new("web").unwrap(), what };
        bench.answer(request, Reply::Event(event));
        let reply = wire.receive();
        assert_eq!(reply["continues"], true);
        check_object(&file, monitor.outputs(), &reply["parameters"], "Monitor");
    }
}

fn check_object<'a>(
    interface: &Interface<'_>,
    fields: impl Iterator<Item = &'a Field<'a>>,
    value: &Value,
    at: &str,
) {
    let mut there: BTreeSet<_> =
        value.as_object().unwrap_or_else(|| panic!("{at}: {value}")).keys().collect();
    for field in fields {
        let name = field.name().to_string();
        assert!(there.remove(&name), "{at}: {name} is missing in {value}");
        check(interface, field.ty(), &value[&name], &format!("{at}.{name}"));
    }
    assert!(there.is_empty(), "{at}: {there:?} are not in the file");
}

fn check(interface: &Interface<'_>, ty: &Type<'_>, value: &Value, at: &str) {
    match ty {
        Type::Int => assert!(value.is_i64(), "{at}: {value}"),
        Type::Bool => assert!(value.is_boolean(), "{at}: {value}"),
        Type::String => assert!(value.is_string(), "{at}: {value}"),
        Type::Optional(inner) => {
            if !value.is_null() {
                check(interface, inner.inner(), value, at);
            }
        }
        Type::Array(inner) => {
            value.as_array().unwrap().iter().for_each(|item| check(interface, inner.inner(), item, at));
        }
        Type::Custom(name) => match interface.custom_types().find(|ty| ty.name() == name).unwrap() {
            CustomType::Object(object) => check_object(interface, object.fields(), value, at),
            CustomType::Enum(known) => {
                assert!(known.variants().any(|variant| variant.name().as_str() == value), "{at}: {value}");
            }
        },
        other => panic!("{at}: {other} is new to this test"),
    }
}

#[test]
fn enumerations_and_errors_are_complete() {
    let states = [
        VmState::Waiting,
        VmState::Starting,
        VmState::Running,
        VmState::Paused,
        VmState::Stopping,
        VmState::Stopped,
    ];
    assert_eq!(variants("State"), names(&states));
    let kinds = [
        ExitKind::PoweredOff,
        ExitKind::Forced,
        ExitKind::Failed,
        ExitKind::Killed,
        ExitKind::Exited,
        ExitKind::Gone,
    ];
    assert_eq!(variants("ExitKind"), names(&kinds));
    let actions =
        [PlanAction::Start, PlanAction::Add, PlanAction::Keep, PlanAction::Change, PlanAction::Forget];
    assert_eq!(variants("PlanAction"), names(&actions));
    assert_eq!(variants("ResetKind"), names(&proto::ResetKind::ALL));
    assert_eq!(variants("LogLevel"), names(&proto::LogLevel::ALL));
    assert_eq!(variants("BootDevice"), names(&proto::BootDevice::ALL));
    assert_eq!(variants("DiskFormat"), names(&[proto::DiskFormat::Raw]));

    let errors: BTreeSet<_> = file().errors().map(|e| format!("{INTERFACE}.{}", e.name())).collect();
    assert_eq!(errors, RefusalKind::ALL.into_iter().map(RefusalKind::error_name).collect());
    for error in file().errors() {
        assert_eq!(error.fields().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["message"]);
    }
}

fn variants(name: &str) -> BTreeSet<String> {
    let file = file();
    let ty = file.custom_types().find(|ty| ty.name().as_str() == name).unwrap();
    ty.as_enum().unwrap().variants().map(|variant| variant.name().to_string()).collect()
}

fn names(values: &[impl Serialize]) -> BTreeSet<String> {
    values.iter().map(|value| serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()).collect()
}
