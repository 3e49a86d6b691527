use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use proto::api::{ErrorDetail, ExitKind, INTERFACE, Listing, Started, Stopped};
use proto::{
    CpuCount, ExitReason, MemorySize, Owner, Peer, Refusal, RefusalKind, Reply, Request, RequestId, StopMode,
    VmId, VmInfo, VmName, VmRef, VmState,
};
use serde_json::{Value, json};
use vmctl::client::Client;

use super::*;

#[path = "interface_test.rs"]
mod interface;

const PATIENCE: Duration = Duration::from_secs(60);

/// A control role in a thread, and the parent that it talks to: this test.
struct Bench {
    channel: Option<Channel<ParentToControl, ControlToParent>>,
    control: Option<JoinHandle<anyhow::Result<()>>>,
    socket: PathBuf,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let (mut channel, end) = Channel::<ParentToControl, ControlToParent>::pair().unwrap();
        let control = thread::spawn(move || run(Channel::from_fd(end).unwrap()));
        assert_eq!(channel.recv_wait(PATIENCE).unwrap().0, ControlToParent::Ready);
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("vmd.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        channel.send(&ParentToControl::Listen, &[listener.as_fd()]).unwrap();
        Self { channel: Some(channel), control: Some(control), socket, _dir: dir }
    }

    fn channel(&mut self) -> &mut Channel<ParentToControl, ControlToParent> {
        self.channel.as_mut().unwrap()
    }

    fn connect(&self) -> Wire {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Wire(BufReader::new(stream))
    }

    fn vmctl(&self) -> Client {
        Client::connect(&self.socket, false).unwrap()
    }

    fn request(&mut self) -> (RequestId, Peer, Request) {
        match self.channel().recv_wait(PATIENCE).unwrap().0 {
            ControlToParent::Request(id, peer, request) => (id, peer, request),
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, id: RequestId, reply: Reply) {
        self.channel().send_wait(&ParentToControl::Reply(id, reply), &[], PATIENCE).unwrap();
    }

    fn cancelled(&mut self) -> RequestId {
        match self.channel().recv_wait(PATIENCE).unwrap().0 {
            ControlToParent::Cancel(id) => id,
            other => panic!("{other:?}"),
        }
    }

    /// The one answer to a call that the parent answers with `replies`.
    fn exchange(&mut self, method: &str, parameters: Value, replies: &[Reply]) -> Value {
        let mut wire = self.connect();
        wire.call(method, parameters);
        let (id, _, _) = self.request();
        replies.iter().for_each(|reply| self.answer(id, reply.clone()));
        wire.receive()
    }
}

impl Drop for Bench {
    /// Control ends by itself, and well, when the channel closes.
    fn drop(&mut self) {
        drop(self.channel.take());
        if !thread::panicking() {
            self.control.take().unwrap().join().unwrap().unwrap();
        }
    }
}

/// A client that writes its JSON by hand.
struct Wire(BufReader<UnixStream>);

impl Wire {
    fn send(&mut self, text: &[u8]) {
        self.0.get_mut().write_all(text).unwrap();
    }

    fn call(&mut self, method: &str, parameters: Value) {
        self.call_with(method, parameters, json!({}));
    }

    fn call_with(&mut self, method: &str, parameters: Value, flags: Value) {
        let full = if method.contains('.') { method.to_owned() } else { format!("{INTERFACE}.{method}") };
        let mut message = json!({ "method": full, "parameters": parameters });
        message.as_object_mut().unwrap().extend(flags.as_object().unwrap().clone());
        self.send(format!("{message}\0").as_bytes());
    }

