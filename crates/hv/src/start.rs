//! The register states in which boot protocols want the first processor.

use kvm_bindings::{kvm_dtable, kvm_regs, kvm_segment, kvm_sregs};

use crate::{Error, Vcpu};

/// A state to start in. Interrupts are off and every general register that is not named is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartState {
    /// 32-bit protected mode, flat segments, no paging.
    Protected {
        /// The first instruction.
        rip: u32,
        /// A register.
        rbx: u32,
    },
    /// 32-bit protected mode as a PC's boot loader leaves it: flat segments out of a table, code selector 8 and
    /// data selector 0x10, no paging, and a stack.
    Loaded {
        /// The first instruction.
        rip: u32,
        /// A register.
        rax: u32,
        /// A register.
        rbx: u32,
        /// The top of the stack.
        rsp: u32,
        /// The descriptor table, in guest memory: an empty entry, 32-bit code, data, 64-bit code.
        gdt: u32,
    },
    /// 64-bit mode with these page tables; code selector 0x10, data selector 0x18.
    Long {
        /// The first instruction.
        rip: u64,
        /// A register.
        rsi: u64,
        /// The highest level of the page tables.
        cr3: u64,
        /// The descriptor table, in guest memory: two empty entries, code, data.
        gdt: u64,
    },
}

const CR0_PE: u64 = 1;
const CR0_ET: u64 = 1 << 4;
const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const EFER_LME: u64 = 1 << 8;
const EFER_LMA: u64 = 1 << 10;
const RFLAGS_RESERVED: u64 = 1 << 1;

impl Vcpu {
    /// Brings the processor, in its power-on state, into this one.
    ///
    /// # Errors
    /// KVM's refusal.
    pub fn set_start_state(&mut self, state: StartState) -> Result<(), Error> {
        let mut sregs = self.fd.get_sregs().map_err(Error::of("read a processor's state"))?;
        let regs = match state {
            StartState::Protected { rip, rbx } => {
                protected_mode(&mut sregs);
                kvm_regs { rip: rip.into(), rbx: rbx.into(), ..general() }
            }
            StartState::Loaded { rip, rax, rbx, rsp, gdt } => {
                loaded_mode(&mut sregs, gdt);
                let [rip, rax, rbx, rsp] = [rip, rax, rbx, rsp].map(u64::from);
                kvm_regs { rip, rax, rbx, rsp, ..general() }
            }
            StartState::Long { rip, rsi, cr3, gdt } => {
                long_mode(&mut sregs, cr3, gdt);
                kvm_regs { rip, rsi, ..general() }
            }
        };
        self.fd.set_sregs(&sregs).map_err(Error::of("set a processor's start state"))?;
        self.fd.set_regs(&regs).map_err(Error::of("set a processor's start registers"))
    }
}

fn general() -> kvm_regs {
    kvm_regs { rflags: RFLAGS_RESERVED, ..Default::default() }
}

fn protected_mode(sregs: &mut kvm_sregs) {
    set_segments(sregs, kvm_segment { db: 1, ..code_segment() }, 0x18);
    without_paging(sregs);
}

fn loaded_mode(sregs: &mut kvm_sregs, gdt: u32) {
    set_segments(sregs, kvm_segment { db: 1, selector: 0x8, ..code_segment() }, 0x10);
    sregs.gdt = table(gdt.into());
    without_paging(sregs);
}

fn without_paging(sregs: &mut kvm_sregs) {
    sregs.cr0 = CR0_PE | CR0_ET;
    sregs.cr4 = 0;
    sregs.efer = 0;
}

fn long_mode(sregs: &mut kvm_sregs, cr3: u64, gdt: u64) {
    set_segments(sregs, kvm_segment { l: 1, ..code_segment() }, 0x18);
    sregs.gdt = table(gdt);
    sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
    sregs.cr3 = cr3;
    sregs.cr4 = CR4_PAE;
    sregs.efer = EFER_LME | EFER_LMA;
}

/// A descriptor table of four entries.
fn table(base: u64) -> kvm_dtable {
    kvm_dtable { base, limit: 31, ..Default::default() }
}

fn set_segments(sregs: &mut kvm_sregs, code: kvm_segment, data: u16) {
    let data = kvm_segment { selector: data, type_: DATA, db: 1, ..code_segment() };
    sregs.cs = code;
    [sregs.ds, sregs.es, sregs.fs, sregs.gs, sregs.ss] = [data; 5];
}

/// Accessed, readable code; accessed, writable data (Intel SDM volume 3, 3.4.5.1).
const CODE: u8 = 0xB;
const DATA: u8 = 0x3;

fn code_segment() -> kvm_segment {
    kvm_segment {
        limit: 0xFFFF_FFFF,
        selector: 0x10,
        type_: CODE,
        present: 1,
        s: 1,
        g: 1,
        ..Default::default()
    }
}
