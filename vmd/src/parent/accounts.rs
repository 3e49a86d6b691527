//! Users and groups, from the host's own files.
//!
//! The daemon is static and therefore sees no directory service; accounts that only such a service knows are
//! named by their numbers.

use std::fs;
use std::io;
use std::path::Path;

/// A user of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
}

/// The user of that name.
///
/// # Errors
/// When `/etc/passwd` can not be read.
pub fn user(name: &str) -> io::Result<Option<Account>> {
    let passwd = fs::read_to_string(Path::new("/etc/passwd"))?;
    Ok(entry(&passwd, name).and_then(|fields| {
        Some(Account { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
    }))
}

/// The id of the group of that name.
///
/// # Errors
/// When `/etc/group` can not be read.
pub fn group(name: &str) -> io::Result<Option<u32>> {
    let group = fs::read_to_string(Path::new("/etc/group"))?;
    Ok(entry(&group, name).and_then(|fields| fields.get(2)?.parse().ok()))
}

/// The fields of the line that begins with `name` (passwd(5), group(5)).
fn entry<'a>(file: &'a str, name: &str) -> Option<Vec<&'a str>> {
    file.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whole_and_broken_lines_are_passed_over() {
        let file = "# a comment\nroot:x:0:0::/:/bin/sh\nrootless:x:7:8::/:\n\nodd\n";
        assert_eq!(entry(file, "root").map(|f| f[2]), Some("0"));
        assert_eq!(entry(file, "rootless").map(|f| f[3]), Some("8"));
        assert_eq!(entry(file, "roo"), None);
    }

    #[test]
    fn every_host_has_root() {
        assert_eq!(user("root").unwrap(), Some(Account { uid: 0, gid: 0 }));
        assert_eq!(group("root").unwrap(), Some(0));
        assert_eq!(user("no such user").unwrap(), None);
    }
}
