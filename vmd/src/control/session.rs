//! One client: its calls, one after the other, until it goes.

use std::io;

use proto::api::{
    Acted, Drive, ErrorDetail, Event, Exit, INTERFACE, Leaving, Listing, Plan, Started, Stopped, Vm,
};
use proto::{Peer, Refusal, Reply, Request};
use serde::Serialize;
use tokio::net::UnixStream;
use zlink::connection::ReadConnection;
use zlink::varlink_service::{self, Error as ServiceError, Info};
use zlink::{Call as Envelope, Connection};

use super::connection::{ClientSocket, HangUp, Reader, Writer};
use super::link::Parent;
use super::methods::{Call, Fault, Message};

/// The text of the interface, as it is documented.
const DESCRIPTION: &str = include_str!("../../org.vmd.Manager1.varlink");

/// A client and what is needed to serve it.
pub struct Session {
    hang_up: HangUp,
    calls: ReadConnection<Reader>,
    client: Client,
    peer: Peer,
    parent: Parent,
}

impl Session {
    /// Begins to serve a client.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new(stream: UnixStream, peer: Peer, parent: Parent) -> io::Result<Self> {
        let hang_up = HangUp::of(&stream)?;
        let (calls, replies) = Connection::new(ClientSocket(stream)).split();
        let client = Client { replies: replies.into_write_half(), mute: false };
        Ok(Self { hang_up, calls, client, peer, parent })
    }

    /// Serves it until it goes, breaks the rules of the protocol or takes too long.
    pub async fn run(self) {
        let Self { hang_up, mut calls, mut client, peer, parent } = self;
        let ended = loop {
            let call = match calls.receive_call::<Message>().await {
                Ok((call, _)) => call,
                Err(zlink::Error::UnexpectedEof) => return,
                Err(e) => break e,
            };
            tokio::select! {
                // The answer is begun first in any case: who asks and leaves at once has asked.
                biased;
                answered = answer(&mut client, call, &peer, &parent) => if let Err(e) = answered { break e },
                // What the parent does for a client that has gone is called off as the other future is dropped.
                () = hang_up.wait() => return,
            }
        };
        // Not worth more than this: any client can cause it at will.
        let Peer { uid, pid, .. } = peer;
        tracing::debug!(
            client_uid = uid,
            client_pid = pid,
            "uid {uid} (pid {pid}): connection ended: {ended}"
        );
    }
}

async fn answer(
    client: &mut Client,
    envelope: Envelope<Message>,
    peer: &Peer,
    parent: &Parent,
) -> zlink::Result<()> {
    client.mute = envelope.oneway();
    let (more, upgrade) = (envelope.more(), envelope.upgrade());
    let message = envelope.method();
    if upgrade {
        // No method has another protocol to go on with.
        let fault = ServiceError::MethodNotImplemented { method: message.method.clone().into() };
        return client.fault(Fault::Service(fault)).await;
    }
    match message.call() {
        Ok(Call::Info) => client.reply(&info()).await,
        Ok(Call::Description(interface)) => client.describe(interface).await,
        Ok(Call::Request(request)) => client.request(request, more, peer, parent).await,
        Err(fault) => client.fault(fault).await,
    }
}

/// The writing side.
struct Client {
    replies: Writer,
    /// Whether the client wants no answer to its call.
    mute: bool,
}

