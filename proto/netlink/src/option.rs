//! Options of sockets that no safe wrapper offers.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

/// Read an option into these bytes, of which it may take fewer.
#[allow(unsafe_code, reason = "no safe wrapper offers these options")]
pub(crate) fn get(socket: &impl AsFd, level: i32, name: i32, value: &mut [u8]) -> io::Result<()> {
    let mut len = libc::socklen_t::try_from(value.len()).expect("an option is small");
    let socket = socket.as_fd();
    // SAFETY: the descriptor is open as long as it is borrowed; the kernel writes at most `len` bytes, which are live.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            value.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Set an option to these bytes.
#[allow(unsafe_code, reason = "no safe wrapper offers these options")]
pub(crate) fn set(socket: &impl AsFd, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    let len = libc::socklen_t::try_from(value.len()).expect("an option is small");
    let socket = socket.as_fd();
    // SAFETY: the descriptor is open as long as it is borrowed, and pointer and length describe live bytes, which the
    // kernel only reads.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), len) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
