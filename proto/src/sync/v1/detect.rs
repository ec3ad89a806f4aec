//! Which dialect the other side speaks, known by what it sends
//! (`spec/mclagsyncd-protocol.md` 9).

use super::suboption::{INTF_NAME, ISOLATE_DST, SubOptions};
use super::{Dialect, FdbRecord, VERSION, client, server};
use crate::sync::frame::Frame;

/// Who sends the frames that a [`Detector`] is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// An `iccpd`: the detector is the server's.
    Client,
    /// A `mclagsyncd`: the detector is the client's.
    Server,
}

/// Detects the dialect from frames. Show it each one before it is decoded.
///
/// The first frame that only one dialect has decides, and the others no longer matter: what does
/// not fit is a fault of the sender. There is one exception. The two older dialects differ in
/// nothing but their forwarding records, so the first such record may correct which of them it is.
#[derive(Clone, Copy, Debug)]
pub struct Detector {
    side: Side,
    assumed: Option<Dialect>,
    evidence: Option<Evidence>,
}

impl Detector {
    /// A detector for what `side` sends on a new connection.
    ///
    /// `assumed` is the dialect of the address ([`Dialect::server_address`]), or none on an
    /// address that says nothing. Where sonic is assumed, a client that polls is of the
    /// intermediate generation, which has the same address (`spec/mclagsyncd-protocol.md` 9.1).
    #[must_use]
    pub const fn new(side: Side, assumed: Option<Dialect>) -> Self {
        Self {
            side,
            assumed,
            evidence: None,
        }
    }

    /// The dialect as far as it is known: what was seen, or else what is assumed; `None` while
    /// undecided.
    #[must_use]
    pub const fn dialect(&self) -> Option<Dialect> {
        match self.evidence {
            Some(Evidence::Record(dialect) | Evidence::Type(dialect)) => Some(dialect),
            None => self.assumed,
        }
    }

    /// Take a frame into account; answers [`Detector::dialect`] with it. A frame of another
    /// version says nothing.
    pub fn frame(&mut self, frame: &Frame) -> Option<Dialect> {
        if frame.version == VERSION {
            let seen = match self.side {
                Side::Client => of_client(frame, self.assumed),
                Side::Server => of_server(frame),
            };
            self.evidence = match (self.evidence, seen) {
                (None, seen) => seen,
                (
                    Some(Evidence::Type(Dialect::LinuxMclag | Dialect::Intermediate)),
                    Some(Evidence::Record(Dialect::LinuxMclag | Dialect::Intermediate)),
                ) => seen,
                (evidence, _) => evidence,
            };
        }
        self.dialect()
    }
}

/// What a frame says.
#[derive(Clone, Copy, Debug)]
enum Evidence {
    /// By a forwarding record.
    Record(Dialect),
    /// By anything else.
    Type(Dialect),
}

/// `spec/mclagsyncd-protocol.md` 9.1, the table; and what an address says beyond it.
fn of_client(frame: &Frame, assumed: Option<Dialect>) -> Option<Evidence> {
    let options = || SubOptions::parse(&frame.body).ok();
    let dialect = match frame.kind {
        client::SET_FDB => return of_records(&frame.body).map(Evidence::Record),
        client::TRAFFIC_DISABLE..=client::PEER_SYSTEM_ID => Dialect::Sonic,
        client::GET_FDB_CHANGES => older(assumed),
        // A server of sonic takes it, too, and the intermediate generation polls right behind
        // it: no reason to doubt an address, nor to decide by it.
        client::FLUSH_FDB if assumed.is_none() => Dialect::LinuxMclag,
        client::TRAFFIC_ENABLE if options()?.first_kind() == Some(INTF_NAME) => Dialect::Sonic,
        client::SET_INTF_MAC if options()?.first()?.bytes.contains(&b':') => older(assumed),
        client::PORT_ISOLATE => match options()?.at(ISOLATE_DST, 1).ok()?.bytes {
            list if list.contains(&b'!') => older(assumed),
            // An `iccpd` of linux-mclag without MLAG ports sends an empty list, too, and a name
            // is no more than a name: neither is a reason to doubt an address.
            _ if assumed.is_some() => return None,
            list if list.is_empty() || list.starts_with(b"PortChannel") => Dialect::Sonic,
            _ => return None,
        },
        _ => return None,
    };
    Some(Evidence::Type(dialect))
}

/// `spec/mclagsyncd-protocol.md` 9.2.
fn of_server(frame: &Frame) -> Option<Evidence> {
    match frame.kind {
        server::FDB => of_records(&frame.body).map(Evidence::Record),
        server::DOMAIN..=server::UNIQUE_IPS => Some(Evidence::Type(Dialect::Sonic)),
        _ => None,
    }
}

/// Which of the older dialects a client speaks that speaks one of them: the one with the address
/// of sonic is not linux-mclag.
const fn older(assumed: Option<Dialect>) -> Dialect {
    match assumed {
        Some(Dialect::Sonic | Dialect::Intermediate) => Dialect::Intermediate,
        Some(Dialect::LinuxMclag) | None => Dialect::LinuxMclag,
    }
}

/// The record test: a MAC in binary or as text, and how far it is to the next one.
fn of_records(body: &[u8]) -> Option<Dialect> {
    // In a sonic record the last of these is the top byte of a VLAN, which is 0.
    let is_text = |at: usize| {
        let colons = [2, 5, 8, 11, 14].map(|colon| body.get(at + colon) == Some(&b':'));
        colons == [true; 5]
    };
    let has = |dialect: Dialect| body.len().is_multiple_of(FdbRecord::width(dialect));
    match body.len() {
        // Too short for any record, so that there is nothing to test.
        0..36 => None,
        _ if !is_text(0) => Some(Dialect::Sonic),
        // Where both widths fit, the second record tells: at the wrong place there is a name.
        _ if has(Dialect::LinuxMclag) && has(Dialect::Intermediate) => {
            let second = FdbRecord::width(Dialect::LinuxMclag);
            let is_linux_mclag =
                is_text(second) || !is_text(FdbRecord::width(Dialect::Intermediate));
            Some(match is_linux_mclag {
                true => Dialect::LinuxMclag,
                false => Dialect::Intermediate,
            })
        }
        _ if has(Dialect::LinuxMclag) => Some(Dialect::LinuxMclag),
        _ if has(Dialect::Intermediate) => Some(Dialect::Intermediate),
        _ => None,
    }
}
