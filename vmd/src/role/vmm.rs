//! What vmm does: start the processes of machines, talk to them, end them.

use libc::*;
use privsep::SPAWN_FLAGS;
use privsep::sandbox::{Rule, allow, allow_if, arg};

use super::calls::{LIBRARY, LOOP, START};

/// Without what its children do, which comes on top of it.
pub const TABLES: &[&[Rule]] = &[LIBRARY, LOOP, CHILDREN, START];

const CHILDREN: &[Rule] = &[
    allow_if(SYS_socketpair, &[arg(0).one_of(&[AF_UNIX.cast_unsigned()])], "the channel of a new process"),
    allow_if(SYS_clone, &[arg(0).one_of(&[SPAWN_FLAGS])], "a new process; never a namespace"),
    allow(SYS_setsid, "in the new process: out of reach of the terminal"),
    allow(SYS_dup2, "in the new process: its descriptors to their places"),
    allow(SYS_close_range, "in the new process: no other descriptors"),
    allow(SYS_rt_sigaction, "in the new process: no signal ignored"),
    allow_if(
        SYS_execveat,
        &[arg(4).one_of(&[AT_EMPTY_PATH.cast_unsigned()])],
        "in the new process: the own binary, by its descriptor; there is no other file to execute",
    ),
    allow(SYS_tgkill, "in the new process: waking own threads. It has no id yet to compare with"),
    allow(SYS_waitid, "how a process ended"),
    allow(SYS_tgkill, "in the new process: as in any other, where its own filter sees to its own threads"),
    allow(SYS_pidfd_send_signal, "end a process that does not end by itself"),
];
