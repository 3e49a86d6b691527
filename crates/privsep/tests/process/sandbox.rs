//! What a confined process can not do any more, tried.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use libc::*;
use privsep::sandbox::{CapabilitySet, Filter, Identity, Rule, Sandbox, allow, allow_if, arg, refuse};
use privsep::{Channel, Executable, Exit};

use super::{Act, Needs, Test, ToTest, say, start};

pub const TESTS: &[Test] = &[
    ("nothing_of_root_is_left", Needs::Root, nothing_of_root),
    ("the_empty_root_is_all_there_is", Needs::Root, empty_root),
    ("a_kept_capability_works_and_no_other", Needs::Root, kept_capability),
    ("a_second_thread_is_refused", Needs::Nothing, second_thread),
    ("a_call_outside_the_filter_is_deadly", Needs::Root, deadly_calls),
    ("a_call_inside_the_filter_is_made", Needs::Root, harmless_calls),
    ("a_refused_call_fails_and_is_not_made", Needs::Root, refused_call),
    ("a_thread_can_be_tightened_alone", Needs::Root, tightened_thread),
    ("the_own_binary_executes_from_an_empty_root", Needs::Root, execute_from_empty_root),
];

pub const ACTS: &[Act] = &[
    ("rights", rights),
    ("look-around", look_around),
    ("capability", capability),
    ("two-threads", two_threads),
    ("call", call),
    ("thread", thread),
    ("execute", execute),
];

/// The user `nobody`.
const NOBODY: Identity = Identity { uid: 65534, gid: 65534 };

/// What the acts need to do their work and to tell of it.
const RULES: &[Rule] = &[
    allow(SYS_sendmsg, "tell"),
    allow(SYS_write, "panics"),
    allow(SYS_writev, "panics"),
    allow(SYS_close, "end"),
    allow_if(SYS_fcntl, &[arg(1).one_of(&[F_GETFD as u32])], "end: the standard library's own checks"),
    allow(SYS_munmap, "end"),
    allow(SYS_sigaltstack, "end"),
    allow(SYS_exit, "end"),
    allow(SYS_exit_group, "end"),
    allow(SYS_brk, "memory"),
    allow(SYS_futex, "threads"),
    allow(SYS_madvise, "threads"),
    allow(SYS_rt_sigprocmask, "threads"),
    allow(SYS_set_robust_list, "threads"),
    allow(SYS_rseq, "threads"),
    allow(SYS_gettid, "threads"),
    allow(SYS_sched_yield, "threads: contended locks"),
    allow(SYS_clock_gettime, "time limits, where the vdso can not tell the time"),
    allow(SYS_getpid, "threads"),
    allow(SYS_sched_getaffinity, "threads"),
    allow(SYS_rt_sigaction, "threads"),
    refuse(SYS_clone3, "threads"),
    allow_if(SYS_clone, &[arg(0).one_of(&[0x003d_0f00])], "threads"),
    allow_if(SYS_mmap, &[arg(2).without(PROT_EXEC as u32)], "memory"),
    allow_if(SYS_mprotect, &[arg(2).without(PROT_EXEC as u32)], "memory"),
    allow_if(SYS_tgkill, &[arg(0).own_process()], "tried"),
    allow_if(SYS_ioctl, &[arg(1).one_of(&[FIONREAD as u32])], "tried"),
    refuse(SYS_uname, "tried"),
    allow(SYS_prctl, "tightening"),
    allow(SYS_seccomp, "tightening"),
];

/// Asking for all that is left.
const ASKING: &[Rule] = &[
    allow(SYS_getresuid, "asked"),
    allow(SYS_getresgid, "asked"),
    allow(SYS_getgroups, "asked"),
    allow(SYS_capget, "asked"),
    allow(SYS_prlimit64, "asked"),
    allow(SYS_setuid, "tried"),
];

