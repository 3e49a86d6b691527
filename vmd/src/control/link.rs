//! The channel to the parent, shared by all clients.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use anyhow::bail;
use privsep::{Channel, ChannelError};
use proto::{ControlToParent, ParentToControl, Peer, Refusal, RefusalKind, Reply, Request, RequestId};
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};
use tokio::sync::mpsc;

/// Messages that wait for the channel. Each request has room reserved for its cancellation as long as it is
/// under way, so this is twice the most clients and as much again.
const QUEUE: usize = 4 * super::clients::MAX_CLIENTS;

/// The end that reads and writes the channel.
pub struct Link {
    channel: AsyncFd<Channel<ControlToParent, ParentToControl>>,
    outgoing: mpsc::Receiver<ControlToParent>,
    shared: Rc<Shared>,
}

/// The end that clients ask.
#[derive(Clone)]
pub struct Parent {
    outgoing: mpsc::Sender<ControlToParent>,
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    last_id: Cell<u64>,
    waiting: RefCell<HashMap<RequestId, mpsc::UnboundedSender<Reply>>>,
}

impl Shared {
    fn next_id(&self) -> RequestId {
        // One number each nanosecond would last for centuries.
        self.last_id.set(self.last_id.get().wrapping_add(1));
        RequestId(self.last_id.get())
    }

    /// An answer that nobody waits for any more crossed its cancellation.
    fn deliver(&self, id: RequestId, reply: Reply) {
        if let Some(client) = self.waiting.borrow().get(&id) {
            // The client has just left; its cancellation is on its way.
            let _ = client.send(reply);
        }
    }
}

impl Link {
    /// Takes the channel over.
    pub fn new(channel: Channel<ControlToParent, ParentToControl>) -> anyhow::Result<(Self, Parent)> {
        let (sender, outgoing) = mpsc::channel(QUEUE);
        let shared = Rc::new(Shared::default());
        let channel = super::watch(channel, Interest::READABLE | Interest::WRITABLE)?;
        let link = Self { channel, outgoing, shared: Rc::clone(&shared) };
        Ok((link, Parent { outgoing: sender, shared }))
    }

    /// Sends a message now, if the parent is still there.
    ///
    /// # Errors
    /// The channel is broken.
    pub fn send(&mut self, message: &ControlToParent) -> anyhow::Result<()> {
        match (self.channel.get_mut().send(message, &[]), message) {
            // That the parent has gone is the reader's to find, behind the last answers.
            (Ok(()) | Err(ChannelError::Closed), _) => Ok(()),
            // Nothing was sent, and the channel is as good as before. Only a client can make a message too long.
            (Err(ChannelError::Unsendable(why)), ControlToParent::Request(id, ..)) => {
                let message = format!("the request is too long for the daemon: {why}");
                self.shared.deliver(*id, Reply::Refused(Refusal { kind: RefusalKind::Failed, message }));
                Ok(())
            }
            (Err(e), _) => Err(e.into()),
        }
    }

    /// Waits for the next message; `None` when the parent has closed the channel.
    ///
    /// # Errors
    /// The channel is broken.
    pub async fn receive(&mut self) -> anyhow::Result<Option<(ParentToControl, Vec<OwnedFd>)>> {
        receive(&mut self.channel).await
    }

    /// Carries requests and answers until the parent closes the channel.
    ///
    /// # Errors
    /// The channel is broken, or the parent does not keep to the protocol.
    pub async fn relay(&mut self) -> anyhow::Result<()> {
        loop {
            let congested = self.channel.get_ref().wants_write();
            tokio::select! {
                received = receive(&mut self.channel) => match received? {
                    Some((ParentToControl::Reply(id, reply), _)) => self.shared.deliver(id, reply),
                    Some((ParentToControl::Log(level), _)) => crate::log::set_level(level),
                    Some((ParentToControl::Listen, _)) => bail!("the parent sent a second socket"),
                    None => return Ok(()),
                },
                Some(message) = self.outgoing.recv(), if !congested => self.send(&message)?,
            }
        }
    }
}

/// Waits for the next message, and sends what waits whenever the channel has room. Nothing is lost when the
/// future is dropped.
async fn receive(
    channel: &mut AsyncFd<Channel<ControlToParent, ParentToControl>>,
) -> anyhow::Result<Option<(ParentToControl, Vec<OwnedFd>)>> {
    loop {
        let congested = channel.get_ref().wants_write();
        let interest = if congested { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let mut guard = channel.ready_mut(interest).await?;
        if guard.ready().is_readable() {
            match guard.get_inner_mut().recv() {
                Ok(Some(message)) => return Ok(Some(message)),
                Ok(None) => guard.clear_ready_matching(Ready::READABLE),
                Err(ChannelError::Closed) => return Ok(None),
                Err(e) => return Err(e.into()),
            }
        }
        if congested && guard.ready().is_writable() {
            match guard.get_inner_mut().flush() {
                Ok(()) if guard.get_inner().wants_write() => guard.clear_ready_matching(Ready::WRITABLE),
                // There is room again, which concerns the caller too: it comes back.
                Ok(()) => {}
                Err(ChannelError::Closed) => return Ok(None),
                Err(e) => return Err(e.into()),
            }
        }
    }
}

impl Parent {
    /// Asks the parent. `None` when there is no parent any more.
    pub async fn ask(&self, peer: &Peer, request: Request) -> Option<Answers> {
        let cancel = self.outgoing.clone().reserve_owned().await.ok()?;
        let permit = self.outgoing.reserve().await.ok()?;
        let id = self.shared.next_id();
        let waits = matches!(request, Request::Stop { wait: true, .. });
        let (sender, replies) = mpsc::unbounded_channel();
        self.shared.waiting.borrow_mut().insert(id, sender);
        permit.send(ControlToParent::Request(id, peer.clone(), request));
        Some(Answers { id, waits, replies, cancel: Some(cancel), shared: Rc::clone(&self.shared) })
    }
}

/// The answers to a request. Dropped before the last of them, they are called off.
pub struct Answers {
    id: RequestId,
    waits: bool,
    replies: mpsc::UnboundedReceiver<Reply>,
    /// Room for a cancellation, until there is nothing left to cancel.
    cancel: Option<mpsc::OwnedPermit<ControlToParent>>,
    shared: Rc<Shared>,
}

impl Answers {
    /// The next answer; `None` after the last.
    pub async fn next(&mut self) -> Option<Reply> {
        self.cancel.as_ref()?;
        let reply = self.replies.recv().await?;
        if reply.is_last(self.waits) {
            self.cancel = None;
        }
        Some(reply)
    }

    /// Whether an acceptance of a stop is followed by its end.
    pub fn waits(&self) -> bool {
        self.waits
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.shared.waiting.borrow_mut().remove(&self.id);
        if let Some(permit) = self.cancel.take() {
            permit.send(ControlToParent::Cancel(self.id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_client_wants_of_a_parent_that_has_gone_is_no_failure() {
        let (mut parent, ours) = Channel::<ParentToControl, ControlToParent>::pair().unwrap();
        let (mut link, _asking) = Link::new(Channel::from_fd(ours).unwrap()).unwrap();
        parent.send(&ParentToControl::Reply(RequestId(1), Reply::Done), &[]).unwrap();
        drop(parent);
        link.send(&ControlToParent::Cancel(RequestId(1))).unwrap();
        assert!(link.receive().await.unwrap().is_some(), "the last answer is not lost");
        assert!(link.receive().await.unwrap().is_none());
    }
}
