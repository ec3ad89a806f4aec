//! The request socket: one question, its answer, and never an endless wait.
//!
//! Events are never received here (see [`crate::Monitor`]): a flood of them would crowd out
//! answers. Answers are matched by sequence number, so a late one is not taken for another's.
//!
//! The kernel carries out a request inside the `send` call and queues the answer before it
//! returns; the deadline guards against answers that were lost. A `send` that waits for a lock
//! inside the kernel cannot be interrupted by anybody.

use std::io;
use std::time::Duration;

use netlink_sys::{Socket as RawSocket, SocketAddr};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout_at};

use crate::attr::{Messages, Msg, Received};
use crate::error::Failure;
use crate::option;

/// Longest wait for the answer to one request, or for the next part of a dump.
pub(crate) const ANSWER_DEADLINE: Duration = Duration::from_secs(5);

/// A socket for requests, with its own sequence numbers.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: AsyncFd<RawSocket>,
    sequence: u32,
    buffer: Vec<u8>,
    /// A request was sent and its last answer not yet seen.
    busy: bool,
}

impl Socket {
    /// Open a socket of this netlink protocol (`NETLINK_ROUTE`, `NETLINK_NETFILTER`).
    pub(crate) fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = RawSocket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        // Errors in words; answers without a copy of the request, which makes room for more.
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        if protocol == netlink_sys::protocols::NETLINK_ROUTE {
            // Only a strict kernel filters a dump by what the request asks for.
            socket.set_netlink_get_strict_chk(true)?;
        }
        Ok(Self {
            fd: register(socket)?,
            sequence: 0,
            buffer: Vec::with_capacity(RECEIVE_LEN),
            busy: false,
        })
    }

    /// Ask for a receive buffer of `bytes`; returns what the kernel gave.
    pub(crate) fn set_receive_buffer(&self, bytes: u32) -> io::Result<usize> {
        set_receive_buffer(self.fd.get_ref(), bytes)
    }

    /// The socket's own port, as events name who caused them.
    pub(crate) fn port(&self) -> io::Result<u32> {
        let mut address = SocketAddr::new(0, 0);
        self.fd.get_ref().get_address(&mut address)?;
        Ok(address.port_number())
    }

    /// A sequence number not in use, followed by `count - 1` more.
    pub(crate) fn reserve(&mut self, count: u32) -> u32 {
        // Zero is what events carry.
        if self.sequence.checked_add(count).is_none() {
            self.sequence = 0;
        }
        let first = self.sequence + 1;
        self.sequence += count;
        first
    }

    /// Send bytes that hold one or more sealed messages.
    ///
    /// Whoever sees the last answer calls [`Socket::done`].
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.busy {
            self.discard_leftovers();
        }
        self.busy = true;
        let deadline = Instant::now() + ANSWER_DEADLINE;
        let sent = timeout_at(deadline, async {
            loop {
                let mut ready = self.fd.writable().await?;
                if let Ok(result) = ready.try_io(|fd| fd.get_ref().send(bytes, 0)) {
                    return result;
                }
            }
        });
        match sent.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Failure::io(&error)),
            Err(_) => Err(Failure::errno(libc::ETIMEDOUT)),
        }
    }

    /// The same on a socket that was just opened, which has room for it: nothing is waited for.
    pub(crate) fn send_first(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.busy = true;
        let sent = self.fd.get_ref().send(bytes, libc::MSG_DONTWAIT);
        sent.map(drop).map_err(|error| Failure::io(&error))
    }

    /// The last request was answered completely.
    pub(crate) fn done(&mut self) {
        self.busy = false;
    }

    /// Read away what a request that was given up left behind. The kernel refuses a dump while
    /// an earlier one of the same socket is unfinished, and goes on with that only as it is read.
    fn discard_leftovers(&mut self) {
        loop {
            self.buffer.clear();
            match self.fd.get_ref().recv(&mut self.buffer, libc::MSG_DONTWAIT) {
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(_) => return,
            }
        }
    }

    /// The next datagram from the kernel, or a failure at the deadline.
    pub(crate) async fn receive(&mut self, deadline: Instant) -> Result<Messages<'_>, Failure> {
        self.buffer.clear();
        let (fd, buffer) = (&self.fd, &mut self.buffer);
        let received = timeout_at(deadline, async {
            loop {
                let mut ready = fd.readable().await?;
                if let Ok(result) = ready.try_io(|fd| fd.get_ref().recv(buffer, 0)) {
                    return result;
                }
            }
        });
        match received.await {
            Ok(Ok(_)) => Ok(Messages(&self.buffer)),
            Ok(Err(error)) => Err(Failure::io(&error)),
            Err(_) => Err(Failure::errno(libc::ETIMEDOUT)),
        }
    }

    /// Send one request and wait for its acknowledgement; `visit` sees what came before it.
    pub(crate) async fn request(
        &mut self,
        mut msg: Msg,
        mut visit: impl FnMut(Received<'_>),
    ) -> Result<(), Failure> {
        msg.add_flags(NLM_F_REQUEST | NLM_F_ACK);
        let sequence = self.reserve(1);
        self.send(msg.seal(sequence)).await?;
        let deadline = Instant::now() + ANSWER_DEADLINE;
        loop {
            for answer in self.receive(deadline).await? {
                match answer.kind {
                    _ if answer.sequence != sequence => {}
                    NLMSG_ERROR => {
                        let end = Failure::read(answer.flags, answer.body);
                        self.busy = false;
                        return end;
                    }
                    _ => visit(answer),
                }
            }
        }
    }

    /// Send a dump request and let `visit` see every message.
    ///
    /// `Ok(true)` if the table changed meanwhile, so that entries may be missing or double.
    pub(crate) async fn dump(
        &mut self,
        mut msg: Msg,
        mut visit: impl FnMut(Received<'_>),
    ) -> Result<bool, Failure> {
        msg.add_flags(NLM_F_REQUEST | NLM_F_DUMP);
        let sequence = self.reserve(1);
        self.send(msg.seal(sequence)).await?;
        let mut interrupted = false;
        loop {
            let deadline = Instant::now() + ANSWER_DEADLINE;
            for answer in self.receive(deadline).await? {
                if answer.sequence != sequence {
                    continue;
                }
                interrupted |= answer.flags & NLM_F_DUMP_INTR != 0;
                match answer.kind {
                    NLMSG_ERROR | NLMSG_DONE => {
                        let end = match answer.kind {
                            NLMSG_DONE => Failure::read_done(answer.flags, answer.body),
                            _ => Failure::read(answer.flags, answer.body),
                        };
                        self.busy = false;
                        return end.map(|()| interrupted);
                    }
                    _ => visit(answer),
                }
            }
        }
    }
}

/// Hand a socket to the reactor of the current runtime.
#[allow(unsafe_code, reason = "the safe constructor is deprecated")]
pub(crate) fn register(socket: RawSocket) -> io::Result<AsyncFd<RawSocket>> {
    // SAFETY: `RawSocket` owns its open descriptor and gives it up only when dropped; nobody
    // replaces or closes it while the `AsyncFd` owns the socket.
    Ok(unsafe { AsyncFd::register(socket)? })
}

/// Set the receive buffer of a netlink socket and report its size in the kernel's accounting,
/// which is twice what was asked for.
///
/// Beyond the system's limit only with `CAP_NET_ADMIN`; without it the limit is what one gets.
pub(crate) fn set_receive_buffer(socket: &RawSocket, bytes: u32) -> io::Result<usize> {
    let wanted = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    let forced = option::set(
        socket,
        libc::SOL_SOCKET,
        libc::SO_RCVBUFFORCE,
        &wanted.to_ne_bytes(),
    );
    if forced.is_err() {
        socket.set_rx_buf_sz(wanted)?;
    }
    socket.get_rx_buf_sz()
}

/// The kernel fills at most 32 KiB into one part of a dump, and only if it sees that much room.
const RECEIVE_LEN: usize = 64 * 1024;

pub(crate) const NLM_F_REQUEST: u16 = 0x01;
pub(crate) const NLM_F_ACK: u16 = 0x04;
pub(crate) const NLMSG_ERROR: u16 = 2;
pub(crate) const NLMSG_DONE: u16 = 3;
const NLM_F_DUMP_INTR: u16 = 0x10;
pub(crate) const NLM_F_DUMP: u16 = 0x300;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Kernel, Op};
    use crate::nft::{Filter, TableName};

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(test);
    }

    #[test]
    fn a_silent_kernel_is_not_waited_for_beyond_the_deadline() {
        run(async {
            let mut socket = Socket::open(netlink_sys::protocols::NETLINK_ROUTE).unwrap();
            let deadline = Instant::now() + Duration::from_millis(10);
            let failure = socket.receive(deadline).await.map(|_| ()).unwrap_err();
            assert_eq!(failure, Failure::errno(libc::ETIMEDOUT));
            assert!(Instant::now() >= deadline);
        });
    }

    #[test]
    fn sequence_numbers_are_never_those_of_events() {
        run(async {
            let mut socket = Socket::open(netlink_sys::protocols::NETLINK_ROUTE).unwrap();
            assert_eq!((socket.reserve(3), socket.reserve(1)), (1, 4));
            socket.sequence = u32::MAX - 1;
            assert_eq!((socket.reserve(1), socket.reserve(2)), (u32::MAX, 1));
        });
    }

    #[test]
    fn an_answer_to_an_earlier_request_is_not_taken_for_this_ones() {
        run(async {
            let mut socket = Socket::open(netlink_sys::protocols::NETLINK_ROUTE).unwrap();
            // Nobody reads the answer to this one, and the socket is told that all is well.
            let mut missing = crate::link::index_request(u32::MAX >> 1);
            missing.add_flags(NLM_F_REQUEST | NLM_F_ACK);
            let sequence = socket.reserve(1);
            socket.send(missing.seal(sequence)).await.unwrap();
            socket.done();

            let mut seen = 0;
            let loopback = crate::link::index_request(1);
            assert_eq!(socket.request(loopback, |_| seen += 1).await, Ok(()));
            assert_eq!(seen, 1);
        });
    }

    /// Backends promise futures that may move between threads.
    #[test]
    fn futures_may_move_between_threads() {
        fn may_move<T: Send>(_: &T) {}
        run(async {
            let mut kernel = Kernel::open().unwrap();
            let ops: [Op; 0] = [];
            may_move(&kernel.apply(&ops));
            may_move(&kernel.links());
            may_move(&kernel.fdb(1));
            if let Ok(mut filter) = Filter::open() {
                let bridge = mclag_proto::IfName::new("br0").unwrap();
                let table = TableName::for_bridge(&bridge);
                may_move(&filter.ensure(&table, &bridge));
                may_move(&filter.change(&table, &[]));
            }
        });
    }
}
