use super::*;

fn body(set: LinkSetting) -> Vec<u8> {
    LinkOp { link: 5, set }.request().body().to_vec()
}

/// Family header for interface 5, then link info of `len` bytes.
fn link_info(len: u8, content: &[u8]) -> Vec<u8> {
    let mut want = vec![0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    want.extend([len, 0, 18, 0]);
    want.extend(content);
    want
}

#[test]
#[cfg(target_endian = "little")]
fn a_bond_setting_is_data_of_its_kind() {
    let bond = |mac: [u8; 6]| {
        let mut content = vec![
            9, 0, 1, 0, b'b', b'o', b'n', b'd', 0, 0, 0, 0, // kind
            16, 0, 2, 0, // data
            10, 0, 26, 0, // ad_actor_system
        ];
        content.extend(mac);
        content.extend([0, 0]);
        link_info(32, &content)
    };
    let mac = Mac([2, 0, 0, 0, 0, 1]);
    assert_eq!(body(LinkSetting::BondActorSystem(Some(mac))), bond(mac.0));
    // The bond's own address is all zero to the kernel.
    assert_eq!(body(LinkSetting::BondActorSystem(None)), bond([0; 6]));
}

#[test]
#[cfg(target_endian = "little")]
fn a_port_setting_is_data_of_its_masters_kind() {
    let port = |backup: u8| {
        link_info(
            32,
            &[
                11, 0, 4, 0, b'b', b'r', b'i', b'd', b'g', b'e', 0, 0, // kind of the master
                16, 0, 5, 0, // data
                8, 0, 34, 0, backup, 0, 0, 0, // backup_port
                4, 0, 24, 0, // flush
            ],
        )
    };
    assert_eq!(body(LinkSetting::BackupPort(Some(9))), port(9));
    assert_eq!(body(LinkSetting::BackupPort(None)), port(0));
}

#[test]
#[cfg(target_endian = "little")]
fn a_multicast_router_is_a_number_of_its_port() {
    let port = |router: u8| {
        link_info(
            28,
            &[
                11, 0, 4, 0, b'b', b'r', b'i', b'd', b'g', b'e', 0, 0, // kind of the master
                12, 0, 5, 0, // data
                5, 0, 25, 0, router, 0, 0, 0, // multicast_router
            ],
        )
    };
    for (router, raw) in [
        (McastRouter::Disabled, 0),
        (McastRouter::Learned, 1),
        (McastRouter::Permanent, 2),
        (McastRouter::Temporary, 3),
    ] {
        assert_eq!(body(LinkSetting::McastRouter(router)), port(raw));
        assert_eq!(McastRouter::read(raw), Some(router));
    }
    assert_eq!(McastRouter::read(4), None);
}

#[test]
#[cfg(target_endian = "little")]
fn bringing_up_changes_one_flag() {
    let want = [0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];
    assert_eq!(body(LinkSetting::AdminUp(true)), want);
    let want = [0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
    assert_eq!(body(LinkSetting::AdminUp(false)), want);
}

#[test]
fn every_setting_has_a_message_and_a_name() {
    for set in [
        LinkSetting::AdminUp(true),
        LinkSetting::Mac(Mac([2, 0, 0, 0, 0, 1])),
        LinkSetting::BondActorSystem(None),
        LinkSetting::BondMinLinks(2),
        LinkSetting::Learning(false),
        LinkSetting::BackupPort(None),
        LinkSetting::PortState(PortState::Blocking),
    ] {
        assert!(body(set).len() >= HEADER_LEN, "{set:?}");
        assert!(!LinkOp { link: 1, set }.name().is_empty());
    }
}
