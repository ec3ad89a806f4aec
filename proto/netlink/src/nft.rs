//! The filter that separates the two legs of a dual-connected host.
//!
//! One table per bridge, in the bridge family, programmed without the `nft` program: no process
//! is started in the time-critical path, and the sandbox may forbid starting any.
//!
//! ```text
//! table bridge mclag_br0 {
//!     set isolated { type ifname }        # MLAG ports that the peer serves as well
//!     set held { type ifname }            # ports that must not carry traffic now
//!     chain forward {
//!         type filter hook forward priority 0; policy accept;
//!         iifname "<peer link>" oifname @isolated counter drop
//!         oifname @held counter drop
//!         iifname @held counter drop
//!     }
//! }
//! ```
//!
//! Every change is one transaction of the kernel: each frame meets either all of the old state
//! or all of the new one.

mod message;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;

use mclag_proto::IfName;
use tokio::time::Instant;

use crate::attr::{Msg, Received};
use crate::error::{Failure, NetlinkError};
use crate::socket::{ANSWER_DEADLINE, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR, Socket};

pub use watch::Watch;

/// The name of a table of ours.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TableName(String);

impl TableName {
    /// The table of this bridge.
    #[must_use]
    pub fn for_bridge(bridge: &IfName) -> Self {
        Self(format!("mclag_{bridge}"))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One of the two sets of a table.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum FilterSet {
    /// Frames from the peer link do not leave through these ports: the peer delivers them.
    Isolated,
    /// No frame is forwarded from or to these ports.
    Held,
}

impl FilterSet {
    const ALL: [Self; 2] = [Self::Isolated, Self::Held];

    /// Its name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Isolated => "isolated",
            Self::Held => "held",
        }
    }
}

/// A port that enters or leaves a set.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FilterChange {
    /// The set.
    pub set: FilterSet,
    /// The port.
    pub port: IfName,
    /// Whether the port is to be in the set.
    pub present: bool,
}

/// What a table filters.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FilterState {
    /// The peer link, as the first rule names it. `None`: there is no such rule, or the rules
    /// or the chain are not what this program writes.
    pub peer_link: Option<IfName>,
    /// Members of [`FilterSet::Isolated`].
    pub isolated: BTreeSet<IfName>,
    /// Members of [`FilterSet::Held`].
    pub held: BTreeSet<IfName>,
}

impl FilterState {
    /// The members of a set.
    #[must_use]
    pub const fn members(&self, set: FilterSet) -> &BTreeSet<IfName> {
        match set {
            FilterSet::Isolated => &self.isolated,
            FilterSet::Held => &self.held,
        }
    }

    fn members_mut(&mut self, set: FilterSet) -> &mut BTreeSet<IfName> {
        match set {
            FilterSet::Isolated => &mut self.isolated,
            FilterSet::Held => &mut self.held,
        }
    }
}

/// A handle to the filter. Everything about it, reading included, needs `CAP_NET_ADMIN`.
///
/// It lives in the network namespace of the thread that opened it. Every request ends within
/// seconds.
#[derive(Debug)]
pub struct Filter {
    socket: Socket,
}

