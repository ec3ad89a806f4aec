//! Recorded streams of legacy daemons, played against our own.
//!
//! One side of a recorded session is played over a real socket to one of our daemons, message by message and in
//! the timing of its role: what answers something waits for that, and idle times are cut short. A strict model of the
//! legacy receiver looks at every byte that comes back, and says what that receiver would not have got along with.
//!
//! ```text
//!   stream ──> player ──── socket ────> iccpd ──> standin, which confirms everything
//!                │ <───────────────────
//!                └──> receiver: would a legacy daemon accept it, and does it get what it is owed?
//! ```
//!
//! * [`stream`]: what was recorded.
//! * [`raw`]: a message of the peer protocol taken apart, without any of the code under test.
//! * [`receiver`]: the model, from `spec/iccp.md`.
//! * [`values`]: what it accepts within a message.
//! * [`mclagsyncd`]: models of both ends of version 1 of the mclagsyncd protocol.
//! * [`player`]: one session.
//! * [`polled`]: a stand-in for the server that says nothing unasked.
//! * [`process`]: the daemons as processes, and their surroundings.

pub mod mclagsyncd;
pub mod player;
pub mod polled;
pub mod process;
pub mod raw;
pub mod receiver;
pub mod stream;
pub mod values;
