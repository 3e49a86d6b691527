use privsep::sandbox::Verdict;

use super::*;

const THREADS: [VmThread; 4] = [VmThread::Owner, VmThread::Vcpu, VmThread::Disk, VmThread::Drive];

fn all_rules() -> impl Iterator<Item = &'static Rule> {
    Role::ALL.into_iter().flat_map(Role::rules).chain(THREADS.into_iter().flat_map(VmThread::rules))
}

fn allows(role: Role, call: i64) -> bool {
    role.rules().any(|rule| rule.call == call && rule.verdict == Verdict::Allow)
}

#[test]
fn names_lead_back_to_their_roles() {
    for role in Role::ALL {
        assert_eq!(Role::from_name(role.name()), Some(role));
    }
    assert_eq!(Role::from_name("init"), None);
}

#[test]
fn every_filter_compiles() {
    for role in Role::ALL {
        assert!(role.filter().is_ok(), "{role:?}: {:?}", role.filter());
    }
    for thread in THREADS {
        assert!(thread.filter().is_ok(), "{thread:?}: {:?}", thread.filter());
    }
}

#[test]
fn every_rule_has_its_reason() {
    for rule in all_rules() {
        assert!(rule.why.len() > 5, "{rule:?}");
    }
}

#[test]
fn a_vm_is_allowed_nothing_that_vmm_is_not() {
    for rule in Role::Vm.rules() {
        assert!(Role::Vmm.rules().any(|other| other == rule), "{rule:?}");
    }
}

#[test]
fn a_thread_is_allowed_nothing_that_its_process_is_not() {
    for rule in THREADS.into_iter().flat_map(VmThread::rules) {
        assert!(Role::Vm.rules().any(|other| other == rule), "{rule:?}");
    }
}

#[test]
fn only_vmm_starts_programs() {
    for role in Role::ALL {
        assert_eq!(allows(role, libc::SYS_execveat), role == Role::Vmm, "{role:?}");
        for call in [libc::SYS_execve, libc::SYS_fork, libc::SYS_vfork, libc::SYS_clone3] {
            assert!(!allows(role, call), "{role:?} may {call}");
        }
    }
}

#[test]
fn only_the_parent_opens_files_and_makes_sockets() {
    for call in [libc::SYS_open, libc::SYS_openat, libc::SYS_openat2, libc::SYS_socket, libc::SYS_unlink] {
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Parent) {
            assert!(!allows(role, call), "{role:?} may {call}");
        }
    }
}

#[test]
fn calls_that_need_conditions_have_them() {
    let conditional = [
        libc::SYS_mmap,
        libc::SYS_mprotect,
        libc::SYS_ioctl,
        libc::SYS_prctl,
        libc::SYS_clone,
        libc::SYS_execveat,
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_fcntl,
        libc::SYS_seccomp,
        libc::SYS_unshare,
    ];
    for rule in all_rules().filter(|rule| conditional.contains(&rule.call)) {
        assert!(!rule.arguments.is_empty(), "{rule:?}");
    }
}

#[test]
fn signals_go_to_own_threads() {
    // Vmm's filter also holds for processes that do not exist yet.
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Vmm) {
        let wide = role.rules().any(|rule| rule.call == libc::SYS_tgkill && rule.arguments.is_empty());
        assert!(!wide, "{role:?}");
    }
}

#[test]
fn nobody_reaches_into_another_process_or_into_the_kernel() {
    let never = [
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_keyctl,
        libc::SYS_mount,
        libc::SYS_pivot_root,
        libc::SYS_setns,
        libc::SYS_init_module,
        libc::SYS_kexec_load,
        libc::SYS_personality,
        libc::SYS_pkey_mprotect,
    ];
    for rule in all_rules() {
        assert!(!never.contains(&rule.call), "{rule:?}");
    }
}

#[test]
fn a_running_machine_makes_no_threads_rings_or_memory_files() {
    let over =
        [libc::SYS_clone, libc::SYS_io_uring_setup, libc::SYS_io_uring_register, libc::SYS_memfd_create];
    for rule in THREADS.into_iter().flat_map(VmThread::rules) {
        assert!(!over.contains(&rule.call), "{rule:?}");
    }
}

#[test]
fn privileges_are_left_to_two_roles() {
    for role in [Role::Control, Role::Vmm, Role::Vm] {
        assert!(role.capabilities().is_empty(), "{role:?}");
    }
    assert_eq!(Role::Priv.capabilities(), CapabilitySet::NET_ADMIN);
    let too_much = CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_PTRACE | CapabilitySet::SETUID;
    assert!(!Role::Parent.capabilities().intersects(too_much));
}
