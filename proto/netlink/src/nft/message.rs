//! The messages of nf_tables, for exactly the objects of our table.
//!
//! Numbers in attributes are in network order, unlike everywhere else in netlink.

use mclag_proto::IfName;

use super::{FilterSet, TableName};
use crate::attr::{Attr, Attrs, Msg, Received};

/// [`KEY_LEN`] as attributes carry it.
const KEY_BYTES: u32 = 16;

/// Length of an interface name as the kernel compares it, with its padding zeros.
pub(super) const KEY_LEN: usize = 16;

/// Start of a transaction.
pub(super) fn batch_begin() -> Msg {
    batch_mark(NFNL_MSG_BATCH_BEGIN)
}

/// End of a transaction: the kernel carries it out.
pub(super) fn batch_end() -> Msg {
    batch_mark(NFNL_MSG_BATCH_END)
}

/// Create the table; it may exist.
pub(super) fn new_table(table: &TableName) -> Msg {
    let mut msg = new(NFT_MSG_NEWTABLE, NLM_F_CREATE);
    msg.attr_str(NFTA_TABLE_NAME, table.as_str());
    msg.attr_be32(NFTA_TABLE_FLAGS, 0);
    msg
}

/// Delete the table with all that is in it.
pub(super) fn delete_table(table: &TableName) -> Msg {
    let mut msg = new(NFT_MSG_DELTABLE, 0);
    msg.attr_str(NFTA_TABLE_NAME, table.as_str());
    msg
}

/// Ask for the table.
pub(super) fn get_table(table: &TableName) -> Msg {
    let mut msg = new(NFT_MSG_GETTABLE, 0);
    msg.attr_str(NFTA_TABLE_NAME, table.as_str());
    msg
}

/// Create a set of interface names.
pub(super) fn new_set(table: &TableName, set: FilterSet) -> Msg {
    let mut msg = new(NFT_MSG_NEWSET, NLM_F_CREATE);
    msg.attr_str(NFTA_SET_TABLE, table.as_str());
    msg.attr_str(NFTA_SET_NAME, set.name());
    msg.attr_be32(NFTA_SET_FLAGS, 0);
    msg.attr_be32(NFTA_SET_KEY_TYPE, TYPE_IFNAME);
    msg.attr_be32(NFTA_SET_KEY_LEN, KEY_BYTES);
    msg.attr_be32(NFTA_SET_ID, set_id(set));
    // For the `nft` program: without its note on byte order it lists names reversed.
    let [a, b, c, d] = USERDATA_HOST_ORDER.to_ne_bytes();
    let userdata = [USERDATA_KEY_BYTEORDER, 4, a, b, c, d];
    msg.attr(NFTA_SET_USERDATA, &userdata);
    msg
}

/// Ask for a set.
pub(super) fn get_set(table: &TableName, set: FilterSet) -> Msg {
    let mut msg = new(NFT_MSG_GETSET, 0);
    msg.attr_str(NFTA_SET_TABLE, table.as_str());
    msg.attr_str(NFTA_SET_NAME, set.name());
    msg
}

/// Whether an answer describes a set that works as ours do.
pub(super) fn is_our_set(message: &Received<'_>) -> bool {
    let Some(attrs) = attrs_of(message, NFT_MSG_NEWSET) else {
        return false;
    };
    let number = |kind| attrs.find(kind).and_then(|a| a.be32());
    number(NFTA_SET_KEY_LEN) == Some(KEY_BYTES)
        && number(NFTA_SET_KEY_TYPE) == Some(TYPE_IFNAME)
        && number(NFTA_SET_FLAGS).unwrap_or_default() == 0
}

