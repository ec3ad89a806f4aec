//! What protects the session from others than the peer: keys that both sign with, and a hop limit that only a
//! direct neighbour can have.

use mclag_netlink::tcp::ao::{self, AoKeys};
use mclag_netlink::tcp::{self, Key};
use mclag_proto::ctl::TcpAo;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Protection {
    /// Nothing is taken that a router has forwarded.
    pub full_ttl: bool,
    /// What both sign with.
    pub signing: Signing,
}

/// What both ends sign their segments with.
#[allow(
    clippy::large_enum_variant,
    reason = "there are two of them in a daemon, and they are copied at a reload"
)]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Signing {
    /// Nothing is signed.
    #[default]
    Unsigned,
    /// TCP-MD5 (RFC 2385): one key, which both ends change within the session's timeout.
    Md5(Key),
    /// TCP-AO (RFC 5925): keys with ids, which are changed without losing a segment.
    Ao(AoKeys),
}

/// Why other keys cannot be taken on while the daemon runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotRenewable {
    /// A connection has TCP-AO from its first segment on, or has it not.
    #[error("TCP-AO is taken on or given up by a restart of iccpd")]
    OtherKind,
    /// A connection may be using the id.
    #[error("TCP-AO key {0} has another secret than before: a new secret needs a new id")]
    OtherSecret(u8),
}

impl Signing {
    /// Whether a session that is up can go on with `next`.
    ///
    /// # Errors
    ///
    /// When it cannot.
    pub fn renewable(&self, next: &Self) -> Result<(), NotRenewable> {
        match (self, next) {
            (Self::Ao(before), Self::Ao(next)) => match next.changed_id(before) {
                Some(id) => Err(NotRenewable::OtherSecret(id)),
                None => Ok(()),
            },
            (Self::Ao(_), _) | (_, Self::Ao(_)) => Err(NotRenewable::OtherKind),
            (Self::Unsigned | Self::Md5(_), Self::Unsigned | Self::Md5(_)) => Ok(()),
        }
    }

    /// Nothing is let in that is not signed.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        !matches!(self, Self::Unsigned)
    }

    /// All keys, the one to sign with first.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        match self {
            Self::Unsigned => Vec::new(),
            Self::Md5(key) => vec![*key],
            Self::Ao(keys) => keys.iter().map(|key| key.secret).collect(),
        }
    }

    /// The keys of TCP-AO, of a connection if there is one.
    pub(super) fn ao_keys(&self, connection: Option<&impl AsFd>) -> Option<TcpAo> {
        let Self::Ao(keys) = self else {
            return None;
        };
        let in_use = connection.and_then(|socket| ao::in_use(socket).ok());
        Some(TcpAo {
            current: in_use.map(|keys| keys.current),
            asked_for: in_use.map_or(keys.preferred().id, |keys| keys.asked_for),
        })
    }
}

impl Protection {
    /// For a socket that is not connected yet.
    pub(super) fn apply(&self, socket: &impl AsFd, peer: IpAddr) -> io::Result<()> {
        // Always: whether the peer asks for it is not known.
        tcp::send_with_full_ttl(socket, peer)?;
        if self.full_ttl {
            tcp::require_full_ttl(socket, peer)?;
        }
        match &self.signing {
            Signing::Unsigned => Ok(()),
            Signing::Md5(key) => sign(socket, peer, Some(key)),
            Signing::Ao(keys) => ao::protect(socket, peer, keys).map_err(ao_words),
        }
    }

    /// Go on with a connection that was signed as `before`, which has to be [renewable](Signing::renewable).
    pub(super) fn renew(
        &self,
        socket: &impl AsFd,
        peer: IpAddr,
        before: &Signing,
    ) -> io::Result<()> {
        match (before, &self.signing) {
            (Signing::Ao(before), Signing::Ao(keys)) => {
                ao::renew(socket, peer, before, keys).map_err(ao_words)
            }
            (_, Signing::Md5(key)) => sign(socket, peer, Some(key)),
            (_, Signing::Unsigned) => sign(socket, peer, None),
            (_, Signing::Ao(_)) => Err(io::Error::other(NotRenewable::OtherKind)),
        }
    }

    /// A connection was let in: the other end is asked for the preferred key, whatever it connected with.
    pub(super) fn accepted(&self, socket: &impl AsFd) -> io::Result<()> {
        match &self.signing {
            Signing::Ao(keys) => ao::ask_for(socket, keys.preferred().id).map_err(ao_words),
            Signing::Unsigned | Signing::Md5(_) => Ok(()),
        }
    }
}

fn sign(socket: &impl AsFd, peer: IpAddr, key: Option<&Key>) -> io::Result<()> {
    tcp::sign(socket, peer, key).map_err(|error| {
        let words = format!("cannot sign with the key (TCP-MD5): {error}");
        io::Error::new(error.kind(), words)
    })
}

fn ao_words(error: io::Error) -> io::Error {
    let words = format!("cannot sign with the keys (TCP-AO): {error}");
    io::Error::new(error.kind(), words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_netlink::tcp::ao::AoKey;

    fn md5(secret: &str) -> Signing {
        Signing::Md5(Key::new(secret.as_bytes()).unwrap())
    }

    fn ao(keys: &[(u8, &str)]) -> Signing {
        let key = |(id, secret): &(u8, &str)| AoKey {
            id: *id,
            secret: Key::new(secret.as_bytes()).unwrap(),
        };
        let keys: Vec<AoKey> = keys.iter().map(key).collect();
        Signing::Ao(AoKeys::new(&keys).unwrap())
    }

    #[test]
    fn keys_are_renewed_within_one_kind_and_never_under_one_id() {
        use NotRenewable::{OtherKind, OtherSecret};
        use Signing::Unsigned;
        let one = ao(&[(1, "a")]);
        for (before, next, result) in [
            (Unsigned, Unsigned, Ok(())),
            (Unsigned, md5("a"), Ok(())),
            (md5("a"), md5("b"), Ok(())),
            (md5("a"), Unsigned, Ok(())),
            (Unsigned, one, Err(OtherKind)),
            (md5("a"), one, Err(OtherKind)),
            (one, Unsigned, Err(OtherKind)),
            (one, md5("a"), Err(OtherKind)),
            (one, one, Ok(())),
            (one, ao(&[(2, "b"), (1, "a")]), Ok(())),
            (ao(&[(2, "b"), (1, "a")]), ao(&[(2, "b")]), Ok(())),
            (one, ao(&[(1, "b")]), Err(OtherSecret(1))),
            (one, ao(&[(2, "a"), (1, "b")]), Err(OtherSecret(1))),
        ] {
            assert_eq!(before.renewable(&next), result, "{before:?} {next:?}");
        }
    }
}
