//! Where guests can run: on this machine, or only in the lab.

use std::fs::{self, File};

/// Why ordinary guests cannot run on this machine, if they cannot.
///
/// A `/dev/kvm` that opens is not enough: on a machine without hardware virtualisation it may be a software
/// KVM, on which no ordinary kernel comes up.
pub fn reason_for_the_lab() -> Option<String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if !cpuinfo.split_whitespace().any(|word| word == "vmx" || word == "svm") {
        return Some("this machine's processor shows neither vmx nor svm".to_owned());
    }
    if !rustix::process::geteuid().is_root() {
        return Some("only root can start vmd on this machine".to_owned());
    }
    let error = kvm_error()?;
    Some(format!("/dev/kvm cannot be opened ({error})"))
}

/// Why `/dev/kvm` cannot be opened, if it cannot.
pub fn kvm_error() -> Option<std::io::Error> {
    File::options().read(true).write(true).open("/dev/kvm").err()
}
