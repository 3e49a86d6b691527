//! Kernels that are packed with gzip (RFC 1952), as OpenBSD's installers and Xen are.

use std::io::{self, BufReader, Read};

use flate2::bufread::GzDecoder;

use super::BootError;
use super::image::Image;
use super::memory_map::LowRam;

/// How a packed file begins.
const MAGIC: &[u8; 2] = b"\x1f\x8b";
/// More bytes than any kernel has when it is unpacked, its debugging information included.
const MAX_UNPACKED: u64 = 256 << 20;
/// How much is unpacked at a time.
const PIECE: u64 = 1 << 20;

/// Whether a file is packed.
pub(super) fn is_packed(image: &Image<'_>) -> Result<bool, BootError> {
    image.starts_with(0, MAGIC)
}

/// The file itself, or what is packed in it.
///
/// A few bytes can stand for gigabytes. No more is unpacked than fits into the memory that the kernel has to go
/// to, so that nobody takes more of the host than the machine was given anyway; and no more is read than could
/// be needed for that.
pub(super) fn unpacked<'a>(image: Image<'a>, ram: LowRam) -> Result<Image<'a>, BootError> {
    if !is_packed(&image)? {
        return Ok(image);
    }
    let limit = ram.end.min(MAX_UNPACKED);
    let bytes = unpack(image.stream()?, limit)?;
    Ok(Image::of_bytes("unpacked kernel", bytes))
}

/// What is packed, if it has at most `limit` bytes.
fn unpack(packed: impl Read, limit: u64) -> Result<Vec<u8>, BootError> {
    // What can not be packed becomes longer by 5 bytes in 64 KiB (RFC 1951, 3.2.4); headers come to it.
    let readable = limit.saturating_add(limit >> 8).saturating_add(1 << 18);
    let mut unpacker = GzDecoder::new(BufReader::new(packed.take(readable)));
    let mut bytes = Vec::new();
    loop {
        let before = bytes.len() as u64;
        if before > limit {
            return Err(BootError::UnpackedTooLarge { limit });
        }
        let piece = PIECE.min(limit.saturating_sub(before).saturating_add(1));
        match unpacker.by_ref().take(piece).read_to_end(&mut bytes) {
            Ok(0) => return Ok(bytes),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(BootError::Unpack(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn what_was_packed_comes_out() {
        let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        assert_eq!(unpack(packed(&bytes).as_slice(), 3_000_000).unwrap(), bytes);
        assert!(matches!(
            unpack(packed(&bytes).as_slice(), 2_999_999),
            Err(BootError::UnpackedTooLarge { limit: 2_999_999 })
        ));
        assert_eq!(unpack(packed(b"").as_slice(), 0).unwrap(), b"");
    }

    #[test]
    fn a_bomb_takes_no_more_than_the_limit() {
        struct Endless {
            start: Vec<u8>,
            read: usize,
        }
        impl Read for Endless {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                // Empty blocks for ever: nothing comes out of them.
                for byte in into.iter_mut() {
                    const EMPTY_BLOCK: [u8; 5] = [0, 0, 0, 0xff, 0xff];
                    let at = self.read;
                    *byte = *self.start.get(at).unwrap_or(&EMPTY_BLOCK[(at - self.start.len().min(at)) % 5]);
                    self.read += 1;
                }
                Ok(into.len())
            }
        }
        let start = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
        let mut endless = Endless { start, read: 0 };
        assert!(matches!(unpack(&mut endless, 1 << 20), Err(BootError::Unpack(_))));
        assert!(endless.read < 2 << 20, "{} bytes were read", endless.read);
        let zeroes = packed(&vec![0; 64 << 20]);
        assert!(zeroes.len() < 100_000);
        assert!(matches!(unpack(zeroes.as_slice(), 1 << 20), Err(BootError::UnpackedTooLarge { .. })));
    }

    #[test]
    fn damage_is_an_error() {
        let good = packed(&[7; 10_000]);
        for cut in [3, 12, good.len() - 1] {
            assert!(matches!(unpack(&good[..cut], 1 << 20), Err(BootError::Unpack(_))), "{cut}");
        }
        let mut wrong = good.clone();
        let sum = wrong.len() - 8;
        wrong[sum] ^= 1;
        assert!(matches!(unpack(wrong.as_slice(), 1 << 20), Err(BootError::Unpack(_))));
    }
}
