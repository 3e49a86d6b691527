//! What the parent does, once its children exist: open what machines need, and keep the daemon's directory.

use libc::*;
use privsep::sandbox::{Rule, allow, allow_if, arg};

use super::calls::{LIBRARY, LOOP};

pub const TABLES: &[&[Rule]] = &[LIBRARY, LOOP, FILES, DIRECTORY, TERMINALS, OUTSIDE];

const FILES: &[Rule] = &[
    allow(SYS_openat, "configuration, accounts, images, kernels, /dev/kvm, statistics of a process"),
    allow(SYS_statx, "what kind of file it is, and how large"),
    allow(SYS_fstat, "what kind of file it is, and how large"),
    allow(SYS_newfstatat, "what kind of file it is, and how large"),
    allow(SYS_lseek, "how much of a file is left to read"),
    allow(SYS_pread64, "look at the beginning of an image"),
    allow(SYS_getdents64, "entries of a directory"),
    allow(SYS_readlink, "the true name of a file"),
    allow(SYS_readlinkat, "the true name of a file"),
    allow(SYS_getcwd, "the true name of a file"),
    allow_if(
        SYS_fcntl,
        &[arg(1).one_of(&[F_OFD_SETLK.cast_unsigned(), F_OFD_GETLK.cast_unsigned()])],
        "lock an image for one machine; who has it?",
    ),
    allow(SYS_flock, "one daemon for each directory"),
];

const DIRECTORY: &[Rule] = &[
    allow(SYS_mkdir, "directory of a machine"),
    allow(SYS_mkdirat, "directory of a machine"),
    allow(SYS_unlink, "sockets and notes of what is gone"),
    allow(SYS_unlinkat, "sockets and notes of what is gone"),
    allow(SYS_rmdir, "directory of a machine"),
    allow(SYS_rename, "exchange a note as a whole"),
    allow(SYS_renameat2, "exchange a note as a whole"),
    allow(SYS_ftruncate, "write a note anew"),
    allow(SYS_fsync, "a note that outlives a crash of the host"),
    allow(SYS_fdatasync, "a note that outlives a crash of the host"),
    allow(SYS_chmod, "who may connect to a socket"),
    allow(SYS_fchmodat, "who may connect to a socket"),
    allow(SYS_chown, "who may connect to a socket"),
    allow(SYS_fchownat, "who may connect to a socket"),
    allow_if(
        SYS_socket,
        &[arg(0).one_of(&[AF_UNIX.cast_unsigned()])],
        "socket of a machine; a word to the service manager",
    ),
    allow(SYS_bind, "socket of a machine"),
    allow(SYS_listen, "socket of a machine"),
    allow(SYS_connect, "take over a process of an earlier daemon; a word to the service manager"),
];

/// Requests to a pty (ioctl_tty(2)): its number, its lock, its user's side, its modes in both forms, what its user
/// has not read.
const TERMINAL: &[u32] = &[
    TIOCGPTN as u32,
    TIOCSPTLCK as u32,
    TIOCGPTPEER as u32,
    TCGETS as u32,
    TCSETS as u32,
    TCGETS2 as u32,
    TCSETS2 as u32,
    FIONBIO as u32,
    FIONREAD as u32,
];

const TERMINALS: &[Rule] = &[
    allow(SYS_open, "the C library opens a new terminal this way"),
    allow_if(SYS_ioctl, &[arg(1).one_of(TERMINAL)], "make a console's terminal, raw and non-blocking"),
    allow(SYS_fchown, "give the terminal to the machine's owner"),
    allow(SYS_fchmod, "and to nobody else"),
    allow(SYS_inotify_init1, "see when somebody opens the terminal"),
    allow(SYS_inotify_add_watch, "see when somebody opens the terminal"),
];

const OUTSIDE: &[Rule] = &[
    allow(SYS_signalfd4, "being told to stop or to read the configuration again"),
    allow(SYS_waitid, "how a child ended"),
    allow(SYS_pidfd_open, "hold on to a process of an earlier daemon while it is checked and handed on"),
    allow(SYS_pidfd_send_signal, "end a child that does not end by itself"),
    allow(SYS_sendto, "a word to the service manager"),
    allow(SYS_sysinfo, "how much memory the host has"),
    allow(SYS_uname, "name of the host, in the log"),
    allow(SYS_geteuid, "is it root?"),
    allow(SYS_getuid, "is it root?"),
];
