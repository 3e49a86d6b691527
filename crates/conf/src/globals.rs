//! Statements that set something for the whole daemon; of the same ones the last counts.

use proto::LocalInet6;

use crate::ast::{Account, Global, StopTimeout, Text};
use crate::load::Loader;
use crate::network;
use crate::policy;
use crate::source::Span;
use crate::unsupported;
use crate::values;

impl Loader<'_> {
    /// Takes a statement in; `place` is all of it.
    pub(crate) fn global(&mut self, statement: &Global, place: Span) {
        match statement {
            Global::Agentx => self.cx.report.push(unsupported::agentx(place)),
            Global::LocalInet6(prefix) => self.local_inet6(prefix.as_ref(), place),
            Global::LocalPrefix(prefix) => self.local_prefix(prefix, place),
            Global::SocketOwner(account) => self.socket_owner(account),
            Global::Staggered { parallel, delay } => self.staggered(parallel, delay),
            Global::StopTimeout(time) => self.stop_timeout(time),
        }
    }

    fn local_inet6(&mut self, prefix: Option<&Text>, place: Span) {
        self.network_at(place);
        let inet6 = match prefix {
            Some(prefix) => self.cx.report.keep(network::ipv6_prefix(prefix)).map(LocalInet6::Prefix),
            // A prefix that was given before stays.
            None => self.globals.local_inet6.or(Some(LocalInet6::Random)),
        };
        self.globals.local_inet6 = inet6;
    }

    fn local_prefix(&mut self, prefix: &Text, place: Span) {
        self.network_at(place);
        if let Some(prefix) = self.cx.report.keep(network::ipv4_prefix(prefix)) {
            self.globals.local_prefix = prefix;
        }
    }

    fn socket_owner(&mut self, account: &Account) {
        self.globals.socket_owner = self.cx.report.keep(values::owner(account, self.env));
    }

    fn staggered(&mut self, parallel: &Text, delay: &Text) {
        self.globals.staggered = self.cx.report.keep(policy::staggered(parallel, delay));
    }

    fn stop_timeout(&mut self, time: &StopTimeout) {
        if let Some(time) = self.cx.report.keep(policy::stop_timeout(time)) {
            self.globals.stop_timeout = time;
        }
    }

    /// Says once that networks have no effect, where they first appear.
    pub(crate) fn network_at(&mut self, place: Span) {
        self.network.get_or_insert(place);
    }
}
