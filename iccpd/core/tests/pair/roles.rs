//! Who dials, who is primary and who is told first, for any two addresses.

use crate::world::{Side, config};
use iccp_core::{Config, Domain, Input, Output, PeerTraits, Time};
use mclag_proto::ctl::{Role, SessionState};
use mclag_proto::iccp::{Body, Message, Tlv};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

/// One of two domains that are connected without delay.
struct End {
    domain: Domain,
    dialled: bool,
    out: Vec<Message>,
}

impl End {
    fn new(local: IpAddr, peer: IpAddr) -> Self {
        let domain = Domain::new(Config {
            local,
            peer,
            ..config(Side::A)
        });
        Self {
            domain,
            dialled: false,
            out: Vec::new(),
        }
    }

    fn feed(&mut self, input: Input) {
        self.domain.handle(input, Time::ZERO);
        while let Some(output) = self.domain.poll_output() {
            self.dialled |= output == Output::Connect;
        }
        while let Some(message) = self.domain.poll_peer_message(Time::ZERO) {
            // As a legacy peer sees it, to which the addresses are all there is.
            if !is_extension(&message) {
                self.out.push(message);
            }
        }
    }
}

fn is_extension(message: &Message) -> bool {
    matches!(&message.body, Body::Application { tlv, .. } if matches!(tlv, Tlv::Extension(_)))
}

fn asks(message: &Message) -> bool {
    matches!(&message.body, Body::Application { tlv, .. } if matches!(tlv, Tlv::SyncRequest { .. }))
}

/// Both ends synchronised, and which of them asked first.
fn synchronised(a: Ipv4Addr, b: Ipv4Addr) -> ([End; 2], Option<usize>) {
    let (a, b) = (IpAddr::V4(a), IpAddr::V4(b));
    let mut ends = [End::new(a, b), End::new(b, a)];
    for end in &mut ends {
        end.feed(Input::Timeout);
        end.feed(Input::PeerUp {
            traits: PeerTraits::default(),
        });
    }
    let mut first = None;
    while ends.iter().any(|end| !end.out.is_empty()) {
        for from in 0..2 {
            for message in std::mem::take(&mut ends[from].out) {
                if asks(&message) {
                    first.get_or_insert(from);
                }
                ends[1 - from].feed(Input::PeerMessage(message));
            }
        }
    }
    (ends, first)
}

proptest! {
    /// Invariant 10 of `spec/behaviour.md` 21; `spec/iccp.md` 1.1, 6: the one whose address is
    /// lower, its last octet first, dials, is active, and is asked first.
    #[test]
    fn dialler_role_and_order_of_synchronisation_agree(
        a: [u8; 4], b: [u8; 4], same in 0..4_usize,
    ) {
        // Addresses of a pair usually differ in one octet.
        let mut b = b;
        b[..same].copy_from_slice(&a[..same]);
        prop_assume!(a != b);
        let lower = usize::from(u32::from_le_bytes(a) > u32::from_le_bytes(b));
        let (ends, first) = synchronised(a.into(), b.into());
        for (number, end) in ends.iter().enumerate() {
            let status = end.domain.status(Time::ZERO);
            prop_assert_eq!(status.session, SessionState::Up);
            prop_assert_eq!(end.dialled, number == lower);
            prop_assert_eq!(status.role == Role::Primary, number == lower);
        }
        prop_assert_eq!(first, Some(1 - lower), "the standby asks first");
    }
}

/// `spec/iccp.md` 1.1: an invalid configuration, in which nobody dials.
#[test]
fn of_two_equal_addresses_neither_dials_and_both_are_secondary() {
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let mut end = End::new(address, address);
    end.feed(Input::Timeout);
    assert!(!end.dialled);
    assert_eq!(end.domain.status(Time::ZERO).role, Role::Secondary);
}