impl Client {
    /// Passes a request on, and its answers back.
    async fn request(
        &mut self,
        request: Request,
        more: bool,
        peer: &Peer,
        parent: &Parent,
    ) -> zlink::Result<()> {
        if matches!(request, Request::Events) && !more {
            return self.fault(Fault::Service(ServiceError::ExpectedMore)).await;
        }
        let gathers = Gathers::of(&request);
        let Some(mut answers) = parent.ask(peer, request).await else { return Ok(()) };
        let (mut vms, mut plan) = (Vec::new(), Vec::new());
        while let Some(answer) = answers.next().await {
            match answer {
                Reply::Vm(info) => vms.push(Vm::from(*info)),
                Reply::Step(step) => plan.push(step),
                Reply::Event(event) => self.send(&Event::from(event), true).await?,
                Reply::Done => {
                    return match gathers {
                        Gathers::Vms => self.reply(&Listing { vms }).await,
                        Gathers::Plan => self.reply(&Plan { plan }).await,
                        Gathers::Nothing => self.reply(&Nothing {}).await,
                    };
                }
                Reply::Leaving { command } => return self.reply(&Leaving { command }).await,
                Reply::Drive(info) => return self.reply(&Drive::from(info)).await,
                Reply::Acted { id } => return self.reply(&Acted { id }).await,
                Reply::Started { id, name, tty } => return self.reply(&Started { id, name, tty }).await,
                Reply::Stopping { id } if !answers.waits() => {
                    return self.reply(&Stopped { id, exit: None }).await;
                }
                Reply::Stopping { id } if more => self.send(&Stopped { id, exit: None }, true).await?,
                Reply::Stopping { .. } => {}
                Reply::Ended { id, how } => {
                    return self.reply(&Stopped { id, exit: Some(Exit::from(how)) }).await;
                }
                Reply::Refused(refusal) => return self.fault(Fault::Refused(refusal)).await,
            }
        }
        Ok(())
    }

    async fn describe(&mut self, interface: String) -> zlink::Result<()> {
        let description = if interface == INTERFACE {
            DESCRIPTION.to_owned()
        } else if interface == varlink_service::INTERFACE_NAME.as_str() {
            varlink_service::DESCRIPTION.to_string()
        } else {
            let fault = ServiceError::InterfaceNotFound { interface: interface.into() };
            return self.fault(Fault::Service(fault)).await;
        };
        self.reply(&Description { description }).await
    }

    /// The last answer to a call.
    async fn reply(&mut self, parameters: &impl Serialize) -> zlink::Result<()> {
        self.send(parameters, false).await
    }

    async fn send(&mut self, parameters: &impl Serialize, continues: bool) -> zlink::Result<()> {
        let reply = zlink::Reply::new(Some(parameters)).set_continues(continues.then_some(true));
        self.write(&reply).await
    }

    async fn fault(&mut self, fault: Fault) -> zlink::Result<()> {
        match fault {
            Fault::Service(error) => self.write(&error).await,
            Fault::Refused(refusal) => self.write(&RefusedReply::from(refusal)).await,
        }
    }

    /// Zlink's own writer begins a message anew whenever it has grown by 256 bytes, which for the status of
    /// some hundred machines would hold up everybody.
    async fn write(&mut self, message: &impl Serialize) -> zlink::Result<()> {
        if self.mute {
            return Ok(());
        }
        let mut bytes = serde_json::to_vec(message)?;
        bytes.push(0);
        self.replies.send(&bytes).await
    }
}

/// What the answers to a request are put together to.
enum Gathers {
    Vms,
    Plan,
    Nothing,
}

impl Gathers {
    fn of(request: &Request) -> Self {
        match request {
            Request::Status(_) => Self::Vms,
            Request::Reload { .. } => Self::Plan,
            _ => Self::Nothing,
        }
    }
}

/// What kind of service this is. The names of the interfaces are right, which the types do not know.
fn info() -> Option<Info<'static>> {
    let interfaces = [varlink_service::INTERFACE_NAME.as_str(), INTERFACE];
    let (version, url) = (env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_REPOSITORY"));
    Info::new("vmd for Linux", env!("CARGO_PKG_NAME"), version, url, interfaces).ok()
}

/// The parameters of a reply that has none: an empty object, which some clients insist on.
#[derive(Debug, Serialize)]
struct Nothing {}

#[derive(Debug, Serialize)]
struct Description {
    description: String,
}

/// An error of the interface.
#[derive(Debug, Serialize)]
struct RefusedReply {
    error: String,
    parameters: ErrorDetail,
}

impl From<Refusal> for RefusedReply {
    fn from(refusal: Refusal) -> Self {
        let Refusal { kind, message } = refusal;
        Self { error: kind.error_name(), parameters: ErrorDetail { message } }
    }
}
