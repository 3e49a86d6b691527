//! What a driver hands over around a command, and what it is answered (virtio 1.2, 5.6.6): headers, copied out of
//! the guest and checked.

use virtio_bindings::virtio_scsi::{
    VIRTIO_SCSI_S_BAD_TARGET, VIRTIO_SCSI_S_FUNCTION_REJECTED, VIRTIO_SCSI_S_INCORRECT_LUN, VIRTIO_SCSI_S_OK,
    VIRTIO_SCSI_T_AN_QUERY, VIRTIO_SCSI_T_AN_SUBSCRIBE, VIRTIO_SCSI_T_TMF, VIRTIO_SCSI_T_TMF_ABORT_TASK,
    VIRTIO_SCSI_T_TMF_ABORT_TASK_SET, VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET, VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET,
    VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, VIRTIO_SCSI_T_TMF_QUERY_TASK, VIRTIO_SCSI_T_TMF_QUERY_TASK_SET,
};

use super::command::CDB;
use super::sense::Sense;
use crate::{BadAddress, Chain, GuestRam};

/// Bytes in front of a command descriptor block: logical unit, id, attribute, priority, reference number.
const BEFORE_CDB: usize = 19;
/// Bytes in front of what a driver sends for a command.
pub(super) const REQUEST: u64 = (BEFORE_CDB + CDB) as u64;

/// The most bytes of sense data: what a driver finds after a reset, and what no driver is known to change.
pub(super) const SENSE: usize = 96;
/// Bytes in front of sense data: its length, what was left over, qualifier, status, response.
const BEFORE_SENSE: usize = 12;
/// Bytes in front of what a driver gets for a command.
pub(super) const RESPONSE: u64 = (BEFORE_SENSE + SENSE) as u64;

/// The status of a command (SAM-5, 5.3).
const GOOD: u8 = 0x00;
const CHECK_CONDITION: u8 = 0x02;

/// Whom a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// The drive.
    Drive,
    /// The same target, but a logical unit that it has not.
    NoUnit,
    /// A target that is not there.
    NoTarget,
}

impl Address {
    /// Reads `lun` (5.6.6.1): a one, the target, and the logical unit in the two formats for small numbers
    /// (SAM-5, 4.7.7). The well-known unit for REPORT LUNS counts as one that is not there, which answers that too.
    fn of(lun: [u8; 8]) -> Self {
        match lun {
            [1, 0, 0 | 0x40, 0, _, _, _, _] => Self::Drive,
            [1, 0, ..] | [0xc1, 1, ..] => Self::NoUnit,
            _ => Self::NoTarget,
        }
    }
}

/// The drive, as events name it.
pub(super) const DRIVE: [u8; 8] = [1, 0, 0, 0, 0, 0, 0, 0];

/// A command as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub address: Address,
    pub cdb: [u8; CDB],
}

/// Copies a command out of the guest.
///
/// # Errors
/// It is not in the guest's memory, or too short.
pub(super) fn parse(chain: &Chain, memory: &GuestRam) -> Result<Request, BadAddress> {
    let mut header = [0; BEFORE_CDB + CDB];
    chain.readable().read(memory, 0, &mut header)?;
    let [l0, l1, l2, l3, l4, l5, l6, l7, _, _, _, _, _, _, _, _, _, _, _, cdb @ ..] = header;
    Ok(Request { address: Address::of([l0, l1, l2, l3, l4, l5, l6, l7]), cdb })
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Response {
    /// Whether it came to its target at all.
    pub response: u32,
    /// Why the target did not carry it out.
    pub sense: Option<Sense>,
    /// Bytes of the driver's buffers that nothing was done with.
    pub residual: u64,
}

impl Response {
    /// `struct virtio_scsi_cmd_resp`.
    pub fn bytes(self) -> [u8; RESPONSE as usize] {
        let mut bytes = [0; RESPONSE as usize];
        let sense = self.sense.map(Sense::fixed);
        let len = sense.map_or(0, |sense| u32::try_from(sense.len()).unwrap_or(0));
        let residual = u32::try_from(self.residual).unwrap_or(u32::MAX);
        let status = if sense.is_some() { CHECK_CONDITION } else { GOOD };
        let header = [&len.to_le_bytes()[..], &residual.to_le_bytes(), &[0, 0, status, low(self.response)]];
        let all = header.concat().into_iter().chain(sense.into_iter().flatten());
        bytes.iter_mut().zip(all).for_each(|(place, byte)| *place = byte);
        bytes
    }
}

/// What a driver asks for on the control queue (5.6.6.2), answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// A task management function; whether it resets the drive.
    Task { response: u8, reset: bool },
    /// A query of, or a subscription to, notifications that there are none of.
    Notifications { response: u8 },
}

