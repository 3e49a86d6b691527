//! What clients ask of the table.

use proto::{
    Owner, Peer, Refusal, RefusalKind, Reply, Request, RequestId, StopMode, VmId, VmName, VmRef, VmSpec,
};

use super::entry::{Entry, State};
use super::{Answer, Effect, Manner, Reading, VmTable, refuse};
use crate::parent::access::{Act, may};

impl VmTable {
    /// Takes in what a client asks.
    pub(super) fn request(&mut self, id: RequestId, peer: &Peer, request: Request) -> Vec<Effect> {
        let answer = match request {
            Request::Status(which) => return self.status(id, peer, which.as_ref()),
            Request::Start(vm) => self.start(id, peer, &vm),
            Request::StartNew(spec) => self.start_new(id, peer, *spec),
            Request::StartInstance { template, spec, given } => {
                self.start_instance(id, peer, &template, *spec, given)
            }
            Request::Stop { vm, mode, wait } => self.stop(id, peer, &vm, mode, wait),
            Request::Wait(vm) => self.wait(id, peer, &vm),
            Request::Break(vm) => self.send_break(id, peer, &vm),
            Request::Pause(vm) => self.pause(id, peer, &vm),
            Request::Unpause(vm) => self.unpause(id, peer, &vm),
            Request::Drive(vm, what) => self.order_drive(id, peer, &vm, what),
            Request::Reload { dry_run: true } => self.ask_for_reading(id, peer, Manner::Plan),
            Request::Reload { dry_run: false } => self.ask_for_reading(id, peer, Manner::Reload),
            Request::Load(path) => self.ask_for_reading(id, peer, Manner::Load(path)),
            Request::Reset(what) => manages(peer).map(|()| self.reset(id, what)),
            Request::Log(level) => manages(peer).map(|()| vec![Effect::Log(level), done(id)]),
            Request::Restart => manages(peer).and_then(|()| self.leave(id)),
            Request::Events => self.subscribe(id),
        };
        answer.unwrap_or_else(|refusal| vec![Effect::Reply(id, Reply::Refused(refusal))])
    }

    /// Running machines first, each group in the order of the ids. No such machine: no row.
    fn status(&self, request: RequestId, peer: &Peer, which: Option<&VmRef>) -> Vec<Effect> {
        let chosen = |(id, entry): &(&VmId, &Entry)| {
            may(peer, Act::See, entry.owner()) && which.is_none_or(|vm| entry.is(**id, vm))
        };
        let (mut rows, stopped): (Vec<_>, Vec<_>) =
            self.entries.iter().filter(chosen).partition(|(_, entry)| entry.live().is_some());
        rows.extend(stopped);
        rows.into_iter()
            .map(|(id, entry)| Reply::Vm(Box::new(entry.info(*id))))
            .chain([Reply::Done])
            .map(|reply| Effect::Reply(request, reply))
            .collect()
    }

    fn start(&mut self, request: RequestId, peer: &Peer, vm: &VmRef) -> Answer {
        self.refuse_while_going_down()?;
        let (id, entry) = self.operable(peer, vm)?;
        match entry.state {
            State::Stopped | State::Waiting => Ok(self.launch(id, peer.uid, Some(request))),
            _ => Err(refuse(
                RefusalKind::AlreadyExists,
                format!("vm \"{}\" is already {}", entry.spec.name, entry.word()),
            )),
        }
    }

    fn start_new(&mut self, request: RequestId, peer: &Peer, spec: VmSpec) -> Answer {
        self.refuse_while_going_down()?;
        if !may(peer, Act::Define, spec.owner) {
            let text = "only root can start a virtual machine that vm.conf does not define";
            return Err(refuse(RefusalKind::NotPermitted, text.to_owned()));
        }
        spec.validate().map_err(|why| refuse(RefusalKind::Failed, format!("vm \"{}\": {why}", spec.name)))?;
        self.refuse_used_name(&spec.name)?;
        let id = self.insert(spec, peer.uid, true);
        Ok(self.launch(id, peer.uid, Some(request)))
    }

    pub(super) fn refuse_used_name(&mut self, name: &VmName) -> Result<(), Refusal> {
        let Some((_, entry)) = self.find(&VmRef::Name(name.clone())) else { return Ok(()) };
        let text = format!(
            "vm \"{name}\" exists and is {}; start it without settings, or choose another name",
            entry.word()
        );
        Err(refuse(RefusalKind::AlreadyExists, text))
    }