/// Looking for files.
const LOOKING: &[Rule] = &[
    allow(SYS_openat, "tried"),
    allow(SYS_statx, "tried"),
    allow(SYS_fstat, "tried"),
    allow(SYS_newfstatat, "tried"),
    allow(SYS_getdents64, "tried"),
    allow(SYS_fcntl, "tried"),
];

/// Asking for a privilege.
const PRIVILEGED: &[Rule] =
    &[allow(SYS_capget, "asked"), allow(SYS_getuid, "asked"), allow(SYS_setuid, "tried")];

/// Starting a process, which inherits this, and its own start.
const SPAWNING: &[Rule] = &[
    allow(SYS_socketpair, "channel"),
    allow(SYS_fcntl, "channel"),
    allow(SYS_getsockopt, "channel"),
    allow(SYS_recvfrom, "channel"),
    allow(SYS_recvmsg, "channel"),
    allow(SYS_poll, "channel"),
    allow(SYS_ppoll, "channel"),
    allow_if(SYS_clone, &[arg(0).one_of(&[privsep::SPAWN_FLAGS])], "spawn"),
    allow(SYS_setsid, "spawn"),
    allow(SYS_dup2, "spawn"),
    allow(SYS_close_range, "spawn"),
    allow_if(SYS_execveat, &[arg(4).one_of(&[AT_EMPTY_PATH as u32])], "spawn"),
    allow(SYS_waitid, "spawn"),
    allow(SYS_arch_prctl, "start"),
    allow(SYS_set_tid_address, "start"),
    allow(SYS_prlimit64, "start"),
    allow(SYS_getrandom, "start"),
    refuse(SYS_readlink, "start"),
    refuse(SYS_openat, "start"),
];

fn confine(root: &Path, capabilities: CapabilitySet, further: &'static [Rule]) {
    let filter = Filter::new(RULES.iter().chain(further)).unwrap();
    Sandbox { root: Some(root), identity: Some(NOBODY), capabilities, filter }.enter().unwrap();
}

/// A directory with nothing in it that everybody may enter. Gone with the test.
struct Empty(PathBuf);

impl Empty {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("privsep-test-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).unwrap();
    }
}

fn nothing_of_root() {
    let empty = Empty::new();
    assert_eq!(
        start("rights", &[empty.path()]).finish(),
        [
            "uids 65534 65534 65534",
            "gids 65534 65534 65534",
            "groups []",
            "capabilities CapabilitySets { effective: CapabilitySet(0x0), permitted: CapabilitySet(0x0), \
             inheritable: CapabilitySet(0x0) }",
            "bounding set 0",
            "no new privileges true",
            "dumpable 0",
            "core limit 0",
            "setuid: Operation not permitted (os error 1)",
        ]
    );
}

fn rights(mut channel: ToTest, args: &[String]) {
    let (umask, groups) = (rustix::process::Resource::Core, rustix::process::getgroups);
    confine(Path::new(&args[0]), CapabilitySet::empty(), ASKING);
    let (mut r, mut e, mut s) = (0, 0, 0);
    // SAFETY: three places to write to.
    unsafe { getresuid(&raw mut r, &raw mut e, &raw mut s) };
    say(&mut channel, format!("uids {r} {e} {s}"));
    // SAFETY: three places to write to.
    unsafe { getresgid(&raw mut r, &raw mut e, &raw mut s) };
    say(&mut channel, format!("gids {r} {e} {s}"));
    say(&mut channel, format!("groups {:?}", groups().unwrap()));
    say(&mut channel, format!("capabilities {:?}", rustix::thread::capabilities(None).unwrap()));
    // SAFETY: PR_CAPBSET_READ takes a number.
    let bounding = (0..40).filter(|cap| unsafe { prctl(PR_CAPBSET_READ, *cap) } == 1).count();
    say(&mut channel, format!("bounding set {bounding}"));
    say(&mut channel, format!("no new privileges {}", rustix::thread::no_new_privs().unwrap()));
    // SAFETY: PR_GET_DUMPABLE takes nothing.
    say(&mut channel, format!("dumpable {}", unsafe { prctl(PR_GET_DUMPABLE) }));
    say(&mut channel, format!("core limit {}", rustix::process::getrlimit(umask).maximum.unwrap()));
    // SAFETY: takes a number.
    let failed = unsafe { syscall(SYS_setuid, 0) } == -1;
    say(
        &mut channel,
        format!("setuid: {}", if failed { io::Error::last_os_error().to_string() } else { "done".into() }),
    );
}