impl Filter {
    /// Open a handle. Must be called within a tokio runtime that has I/O and time enabled.
    ///
    /// # Errors
    ///
    /// When the socket cannot be made; `EPROTONOSUPPORT` if the kernel has no nfnetlink.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::open(netlink_sys::protocols::NETLINK_NETFILTER)?;
        Ok(Self { socket })
    }

    /// What a table filters; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer.
    pub async fn read(&mut self, table: &TableName) -> Result<Option<FilterState>, NetlinkError> {
        Ok(self.look(table).await?.map(|found| found.state))
    }

    /// Create whatever is missing of a table, or make it anew if its rules are not those for
    /// this peer link. Members of its sets stay. True if anything had to be done.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer; the table is then as it was.
    pub async fn ensure(
        &mut self,
        table: &TableName,
        peer_link: &IfName,
    ) -> Result<bool, NetlinkError> {
        let found = self.look(table).await?;
        let mut wanted = found.as_ref().map(|f| f.state.clone()).unwrap_or_default();
        wanted.peer_link = Some(*peer_link);
        self.bring(table, found, &wanted).await
    }

    /// Make a table filter exactly this, whatever it was before. True if anything had to be
    /// done. A state without peer link filters nothing from it.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer; the table is then as it was.
    pub async fn replace(
        &mut self,
        table: &TableName,
        wanted: &FilterState,
    ) -> Result<bool, NetlinkError> {
        let found = self.look(table).await?;
        self.bring(table, found, wanted).await
    }

    /// Let ports enter and leave the sets of a table, all at once. If a port is named twice for
    /// a set, the last word counts. Entering twice and leaving twice is the same as once.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer; the sets are then as they were. `ENOENT` if
    /// the table does not exist.
    pub async fn change(
        &mut self,
        table: &TableName,
        changes: &[FilterChange],
    ) -> Result<(), NetlinkError> {
        let mut last: BTreeMap<(FilterSet, IfName), bool> = changes
            .iter()
            .map(|change| ((change.set, change.port), change.present))
            .collect();
        match self.run(table, element_messages(table, &last)?).await {
            // Leaving a set in which one is not fails; as a rule one is, so ask only now.
            Err(error) if error.errno == libc::ENOENT && last.values().any(|present| !present) => {
                let state = self.read(table).await?.ok_or(error)?;
                last.retain(|(set, port), present| *present || state.members(*set).contains(port));
                self.run(table, element_messages(table, &last)?).await
            }
            result => result,
        }
    }

    /// Remove a table and all that is in it. True if there was one.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer.
    pub async fn delete(&mut self, table: &TableName) -> Result<bool, NetlinkError> {
        let delete = Step::new("delete filter table", table, message::delete_table(table));
        match self.run(table, vec![delete]).await {
            Ok(()) => Ok(true),
            Err(error) if error.errno == libc::ENOENT => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn bring(
        &mut self,
        table: &TableName,
        found: Option<Found>,
        wanted: &FilterState,
    ) -> Result<bool, NetlinkError> {
        let mut steps = Vec::new();
        let actual = match found {
            Some(found) if found.intact && found.state.peer_link == wanted.peer_link => found.state,
            found => {
                // What is there may be of any shape, so it goes, in the same transaction.
                if found.is_some() {
                    let delete = message::delete_table(table);
                    steps.push(Step::new("delete filter table", table, delete));
                }
                create_messages(table, wanted.peer_link.as_ref(), &mut steps)?;
                FilterState::default()
            }
        };
        let mut changes = BTreeMap::new();
        for set in FilterSet::ALL {
            let (old, new) = (actual.members(set), wanted.members(set));
            changes.extend(new.difference(old).map(|port| ((set, *port), true)));
            changes.extend(old.difference(new).map(|port| ((set, *port), false)));
        }
        steps.extend(element_messages(table, &changes)?);
        let needed = !steps.is_empty();
        self.run(table, steps).await?;
        Ok(needed)
    }

    async fn look(&mut self, table: &TableName) -> Result<Option<Found>, NetlinkError> {
        for _ in 0..READ_TRIES {
            match self.look_once(table).await {
                Ok(Look::Complete(found)) => return Ok(found),
                Ok(Look::Interrupted) => {}
                Err(failure) => {
                    return Err(NetlinkError::new("read filter", table.as_str(), failure));
                }
            }
        }
        let failure = Failure::errno(libc::EINTR);
        Err(NetlinkError::new("read filter", table.as_str(), failure))
    }

    async fn look_once(&mut self, table: &TableName) -> Result<Look, Failure> {
        if !self.get(message::get_table(table), |_| true).await? {
            return Ok(Look::Complete(None));
        }
        let mut state = FilterState::default();
        let mut intact = self
            .get(message::get_chain(table), |m| message::is_our_chain(&m))
            .await?;

        let mut rules = Vec::new();
        let dump = self
            .socket
            .dump(message::dump_rules(table), |m| {
                rules.extend(message::read_rule(&m));
            })
            .await;
        if interrupted(dump)? {
            return Ok(Look::Interrupted);
        }
        match message::read_peer_link(&rules) {
            Some(peer_link) => state.peer_link = peer_link,
            None => intact = false,
        }

        for set in FilterSet::ALL {
            let is_ours = self
                .get(message::get_set(table, set), |m| message::is_our_set(&m))
                .await?;
            intact &= is_ours;
            if !is_ours {
                continue;
            }
            let members = state.members_mut(set);
            let dump = self
                .socket
                .dump(message::dump_elements(table, set), |m| {
                    members.extend(message::read_elements(&m));
                })
                .await;
            if interrupted(dump)? {
                return Ok(Look::Interrupted);
            }
        }
        if !intact {
            state.peer_link = None;
        }
        Ok(Look::Complete(Some(Found { state, intact })))
    }

    /// Whether an object exists and passes `check`.
    async fn get(
        &mut self,
        request: Msg,
        check: impl Fn(Received<'_>) -> bool,
    ) -> Result<bool, Failure> {
        let mut found = false;
        let result = self
            .socket
            .request(request, |message| found |= check(message))
            .await;
        match result {
            Ok(()) => Ok(found),
            Err(failure) if failure.errno == libc::ENOENT => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Carry out all steps in one transaction, or none.
    async fn run(&mut self, table: &TableName, mut steps: Vec<Step>) -> Result<(), NetlinkError> {
        let Some(last_step) = steps.len().checked_sub(1) else {
            return Ok(());
        };
        let whole = |failure| NetlinkError::new("change filter", table.as_str(), failure);

        let count = u32::try_from(steps.len()).expect("a transaction is short");
        let begin = self.socket.reserve(count + 2);
        let mut bytes = message::batch_begin().seal(begin).to_vec();
        let mut sequence = begin;
        for (index, step) in steps.iter_mut().enumerate() {
            sequence += 1;
            // Success of the last one is success of all.
            let ack = if index == last_step { NLM_F_ACK } else { 0 };
            step.msg.add_flags(NLM_F_REQUEST | ack);
            bytes.extend_from_slice(step.msg.seal(sequence));
        }
        let last = sequence;
        bytes.extend_from_slice(message::batch_end().seal(last + 1));
        self.socket.send(&bytes).await.map_err(whole)?;

        let deadline = Instant::now() + ANSWER_DEADLINE;
        let mut first_failure = None;
        loop {
            for answer in self.socket.receive(deadline).await.map_err(whole)? {
                if answer.kind != NLMSG_ERROR || !(begin..=last).contains(&answer.sequence) {
                    continue;
                }
                let result = Failure::read(answer.flags, answer.body);
                if answer.sequence == begin {
                    // Refused as a whole, before or after the steps were looked at.
                    return result.map_err(whole);
                }
                if let Err(failure) = result {
                    let index = usize::try_from(answer.sequence - begin - 1).ok();
                    let step = index.and_then(|index| steps.get(index));
                    first_failure = first_failure.or(step.map(|step| step.failed(failure)));
                }
                if answer.sequence == last {
                    self.socket.done();
                    return first_failure.map_or(Ok(()), Err);
                }
            }
        }
    }
}

/// A table that exists.
struct Found {
    state: FilterState,
    /// Chain, rules and sets are what this program writes.
    intact: bool,
}

enum Look {
    Complete(Option<Found>),
    /// Somebody changed the tables meanwhile.
    Interrupted,
}

/// One message of a transaction, and what it is about.
#[derive(Clone, Debug)]
struct Step {
    op: &'static str,
    object: String,
    msg: Msg,
}

impl Step {
    fn new(op: &'static str, object: impl fmt::Display, msg: Msg) -> Self {
        Self {
            op,
            object: object.to_string(),
            msg,
        }
    }

    fn failed(&self, failure: Failure) -> NetlinkError {
        NetlinkError::new(self.op, self.object.as_str(), failure)
    }
}

/// A dump that ended early because its object vanished under it is as good as interrupted.
fn interrupted(result: Result<bool, Failure>) -> Result<bool, Failure> {
    match result {
        Err(failure) if matches!(failure.errno, libc::ENOENT | libc::EINTR) => Ok(true),
        result => result,
    }
}

fn create_messages(
    table: &TableName,
    peer_link: Option<&IfName>,
    steps: &mut Vec<Step>,
) -> Result<(), NetlinkError> {
    steps.push(Step::new(
        "create filter table",
        table,
        message::new_table(table),
    ));
    for set in FilterSet::ALL {
        steps.push(Step::new(
            "create filter set",
            format_args!("{table} {}", set.name()),
            message::new_set(table, set),
        ));
    }
    let chain = message::new_chain(table);
    steps.push(Step::new("create filter chain", table, chain));
    if let Some(peer_link) = peer_link {
        let key = key(table, peer_link)?;
        let rule = message::isolation_rule(table, &key);
        steps.push(Step::new(
            "create isolation rule",
            format_args!("{table} for {peer_link}"),
            rule,
        ));
    }
    for rule in message::hold_rules(table) {
        steps.push(Step::new("create hold rule", table, rule));
    }
    Ok(())
}

fn element_messages(
    table: &TableName,
    changes: &BTreeMap<(FilterSet, IfName), bool>,
) -> Result<Vec<Step>, NetlinkError> {
    let mut steps = Vec::new();
    for set in FilterSet::ALL {
        for present in [true, false] {
            let ports: Vec<_> = changes
                .iter()
                .filter(|((s, _), p)| *s == set && **p == present)
                .map(|((_, port), _)| port)
                // What no kernel could have put in need not be taken out.
                .filter(|port| present || port.fits_kernel())
                .collect();
            for ports in ports.chunks(ELEMENTS_MAX) {
                let keys = ports
                    .iter()
                    .map(|port| key(table, port))
                    .collect::<Result<Vec<_>, _>>()?;
                let names: Vec<_> = ports.iter().map(|port| port.as_str()).collect();
                let (op, msg) = if present {
                    ("add to filter", message::new_elements(table, set, &keys))
                } else {
                    (
                        "remove from filter",
                        message::delete_elements(table, set, &keys),
                    )
                };
                let object = format!("{table} {}: {}", set.name(), names.join(", "));
                steps.push(Step::new(op, object, msg));
            }
        }
    }
    Ok(steps)
}

/// The name as the kernel compares it.
fn key(table: &TableName, port: &IfName) -> Result<[u8; message::KEY_LEN], NetlinkError> {
    let mut key = [0; message::KEY_LEN];
    let name = port.as_str().as_bytes();
    match key.get_mut(..name.len()) {
        Some(start) if port.fits_kernel() => {
            start.copy_from_slice(name);
            Ok(key)
        }
        _ => Err(NetlinkError::new(
            "filter by name",
            format!("{table}: {port}"),
            Failure::errno(libc::ENAMETOOLONG),
        )),
    }
}

/// How often a table is read again when somebody changes tables meanwhile.
const READ_TRIES: usize = 8;

/// Elements in one message: their list must stay below the 64 KiB of an attribute.
const ELEMENTS_MAX: usize = 1024;
