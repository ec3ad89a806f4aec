//! System calls that a daemon never needs, and sockets that only listen.
//!
//! What is refused is listed, not what is allowed: the units of systemd do that, too, and a library that finds a new way
//! to do the same must not end a daemon. A refused call fails with `EPERM`.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter, sock_filter,
};
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
#[error("cannot install a system call filter")]
pub struct FilterError(#[from] seccompiler::Error);

/// Refuse system calls from now on, for this thread and those that it starts: to run or look into other processes, to
/// change what the kernel consists of and what the process sees of the file system, to type at the terminal that the
/// daemon was started from, and ways around this filter. With sockets in the list also to send on these, and whatever
/// would give one of them another number.
///
/// [`super::enter`] first: it takes the right to gain anything away, which the kernel asks for.
///
/// # Errors
///
/// When the kernel has no filters, or no such for this machine.
pub fn refuse_calls(listening: &[BorrowedFd<'_>]) -> Result<(), FilterError> {
    let program = program(listening).map_err(seccompiler::Error::Backend)?;
    let without_clone3 = without_clone3().map_err(seccompiler::Error::Backend)?;
    apply_filter(&program)?;
    apply_filter(&without_clone3)?;
    if cfg!(target_arch = "x86_64") {
        apply_filter(&NO_X32)?;
    }
    Ok(())
}

fn program(listening: &[BorrowedFd<'_>]) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = NEVER.map(|call| (call, Vec::new())).into();
    if !listening.is_empty() {
        // A message can carry a socket to another one of the same process, where it gets another number.
        rules.extend([libc::SYS_sendmsg, libc::SYS_sendmmsg].map(|call| (call, Vec::new())));
    }
    // Of arguments that are numbers of files, commands or flags the kernel looks at the lower half.
    let is = |argument, value| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
    };
    for namespace in NAMESPACES {
        let flag = u64::from(namespace.unsigned_abs());
        let has = SeccompCmpOp::MaskedEq(flag);
        let has = SeccompCondition::new(CLONE_FLAGS, SeccompCmpArgLen::Dword, has, flag)?;
        let rule = SeccompRule::new(vec![has])?;
        rules.entry(libc::SYS_clone).or_default().push(rule);
    }
    for command in TYPES {
        let rule = SeccompRule::new(vec![is(1, command)?])?;
        rules.entry(libc::SYS_ioctl).or_default().push(rule);
    }
    for socket in listening {
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
    refusing(rules, libc::EPERM)
}

/// The flags of `clone3` are in memory, where no filter can look. A kernel that does not know it is asked with `clone`.
fn without_clone3() -> Result<BpfProgram, seccompiler::BackendError> {
    refusing([(libc::SYS_clone3, Vec::new())].into(), libc::ENOSYS)
}

fn refusing(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    error: i32,
) -> Result<BpfProgram, seccompiler::BackendError> {
    let refuse = SeccompAction::Errno(error.unsigned_abs());
    let machine = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, machine)?.try_into()
}

/// Every call has a second number in the ABI called x32, which has this bit; the rules above are about the first ones.
/// The only range that is looked at, which rules of the library cannot say. Other machines were told apart before.
const NO_X32: [sock_filter; 4] = {
    // Of classic BPF: load a word, jump if not less, return.
    const LOAD: u16 = 0x20;
    const NOT_LESS: u16 = 0x35;
    const RETURN: u16 = 0x06;
    // Where `struct seccomp_data` has the number.
    const NUMBER: u32 = 0;
    const X32: u32 = 0x4000_0000;
    const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    [
        instruction(LOAD, 0, NUMBER),
        instruction(NOT_LESS, 1, X32),
        instruction(RETURN, 0, REFUSE),
        instruction(RETURN, 0, libc::SECCOMP_RET_ALLOW),
    ]
};

/// One that skips so many others where its condition does not hold.
const fn instruction(code: u16, otherwise: u8, k: u32) -> sock_filter {
    sock_filter {
        code,
        jt: 0,
        jf: otherwise,
        k,
    }
}

/// Which argument of `clone` its flags are, on the machines that there are filters for.
const CLONE_FLAGS: u8 = 0;

/// Flags of `clone` that make a namespace, in which a process has every capability.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Commands to a terminal that have the shell behind it take something for typed (`ioctl_tty(2)`).
const TYPES: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

const NEVER: [i64; 44] = [
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
    libc::SYS_io_setup,
    libc::SYS_io_submit,
    libc::SYS_io_getevents,
    libc::SYS_io_cancel,
    libc::SYS_io_destroy,
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

    /// The error of a system call that has to fail.
    #[allow(unsafe_code)]
    fn error_of(number: i64, [a, b, c]: [i64; 3]) -> Option<i32> {
        // SAFETY: no argument is an address, and a child does nothing but end.
        let result = unsafe { libc::syscall(number, a, b, c, 0, 0, 0) };
        if result == 0 && number == libc::SYS_clone {
            // SAFETY: it ends without running anything of its parent's.
            unsafe { libc::_exit(0) }
        }
        (result == -1).then(|| std::io::Error::last_os_error().raw_os_error().unwrap())
    }

    #[test]
    fn no_namespace_is_made_by_whichever_call_and_threads_still_are() {
        filtered(|| {
            refuse_calls(&[]).unwrap();
            // Without the filter the kernel finds the flags wrong before it looks for a capability.
            for namespace in NAMESPACES {
                let flags = i64::from(namespace | libc::CLONE_SIGHAND);
                let error = error_of(libc::SYS_clone, [flags, 0, 0]);
                assert_eq!(error, Some(libc::EPERM), "{namespace:#x}");
            }
            let flags = i64::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
            let error = error_of(libc::SYS_clone, [flags, 0, 0]);
            assert_eq!(error, Some(libc::EPERM));
            // Whoever asks goes on with `clone`.
            assert_eq!(error_of(libc::SYS_clone3, [0; 3]), Some(libc::ENOSYS));
            assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
        });
    }

    #[test]
    fn there_is_no_way_around_by_other_numbers_or_queues_of_calls() {
        filtered(|| {
            refuse_calls(&[]).unwrap();
            for call in [
                libc::SYS_io_setup,
                libc::SYS_io_submit,
                libc::SYS_io_uring_setup,
            ] {
                assert_eq!(error_of(call, [0; 3]), Some(libc::EPERM), "{call}");
            }
            #[cfg(target_arch = "x86_64")]
            for call in [libc::SYS_getpid, libc::SYS_execve, 520] {
                let error = error_of(0x4000_0000 | call, [0; 3]);
                assert_eq!(error, Some(libc::EPERM), "{call} of x32");
            }
        });
    }

    #[test]
    fn nothing_is_typed_at_a_terminal() {
        filtered(|| {
            refuse_calls(&[]).unwrap();
            let (socket, _other) = UnixStream::pair().unwrap();
            let fd = i64::from(socket.as_raw_fd());
            for command in TYPES {
                let command = i64::try_from(command).unwrap();
                let error = error_of(libc::SYS_ioctl, [fd, command, 0]);
                assert_eq!(error, Some(libc::EPERM), "{command:#x}");
            }
            // Other commands are none of its business.
            socket.set_nonblocking(true).unwrap();
        });
    }
}