fn empty_root() {
    let empty = Empty::new();
    assert_eq!(
        start("look-around", &[empty.path()]).finish(),
        ["/etc/passwd gone", "../../../etc/passwd gone", "/proc gone", "0 entries in ."]
    );
}

fn look_around(mut channel: ToTest, args: &[String]) {
    confine(Path::new(&args[0]), CapabilitySet::empty(), LOOKING);
    for path in ["/etc/passwd", "../../../etc/passwd", "/proc"] {
        let gone = File::open(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        say(&mut channel, format!("{path} {}", if gone { "gone" } else { "still there" }));
    }
    say(&mut channel, format!("{} entries in .", fs::read_dir(".").unwrap().count()));
}

fn kept_capability() {
    let empty = Empty::new();
    assert_eq!(
        start("capability", &[empty.path()]).finish(),
        ["uid 65534, CapabilitySet(NET_ADMIN)", "setuid fails"]
    );
}

fn capability(mut channel: ToTest, args: &[String]) {
    confine(Path::new(&args[0]), CapabilitySet::NET_ADMIN, PRIVILEGED);
    let effective = rustix::thread::capabilities(None).unwrap().effective;
    say(&mut channel, format!("uid {}, {effective:?}", rustix::process::getuid().as_raw()));
    // SAFETY: takes a number.
    let failed = unsafe { syscall(SYS_setuid, 0) } == -1;
    say(&mut channel, format!("setuid {}", if failed { "fails" } else { "works" }));
}

fn second_thread() {
    let said = start("two-threads", &[]).finish();
    assert_eq!(said, ["cannot confine the process: it has more than one thread"]);
}

fn two_threads(mut channel: ToTest, _: &[String]) {
    let (_stay, stop) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || stop.recv());
    let filter = Filter::new(RULES).unwrap();
    let sandbox = Sandbox { root: None, identity: None, capabilities: CapabilitySet::empty(), filter };
    say(&mut channel, sandbox.enter().unwrap_err().to_string());
}

fn run_call(name: &str) -> (Vec<String>, Exit) {
    let empty = Empty::new();
    let mut running = start("call", &[empty.path(), name]);
    let said = std::iter::from_fn(|| running.hear().ok()).collect();
    (said, running.child.wait().unwrap())
}

fn deadly_calls() {
    for name in
        ["open", "execute", "socket", "setuid", "map-code", "make-code", "other-ioctl", "kill-other", "fork"]
    {
        let (said, exit) = run_call(name);
        assert_eq!((said.len(), exit), (1, Exit::Signal(SIGSYS)), "{name}: {said:?}");
    }
}

fn harmless_calls() {
    for name in ["map", "ioctl", "kill-self"] {
        let (said, exit) = run_call(name);
        assert_eq!((said.len(), exit), (2, Exit::Status(0)), "{name}: {said:?}");
    }
}

fn refused_call() {
    let (said, exit) = run_call("refused");
    assert_eq!((said[1].as_str(), exit), ("-1 38", Exit::Status(0)), "ENOSYS");
}

