//! What several roles do.

use libc::*;
use privsep::sandbox::{Rule, allow, allow_if, arg, refuse};

/// `PROT_EXEC` as the kernel compares it.
const EXECUTABLE: u32 = PROT_EXEC.cast_unsigned();

/// What the language and the C library do in any thread.
pub const LIBRARY: &[Rule] = &[
    allow(SYS_futex, "locks, and waiting for threads"),
    allow(SYS_brk, "memory of the allocator"),
    allow_if(
        SYS_mmap,
        &[arg(2).without(EXECUTABLE)],
        "memory of the allocator, stacks, shared memory; never code",
    ),
    allow_if(SYS_mprotect, &[arg(2).without(EXECUTABLE)], "growing an arena, guard pages; never code"),
    allow(SYS_munmap, "give memory back"),
    allow(SYS_mremap, "grow a large allocation"),
    allow(SYS_madvise, "give pages back, ask for huge ones"),
    allow(SYS_close, "end of a descriptor's life"),
    allow_if(
        SYS_fcntl,
        &[arg(1).one_of(&[F_GETFD.cast_unsigned()])],
        "debug builds look whether a descriptor that is closed is open",
    ),
    allow(SYS_write, "log, events, terminals"),
    allow(SYS_writev, "last words of the C library"),
    allow(SYS_clock_gettime, "the time, where the vdso does not know it"),
    allow(SYS_clock_nanosleep, "a pause"),
    allow(SYS_restart_syscall, "a pause that was interrupted"),
    allow(SYS_sched_yield, "contended locks"),
    allow(SYS_sched_getaffinity, "number of processors, for the allocator"),
    allow(SYS_getrandom, "seeds of hash tables"),
    allow(SYS_getpid, "log lines and aborting"),
    allow(SYS_gettid, "locks that know their thread, and aborting"),
    allow_if(SYS_tgkill, &[arg(0).own_process()], "abort, and waking own threads"),
    allow(SYS_rt_sigprocmask, "around making and ending threads"),
    allow(SYS_rt_sigreturn, "end of a signal handler"),
    allow(SYS_sigaltstack, "report of a stack overflow, at a thread's beginning and end"),
    allow(SYS_exit, "end of a thread"),
    allow(SYS_exit_group, "end of the process"),
];

/// Waiting, and talking over a channel.
pub const LOOP: &[Rule] = &[
    allow(SYS_epoll_create1, "the event loop"),
    allow(SYS_epoll_ctl, "what the event loop watches"),
    allow(SYS_epoll_wait, "the event loop"),
    allow(SYS_epoll_pwait, "the event loop"),
    allow(SYS_epoll_pwait2, "the event loop"),
    allow(SYS_poll, "handshakes with a time limit"),
    allow(SYS_ppoll, "handshakes with a time limit"),
    allow(SYS_eventfd2, "waking the event loop"),
    allow(SYS_read, "events"),
    allow(SYS_recvfrom, "how long the next message is"),
    allow(SYS_recvmsg, "messages of other roles"),
    allow(SYS_sendmsg, "messages to other roles"),
    allow_if(
        SYS_fcntl,
        &[arg(1).one_of(&[
            F_DUPFD_CLOEXEC.cast_unsigned(),
            F_SETFD.cast_unsigned(),
            F_GETFL.cast_unsigned(),
            F_SETFL.cast_unsigned(),
        ])],
        "descriptors of waiting messages; close-on-exec and non-blocking",
    ),
    allow_if(
        SYS_getsockopt,
        &[arg(1).one_of(&[SOL_SOCKET.cast_unsigned()])],
        "what kind of socket it was given",
    ),
];

/// Making threads. The flags of `clone3` lie in memory, where a filter can not see them: the C library then
/// falls back to `clone`.
pub const THREADS: &[Rule] = &[
    refuse(SYS_clone3, "tried first by the C library"),
    allow_if(SYS_clone, &[arg(0).one_of(&[THREAD_FLAGS])], "a thread; never a process or a namespace"),
    allow(SYS_rt_sigaction, "signals of the C library itself, before the first thread"),
    allow(SYS_set_robust_list, "beginning of a thread"),
    allow(SYS_rseq, "beginning of a thread"),
    allow_if(SYS_prctl, &[arg(0).one_of(&[PR_SET_NAME.cast_unsigned()])], "the name of a thread"),
];

/// What the C library asks for, no more and no less.
const THREAD_FLAGS: u32 = (CLONE_VM
    | CLONE_FS
    | CLONE_FILES
    | CLONE_SIGHAND
    | CLONE_THREAD
    | CLONE_SYSVSEM
    | CLONE_SETTLS
    | CLONE_PARENT_SETTID
    | CLONE_CHILD_CLEARTID)
    .cast_unsigned();

/// Installing a further filter.
pub const TIGHTEN: &[Rule] = &[
    allow_if(
        SYS_prctl,
        &[arg(0).one_of(&[PR_SET_NO_NEW_PRIVS.cast_unsigned()])],
        "asked for by the kernel before a filter",
    ),
    allow_if(SYS_seccomp, &[arg(0).one_of(&[SECCOMP_SET_MODE_FILTER])], "install a further filter"),
];

/// What a program does between its execution and the end of its own confinement, where there is no file
/// system to look at and nothing left to give up but what is named here.
pub const START: &[Rule] = &[
    allow(SYS_arch_prctl, "thread-local storage"),
    allow(SYS_set_tid_address, "thread-local storage"),
    allow(SYS_prlimit64, "size of the stack; forbidding core files"),
    allow(SYS_rt_sigaction, "ignoring SIGPIPE, report of a stack overflow"),
    allow(SYS_poll, "are the standard descriptors open?"),
    refuse(SYS_readlink, "where is the binary? There is no file system to tell"),
    refuse(SYS_readlinkat, "where is the binary? There is no file system to tell"),
    refuse(SYS_open, "bounds of the first stack, from /proc, which is not there"),
    refuse(SYS_openat, "bounds of the first stack, from /proc, which is not there"),
    allow_if(SYS_unshare, &[arg(0).one_of(&[CLONE_THREAD.cast_unsigned()])], "is there but one thread?"),
    allow_if(
        SYS_prctl,
        &[arg(0).one_of(&[
            PR_CAPBSET_READ.cast_unsigned(),
            PR_CAP_AMBIENT.cast_unsigned(),
            PR_SET_DUMPABLE.cast_unsigned(),
        ])],
        "giving up capabilities and being traced",
    ),
    allow(SYS_capget, "which capabilities are there to give up?"),
    allow(SYS_capset, "giving up capabilities"),
];
