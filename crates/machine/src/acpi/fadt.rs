//! The fixed description table: the registers of power management (ACPI 6.5, section 5.2.9).

use acpi_tables::fadt::{FADT, FADTBuilder, Flags};
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};

use super::{OEM_ID, OEM_REVISION, OEM_TABLE_ID};
use crate::chips::{CENTURY, PM_CONTROL, PM_EVENT, PM_TIMER, RESET_VALUE};
use crate::layout::{PM_PORTS, RESET_PORT, SCI_IRQ};

/// Lengths of the register blocks in bytes.
const EVENT_LENGTH: u8 = 4;
const CONTROL_LENGTH: u8 = 2;
const TIMER_LENGTH: u8 = 4;

/// Latencies in microseconds that mean: there are no such processor states.
const NO_C2: u16 = 101;
const NO_C3: u16 = 1001;

/// `IAPC_BOOT_ARCH` (5.2.9.3): there are devices on the ISA bus, and no VGA. The bit for a keyboard controller
/// stays clear although the ports answer: nobody shall wait for a keyboard.
const BOOT_ARCH: u16 = 1 << 0 | 1 << 2;

/// What the machine has and has not: a power button of the fixed kind (its flag, which denies that, stays clear),
/// no sleep button, a timer of 32 bits, a reset register, no wake-up by the clock.
const FLAGS: [Flags; 6] =
    [Flags::Wbinvd, Flags::ProcC1, Flags::SlpButton, Flags::FixRtc, Flags::TmrValExt, Flags::ResetRegSup];

/// The fields that point to other tables: their offsets and sizes (`FIRMWARE_CTRL`, `DSDT`, `X_DSDT`).
pub(super) const POINTERS: [(usize, u8); 3] = [(36, 4), (40, 4), (140, 8)];

/// The table, with the addresses of the two that it points to. There is no SMI command port: the machine is in
/// ACPI mode from the start.
pub(super) fn table(facs: u64, dsdt: u64) -> FADT {
    let mut table = FADTBuilder::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    // Old systems read the 32-bit fields, and both may be there if they agree.
    table.firmware_ctrl = low(facs).into();
    table.dsdt = low(dsdt).into();
    table.x_dsdt = dsdt.into();
    table.sci_int = u16::try_from(SCI_IRQ).unwrap_or_default().into();
    table.p_lvl2_lat = NO_C2.into();
    table.p_lvl3_lat = NO_C3.into();
    table.century = CENTURY;
    table.iapc_boot_arch = BOOT_ARCH.into();
    table.reset_reg = port(RESET_PORT, 1, AccessSize::ByteAccess);
    table.reset_value = RESET_VALUE;
    set_blocks(&mut table);
    FLAGS.into_iter().fold(table, FADTBuilder::flag).finalize()
}

/// The register blocks, in the old form and in the new one.
fn set_blocks(table: &mut FADTBuilder) {
    let [event, control, timer] = [PM_EVENT, PM_CONTROL, PM_TIMER].map(|at| PM_PORTS.0.saturating_add(at));
    table.pm1a_evt_blk = low(event).into();
    table.pm1_evt_len = EVENT_LENGTH;
    table.x_pm1a_evt_blk = port(event, EVENT_LENGTH, AccessSize::WordAccess);
    table.pm1a_cnt_blk = low(control).into();
    table.pm1_cnt_len = CONTROL_LENGTH;
    table.x_pm1a_cnt_blk = port(control, CONTROL_LENGTH, AccessSize::WordAccess);
    table.pm_tmr_blk = low(timer).into();
    table.pm_tmr_len = TIMER_LENGTH;
    table.x_pm_tmr_blk = port(timer, TIMER_LENGTH, AccessSize::DwordAccess);
}

fn port(address: u64, bytes: u8, access: AccessSize) -> GAS {
    GAS::new(AddressSpace::SystemIo, bytes.saturating_mul(8), 0, access, address)
}

/// An address that is known to be below 4 GiB.
fn low(address: u64) -> u32 {
    u32::try_from(address).unwrap_or(u32::MAX)
}