/// Create the chain: bridge family, hook forward, priority 0, policy accept.
pub(super) fn new_chain(table: &TableName) -> Msg {
    let mut msg = new(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    msg.attr_str(NFTA_CHAIN_TABLE, table.as_str());
    msg.attr_str(NFTA_CHAIN_NAME, CHAIN);
    msg.attr_str(NFTA_CHAIN_TYPE, CHAIN_TYPE);
    msg.attr_be32(NFTA_CHAIN_POLICY, NF_ACCEPT);
    msg.nest(NFTA_CHAIN_HOOK, |m| {
        m.attr_be32(NFTA_HOOK_HOOKNUM, NF_BR_FORWARD);
        m.attr_be32(NFTA_HOOK_PRIORITY, PRIORITY);
    });
    msg
}

/// Ask for the chain.
pub(super) fn get_chain(table: &TableName) -> Msg {
    let mut msg = new(NFT_MSG_GETCHAIN, 0);
    msg.attr_str(NFTA_CHAIN_TABLE, table.as_str());
    msg.attr_str(NFTA_CHAIN_NAME, CHAIN);
    msg
}

/// Whether an answer describes a chain that works as ours does.
pub(super) fn is_our_chain(message: &Received<'_>) -> bool {
    let Some(attrs) = attrs_of(message, NFT_MSG_NEWCHAIN) else {
        return false;
    };
    let hook = attrs.find(NFTA_CHAIN_HOOK).map(|a| a.nested());
    let hook = |kind| hook.and_then(|h| h.find(kind)?.be32());
    hook(NFTA_HOOK_HOOKNUM) == Some(NF_BR_FORWARD)
        && hook(NFTA_HOOK_PRIORITY) == Some(PRIORITY)
        && attrs.find(NFTA_CHAIN_TYPE).and_then(|a| a.text()) == Some(CHAIN_TYPE)
        && attrs.find(NFTA_CHAIN_POLICY).and_then(|a| a.be32()) == Some(NF_ACCEPT)
}

/// Append the rule that keeps frames of the peer link from the isolated ports.
pub(super) fn isolation_rule(table: &TableName, peer_link: &[u8; KEY_LEN]) -> Msg {
    new_rule(table, |m| {
        meta(m, NFT_META_IIFNAME);
        compare(m, peer_link);
        meta(m, NFT_META_OIFNAME);
        lookup(m, FilterSet::Isolated);
    })
}

/// Append the rules that keep frames from and to the held ports.
pub(super) fn hold_rules(table: &TableName) -> [Msg; 2] {
    [NFT_META_OIFNAME, NFT_META_IIFNAME].map(|key| {
        new_rule(table, |m| {
            meta(m, key);
            lookup(m, FilterSet::Held);
        })
    })
}

/// Ask for all rules of the chain.
pub(super) fn dump_rules(table: &TableName) -> Msg {
    let mut msg = new(NFT_MSG_GETRULE, 0);
    msg.attr_str(NFTA_RULE_TABLE, table.as_str());
    msg.attr_str(NFTA_RULE_CHAIN, CHAIN);
    msg
}

/// Put elements into a set; they may be there.
pub(super) fn new_elements(table: &TableName, set: FilterSet, keys: &[[u8; KEY_LEN]]) -> Msg {
    elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, set, keys)
}

/// Take elements out of a set; they must be there.
pub(super) fn delete_elements(table: &TableName, set: FilterSet, keys: &[[u8; KEY_LEN]]) -> Msg {
    elements(NFT_MSG_DELSETELEM, 0, table, set, keys)
}

/// Ask for all elements of a set.
pub(super) fn dump_elements(table: &TableName, set: FilterSet) -> Msg {
    let mut msg = new(NFT_MSG_GETSETELEM, 0);
    msg.attr_str(NFTA_SET_ELEM_LIST_TABLE, table.as_str());
    msg.attr_str(NFTA_SET_ELEM_LIST_SET, set.name());
    msg
}

/// The names in a part of the answer to [`dump_elements`].
pub(super) fn read_elements(message: &Received<'_>) -> Vec<IfName> {
    let list = attrs_of(message, NFT_MSG_NEWSETELEM)
        .and_then(|attrs| attrs.find(NFTA_SET_ELEM_LIST_ELEMENTS));
    list.into_iter()
        .flat_map(|list| list.nested())
        .filter_map(|element| {
            let key = element.nested().find(NFTA_SET_ELEM_KEY)?;
            name(key.nested().find(NFTA_DATA_VALUE)?)
        })
        .collect()
}

/// One step of a rule, as far as our rules have such steps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Expr {
    Meta(u32),
    Equals(IfName),
    Lookup(String),
    Counter,
    Drop,
    /// Nothing that a rule of ours contains.
    Foreign,
}

/// Read one rule of the answer to [`dump_rules`].
pub(super) fn read_rule(message: &Received<'_>) -> Option<Vec<Expr>> {
    let attrs = attrs_of(message, NFT_MSG_NEWRULE)?;
    let list = attrs.find(NFTA_RULE_EXPRESSIONS)?;
    let read = |expr: Attr<'_>| read_expr(expr.nested()).unwrap_or(Expr::Foreign);
    Some(list.nested().map(read).collect())
}

/// The peer link that our rules name: `Some(None)` if they are ours but name none, `None` if
/// they are not ours.
pub(super) fn read_peer_link(rules: &[Vec<Expr>]) -> Option<Option<IfName>> {
    let hold = |key| {
        [
            Expr::Meta(key),
            Expr::Lookup(FilterSet::Held.name().to_owned()),
            Expr::Counter,
            Expr::Drop,
        ]
    };
    let (isolation, holds) = rules.split_at_checked(rules.len().checked_sub(2)?)?;
    if holds != [hold(NFT_META_OIFNAME), hold(NFT_META_IIFNAME)] {
        return None;
    }
    let [isolation] = isolation else {
        return isolation.is_empty().then_some(None);
    };
    match &isolation[..] {
        [
            Expr::Meta(NFT_META_IIFNAME),
            Expr::Equals(peer_link),
            Expr::Meta(NFT_META_OIFNAME),
            Expr::Lookup(set),
            Expr::Counter,
            Expr::Drop,
        ] if set == FilterSet::Isolated.name() => Some(Some(*peer_link)),
        _ => None,
    }
}

