//! From the start of a machine to its end.

use std::path::PathBuf;

use proto::{ExitReason, Refusal, Reply, RequestId, StopMode, VmId};

use super::entry::{Entry, State};
use super::{Answer, Effect, VmTable, failed};
use crate::parent::record::Stop;

impl VmTable {
    pub(super) fn launch(&mut self, id: VmId, starter: u32, client: Option<RequestId>) -> Vec<Effect> {
        let now = self.now;
        let Some(entry) = self.entries.get_mut(&id) else { return Vec::new() };
        if !entry.pace.admits(now) {
            return entry.too_quick(id, client);
        }
        entry.state = State::Starting { live: entry.begin_life(starter), client };
        vec![entry.launch(id, starter)]
    }

    pub(super) fn started(&mut self, id: VmId) -> Vec<Effect> {
        let Some(entry) = self.entries.get_mut(&id) else { return Vec::new() };
        match std::mem::replace(&mut entry.state, State::Stopped) {
            State::Starting { live, client } => {
                let tty = live.tty.clone().unwrap_or_default();
                entry.state = State::Running(live);
                let name = entry.spec.name.clone();
                client.map(|c| Effect::Reply(c, Reply::Started { id, name, tty })).into_iter().collect()
            }
            other => {
                entry.state = other;
                Vec::new()
            }
        }
    }

    pub(super) fn paused(&mut self, id: VmId) -> Vec<Effect> {
        let Some(entry) = self.entries.get_mut(&id) else { return Vec::new() };
        entry.state = match std::mem::replace(&mut entry.state, State::Stopped) {
            State::Running(live) => State::Paused(live),
            other => other,
        };
        let clients = entry.live_mut().map(|live| std::mem::take(&mut live.pausing));
        answer_acted(id, clients.unwrap_or_default())
    }

    pub(super) fn unpaused(&mut self, id: VmId) -> Vec<Effect> {
        let Some(entry) = self.entries.get_mut(&id) else { return Vec::new() };
        entry.state = match std::mem::replace(&mut entry.state, State::Stopped) {
            State::Paused(live) => State::Running(live),
            other => other,
        };
        let clients = entry.live_mut().map(|live| std::mem::take(&mut live.unpausing));
        answer_acted(id, clients.unwrap_or_default())
    }

    pub(super) fn cancel(&mut self, request: RequestId) -> Vec<Effect> {
        self.subscribers.retain(|client| *client != request);
        for entry in self.entries.values_mut() {
            if let State::Starting { client, .. } = &mut entry.state {
                client.take_if(|c| *c == request);
            }
            if let Some(live) = entry.live_mut() {
                live.forget_client(request);
            }
        }
        Vec::new()
    }

    pub(super) fn launched(&mut self, id: VmId, tty: PathBuf) -> Vec<Effect> {
        if let Some(live) = self.entries.get_mut(&id).and_then(Entry::live_mut) {
            live.tty = Some(tty);
        }
        Vec::new()
    }

    pub(super) fn spawned(&mut self, id: VmId, pid: u32) -> Vec<Effect> {
        let Some(entry) = self.entries.get_mut(&id) else { return Vec::new() };
        let Some(live) = entry.live_mut() else { return Vec::new() };
        live.pid = Some(pid);
        entry.note(id).into_iter().collect()
    }

    pub(super) fn unopened(&mut self, id: VmId, refusal: Refusal) -> Vec<Effect> {
        let Some((mut entry, state)) = self.take_down(id) else { return Vec::new() };
        entry.last_exit = Some(ExitReason::Failed(refusal.message.clone()));
        let mut effects = entry.tell_unstarted(id, state, refusal);
        self.put_back(id, entry);
        effects.extend(self.exit_if_done());
        effects
    }

    pub(super) fn ended(&mut self, id: VmId, how: ExitReason) -> Vec<Effect> {
        let Some((mut entry, state)) = self.take_down(id) else { return Vec::new() };
        entry.last_exit = Some(how.clone());
        let name = entry.spec.name.clone();
        let mut effects = vec![Effect::Release(name.clone())];
        match state {
            State::Starting { .. } => {
                let refusal = failed(format!("vm \"{name}\" {how}"));
                effects.extend(entry.tell_unstarted(id, state, refusal));
            }
            State::Running(live) | State::Paused(live)
                if !self.going_down && entry.restarts_after(&how, live.starter) =>
            {
                effects.push(Effect::Report(id, name, how.clone()));
                effects.extend(entry.start_again(id, live, &how, self.now));
            }
            state => {
                // Whoever is answered finds it in the log.
                effects.push(Effect::Report(id, name, how.clone()));
                effects.extend(state.into_live().into_iter().flat_map(|live| live.answer_end(id, &how)));
            }
        }
        self.put_back(id, entry);
        effects.extend(self.exit_if_done());
        effects
    }

    /// Takes the entry out, stopped, together with the state that it was in. From now on it is as the file says.
    fn take_down(&mut self, id: VmId) -> Option<(Entry, State)> {
        let mut entry = self.entries.remove(&id)?;
        let state = std::mem::replace(&mut entry.state, State::Stopped);
        entry.catch_up();
        Some((entry, state))
    }

    fn put_back(&mut self, id: VmId, entry: Entry) {
        if !entry.transient || entry.live().is_some() {
            self.entries.insert(id, entry);
        }
    }

    pub(super) fn shutdown(&mut self) -> Vec<Effect> {
        let mode = if self.going_down { StopMode::Force } else { StopMode::Graceful };
        self.going_down = true;
        self.call_turns_off();
        let mut effects = self.stop_all(mode);
        effects.extend(self.exit_if_done());
        effects
    }

    /// Stops every machine that has a process. Of those that are to be asked, one that stops already has its time from
    /// the request that stopped it.
    pub(super) fn stop_all(&mut self, mode: StopMode) -> Vec<Effect> {
        let is_meant = |entry: &Entry| match entry.state {
            State::Stopped | State::Waiting => false,
            State::Stopping(_) => mode == StopMode::Force,
            State::Starting { .. } | State::Running(_) | State::Paused(_) => true,
        };
        let meant = self.entries.iter().filter(|(_, entry)| is_meant(entry));
        let meant: Vec<VmId> = meant.map(|(id, _)| *id).collect();
        meant.into_iter().flat_map(|id| self.begin_stop(id, mode).unwrap_or_default()).collect()
    }

    /// Begins the stop of a machine with a process.
    pub(super) fn begin_stop(&mut self, id: VmId, mode: StopMode) -> Answer {
        let until = self.now.saturating_add(self.time_to_stop(id));
        let Some(entry) = self.entries.get_mut(&id) else { return Ok(Vec::new()) };
        entry.begin_stop(id, Stop { mode, until })
    }

    fn exit_if_done(&self) -> Option<Effect> {
        let all_stopped = self.entries.values().all(|entry| entry.live().is_none());
        (self.going_down && all_stopped).then_some(Effect::Exit)
    }
}

fn answer_acted(id: VmId, clients: Vec<RequestId>) -> Vec<Effect> {
    clients.into_iter().map(|client| Effect::Reply(client, Reply::Acted { id })).collect()
}
