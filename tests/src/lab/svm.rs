//! A way around a fault of QEMU's emulation of SVM, by which it ends.
//!
//! When a guest inside the guest writes CR8, the emulator raises the virtual interrupt that this may allow without
//! holding the lock that this takes, and a check of its own ends it. Linux hardly ever writes CR8; UEFI firmware does
//! at each interrupt. KVM can have such writes reported to it instead, then the emulator does nothing by itself: it
//! does so while a pending interrupt waits for the priority to fall, and stops it each time before it looks. The one
//! instruction that stops it is changed into the one that begins it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// `bts` and `btr` with an immediate operand in memory: what both begin with, then the byte in which they differ.
const BIT_TEST: [u8; 3] = [0x48, 0x0F, 0xBA];
const SET: u8 = 5;
const RESET: u8 = 6;
/// The bit of "a write to CR8 is reported" (AMD64 manual, volume 2, appendix B: offset 0, bits 16 to 31).
const CR8_WRITE: u8 = 24;

/// `svm_update_cr8_intercept` sets the bit again, if need be, within so many bytes after it has reset it.
const NEAR: usize = 48;

/// Ends a module that is signed, behind the length of the signature and other things (linux/module_signature.h).
const SIGNATURE_MARK: &[u8] = b"~Module signature appended~\n";
/// The bytes between the signature and the mark; the last four are the signature's length.
const SIGNATURE_INFO: usize = 12;

/// Changes the module `kvm-amd` among these so that writes to CR8 are always reported, unless that has been done.
///
/// # Errors
/// When the module is not there, can not be written, or is not made as expected.
pub fn report_cr8_writes(modules: &Path) -> Result<()> {
    let path = modules.join("kernel/arch/x86/kvm/kvm-amd.ko");
    let module = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let Some(changed) = changed(module).with_context(|| format!("{}", path.display()))? else {
        return Ok(());
    };
    // It gets its name when it is complete.
    let unfinished = path.with_extension("new");
    fs::write(&unfinished, changed).with_context(|| format!("cannot write {}", unfinished.display()))?;
    fs::rename(&unfinished, &path).with_context(|| format!("cannot write {}", path.display()))
}

/// The module with the change and without its signature, which would be wrong; `None` if it has been changed before.
fn changed(mut module: Vec<u8>) -> Result<Option<Vec<u8>>> {
    let places = |first| -> Vec<usize> {
        let all = bit_tests(&module, first);
        all.filter(|at| bit_tests(&module, SET).any(|next| next > *at && next - at <= NEAR)).collect()
    };
    let (reset, set) = (places(RESET), places(SET));
    if let ([], [_]) = (reset.as_slice(), set.as_slice()) {
        return Ok(None);
    }
    ensure!(
        reset.len() == 1,
        "the place where KVM stops watching writes to CR8 was found {} times instead of once: this kernel is built in \
         another way, look at svm_update_cr8_intercept in its kvm-amd module and at {}",
        reset.len(),
        file!()
    );
    let operand = reset[0] + BIT_TEST.len();
    module[operand] = with_operation(module[operand], SET);
    let unsigned = unsigned_len(&module)?;
    module.truncate(unsigned);
    Ok(Some(module))
}

/// Where bit [`CR8_WRITE`] of what a register points to is tested and changed in this way.
fn bit_tests(module: &[u8], operation: u8) -> impl Iterator<Item = usize> {
    module.windows(BIT_TEST.len() + 2).enumerate().filter_map(move |(at, code)| {
        let (start, operands) = code.split_at(BIT_TEST.len());
        let is_it = start == BIT_TEST && operands[0] == with_operation(operands[0] & 7, operation);
        (is_it && operands[1] == CR8_WRITE).then_some(at)
    })
}

/// The operand byte (ModRM) with another operation in its middle.
fn with_operation(operand: u8, operation: u8) -> u8 {
    operand & 0b1100_0111 | operation << 3
}

/// How long the module is without its signature.
fn unsigned_len(module: &[u8]) -> Result<usize> {
    let Some(signed) = module.strip_suffix(SIGNATURE_MARK) else { return Ok(module.len()) };
    let short = "its signature is cut off";
    let info = signed.len().checked_sub(SIGNATURE_INFO).context(short)?;
    let length: [u8; 4] = signed[signed.len() - 4..].try_into().context(short)?;
    info.checked_sub(u32::from_be_bytes(length) as usize).context(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `btr qword [rax], 24` and `bts qword [rax], 24`.
    const RESETS: [u8; 5] = [0x48, 0x0F, 0xBA, 0x30, 24];
    const SETS: [u8; 5] = [0x48, 0x0F, 0xBA, 0x28, 24];

    fn module(parts: &[&[u8]]) -> Vec<u8> {
        let padding = [0x90; 2 * NEAR];
        parts.iter().flat_map(|part| padding.iter().chain(*part)).copied().collect()
    }

    fn signed(mut module: Vec<u8>) -> Vec<u8> {
        module.extend([0xAB; 300]);
        module.extend([0, 0, 2, 0, 0, 0, 0, 0]);
        module.extend(300_u32.to_be_bytes());
        module.extend(SIGNATURE_MARK);
        module
    }

    #[test]
    fn the_one_place_is_changed_and_the_signature_goes() {
        let place = [RESETS.as_slice(), &[0x90; 25], &SETS].concat();
        let stays = [SETS.as_slice(), &[0x90; 9], &RESETS].concat();
        let wanted = [SETS.as_slice(), &[0x90; 25], &SETS].concat();
        let wanted = module(&[&RESETS, &stays, &wanted, &SETS]);
        let found = changed(signed(module(&[&RESETS, &stays, &place, &SETS]))).unwrap().unwrap();
        assert_eq!(found, wanted);
        assert_eq!(changed(found).unwrap(), None, "once");
    }

    #[test]
    fn a_module_that_is_made_in_another_way_is_refused() {
        let place = [RESETS.as_slice(), &SETS].concat();
        for parts in [vec![], vec![RESETS.as_slice(), &SETS], vec![&place, &place]] {
            let error = changed(module(&parts)).unwrap_err().to_string();
            assert!(error.contains("svm_update_cr8_intercept"), "{error}");
        }
    }
}
