//! One chassis with a dataplane of SONiC's kind against a legacy peer: what both are told, and in
//! which order.

#![allow(unreachable_pub, reason = "a test program exports nothing")]

mod chassis;
mod events;
mod identity;
mod layer3;
mod neighbours;
mod order;
mod tables;
