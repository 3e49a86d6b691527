//! Who may be connected at the same time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

use proto::Peer;
use tokio::net::{UnixListener, UnixStream};
use zlink::connection::socket::{FetchPeerCredentials, UnixSocket};

use super::link::Parent;
use super::session::Session;

/// The most connections. Each takes two descriptors.
pub const MAX_CLIENTS: usize = 256;

/// The most connections of one user; root is not counted.
const MAX_PER_USER: usize = 32;

/// Connections that are kept free for root, so that no users together can lock the administrator out.
const ROOT_RESERVE: usize = 16;

/// The most supplementary groups that are looked at: what a message to the parent has room for.
const MAX_GROUPS: usize = 4096;

/// The pause after a failed accept, most likely for want of descriptors: time for others to go.
const BACK_OFF: Duration = Duration::from_millis(250);

/// Accepts clients for ever, each into a task of its own.
pub async fn accept(listener: UnixListener, parent: Parent) -> Infallible {
    let limits = Rc::new(RefCell::new(Limits::default()));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => admit(stream, &limits, &parent).await,
            Err(e) => {
                tracing::warn!("cannot accept a client: {e}");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

/// Starts to serve a client, or shows it the door.
async fn admit(stream: UnixStream, limits: &Rc<RefCell<Limits>>, parent: &Parent) {
    let peer = match identify(&stream).await {
        Ok(peer) => peer,
        Err(e) => return tracing::warn!("cannot tell who a client is: {e}"),
    };
    let Some(seat) = Seat::take(limits, peer.uid) else {
        let Peer { uid, pid, .. } = peer;
        tracing::debug!(
            client_uid = uid,
            client_pid = pid,
            "uid {uid} (pid {pid}): turned away, too many connections"
        );
        return;
    };
    match Session::new(stream, peer, parent.clone()) {
        Ok(session) => drop(tokio::task::spawn_local(async move {
            session.run().await;
            drop(seat);
        })),
        Err(e) => tracing::warn!("cannot serve a client: {e}"),
    }
}

/// What the kernel says about the process that connected.
async fn identify(stream: &UnixStream) -> std::io::Result<Peer> {
    let peer = Stream(stream).fetch_peer_credentials().await?;
    Ok(Peer {
        pid: peer.process_id().as_raw_pid().cast_unsigned(),
        uid: peer.unix_user_id().as_raw(),
        gid: peer.unix_primary_group_id().as_raw(),
        groups: peer.unix_supplementary_group_ids().iter().map(|gid| gid.as_raw()).take(MAX_GROUPS).collect(),
    })
}

struct Stream<'a>(&'a UnixStream);

impl AsFd for Stream<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl UnixSocket for Stream<'_> {}

/// The connections that there are.
#[derive(Debug, Default)]
struct Limits {
    all: usize,
    of_user: HashMap<u32, usize>,
}

impl Limits {
    fn has_room_for(&self, uid: u32) -> bool {
        let of_user = self.of_user.get(&uid).copied().unwrap_or(0);
        match uid {
            0 => self.all < MAX_CLIENTS,
            _ => self.all < MAX_CLIENTS - ROOT_RESERVE && of_user < MAX_PER_USER,
        }
    }
}

/// A place among the connections, given back when it is dropped.
struct Seat {
    limits: Rc<RefCell<Limits>>,
    uid: u32,
}

impl Seat {
    fn take(limits: &Rc<RefCell<Limits>>, uid: u32) -> Option<Self> {
        let mut taken = limits.borrow_mut();
        if !taken.has_room_for(uid) {
            return None;
        }
        taken.all += 1;
        *taken.of_user.entry(uid).or_default() += 1;
        Some(Self { limits: Rc::clone(limits), uid })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.limits.borrow_mut();
        taken.all = taken.all.saturating_sub(1);
        if let Some(of_user) = taken.of_user.get_mut(&self.uid) {
            *of_user = of_user.saturating_sub(1);
            if *of_user == 0 {
                taken.of_user.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(limits: &Rc<RefCell<Limits>>, uid: u32) -> Vec<Seat> {
        std::iter::from_fn(|| Seat::take(limits, uid)).collect()
    }

    #[test]
    fn one_user_cannot_take_the_places_of_others() {
        let limits = Rc::default();
        let of_anna = seats(&limits, 1000);
        assert_eq!(of_anna.len(), MAX_PER_USER);
        assert_eq!(seats(&limits, 1001).len(), MAX_PER_USER);
        drop(of_anna);
        assert!(Seat::take(&limits, 1000).is_some());
    }

    #[test]
    fn all_users_together_leave_places_for_root() {
        let limits = Rc::default();
        let users: Vec<_> = (1000..1100).flat_map(|uid| seats(&limits, uid)).collect();
        assert_eq!(users.len(), MAX_CLIENTS - ROOT_RESERVE);
        assert_eq!(seats(&limits, 0).len(), ROOT_RESERVE);
    }

    #[test]
    fn nothing_is_remembered_of_those_who_left() {
        let limits = Rc::default();
        drop(seats(&limits, 1000));
        assert_eq!(limits.borrow().all, 0);
        assert!(limits.borrow().of_user.is_empty());
    }
}
