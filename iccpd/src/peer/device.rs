//! The interface that a socket is confined to (`bind-device`).
//!
//! The kernel confines it to an interface, not to a name: the socket of an interface that is gone hears nothing,
//! whatever is called so later, and that of a renamed one goes on with the renamed one.

use iccp_core::Input;
use mclag_proto::IfName;
use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};
use std::os::fd::AsFd;

/// What an event about interfaces may mean for a socket that is confined to one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum News {
    /// There is an interface of that name.
    Present,
    /// Some interface is gone.
    Gone,
}

impl News {
    /// Of the kernel's event, for this name. None if it means nothing.
    pub(super) fn of(input: &Input, device: &IfName) -> Option<Self> {
        match input {
            Input::Link(link) if link.name == *device => Some(Self::Present),
            Input::LinkGone { .. } | Input::LinksEnd => Some(Self::Gone),
            _ => None,
        }
    }

    /// Whether a socket that was confined to the name is of no use any more. One whose interface has another
    /// name by now is good until there is one of the right name.
    pub(super) fn is_end_of(self, socket: &impl AsFd, device: &IfName) -> bool {
        match (getsockopt(socket, sockopt::BindToDevice), self) {
            (Err(Errno::ENODEV), _) => true,
            (Ok(name), Self::Present) => name != device.as_str(),
            // What cannot be found out is found out by silence.
            (Err(_), _) | (Ok(_), Self::Gone) => false,
        }
    }
}
