//! The emulator of the lab: QEMU as the distribution has it, with one fault mended in a copy.
//!
//! When a hypervisor in the emulated machine enters its guest with an interrupt (VMRUN with a valid `EVENTINJ` of type
//! INTR), QEMU delivers it at once, but also leaves its number behind as if an exception were still to be delivered. Mostly
//! something else overwrites the number. If the first thing that follows is a wake-up of the emulating thread without an
//! interrupt, which happens when the machine that runs QEMU is busy, the guest gets the interrupt a second time, also
//! where it has switched interrupts off: it hangs, loses a process, or meets a triple fault. Guests in the lab did so once
//! in ten boots. QEMU 10.0 to 11.1 have the fault.
//!
//! The copy has an instruction that does nothing in place of the one that leaves the number.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{env, fs, io::Write};

use anyhow::{Context, Result};

use crate::paths;

/// The name of the program.
const NAME: &str = "qemu-system-x86_64";

/// The code around the fault, in `helper_vmrun`: error code, number (the fault), whether it is a software interrupt, and next
/// instruction are stored. Only the distances in the structure are not the same in every build.
const CODE: [&[u8]; 4] =
    [b"\x44\x89\xab????", b"\x89\xb3????", b"\xc7\x83????\0\0\0\0", b"\x48\xc7\x83????\xff\xff\xff\xff"];
/// Which of these is the fault, and what does nothing at the same length.
const FAULT: usize = 1;
const NOTHING: [u8; 6] = [0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00];

/// Makes the copy, unless it is there. Whether the fault was found: an emulator without it is used as it is.
///
/// # Errors
/// When there is no QEMU, or the copy cannot be written.
pub fn prepare() -> Result<bool> {
    let installed = installed()?;
    let mut program = fs::read(&installed).with_context(|| format!("cannot read {}", installed.display()))?;
    let copy = copy()?;
    if !mend(&mut program) {
        // Of an earlier version of the package, perhaps.
        let _ = fs::remove_file(&copy);
        return Ok(false);
    }
    if fs::read(&copy).is_ok_and(|before| before == program) {
        return Ok(true);
    }
    // A lab may be running from the old one, which can be replaced but not written.
    let new = copy.with_extension("new");
    fs::create_dir_all(paths::lab_dir()?)?;
    let mut file = fs::File::options().write(true).create(true).truncate(true).mode(0o755).open(&new)?;
    file.write_all(&program).context("cannot write a copy of QEMU")?;
    drop(file);
    fs::rename(&new, &copy).context("cannot put a copy of QEMU into its place")?;
    Ok(true)
}

/// The program to run.
pub fn program() -> PathBuf {
    copy().ok().filter(|copy| copy.exists()).unwrap_or_else(|| NAME.into())
}

fn copy() -> Result<PathBuf> {
    Ok(paths::lab_dir()?.join(NAME))
}

fn installed() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&path).map(|directory| directory.join(NAME));
    places.find(|place| Path::is_file(place)).context("qemu-system-x86_64 is not installed")
}

/// Replaces the faulty instruction, if its code is there exactly once.
fn mend(program: &mut [u8]) -> bool {
    let pattern = CODE.concat();
    let matches =
        |window: &[u8]| window.iter().zip(&pattern).all(|(byte, code)| *code == b'?' || byte == code);
    let mut found = program.windows(pattern.len()).enumerate().filter(|(_, window)| matches(window));
    let (Some((start, _)), None) = (found.next(), found.next()) else { return false };
    let fault = start + CODE[..FAULT].concat().len();
    program[fault..fault + NOTHING.len()].copy_from_slice(&NOTHING);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAULTY: &[u8] = b"\x44\x89\xab\xe0\x33\0\0\x89\xb3\x10\xd7\xff\xff\xc7\x83\xe4\x33\0\0\0\0\0\0\
                            \x48\xc7\x83\xe8\x33\0\0\xff\xff\xff\xff";

    #[test]
    fn the_fault_is_replaced_where_it_is_found_once() {
        let mut program = [&[0x90; 5][..], FAULTY, &[0x90; 5]].concat();
        assert!(mend(&mut program));
        let expected = [&[0x90; 5][..], &FAULTY[..7], &NOTHING, &FAULTY[13..], &[0x90; 5]].concat();
        assert_eq!(program, expected);
        assert!(!mend(&mut program), "it is gone");
    }

    #[test]
    fn what_is_not_certain_is_left_alone() {
        for before in [[FAULTY, FAULTY].concat(), FAULTY[1..].to_vec(), Vec::new()] {
            let mut program = before.clone();
            assert!(!mend(&mut program));
            assert_eq!(program, before);
        }
    }
}