    fn receive(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.0.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the connection ended");
        serde_json::from_slice(&bytes).unwrap()
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.call(method, parameters);
        self.receive()
    }
}

fn info(id: u32, state: VmState) -> VmInfo {
    let alive = state != VmState::Stopped;
    VmInfo {
        id: VmId(id),
        name: VmName::new(format!("vm{id}")).unwrap(),
        state,
        pid: alive.then_some(4711),
        cpus: CpuCount::ONE,
        max_memory: MemorySize::DEFAULT,
        current_memory: alive.then_some(1 << 20),
        cpu_time: alive.then_some(1500),
        tty: alive.then(|| "/dev/pts/3".into()),
        owner: Owner { uid: 1000, gid: alive.then_some(10) },
        last_exit: (!alive).then_some(ExitReason::Killed(9)),
        pending: vec!["memory".to_owned()],
    }
}

fn web() -> VmRef {
    "web".parse().unwrap()
}

fn started() -> Reply {
    Reply::Started { id: VmId(1), name: VmName::new("web").unwrap(), tty: "/dev/pts/3".into() }
}

fn refused(kind: RefusalKind) -> Reply {
    Reply::Refused(Refusal { kind, message: "because".into() })
}

fn invalid(parameter: &str) -> Value {
    json!({ "error": "org.varlink.service.InvalidParameter", "parameters": { "parameter": parameter } })
}

#[test]
fn a_request_reaches_the_parent_with_who_asked() {
    let mut bench = Bench::new();
    let mut wire = bench.connect();
    wire.call("Start", json!({ "vm": "web" }));
    let (id, peer, request) = bench.request();
    assert_eq!(request, Request::Start(web()));
    assert_eq!(peer.pid, std::process::id());
    assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
    assert_eq!(peer.gid, rustix::process::getegid().as_raw());
    let groups: Vec<_> = rustix::process::getgroups().unwrap().iter().map(|gid| gid.as_raw()).collect();
    assert_eq!(peer.groups, groups);
    bench.answer(id, started());
    let expected = json!({ "parameters": { "id": 1, "name": "web", "tty": "/dev/pts/3" } });
    assert_eq!(wire.receive(), expected);
}

#[test]
fn every_method_becomes_its_request() {
    let mut bench = Bench::new();
    let stop = |mode, wait| Request::Stop { vm: web(), mode, wait };
    for (method, parameters, expected) in [
        ("List", json!({}), Request::Status(None)),
        ("List", Value::Null, Request::Status(None)),
        ("List", json!({ "vm": "7" }), Request::Status(Some(VmRef::Id(VmId(7))))),
        ("Stop", json!({ "vm": "web" }), stop(StopMode::Graceful, false)),
        ("Stop", json!({ "vm": "web", "force": true, "wait": null }), stop(StopMode::Force, false)),
        ("Stop", json!({ "vm": "web", "wait": true }), stop(StopMode::Graceful, true)),
        ("Wait", json!({ "vm": "web" }), Request::Wait(web())),
        ("Break", json!({ "vm": "web" }), Request::Break(web())),
        ("Restart", json!({}), Request::Restart),
    ] {
        let mut wire = bench.connect();
        wire.call(method, parameters);
        assert_eq!(bench.request().2, expected);
        drop(wire);
        bench.cancelled();
    }
}

#[test]
fn a_new_machine_is_described_in_full() {
    let mut bench = Bench::new();
    let mut wire = bench.connect();
    let disk = json!({ "path": "/a.img", "format": "raw" });
    let spec = json!({
        "name": "web", "memory": (1u64 << 30) + 5, "cpus": 2, "boot": "/boot/vmlinuz", "initrd": "/boot/initrd",
        "cmdline": "console=ttyS0", "disks": [disk, { "path": "/b.img" }],
    });
    wire.call("StartNew", json!({ "spec": spec }));
    let Request::StartNew(vm) = bench.request().2 else { panic!("not a start") };
    assert_eq!((vm.name.as_str(), vm.memory.bytes(), vm.cpus.get()), ("web", 1 << 30, 2));
    assert_eq!((vm.boot, vm.initrd), (Some("/boot/vmlinuz".into()), Some("/boot/initrd".into())));
    assert_eq!(vm.cmdline, "console=ttyS0");
    assert_eq!(vm.disks.iter().map(|d| d.path.to_str().unwrap()).collect::<Vec<_>>(), ["/a.img", "/b.img"]);
    assert_eq!(vm.owner, Owner::ROOT);
}

#[test]
fn what_makes_no_sense_is_explained_without_troubling_the_parent() {
    let bench = Bench::new();
    let mut wire = bench.connect();
    for (spec, word) in [
        (json!({ "name": "..", "boot": "/k" }), "name"),
        (json!({ "name": "web", "boot": "vmlinuz" }), "absolute"),
        (json!({ "name": "web", "boot": "/k", "memory": 1 }), "at least"),
        (json!({ "name": "web", "boot": "/k", "cpus": 0 }), "processors"),
    ] {
        let reply = wire.ask("StartNew", json!({ "spec": spec }));
        assert_eq!(reply["error"], "org.vmd.Manager1.Failed");
        assert!(reply["parameters"]["message"].as_str().unwrap().contains(word), "{reply}");
    }
    assert_eq!(wire.ask("Start", json!({ "vm": "../x" }))["error"], "org.vmd.Manager1.NotFound");
}

#[test]
fn mistakes_are_answered_by_name_and_the_connection_goes_on() {
    let bench = Bench::new();
    let mut wire = bench.connect();
    assert_eq!(wire.ask("Start", json!({})), invalid("vm"));
    assert_eq!(wire.ask("Start", json!({ "vm": 7 })), invalid("vm"));
    assert_eq!(wire.ask("Start", json!({ "vm": "web", "odd": 1 })), invalid("odd"));
    assert_eq!(wire.ask("Start", json!(["web"])), invalid("parameters"));
    assert_eq!(wire.ask("Stop", json!({ "vm": "web", "wait": "yes" })), invalid("wait"));
    assert_eq!(wire.ask("StartNew", json!({ "spec": { "name": "web", "odd": 1 } })), invalid("spec"));
    assert_eq!(wire.ask("StartNew", json!({ "spec": { "name": "web", "memory": -1 } })), invalid("spec"));
    let no_method =
        |method| json!({ "error": "org.varlink.service.MethodNotFound", "parameters": { "method": method } });
    assert_eq!(wire.ask("Odd", json!({})), no_method("org.vmd.Manager1.Odd"));
    assert_eq!(wire.ask("org.varlink.service.Odd", json!({})), no_method("org.varlink.service.Odd"));
    let no_interface =
        json!({ "error": "org.varlink.service.InterfaceNotFound", "parameters": { "interface": "org.odd" } });
    assert_eq!(wire.ask("org.odd.Odd", json!({})), no_interface);
    assert_eq!(wire.ask("org.varlink.service.GetInfo", json!({}))["parameters"]["product"], "vmd");
}

#[test]
fn a_refusal_is_an_error_of_the_interface() {
    let mut bench = Bench::new();
    for kind in RefusalKind::ALL {
        let reply = bench.exchange("Start", json!({ "vm": "web" }), &[refused(kind)]);
        assert_eq!(
            reply,
            json!({ "error": kind.error_name(), "parameters": ErrorDetail { message: "because".into() } })
        );
    }
}

#[test]
fn a_stop_answers_when_accepted_or_at_the_end_or_both() {
    let mut bench = Bench::new();
    let (stopping, ended) =
        (Reply::Stopping { id: VmId(1) }, Reply::Ended { id: VmId(1), how: ExitReason::PoweredOff });
    let accepted = json!({ "parameters": { "id": 1, "exit": null } });
    let exit = json!({ "how": "powered_off", "code": null, "message": "powered off" });
    let over = json!({ "parameters": { "id": 1, "exit": exit } });

    let no_wait = bench.exchange("Stop", json!({ "vm": "web" }), std::slice::from_ref(&stopping));
    assert_eq!(no_wait, accepted);
    let wait =
        bench.exchange("Stop", json!({ "vm": "web", "wait": true }), &[stopping.clone(), ended.clone()]);
    assert_eq!(wait, over);

    let mut wire = bench.connect();
    wire.call_with("Stop", json!({ "vm": "web", "wait": true }), json!({ "more": true }));
    let (id, _, _) = bench.request();
    bench.answer(id, stopping);
    assert_eq!(wire.receive(), json!({ "parameters": accepted["parameters"], "continues": true }));
    bench.answer(id, ended);
    assert_eq!(wire.receive(), over);
    // The stream is over, the connection is not.
    assert_eq!(wire.ask("Odd", json!({}))["error"], "org.varlink.service.MethodNotFound");
}

#[test]
fn a_client_that_leaves_is_called_off() {
    let mut bench = Bench::new();
    let mut wire = bench.connect();
    wire.call("Wait", json!({ "vm": "web" }));
    let (id, _, _) = bench.request();
    drop(wire);
    assert_eq!(bench.cancelled(), id);
    // What crosses the cancellation harms nobody.
    bench.answer(id, Reply::Ended { id: VmId(1), how: ExitReason::Forced });
    let reply = bench.exchange("Break", json!({ "vm": "web" }), &[Reply::Done]);
    assert_eq!(reply, json!({ "parameters": {} }));
}

#[test]
fn a_client_that_asks_and_leaves_at_once_has_asked() {
    let mut bench = Bench::new();
    for _ in 0..20 {
        bench.connect().call("Stop", json!({ "vm": "web" }));
        let (id, _, request) = bench.request();
        assert!(matches!(request, Request::Stop { .. }));
        assert_eq!(bench.cancelled(), id);
    }
}

#[test]
fn a_client_that_has_said_all_still_gets_its_answer() {
    let mut bench = Bench::new();
    let mut wire = bench.connect();
    wire.call("Wait", json!({ "vm": "web" }));
    wire.0.get_ref().shutdown(Shutdown::Write).unwrap();
    let (id, _, _) = bench.request();
    thread::sleep(Duration::from_millis(50));
    bench.answer(id, Reply::Ended { id: VmId(1), how: ExitReason::Forced });
    assert_eq!(wire.receive()["parameters"]["exit"]["how"], "forced");
}

#[test]
fn one_who_waits_or_does_not_read_delays_nobody() {
    let mut bench = Bench::new();
    let mut waiting = bench.connect();
    waiting.call("Wait", json!({ "vm": "web" }));
    let (wait, _, _) = bench.request();
    let mut deaf = bench.connect();
    deaf.call("List", json!({}));
    let (list, _, _) = bench.request();
    // More than any socket buffer takes.
    (0..4000).for_each(|id| {
        bench.answer(list, Reply::Vm(Box::new(info(id, VmState::Running))));
    });
    bench.answer(list, Reply::Done);
    let mut lively = bench.connect();
    assert_eq!(lively.ask("Odd", json!({}))["error"], "org.varlink.service.MethodNotFound");
    bench.answer(wait, Reply::Ended { id: VmId(1), how: ExitReason::PoweredOff });
    assert_eq!(waiting.receive()["parameters"]["id"], 1);
    assert_eq!(deaf.receive()["parameters"]["vms"].as_array().unwrap().len(), 4000);
}

#[test]
fn a_call_that_wants_no_answer_gets_none() {
    let mut bench = Bench::new();
    let mut wire = bench.connect();
    wire.call_with("Break", json!({ "vm": "web" }), json!({ "oneway": true }));
    let (id, _, request) = bench.request();
    assert_eq!(request, Request::Break(web()));
    bench.answer(id, Reply::Done);
    wire.call_with("Odd", json!({}), json!({ "oneway": true }));
    assert_eq!(wire.ask("Last", json!({}))["parameters"]["method"], "org.vmd.Manager1.Last");
}

#[test]
fn calls_in_one_packet_are_answered_in_order() {
    let mut bench = Bench::new();
    let mut wire = bench.connect();
    let call = |vm| json!({ "method": "org.vmd.Manager1.Wait", "parameters": { "vm": vm } }).to_string();
    wire.send(format!("{}\0{}\0", call("1"), call("2")).as_bytes());
    for number in [1, 2] {
        let (id, _, request) = bench.request();
        assert_eq!(request, Request::Wait(VmRef::Id(VmId(number))));
        bench.answer(id, Reply::Ended { id: VmId(number), how: ExitReason::PoweredOff });
        assert_eq!(wire.receive()["parameters"]["id"], number);
    }
}

#[test]
fn nonsense_and_floods_end_only_their_own_connection() {
    let bench = Bench::new();
    let mut good = bench.connect();
    let deep = "[".repeat(60_000);
    let long = "x".repeat(70_000);
    for nonsense in ["hello\0", "\0", "{}\0", "{\"method\":7}\0", "\u{1}\0", &deep, &long] {
        let mut wire = bench.connect();
        // A flood is cut off while it is written.
        let _ = wire.0.get_mut().write_all(nonsense.as_bytes());
        let _ = wire.0.get_mut().write_all(b"\0");
        let mut rest = Vec::new();
        let ended = wire.0.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{nonsense:.20}: {rest:?}");
        assert!(!matches!(&ended, Err(e) if e.kind() == std::io::ErrorKind::WouldBlock), "{nonsense:.20}");
    }
    assert_eq!(good.ask("Odd", json!({}))["error"], "org.varlink.service.MethodNotFound");
}

#[test]
fn descriptors_of_a_client_are_not_kept() {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let bench = Bench::new();
    let mut wire = bench.connect();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [theirs.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let text = b"{\"method\":\"org.vmd.Manager1.Odd\"}\0";
    sendmsg(wire.0.get_ref(), &[std::io::IoSlice::new(text)], &mut control, SendFlags::empty()).unwrap();
    assert_eq!(wire.receive()["error"], "org.varlink.service.MethodNotFound");
    drop(theirs);
    // The last holder of the other side is gone while the connection lives.
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!((&ours).read(&mut [0]).unwrap(), 0);
}

#[test]
fn vmctl_understands_every_answer() {
    let mut bench = Bench::new();
    let mut client = bench.vmctl();
    let asking = thread::spawn(move || {
        let listing: Listing = client.call("List", json!({})).unwrap();
        let started: Started = client.call("Start", json!({ "vm": "web" })).unwrap();
        let stopped: Stopped = client.call("Stop", json!({ "vm": "web", "wait": true })).unwrap();
        let refused = client.call::<Stopped>("Wait", json!({ "vm": "web" })).unwrap_err().into_refusal();
        (listing, started, stopped, refused.unwrap())
    });
    let (id, _, _) = bench.request();
    for state in [VmState::Starting, VmState::Running, VmState::Stopping, VmState::Stopped] {
        bench.answer(id, Reply::Vm(Box::new(info(1, state))));
    }
    bench.answer(id, Reply::Done);
    let (id, _, _) = bench.request();
    bench.answer(id, started());
    let (id, _, _) = bench.request();
    bench.answer(id, Reply::Stopping { id: VmId(1) });
    bench.answer(id, Reply::Ended { id: VmId(1), how: ExitReason::Failed("no memory".into()) });
    let (id, _, _) = bench.request();
    bench.answer(id, refused(RefusalKind::NotRunning));

    let (listing, started, stopped, refusal) = asking.join().unwrap();
    let states: Vec<_> = listing.vms.iter().map(|vm| vm.state).collect();
    assert_eq!(states, [VmState::Starting, VmState::Running, VmState::Stopping, VmState::Stopped]);
    assert_eq!(listing.vms[0], info(1, VmState::Starting).into());
    assert_eq!((started.id, started.tty), (VmId(1), "/dev/pts/3".into()));
    assert_eq!(stopped.exit.map(|exit| exit.how), Some(ExitKind::Failed));
    assert_eq!(refusal, Refusal { kind: RefusalKind::NotRunning, message: "because".into() });
}