/// Copies a request of the control queue out of the guest, and answers it. No command is ever under way when one is
/// looked at, so there is nothing to abort.
///
/// # Errors
/// It is not in the guest's memory, or too short, or of an unknown kind.
pub(super) fn control(chain: &Chain, memory: &GuestRam) -> Result<Control, BadAddress> {
    let mut kind = [0; 4];
    chain.readable().read(memory, 0, &mut kind)?;
    match u32::from_le_bytes(kind) {
        VIRTIO_SCSI_T_TMF => {
            let mut body = [0; 20];
            chain.readable().read(memory, 4, &mut body)?;
            let [s0, s1, s2, s3, l0, l1, l2, l3, l4, l5, l6, l7, ..] = body;
            let address = Address::of([l0, l1, l2, l3, l4, l5, l6, l7]);
            Ok(task(u32::from_le_bytes([s0, s1, s2, s3]), address))
        }
        VIRTIO_SCSI_T_AN_QUERY | VIRTIO_SCSI_T_AN_SUBSCRIBE => {
            let mut body = [0; 12];
            chain.readable().read(memory, 4, &mut body)?;
            let [l0, l1, l2, l3, l4, l5, l6, l7, ..] = body;
            let refusal = refusal(Address::of([l0, l1, l2, l3, l4, l5, l6, l7]));
            Ok(Control::Notifications { response: low(refusal.unwrap_or(VIRTIO_SCSI_S_OK)) })
        }
        _ => Err(BadAddress),
    }
}

/// The answer to a task management function (5.6.6.2): what would end commands finds that they have ended.
fn task(function: u32, address: Address) -> Control {
    let (response, reset) = match (function, refusal(address)) {
        // That one is about the target.
        (VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET, None | Some(VIRTIO_SCSI_S_INCORRECT_LUN)) => {
            (VIRTIO_SCSI_S_OK, true)
        }
        (_, Some(refusal)) => (refusal, false),
        (VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, None) => (VIRTIO_SCSI_S_OK, true),
        (
            VIRTIO_SCSI_T_TMF_ABORT_TASK
            | VIRTIO_SCSI_T_TMF_ABORT_TASK_SET
            | VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET
            | VIRTIO_SCSI_T_TMF_QUERY_TASK
            | VIRTIO_SCSI_T_TMF_QUERY_TASK_SET,
            None,
        ) => (VIRTIO_SCSI_S_OK, false),
        (_, None) => (VIRTIO_SCSI_S_FUNCTION_REJECTED, false),
    };
    Control::Task { response: low(response), reset }
}

fn refusal(address: Address) -> Option<u32> {
    match address {
        Address::Drive => None,
        Address::NoUnit => Some(VIRTIO_SCSI_S_INCORRECT_LUN),
        Address::NoTarget => Some(VIRTIO_SCSI_S_BAD_TARGET),
    }
}

impl Control {
    /// `struct virtio_scsi_ctrl_tmf` or `virtio_scsi_ctrl_an` from its response on.
    pub fn bytes(self) -> Vec<u8> {
        match self {
            Self::Task { response, .. } => vec![response],
            Self::Notifications { response } => vec![0, 0, 0, 0, response],
        }
    }
}

/// All responses are small numbers.
fn low(response: u32) -> u8 {
    response as u8
}

#[cfg(test)]
#[path = "request_test.rs"]
mod tests;
