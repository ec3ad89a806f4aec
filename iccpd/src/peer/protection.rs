//! What protects the session from others than the peer: a key that both sign with, and a hop limit that only a
//! direct neighbour can have.

use mclag_netlink::tcp::{self, Key};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Protection {
    /// Nothing is taken that a router has forwarded.
    pub full_ttl: bool,
    /// What both sign with.
    pub key: Option<Key>,
}

impl Protection {
    /// For a socket that is not connected yet.
    pub(super) fn apply(&self, socket: &impl AsFd, peer: IpAddr) -> io::Result<()> {
        // Always: whether the peer asks for it is not known.
        tcp::send_with_full_ttl(socket, peer)?;
        if self.full_ttl {
            tcp::require_full_ttl(socket, peer)?;
        }
        match &self.key {
            Some(_) => self.sign(socket, peer),
            None => Ok(()),
        }
    }

    /// Sign with this key from now on, or no longer.
    pub(super) fn sign(&self, socket: &impl AsFd, peer: IpAddr) -> io::Result<()> {
        let signed = tcp::sign(socket, peer, self.key.as_ref());
        signed.map_err(|error| {
            let words = format!("cannot sign with the key (TCP-MD5): {error}");
            io::Error::new(error.kind(), words)
        })
    }
}
