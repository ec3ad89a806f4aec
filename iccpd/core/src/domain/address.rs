//! The address of the control session, as far as this chassis has it.

use super::{Links, Time};
use std::net::IpAddr;

/// Since when it is missing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct OwnAddress {
    /// It was looked for when the interfaces were in this state.
    looked: Option<(u64, IpAddr)>,
    missing_since: Option<Time>,
}

impl OwnAddress {
    /// Look for it, if the interfaces are known and changed, or it is another one.
    pub(super) fn look(&mut self, links: &Links, address: IpAddr, now: Time) {
        let state = (links.generation(), address);
        if !links.is_ready() || self.looked.replace(state) == Some(state) {
            return;
        }
        self.missing_since = match links.has_address(address) {
            true => None,
            false => self.missing_since.or(Some(now)),
        };
    }

    pub(super) const fn missing_since(&self) -> Option<Time> {
        self.missing_since
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_address_is_missing_from_when_no_interface_has_it_until_one_does() {
        let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
        let own = IpAddr::from([192, 0, 2, 1]);
        let mut links = Links::default();
        let mut address = OwnAddress::default();
        address.look(&links, own, at(1));
        assert_eq!(address.missing_since(), None, "nothing is known yet");
        links.begin();
        links.end();
        for (second, addresses, missing) in [
            (2, vec![], Some(at(2))),
            (3, vec!["192.0.2.10/24"], Some(at(2))),
            (4, vec!["192.0.2.10/24", "192.0.2.1/24"], None),
            (5, vec!["192.0.2.1/32"], None),
            (6, vec![], Some(at(6))),
        ] {
            let networks = addresses.iter().map(|text| text.parse().unwrap());
            links.set_addresses(7, networks.collect());
            address.look(&links, own, at(second));
            assert_eq!(address.missing_since(), missing, "at {second} s");
        }
        address.look(&links, IpAddr::from([192, 0, 2, 9]), at(7));
        assert_eq!(address.missing_since(), Some(at(6)));
        links.set_addresses(1, vec!["127.0.0.1/8".parse().unwrap()]);
        address.look(&links, IpAddr::from([127, 0, 0, 9]), at(8));
        assert_eq!(address.missing_since(), None);
    }
}
