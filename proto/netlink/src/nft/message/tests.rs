//! The bytes are those that `nft` 1.0.6 sends for the text in the comment of [`super::super`],
//! with the peer link `peer0` and the port `bond1`; only the element names its set without the
//! number the set has within a transaction. Written on a little-endian machine.

use proptest::prelude::*;

use super::*;
use crate::attr::Messages;

const TABLE_BYTES: &str = "070000000e0001006d636c61675f6272300000000800020000000000";
const CHAIN_BYTES: &str = concat!(
    "070000000e0001006d636c61675f6272300000000c000300666f7277617264000b00070066696c74",
    "6572000008000500000000011400048008000100000000020800020000000000",
);
const ISOLATED_BYTES: &str = concat!(
    "070000000e0001006d636c61675f6272300000000d00020069736f6c617465640000000008000300",
    "000000000800040000000029080005000000001008000a00000000010a000d000004010000000000",
);
const ELEMENT_BYTES: &str = concat!(
    "070000000e0001006d636c61675f6272300000000d00020069736f6c617465640000000020000380",
    "1c0001801800018014000100626f6e64310000000000000000000000",
);
const HELD_BYTES: &str = concat!(
    "070000000e0001006d636c61675f6272300000000900020068656c64000000000800030000000000",
    "0800040000000029080005000000001008000a00000000020a000d000004010000000000",
);
const ISOLATION_RULE_BYTES: &str = concat!(
    "070000000e0001006d636c61675f6272300000000c000200666f727761726400fc00048024000180",
    "090001006d6574610000000014000280080002000000000608000100000000013800018008000100",
    "636d70002c0002800800010000000001080002000000000018000380140001007065657230000000",
    "000000000000000024000180090001006d6574610000000014000280080002000000000708000100",
    "00000001340001800b0001006c6f6f6b757000002400028008000200000000010d00010069736f6c",
    "61746564000000000800040000000001140001800c000100636f756e746572000400028030000180",
    "0e000100696d6d6564696174650000001c0002800800010000000000100002800c00028008000100",
    "00000000",
);
const HOLD_TO_BYTES: &str = concat!(
    "070000000e0001006d636c61675f6272300000000c000200666f7277617264009c00048024000180",
    "090001006d657461000000001400028008000200000000070800010000000001300001800b000100",
    "6c6f6f6b757000002000028008000200000000010900010068656c64000000000800040000000002",
    "140001800c000100636f756e7465720004000280300001800e000100696d6d656469617465000000",
    "1c0002800800010000000000100002800c0002800800010000000000",
);
const HOLD_FROM_BYTES: &str = concat!(
    "070000000e0001006d636c61675f6272300000000c000200666f7277617264009c00048024000180",
    "090001006d657461000000001400028008000200000000060800010000000001300001800b000100",
    "6c6f6f6b757000002000028008000200000000010900010068656c64000000000800040000000002",
    "140001800c000100636f756e7465720004000280300001800e000100696d6d656469617465000000",
    "1c0002800800010000000000100002800c0002800800010000000000",
);

fn table() -> TableName {
    TableName::for_bridge(&IfName::new("br0").unwrap())
}

fn key(name: &str) -> [u8; KEY_LEN] {
    let mut key = [0; KEY_LEN];
    key[..name.len()].copy_from_slice(name.as_bytes());
    key
}

fn hex(msg: &Msg) -> String {
    msg.body().iter().map(|b| format!("{b:02x}")).collect()
}

/// What the kernel would answer if it sent the object back as it got it.
fn echoed<T>(mut msg: Msg, read: impl Fn(&Received<'_>) -> T) -> T {
    let bytes = msg.seal(1).to_vec();
    read(&Messages(&bytes).next().expect("one message"))
}

#[test]
#[cfg(target_endian = "little")]
fn the_table_is_what_nft_would_send() {
    let table = table();
    assert_eq!(hex(&new_table(&table)), TABLE_BYTES);
    assert_eq!(hex(&new_chain(&table)), CHAIN_BYTES);
    assert_eq!(hex(&new_set(&table, FilterSet::Isolated)), ISOLATED_BYTES);
    assert_eq!(hex(&new_set(&table, FilterSet::Held)), HELD_BYTES);
}

#[test]
#[cfg(target_endian = "little")]
fn the_rules_are_what_nft_would_send() {
    let table = table();
    let isolation = isolation_rule(&table, &key("peer0"));
    assert_eq!(hex(&isolation), ISOLATION_RULE_BYTES);
    let [to, from] = hold_rules(&table);
    assert_eq!(hex(&to), HOLD_TO_BYTES);
    assert_eq!(hex(&from), HOLD_FROM_BYTES);
}

#[test]
#[cfg(target_endian = "little")]
fn an_element_is_what_nft_would_send() {
    let keys = [key("bond1")];
    let add = new_elements(&table(), FilterSet::Isolated, &keys);
    assert_eq!(hex(&add), ELEMENT_BYTES);
    let delete = delete_elements(&table(), FilterSet::Isolated, &keys);
    assert_eq!(hex(&delete), ELEMENT_BYTES);
}

#[test]
fn our_own_objects_are_recognised() {
    let table = table();
    assert!(echoed(new_chain(&table), is_our_chain));
    assert!(echoed(new_set(&table, FilterSet::Held), is_our_set));
    assert!(!echoed(new_table(&table), is_our_chain));

    let [to, from] = hold_rules(&table).map(|rule| echoed(rule, read_rule).unwrap());
    let isolation = echoed(isolation_rule(&table, &key("peer0")), read_rule).unwrap();
    let peer0 = IfName::new("peer0").unwrap();
    let rules = [isolation, to.clone(), from.clone()];
    assert_eq!(read_peer_link(&rules), Some(Some(peer0)));
    assert_eq!(read_peer_link(&[to.clone(), from.clone()]), Some(None));
    // Another order, another rule, or one missing: not ours.
    assert_eq!(read_peer_link(&[from.clone(), to.clone()]), None);
    assert_eq!(read_peer_link(&[vec![Expr::Drop], to.clone(), from]), None);
    assert_eq!(read_peer_link(&[to]), None);
    assert_eq!(read_peer_link(&[]), None);
}

#[test]
fn elements_read_back_as_written() {
    let keys = [key("bond1"), key("fifteen.letters")];
    let add = new_elements(&table(), FilterSet::Held, &keys);
    let names = ["bond1", "fifteen.letters"].map(|name| IfName::new(name).unwrap());
    assert_eq!(echoed(add, read_elements), names);
}

proptest! {
    #[test]
    fn any_answer_can_be_read(
        kind in 0xa00_u16..0xa10,
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let message = Received { kind, flags: 0, sequence: 1, port: 0, body: &body };
        let _ = (is_our_chain(&message), is_our_set(&message));
        let _ = (read_elements(&message), read_rule(&message));
    }
}
