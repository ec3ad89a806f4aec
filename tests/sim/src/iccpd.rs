//! `iccpd` of one chassis: the real core behind the real reader of netlink's events.

use std::collections::BTreeSet;

use iccp_core::{Config, Domain, Input, Output, Time};
use iccpd::kernel::latest;
use iccpd::kernel::pace::Pace;
use iccpd::kernel::view::View;
use mclag_netlink::Event;
use mclag_proto::IfName;
use mclag_proto::ctl::SessionState;
use mclag_proto::sync::model::Abilities;
use tokio::time::Instant;

use crate::kernel::Kernel;
use crate::kernel::Reader;

/// What the model of a dataplane can do.
pub const ABILITIES: Abilities = Abilities {
    redirect: true,
    tracking: true,
    hold: true,
    pair: true,
    interfaces: false,
    neighbours: false,
    node_mac: false,
};

/// The process.
pub struct Iccpd {
    /// Every decision.
    pub domain: Domain,
    view: View,
    names: BTreeSet<IfName>,
    origin: Instant,
    pace: Pace,
    /// When `mclagsyncd` is dialled next.
    pub dial_at: Option<Time>,
}

impl Iccpd {
    /// Start: everything is read, with the names that `mclagsyncd` says, if it is there.
    #[must_use]
    pub fn start(
        config: Config,
        kernel: &Kernel,
        kept: &[(u32, IfName)],
        origin: Instant,
        now: Time,
    ) -> Self {
        let names = iccpd::driver::watched(&config);
        let mut process = Self {
            domain: Domain::new(config),
            view: View::default(),
            names,
            origin,
            pace: Pace::new(origin + now.since_origin()),
            dial_at: Some(now),
        };
        process.view.follow(&process.names);
        process.keep_names(kept, now);
        process.read_all(kernel, now);
        process
    }

    /// Everything is read: at first, and when events were lost.
    pub fn read_all(&mut self, kernel: &Kernel, now: Time) {
        self.view
            .replace(kernel.infos(Reader::Iccpd), kernel.bridge_vlans());
        self.take_view(now);
    }

    /// `mclagsyncd` says which interfaces have other names.
    pub fn keep_names(&mut self, names: &[(u32, IfName)], now: Time) {
        for (index, name) in names {
            self.view.keep_name(*index, *name);
        }
        self.take_view(now);
    }

    fn take_view(&mut self, now: Time) {
        while let Some(input) = self.view.next_input() {
            self.domain.handle(input, now);
        }
    }

    /// Whether it knows the interface of this number by the name.
    #[must_use]
    pub fn knows(&self, name: &IfName, index: u32) -> bool {
        let link = self.domain.links().by_name(name);
        link.is_some_and(|link| link.index == index)
    }

    /// Hand the core an input.
    pub fn handle(&mut self, input: Input, now: Time) {
        self.domain.handle(input, now);
    }

    /// Other settings were read.
    pub fn configure(&mut self, config: Config, kernel: &Kernel, now: Time) {
        self.names = iccpd::driver::watched(&config);
        self.view.follow(&self.names);
        self.domain.handle(Input::Configure(Box::new(config)), now);
        self.read_all(kernel, now);
    }

    /// Netlink's events, those that were there at once.
    pub fn happened(&mut self, events: Vec<Event>, now: Time) {
        let at = self.instant(now);
        for (event, earlier) in latest(events) {
            match event {
                Event::Link(info) => self.view.event(earlier, *info, at),
                Event::LinkGone { index, .. } => self.view.gone(index),
                Event::BridgeVlans { index, vlans } => self.view.vlans(index, vlans),
                Event::LeftBridge { index } => self.view.left_bridge(index),
                _ => {}
            }
        }
        let is_busy = self.view.needs_fast_poll(&self.names);
        self.pace.changed(is_busy, at);
        self.take_view(now);
    }

    /// Read the bonds, if that is due: not every change of LACP is an event.
    pub fn poll(&mut self, kernel: &Kernel, now: Time) {
        let at = self.instant(now);
        self.view.settle(at);
        let mut due = self.view.unsure();
        if at >= self.pace.due() {
            let is_busy = self.view.needs_fast_poll(&self.names);
            self.pace.read(is_busy, at);
            due = self.view.lacp_bonds(&self.names);
        }
        let infos = due.into_iter();
        let infos = infos.filter_map(|index| kernel.info(index, Reader::Iccpd));
        self.view.answered(infos.collect(), at);
        self.take_view(now);
    }

    fn instant(&self, now: Time) -> Instant {
        self.origin + now.since_origin()
    }

    /// When it wakes up by itself.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let poll_at = Time::new(self.pace.due() - self.origin);
        [Some(poll_at), self.domain.deadline(), self.dial_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// What is to be done for the core.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.domain.poll_output()
    }

    /// Both chassis are synchronised, as far as this one knows.
    #[must_use]
    pub fn is_synchronised(&self, now: Time) -> bool {
        self.domain.status(now).session == SessionState::Up
    }
}