fn read_expr(expr: Attrs<'_>) -> Option<Expr> {
    let data = expr.find(NFTA_EXPR_DATA).map(|a| a.nested())?;
    let number = |kind| data.find(kind).and_then(|a| a.be32());
    let value = |kind| {
        let value = data.find(kind)?.nested();
        value.find(NFTA_DATA_VALUE)
    };
    Some(match expr.find(NFTA_EXPR_NAME)?.text()? {
        "meta" => Expr::Meta(number(NFTA_META_KEY)?),
        "cmp" if number(NFTA_CMP_OP) == Some(NFT_CMP_EQ) => {
            // A shorter comparison is one by prefix.
            let value = value(NFTA_CMP_DATA).filter(|a| a.value.len() == KEY_LEN)?;
            Expr::Equals(name(value)?)
        }
        "lookup" if number(NFTA_LOOKUP_FLAGS).unwrap_or_default() == 0 => {
            Expr::Lookup(data.find(NFTA_LOOKUP_SET)?.text()?.to_owned())
        }
        "counter" => Expr::Counter,
        "immediate" if number(NFTA_IMMEDIATE_DREG) == Some(NFT_REG_VERDICT) => {
            let verdict = data.find(NFTA_IMMEDIATE_DATA)?.nested();
            let verdict = verdict.find(NFTA_DATA_VERDICT)?.nested();
            match verdict.find(NFTA_VERDICT_CODE)?.be32()? {
                NF_DROP => Expr::Drop,
                _ => Expr::Foreign,
            }
        }
        _ => Expr::Foreign,
    })
}

fn new_rule(table: &TableName, matches: impl FnOnce(&mut Msg)) -> Msg {
    let mut msg = new(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    msg.attr_str(NFTA_RULE_TABLE, table.as_str());
    msg.attr_str(NFTA_RULE_CHAIN, CHAIN);
    msg.nest(NFTA_RULE_EXPRESSIONS, |m| {
        matches(m);
        expr(m, "counter", |_| {});
        expr(m, "immediate", |m| {
            m.attr_be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
            m.nest(NFTA_IMMEDIATE_DATA, |m| {
                m.nest(NFTA_DATA_VERDICT, |m| {
                    m.attr_be32(NFTA_VERDICT_CODE, NF_DROP);
                });
            });
        });
    });
    msg
}

fn meta(msg: &mut Msg, key: u32) {
    expr(msg, "meta", |m| {
        m.attr_be32(NFTA_META_KEY, key);
        m.attr_be32(NFTA_META_DREG, NFT_REG_1);
    });
}

fn compare(msg: &mut Msg, value: &[u8; KEY_LEN]) {
    expr(msg, "cmp", |m| {
        m.attr_be32(NFTA_CMP_SREG, NFT_REG_1);
        m.attr_be32(NFTA_CMP_OP, NFT_CMP_EQ);
        m.nest(NFTA_CMP_DATA, |m| m.attr(NFTA_DATA_VALUE, value));
    });
}

fn lookup(msg: &mut Msg, set: FilterSet) {
    expr(msg, "lookup", |m| {
        m.attr_be32(NFTA_LOOKUP_SREG, NFT_REG_1);
        m.attr_str(NFTA_LOOKUP_SET, set.name());
        m.attr_be32(NFTA_LOOKUP_SET_ID, set_id(set));
    });
}

fn expr(msg: &mut Msg, name: &str, fill: impl FnOnce(&mut Msg)) {
    msg.nest(NFTA_LIST_ELEM, |m| {
        m.attr_str(NFTA_EXPR_NAME, name);
        m.nest(NFTA_EXPR_DATA, fill);
    });
}

/// The number of a set within the transaction that creates it.
const fn set_id(set: FilterSet) -> u32 {
    match set {
        FilterSet::Isolated => 1,
        FilterSet::Held => 2,
    }
}

fn elements(
    kind: u16,
    flags: u16,
    table: &TableName,
    set: FilterSet,
    keys: &[[u8; KEY_LEN]],
) -> Msg {
    let mut msg = new(kind, flags);
    msg.attr_str(NFTA_SET_ELEM_LIST_TABLE, table.as_str());
    msg.attr_str(NFTA_SET_ELEM_LIST_SET, set.name());
    msg.nest(NFTA_SET_ELEM_LIST_ELEMENTS, |m| {
        for key in keys {
            m.nest(NFTA_LIST_ELEM, |m| {
                m.nest(NFTA_SET_ELEM_KEY, |m| m.attr(NFTA_DATA_VALUE, key));
            });
        }
    });
    msg
}

fn new(kind: u16, flags: u16) -> Msg {
    let kind = (NFNL_SUBSYS_NFTABLES << 8) | kind;
    // | family (1) | version 0 (1) | resource, big-endian (2) |
    Msg::new(kind, flags, &[NFPROTO_BRIDGE, 0, 0, 0])
}

fn batch_mark(kind: u16) -> Msg {
    let [high, low] = NFNL_SUBSYS_NFTABLES.to_be_bytes();
    Msg::new(kind, NLM_F_REQUEST, &[0, 0, high, low])
}

/// The attributes of an answer, if it is of this kind.
fn attrs_of<'a>(message: &Received<'a>, kind: u16) -> Option<Attrs<'a>> {
    let (_, attrs) = message.split::<HEADER_LEN>()?;
    (message.kind == (NFNL_SUBSYS_NFTABLES << 8) | kind).then_some(attrs)
}

