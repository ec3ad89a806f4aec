//! System calls that a daemon never needs, and sockets that only listen.
//!
//! What is refused is listed, not what is allowed: the units of systemd do that, too, and a library that finds a new way
//! to do the same must not end a daemon. A refused call fails with `EPERM`.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
#[error("cannot install a system call filter")]
pub struct FilterError(#[from] seccompiler::Error);

/// Refuse system calls from now on, for this thread and those that it starts: to run or look into other processes, to
/// change what the kernel consists of and what the process sees of the file system, and ways around this filter. With
/// sockets in the list also to send on these, and whatever would give one of them another number.
///
/// [`super::enter`] first: it takes the right to gain anything away, which the kernel asks for.
///
/// # Errors
///
/// When the kernel has no filters, or no such for this machine.
pub fn refuse_calls(listening: &[BorrowedFd<'_>]) -> Result<(), FilterError> {
    let program = program(listening).map_err(seccompiler::Error::Backend)?;
    Ok(apply_filter(&program)?)
}

fn program(listening: &[BorrowedFd<'_>]) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = NEVER.map(|call| (call, Vec::new())).into();
    if !listening.is_empty() {
        // A message can carry a socket to another one of the same process, where it gets another number.
        rules.extend([libc::SYS_sendmsg, libc::SYS_sendmmsg].map(|call| (call, Vec::new())));
    }
    for socket in listening {
        // Of arguments that are numbers of files the kernel looks at the lower half.
        let is = |argument, value| {
            SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
        };
        let number = u64::try_from(socket.as_raw_fd()).expect("an open file has a number");
        for call in SENDS.iter().chain(DUPLICATES) {
            let rule = SeccompRule::new(vec![is(0, number)?])?;
            rules.entry(*call).or_default().push(rule);
        }
        for command in [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC] {
            let command = u64::try_from(command).expect("a command is not negative");
            let rule = SeccompRule::new(vec![is(0, number)?, is(1, command)?])?;
            rules.entry(libc::SYS_fcntl).or_default().push(rule);
        }
    }
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let machine = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, machine)?.try_into()
}

const NEVER: [i64; 39] = [
    // Other programs and processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_perf_event_open,
    // The kernel.
    libc::SYS_bpf,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // What the process sees.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_setns,
    libc::SYS_unshare,
    // Ways around a filter of calls.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_vmsplice,
    libc::SYS_personality,
];

/// Of these the first argument is what is sent on; `sendmsg` and `sendmmsg` are refused altogether.
const SENDS: &[i64] = &[
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_sendto,
];

/// Of these it is what gets another number.
const DUPLICATES: &[i64] = &[
    libc::SYS_dup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    libc::SYS_dup3,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{IoSlice, Read as _, Write as _};
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    fn is_refused<T: std::fmt::Debug>(what: &str, result: std::io::Result<T>) {
        let error = result.expect_err(what);
        assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{what}: {error}");
    }

    /// Filters are per thread: one is sacrificed.
    fn filtered(work: impl FnOnce() + Send + 'static) {
        std::thread::spawn(move || {
            crate::sandbox::enter(None).unwrap();
            work();
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_socket_that_only_listens_cannot_be_sent_on_nor_get_another_number() {
        filtered(|| {
            let (mut listening, mut peer) = UnixStream::pair().unwrap();
            let (mut other, _kept) = UnixStream::pair().unwrap();
            refuse_calls(&[listening.as_fd()]).unwrap();
            is_refused("write", listening.write(b"x"));
            is_refused("writev", listening.write_vectored(&[IoSlice::new(b"x")]));
            is_refused("fcntl", listening.try_clone());
            is_refused("dup", nix::unistd::dup(&listening).map_err(Into::into));
            let flags = nix::sys::socket::MsgFlags::empty();
            let fd = listening.as_raw_fd();
            let sent = nix::sys::socket::send(fd, b"x", flags);
            is_refused("sendto", sent.map_err(Into::into));
            // Nor can it be handed over.
            let rights = [nix::sys::socket::ControlMessage::ScmRights(&[fd])];
            let bytes = [IoSlice::new(b"x")];
            let to = other.as_raw_fd();
            let sent = nix::sys::socket::sendmsg::<()>(to, &bytes, &rights, flags, None);
            is_refused("sendmsg", sent.map_err(Into::into));
            // It listens, and others send.
            peer.write_all(b"y").unwrap();
            listening.read_exact(&mut [0]).unwrap();
            other.write_all(b"z").unwrap();
            other.try_clone().unwrap();
        });
    }

    #[test]
    fn no_other_program_is_run_and_threads_are_bound_as_well() {
        filtered(|| {
            refuse_calls(&[]).unwrap();
            is_refused("execve", Command::new("/bin/true").status());
            let flags = nix::sched::CloneFlags::CLONE_NEWUSER;
            let unshared = std::thread::spawn(move || nix::sched::unshare(flags)).join();
            is_refused("unshare", unshared.unwrap().map_err(Into::into));
        });
    }
}
