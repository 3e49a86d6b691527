//! Leaving the machines to another daemon.

use proto::{RequestId, VmState};

use super::entry::Entry;
use super::{Answer, Effect, VmTable, failed};

impl VmTable {
    /// Ends the daemon, unless it has begun a start, of which there is no record yet.
    pub(super) fn leave(&self, request: RequestId) -> Answer {
        if self.going_down {
            return Err(failed("vmd is shutting down".to_owned()));
        }
        match self.entries.values().find_map(|entry| Some((entry, entry.unrecorded()?))) {
            Some((Entry { spec, .. }, what)) => {
                Err(failed(format!("vm \"{}\" {what}; try again when that is over", spec.name)))
            }
            None => Ok(vec![Effect::Leave(request)]),
        }
    }
}

impl Entry {
    /// What is going on that its record does not tell yet.
    fn unrecorded(&self) -> Option<&'static str> {
        match self.live() {
            _ if self.word() == VmState::Starting => Some("is starting"),
            Some(live) if !live.orders.is_empty() => Some("has its disc changed"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proto::{Peer, Reply, Request, StopMode, VmId, VmName, VmRef, VmSpec};

    use super::*;
    use crate::parent::record::{Stop, Survivor};
    use crate::parent::table::Event;

    const ASKED: RequestId = RequestId(1);

    fn root() -> Peer {
        Peer { pid: 1, uid: 0, gid: 0, groups: Vec::new() }
    }

    fn spec(name: &str) -> VmSpec {
        VmSpec { enabled: false, ..VmSpec::new(VmName::new(name).unwrap()) }
    }

    fn survivor(id: u32, name: &str) -> Survivor {
        let tty = "/dev/pts/1".into();
        Survivor {
            id: VmId(id),
            spec: spec(name),
            transient: true,
            starter: 0,
            pid: 70 + id,
            tty,
            stop: None,
            disc: None,
        }
    }

    /// A table that has adopted "db" as number 2 and then read a file with "web" and "db".
    fn table() -> VmTable {
        let mut table = VmTable::default();
        let id = table.reserve(VmId(2));
        table.apply(Event::Adopted(Box::new(Survivor { id, ..survivor(2, "db") })));
        table.apply(Event::Loaded(vec![spec("web"), spec("db"), spec("mail")]));
        table
    }

    fn rows(table: &mut VmTable) -> Vec<(u32, String, VmState)> {
        let effects = table.apply(Event::Request(ASKED, root(), Request::Status(None)));
        let rows = effects.into_iter().filter_map(|effect| match effect {
            Effect::Reply(_, Reply::Vm(info)) => Some((info.id.0, info.name.to_string(), info.state)),
            _ => None,
        });
        rows.collect()
    }

    fn leave(table: &mut VmTable, peer: Peer) -> Vec<Effect> {
        table.apply(Event::Request(ASKED, peer, Request::Restart))
    }

    fn is_refused(effects: &[Effect]) -> bool {
        matches!(effects, [Effect::Reply(ASKED, Reply::Refused(_))])
    }

    #[test]
    fn an_adopted_machine_keeps_its_number_and_the_others_go_around_it() {
        let rows = rows(&mut table());
        let row = |id, name: &str, state| (id, name.to_owned(), state);
        assert_eq!(
            rows,
            [
                row(2, "db", VmState::Running),
                row(1, "web", VmState::Stopped),
                row(3, "mail", VmState::Stopped)
            ]
        );
    }

    #[test]
    fn a_number_that_is_taken_is_not_given_again() {
        let mut table = VmTable::default();
        assert_eq!(table.reserve(VmId(1)), VmId(1));
        assert_eq!(table.reserve(VmId(1)), VmId(2));
    }

    #[test]
    fn what_is_noted_is_what_is_adopted() {
        let mut table = VmTable::default();
        let noted = table.apply(Event::Adopted(Box::new(survivor(5, "web"))));
        assert!(noted.contains(&Effect::Note(Box::new(survivor(5, "web")))), "{noted:?}");
    }

    #[test]
    fn root_alone_replaces_the_daemon() {
        let mut table = table();
        assert_eq!(leave(&mut table, root()), [Effect::Leave(ASKED)]);
        assert!(is_refused(&leave(&mut table, Peer { uid: 1000, ..root() })));
    }

    #[test]
    fn a_start_that_was_begun_is_not_left_behind() {
        let mut table = table();
        table.apply(Event::Request(RequestId(3), root(), Request::Start(VmRef::Id(VmId(1)))));
        assert!(is_refused(&leave(&mut table, root())));
    }

    fn stop_of(effects: &[Effect]) -> Option<Stop> {
        effects.iter().find_map(|effect| match effect {
            Effect::Note(survivor) => survivor.stop,
            _ => None,
        })
    }

    #[test]
    fn a_stop_is_noted_before_it_begins_and_the_next_daemon_goes_on_with_it() {
        let seconds = Duration::from_secs;
        let mut table = table();
        let request = Request::Stop { vm: VmRef::Id(VmId(2)), mode: StopMode::Graceful, wait: false };
        let effects = table.at(seconds(100)).apply(Event::Request(RequestId(2), root(), request));
        assert!(matches!(effects[..], [_, Effect::Note(_), Effect::Stop(..)]), "{effects:?}");
        let stop = stop_of(&effects).unwrap();
        assert_eq!(stop, Stop { mode: StopMode::Graceful, until: seconds(130) });
        assert_eq!(leave(&mut table, root()), [Effect::Leave(ASKED)], "it is not in the way");

        let mut next = VmTable::default();
        let survivor = Survivor { stop: Some(stop), ..survivor(2, "db") };
        let effects = next.at(seconds(110)).apply(Event::Adopted(Box::new(survivor.clone())));
        assert_eq!(effects, [Effect::Note(Box::new(survivor)), Effect::Stop(VmId(2), StopMode::Graceful)]);
        assert_eq!(next.time_to_stop(VmId(2)), seconds(20));
        assert_eq!(rows(&mut next), [(2, "db".to_owned(), VmState::Stopping)]);
        assert_eq!(next.at(seconds(140)).time_to_stop(VmId(2)), Duration::ZERO);
    }
}
