//! Addresses of interfaces.

use mclag_netlink::{Event, Groups, InterfaceAddress, Monitor, Scope};

use crate::lab::{event, in_namespace};

const ADDRESSES: Groups = Groups {
    links: false,
    fdb: false,
    neighbours: false,
    addresses: true,
    default_routes: false,
};

fn entry(index: u32, address: &str, prefix_len: u8, scope: Scope) -> InterfaceAddress {
    InterfaceAddress {
        index,
        address: address.parse().expect("an address"),
        prefix_len,
        scope,
    }
}

#[test]
fn an_address_is_an_event_when_it_comes_and_when_it_goes() {
    in_namespace("addresses", async |mut lab| {
        let (port, _) = lab.veth("port", "far").await?;
        let mut monitor = Monitor::open(ADDRESSES, 1 << 20).unwrap();
        for (address, prefix_len) in [("192.0.2.1", 24), ("192.0.2.2", 24), ("2001:db8::1", 64)] {
            let wanted = entry(port, address, prefix_len, Scope::Global);
            lab.add_address(port, address, prefix_len).await?;
            event(&mut monitor, address, |e| match e {
                Event::Address(got) if *got == wanted => Some(()),
                _ => None,
            })
            .await;
            assert!(lab.kernel.addresses().await.unwrap().contains(&wanted));
        }
        for (address, prefix_len) in [("192.0.2.2", 24), ("2001:db8::1", 64)] {
            let wanted = entry(port, address, prefix_len, Scope::Global);
            lab.delete_address(port, address, prefix_len).await;
            event(&mut monitor, address, |e| match e {
                Event::AddressGone(got) if *got == wanted => Some(()),
                _ => None,
            })
            .await;
            assert!(!lab.kernel.addresses().await.unwrap().contains(&wanted));
        }
        lab.delete(port).await;
        event(&mut monitor, "gone with its interface", |e| match e {
            Event::AddressGone(got) if got.address.to_string() == "192.0.2.1" => Some(()),
            _ => None,
        })
        .await;
        Ok(())
    });
}

#[test]
fn a_link_local_address_is_told_as_such() {
    in_namespace("link-local address", async |mut lab| {
        let mut monitor = Monitor::open(ADDRESSES, 1 << 20).unwrap();
        let (port, _) = lab.veth("port", "far").await?;
        lab.add_address(port, "2001:db8::1", 64).await?;
        let got = event(&mut monitor, "a link-local address", |e| match e {
            Event::Address(got) if got.index == port && got.scope == Scope::Link => Some(*got),
            _ => None,
        })
        .await;
        assert!(got.address.to_string().starts_with("fe80::"), "{got:?}");
        assert_eq!(got.prefix_len, 64);
        Ok(())
    });
}