/// Makes one call by its number, and tells what it returned.
fn call(mut channel: ToTest, args: &[String]) {
    let process = std::process::id();
    confine(Path::new(&args[0]), CapabilitySet::empty(), &[]);
    say(&mut channel, "confined");
    let one = |number, a: i64, b: i64, c: i64, d: i64, e: i64| {
        // SAFETY: the addresses among the arguments are those of static strings, or chosen by the kernel.
        unsafe { syscall(number, a, b, c, d, e, 0) }
    };
    let path = c"/etc/passwd".as_ptr() as i64;
    let anonymous = i64::from(MAP_PRIVATE | MAP_ANONYMOUS);
    let result = match args[1].as_str() {
        "open" => one(SYS_openat, AT_FDCWD.into(), path, 0, 0, 0),
        "execute" => one(SYS_execveat, 3, c"".as_ptr() as i64, 0, 0, AT_EMPTY_PATH.into()),
        "socket" => one(SYS_socket, AF_INET.into(), SOCK_STREAM.into(), 0, 0, 0),
        "setuid" => one(SYS_setuid, 0, 0, 0, 0, 0),
        "map" => one(SYS_mmap, 0, 4096, (PROT_READ | PROT_WRITE).into(), anonymous, -1),
        "map-code" => one(SYS_mmap, 0, 4096, (PROT_READ | PROT_EXEC).into(), anonymous, -1),
        "make-code" => one(SYS_mprotect, 0, 0, PROT_EXEC.into(), 0, 0),
        "ioctl" => one(SYS_ioctl, 3, FIONREAD as i64, 0, 0, 0),
        "other-ioctl" => one(SYS_ioctl, 3, TIOCSTI as i64, 0, 0, 0),
        "kill-self" => one(SYS_tgkill, process.into(), process.into(), 0, 0, 0),
        "kill-other" => one(SYS_tgkill, 1, 1, 0, 0, 0),
        "fork" => one(SYS_clone, SIGCHLD.into(), 0, 0, 0, 0),
        _ => one(SYS_uname, 0, 0, 0, 0, 0),
    };
    say(&mut channel, format!("{result} {}", io::Error::last_os_error().raw_os_error().unwrap_or(0)));
}

fn tightened_thread() {
    let empty = Empty::new();
    let mut running = start("thread", &[empty.path()]);
    let said: Vec<String> = std::iter::from_fn(|| running.hear().ok()).collect();
    assert_eq!(said, ["first thread: -1", "second thread: tightened"]);
    assert_eq!(running.child.wait().unwrap(), Exit::Signal(SIGSYS), "the whole process ends");
}

/// Two threads make the same call, of which only the second has given it up.
fn thread(mut channel: ToTest, args: &[String]) {
    confine(Path::new(&args[0]), CapabilitySet::empty(), &[]);
    let ioctl = || {
        // SAFETY: the null pointer is refused by the kernel.
        unsafe { syscall(SYS_ioctl, 3, FIONREAD, 0) }
    };
    let rules = || RULES.iter().filter(|rule| rule.call != SYS_ioctl && rule.call != SYS_prctl);
    let tighter = Filter::new(rules()).unwrap();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let second = std::thread::spawn(move || {
        tighter.install_on_this_thread().unwrap();
        go.send(()).unwrap();
        gone_quiet();
        ioctl()
    });
    gone.recv().unwrap();
    say(&mut channel, format!("first thread: {}", ioctl()));
    say(&mut channel, "second thread: tightened");
    second.thread().unpark();
    say(&mut channel, format!("second thread: {}", second.join().unwrap()));
}

/// Until it is unparked.
fn gone_quiet() {
    std::thread::park();
}

fn execute_from_empty_root() {
    let empty = Empty::new();
    assert_eq!(
        start("execute", &[empty.path()]).finish(),
        ["test: grandchild", "arguments", "0 variables", "Status(0)"]
    );
}

/// Starts a process from an empty root, with no right left but to do that, and passes on what it says.
fn execute(mut channel: ToTest, args: &[String]) {
    let exe = Executable::open().unwrap();
    confine(Path::new(&args[0]), CapabilitySet::empty(), SPAWNING);
    let (ours, theirs) = Channel::pair().unwrap();
    let child = privsep::spawn(&exe, "test: grandchild", &["arguments"], theirs).unwrap();
    let mut grandchild = super::Running { child, channel: ours };
    std::iter::from_fn(|| grandchild.hear().ok()).for_each(|word| say(&mut channel, word));
    say(&mut channel, format!("{:?}", grandchild.child.wait().unwrap()));
}
