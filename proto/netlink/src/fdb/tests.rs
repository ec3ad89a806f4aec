use proptest::prelude::*;

use super::*;
use crate::attr::Messages;

fn op(action: FdbAction) -> FdbOp {
    FdbOp {
        mac: Mac([2, 0, 0, 0, 0, 7]),
        vid: Vid::new(10),
        port: 5,
        action,
    }
}

/// Kind, flags and body of the message for an operation.
fn wire(action: FdbAction) -> (u16, u16, Vec<u8>) {
    let mut msg = op(action).request();
    let bytes = msg.seal(1).to_vec();
    let got = Messages(&bytes).next().unwrap();
    (got.kind, got.flags, got.body.to_vec())
}

const LLADDR_AND_VLAN: [u8; 20] = [
    10, 0, 2, 0, 2, 0, 0, 0, 0, 7, 0, 0, // address
    6, 0, 5, 0, 10, 0, 0, 0, // VLAN 10
];

#[test]
#[cfg(target_endian = "little")]
fn a_tracked_entry_asks_for_activity_notification() {
    let tracked = [Activity::Active, Activity::Inactive].map(FdbAction::SetTracked);
    let sticky = [Activity::Active, Activity::Inactive].map(FdbAction::SetSticky);
    for (actions, table) in [(tracked, 0x04), (sticky, 0x44)] {
        for (action, notify) in actions.into_iter().zip([1, 3]) {
            let (kind, flags, body) = wire(action);
            assert_eq!((kind, flags), (28, 0x500));
            let mut want = vec![7, 0, 0, 0, 5, 0, 0, 0, 0x40, 0, table, 0];
            want.extend(LLADDR_AND_VLAN);
            want.extend([0x0c, 0, 0x0e, 0x80, 5, 0, 1, 0, notify, 0, 0, 0]);
            assert_eq!(body, want, "{action:?}");
        }
    }
}

#[test]
#[cfg(target_endian = "little")]
fn other_entries_do_not() {
    for (action, state) in [(FdbAction::SetStatic, 0x40), (FdbAction::SetDynamic, 0x02)] {
        let (kind, flags, body) = wire(action);
        assert_eq!((kind, flags), (28, 0x500));
        let mut want = vec![7, 0, 0, 0, 5, 0, 0, 0, state, 0, 4, 0];
        want.extend(LLADDR_AND_VLAN);
        assert_eq!(body, want, "{action:?}");
    }
}

#[test]
#[cfg(target_endian = "little")]
fn deleting_names_the_port() {
    let (kind, flags, body) = wire(FdbAction::Delete);
    assert_eq!((kind, flags), (29, 0));
    let mut want = vec![7, 0, 0, 0, 5, 0, 0, 0, 0, 0, 4, 0];
    want.extend(LLADDR_AND_VLAN);
    assert_eq!(body, want);
}

#[test]
#[cfg(target_endian = "little")]
fn a_dump_names_the_bridge() {
    let want = [
        7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // header
        8, 0, 9, 0, 4, 3, 2, 1, // master
    ];
    assert_eq!(dump_request(0x0102_0304).body(), want);
}

fn news(msg: &mut Msg) -> Option<FdbNews> {
    let bytes = msg.seal(0).to_vec();
    read(&Messages(&bytes).next()?)
}

/// An entry as a bridge reports it, and what it means.
#[test]
fn an_entry_reads_as_what_it_is() {
    let flags = NTF_EXT_LEARNED | NTF_STICKY;
    let mut msg = Msg::new(RTM_NEWNEIGH, 0, &header(5, NUD_NOARP, flags));
    msg.attr(NDA_LLADDR, &[2, 0, 0, 0, 0, 7]);
    msg.attr_u32(NDA_MASTER, 9);
    msg.attr_u16(NDA_VLAN, 10);
    let times: Vec<u8> = [0_u32, 150, 2000, 0]
        .iter()
        .flat_map(|t| t.to_ne_bytes())
        .collect();
    msg.attr(NDA_CACHEINFO, &times);
    msg.nest(NDA_FDB_EXT_ATTRS, |m| m.attr_u8(NFEA_ACTIVITY_NOTIFY, 3));
    assert_eq!(
        news(&mut msg),
        Some(FdbNews::Entry(FdbEntry {
            mac: Mac([2, 0, 0, 0, 0, 7]),
            vid: Vid::new(10),
            port: 5,
            bridge: 9,
            state: FdbState::Static,
            ext_learn: true,
            sticky: true,
            activity: Some(Activity::Inactive),
            updated: Duration::from_secs(20),
            used: Duration::from_millis(1500),
        }))
    );
}

#[test]
fn an_entry_of_a_port_itself_is_not_the_bridges() {
    let mut msg = Msg::new(RTM_NEWNEIGH, 0, &header(5, NUD_PERMANENT, 0x02));
    msg.attr(NDA_LLADDR, &[0x33, 0x33, 0, 0, 0, 1]);
    assert_eq!(news(&mut msg), None);
}

#[test]
fn a_neighbour_is_not_an_entry() {
    let mut header = header(5, NUD_REACHABLE, 0);
    header[0] = 2;
    let mut msg = Msg::new(RTM_NEWNEIGH, 0, &header);
    msg.attr(NDA_LLADDR, &[2, 0, 0, 0, 0, 7]);
    msg.attr_u32(NDA_MASTER, 9);
    assert_eq!(news(&mut msg), None);
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&Received { kind: RTM_NEWNEIGH, flags: 0, sequence: 0, port: 0, body: &body });
    }
}
