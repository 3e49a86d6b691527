//! Patterns in the paths of `include`: `*`, `?` and `[…]`, each within one component of the path.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::environment::Environment;

/// The most files that one pattern may stand for.
pub(crate) const MAX_MATCHES: usize = 10_000;

/// Whether a path can stand for several files.
pub(crate) fn is_pattern(path: &Path) -> bool {
    has_wildcard(path.as_os_str())
}

fn has_wildcard(text: &OsStr) -> bool {
    text.as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// The paths that exist and match, in order. What is missing on the way matches nothing.
///
/// # Errors
/// A directory could not be read, or there are more than [`MAX_MATCHES`].
pub(crate) fn expand(pattern: &Path, env: &mut dyn Environment) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        found = match component {
            Component::Normal(name) if has_wildcard(name) => step(&found, name, env)?,
            other => found.into_iter().map(|path| path.join(other)).collect(),
        };
    }
    found.retain(|path| env.file_kind(path).is_ok());
    Ok(found)
}

/// The entries of directories that match a pattern.
fn step(directories: &[PathBuf], pattern: &OsStr, env: &mut dyn Environment) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for directory in directories {
        let mut names = match env.list(directory) {
            Err(error) if is_absence(&error) => continue,
            names => names?,
        };
        names.retain(|name| matches(name.as_bytes(), pattern.as_bytes()));
        names.sort();
        found.extend(names.into_iter().map(|name| directory.join(name)));
        if found.len() > MAX_MATCHES {
            return Err(io::Error::other(format!("the pattern stands for more than {MAX_MATCHES} files")));
        }
    }
    Ok(found)
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether a name matches a pattern. A dot at the start is matched by a dot only.
fn matches(name: &[u8], pattern: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut at, mut next) = (0, 0);
    // Where to try again with one character more for the last `*`.
    let mut retry = None;
    while at < name.len() || next < pattern.len() {
        if pattern.get(next) == Some(&b'*') {
            retry = Some((at, next + 1));
            next += 1;
        } else if let Some(length) = name.get(at).and_then(|byte| one(*byte, pattern.get(next..)?)) {
            at += 1;
            next += length;
        } else {
            match retry {
                Some((from, star)) if from < name.len() => {
                    retry = Some((from + 1, star));
                    (at, next) = (from + 1, star);
                }
                _ => return false,
            }
        }
    }
    true
}

/// How long the start of a pattern is that matches this one byte.
fn one(byte: u8, pattern: &[u8]) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', rest @ ..] => match class(byte, rest) {
            Some((true, length)) => Some(length + 1),
            Some((false, _)) => None,
            // Without a closing bracket it is an ordinary character.
            None => (byte == b'[').then_some(1),
        },
        [other, ..] => (*other == byte).then_some(1),
        [] => None,
    }
}

/// Whether a byte is in a class, and how long the class is behind its opening bracket.
fn class(byte: u8, pattern: &[u8]) -> Option<(bool, usize)> {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    // A closing bracket right at the start is a member.
    let length = pattern.iter().skip(start + 1).position(|b| *b == b']')? + start + 1;
    let members = pattern.get(start..length)?;
    Some((contains(members, byte) != negated, length + 1))
}

fn contains(mut members: &[u8], byte: u8) -> bool {
    loop {
        let (range, rest) = match members {
            [first, b'-', last, rest @ ..] => (*first..=*last, rest),
            [only, rest @ ..] => (*only..=*only, rest),
            [] => return false,
        };
        if range.contains(&byte) {
            return true;
        }
        members = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_a_shell() {
        for (pattern, name) in [
            ("*.conf", "a.conf"),
            ("*.conf", "a.b.conf"),
            ("*", "x"),
            (".*", ".hidden"),
            ("?[a-c]*", "xb"),
            ("[!0-9]*", "x1"),
            ("[]x]", "]"),
            ("[a", "[a"),
            ("*a*b*c", "xxaxxbxxabc"),
        ] {
            assert!(matches(name.as_bytes(), pattern.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.conf", ".conf"),
            ("*.conf", "a.confx"),
            ("?", ""),
            ("[a-c]", "d"),
            ("[!a]", "a"),
            ("a*b", "a"),
        ] {
            assert!(!matches(name.as_bytes(), pattern.as_bytes()), "{pattern} {name}");
        }
        let stars = "*a".repeat(2000);
        assert!(!matches(&[b'a'; 4000], format!("{stars}b").as_bytes()));
    }
}
