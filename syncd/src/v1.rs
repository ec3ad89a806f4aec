//! Version 1 of the mclagsyncd protocol and the model that everything else speaks, in both
//! directions (`spec/mclagsyncd-protocol.md`). Pure: no I/O, no clock.
//!
//! * [`to`]: from operations to what a foreign server is told.
//! * [`from`]: from what a foreign client says to operations.
//! * `codec`: where its messages begin and end in a stream.
//!
//! What version 1 can carry is the same wanted state after both, which a test with random
//! operations holds true.

pub(crate) mod codec;
pub mod from;
pub mod to;

#[cfg(test)]
mod tests;