fn name(attr: Attr<'_>) -> Option<IfName> {
    IfName::new(attr.text()?).ok()
}

const CHAIN: &str = "forward";
const CHAIN_TYPE: &str = "filter";
const PRIORITY: u32 = 0;

/// Length of the fixed header (`struct nfgenmsg`).
const HEADER_LEN: usize = 4;

const NFPROTO_BRIDGE: u8 = 7;
const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFNL_MSG_BATCH_BEGIN: u16 = 16;
const NFNL_MSG_BATCH_END: u16 = 17;

const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;

const NF_DROP: u32 = 0;
const NF_ACCEPT: u32 = 1;
const NF_BR_FORWARD: u32 = 2;

const NFT_MSG_NEWTABLE: u16 = 0;
const NFT_MSG_GETTABLE: u16 = 1;
const NFT_MSG_DELTABLE: u16 = 2;
const NFT_MSG_NEWCHAIN: u16 = 3;
const NFT_MSG_GETCHAIN: u16 = 4;
const NFT_MSG_NEWRULE: u16 = 6;
const NFT_MSG_GETRULE: u16 = 7;
const NFT_MSG_NEWSET: u16 = 9;
const NFT_MSG_GETSET: u16 = 10;
const NFT_MSG_NEWSETELEM: u16 = 12;
const NFT_MSG_GETSETELEM: u16 = 13;
const NFT_MSG_DELSETELEM: u16 = 14;

const NFTA_LIST_ELEM: u16 = 1;

const NFTA_TABLE_NAME: u16 = 1;
const NFTA_TABLE_FLAGS: u16 = 2;

const NFTA_SET_TABLE: u16 = 1;
const NFTA_SET_NAME: u16 = 2;
const NFTA_SET_FLAGS: u16 = 3;
const NFTA_SET_KEY_TYPE: u16 = 4;
const NFTA_SET_KEY_LEN: u16 = 5;
const NFTA_SET_ID: u16 = 10;
const NFTA_SET_USERDATA: u16 = 13;

/// The number of the type `ifname`; it means something to the `nft` program only.
const TYPE_IFNAME: u32 = 41;
/// A note of the `nft` program to itself: kind, length, value.
const USERDATA_KEY_BYTEORDER: u8 = 0;
const USERDATA_HOST_ORDER: u32 = 1;

const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
const NFTA_SET_ELEM_LIST_SET: u16 = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
const NFTA_SET_ELEM_KEY: u16 = 1;

const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_CHAIN_TYPE: u16 = 7;

const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;

const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;

const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;

const NFTA_DATA_VALUE: u16 = 1;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;

const NFT_REG_VERDICT: u32 = 0;
const NFT_REG_1: u32 = 1;

const NFTA_META_DREG: u16 = 1;
const NFTA_META_KEY: u16 = 2;
const NFT_META_IIFNAME: u32 = 6;
const NFT_META_OIFNAME: u32 = 7;

const NFTA_CMP_SREG: u16 = 1;
const NFTA_CMP_OP: u16 = 2;
const NFTA_CMP_DATA: u16 = 3;
const NFT_CMP_EQ: u32 = 0;

const NFTA_LOOKUP_SET: u16 = 1;
const NFTA_LOOKUP_SREG: u16 = 2;
const NFTA_LOOKUP_SET_ID: u16 = 4;
const NFTA_LOOKUP_FLAGS: u16 = 5;

const NFTA_IMMEDIATE_DREG: u16 = 1;
const NFTA_IMMEDIATE_DATA: u16 = 2;

#[cfg(test)]
mod tests;
