//! What control does: serve clients on sockets that it was given or accepted.

use libc::*;
use privsep::sandbox::{Rule, allow, allow_if, arg};

use super::calls::{LIBRARY, LOOP};

pub const TABLES: &[&[Rule]] = &[LIBRARY, LOOP, CLIENTS];

const CLIENTS: &[Rule] = &[
    allow(SYS_accept4, "a client comes"),
    allow(SYS_sendto, "bytes to a client"),
    allow(SYS_readv, "a client's bytes"),
    allow(SYS_shutdown, "a client goes"),
    allow(SYS_getsockname, "the runtime asks what kind of socket it was given"),
    allow(SYS_getpeername, "the runtime asks whom it is connected to"),
    allow_if(SYS_ioctl, &[arg(1).one_of(&[FIONBIO as u32])], "the runtime never blocks on a socket"),
];