    fn stop(&mut self, request: RequestId, peer: &Peer, vm: &VmRef, mode: StopMode, wait: bool) -> Answer {
        let (id, entry) = self.operable(peer, vm)?;
        if matches!(entry.state, State::Stopping(_)) && mode == StopMode::Graceful {
            return Err(entry.already_stopping());
        }
        let mut effects = vec![Effect::Reply(request, Reply::Stopping { id })];
        effects.extend(self.begin_stop(id, mode)?);
        if let (true, Some(live)) = (wait, self.entries.get_mut(&id).and_then(Entry::live_mut)) {
            live.waiters.push(request);
        }
        Ok(effects)
    }

    fn wait(&mut self, request: RequestId, peer: &Peer, vm: &VmRef) -> Answer {
        let (_, entry) = self.operable(peer, vm)?;
        let refusal = entry.not_running();
        entry.live_mut().ok_or(refusal)?.waiters.push(request);
        Ok(Vec::new())
    }

    fn send_break(&mut self, request: RequestId, peer: &Peer, vm: &VmRef) -> Answer {
        let (id, entry) = self.operable(peer, vm)?;
        match entry.state {
            State::Running(_) | State::Paused(_) | State::Stopping(_) => {
                Ok(vec![Effect::Break(id), done(request)])
            }
            _ => Err(entry.not_running()),
        }
    }

    /// One that stands still already stays as it is.
    fn pause(&mut self, request: RequestId, peer: &Peer, vm: &VmRef) -> Answer {
        let (id, entry) = self.operable(peer, vm)?;
        match &mut entry.state {
            State::Running(live) => {
                live.pausing.push(request);
                Ok(vec![Effect::Pause(id, true)])
            }
            State::Paused(_) => Ok(vec![Effect::Reply(request, Reply::Acted { id })]),
            State::Stopping(_) => Err(entry.already_stopping()),
            State::Stopped | State::Waiting | State::Starting { .. } => Err(entry.not_running()),
        }
    }

    /// One that may be about to stand still is told as well.
    fn unpause(&mut self, request: RequestId, peer: &Peer, vm: &VmRef) -> Answer {
        let (id, entry) = self.operable(peer, vm)?;
        match &mut entry.state {
            State::Running(live) | State::Paused(live) => {
                live.unpausing.push(request);
                Ok(vec![Effect::Pause(id, false)])
            }
            State::Stopping(_) => Err(entry.already_stopping()),
            State::Stopped | State::Waiting | State::Starting { .. } => Err(entry.not_running()),
        }
    }

    fn ask_for_reading(&self, request: RequestId, peer: &Peer, manner: Manner) -> Answer {
        manages(peer)?;
        self.refuse_while_going_down()?;
        Ok(vec![Effect::Read(Reading { client: Some(request), manner })])
    }

    /// Everybody may see the status, hence also how it changes.
    fn subscribe(&mut self, request: RequestId) -> Answer {
        self.subscribers.push(request);
        Ok(Vec::new())
    }

    pub(super) fn refuse_while_going_down(&self) -> Result<(), Refusal> {
        match self.going_down {
            true => Err(refuse(
                RefusalKind::Failed,
                "vmd is shutting down and starts nothing any more".to_owned(),
            )),
            false => Ok(()),
        }
    }

    /// The machine, if there is one and the client may operate it.
    pub(super) fn operable(&mut self, peer: &Peer, vm: &VmRef) -> Result<(VmId, &mut Entry), Refusal> {
        let Some((id, entry)) = self.find(vm) else {
            let text = format!("there is no vm \"{vm}\"; `vmctl status` lists those that there are");
            return Err(refuse(RefusalKind::NotFound, text));
        };
        if !may(peer, Act::Operate, entry.owner()) {
            let text =
                format!("vm \"{}\" belongs to another user (uid {})", entry.spec.name, entry.owner().uid);
            return Err(refuse(RefusalKind::NotPermitted, text));
        }
        Ok((id, entry))
    }
}

fn manages(peer: &Peer) -> Result<(), Refusal> {
    match may(peer, Act::Manage, Owner::ROOT) {
        true => Ok(()),
        false => Err(refuse(RefusalKind::NotPermitted, "only root can manage the daemon itself".to_owned())),
    }
}

fn done(request: RequestId) -> Effect {
    Effect::Reply(request, Reply::Done)
}
