//! Classic BPF programs for sockets: what is not wanted never takes room in a receive buffer.
//!
//! A program is a list of instructions; jumps count the instructions that are skipped. Values
//! are loaded in network order, whatever the byte order of the machine.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::sock_filter;

use crate::option;

/// Load the byte at this offset.
pub(crate) const fn load_u8(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_B | BPF_ABS, offset, 0, 0)
}

/// Load two bytes at this offset.
pub(crate) const fn load_u16(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_H | BPF_ABS, offset, 0, 0)
}

/// Compare what was loaded; skip so many instructions when equal, so many when not.
pub(crate) const fn jump_if_equal(value: u32, equal: u8, other: u8) -> sock_filter {
    instruction(BPF_JMP | BPF_JEQ | BPF_K, value, equal, other)
}

/// End: the socket gets all of it.
pub(crate) const ACCEPT: sock_filter = instruction(BPF_RET | BPF_K, u32::MAX, 0, 0);

/// End: the socket gets nothing. A load beyond the end of the data does the same.
pub(crate) const DROP: sock_filter = instruction(BPF_RET | BPF_K, 0, 0, 0);

/// Offset of what the kernel knows of a packet, its type: to us, to others, from us.
pub(crate) const PACKET_TYPE: u32 = SKF_AD_OFF + 4;

const fn instruction(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// Let a socket receive only what the program accepts. Needs no privilege.
#[allow(unsafe_code, reason = "no safe wrapper offers SO_ATTACH_FILTER")]
pub(crate) fn attach(socket: BorrowedFd<'_>, program: &[sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).expect("a program is short"),
        // The kernel copies the instructions and writes nothing.
        filter: program.as_ptr().cast_mut(),
    };
    let len = libc::socklen_t::try_from(size_of_val(&program)).expect("small");
    // SAFETY: the descriptor is open as long as it is borrowed; pointer and length describe one
    // live structure, whose pointer and length describe the live instructions. The kernel only
    // reads both.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            std::ptr::from_ref(&program).cast(),
            len,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Let nobody who holds the socket change its filter any more.
pub(crate) fn lock(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on = libc::c_int::from(true).to_ne_bytes();
    option::set(&socket, libc::SOL_SOCKET, libc::SO_LOCK_FILTER, &on)
}

const BPF_LD: u16 = 0x00;
const BPF_JMP: u16 = 0x05;
const BPF_RET: u16 = 0x06;
const BPF_H: u16 = 0x08;
const BPF_B: u16 = 0x10;
const BPF_ABS: u16 = 0x20;
const BPF_JEQ: u16 = 0x10;
const BPF_K: u16 = 0x00;

/// Offsets from here on are not in the packet.
const SKF_AD_OFF: u32 = 0xffff_f000;
