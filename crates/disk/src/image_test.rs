//! What both engines have to do, run on both.

use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};

use rustix::event::{PollFd, PollFlags, poll};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend};

use super::*;
use crate::{Buffer, Completion, Memory, Request};

const MIB: u64 = 1 << 20;

/// An image of 4 MiB and an engine over it with memory of 2 MiB, in two mappings.
struct Bench {
    file: File,
    engine: Box<dyn BlockBackend>,
    memory: Memory,
}

impl Bench {
    fn with(engine: impl FnOnce(RawImage) -> Box<dyn BlockBackend>) -> Self {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4 * MIB).unwrap();
        let mut engine = engine(RawImage::from_fd(file.try_clone().unwrap()).unwrap());
        let mapping = |at| (GuestAddress(at), MIB as usize);
        let memory = Memory::from_ranges(&[mapping(0), mapping(MIB)]).unwrap();
        engine.attach(memory.clone());
        Self { file, engine, memory }
    }

    /// The engine over io_uring, and the one without it.
    fn both() -> [Self; 2] {
        let uring = |image: RawImage| -> Box<dyn BlockBackend> {
            Box::new(
                Uring::new(image.file, image.capacity, 64).expect("io_uring on the machine of the tests"),
            )
        };
        [Self::with(uring), Self::with(|image| image.blocking_backend(64))]
    }

    fn buffers(&self, ranges: &[(u64, usize)]) -> Vec<Buffer<'_>> {
        let slices = |&(at, len)| GuestMemoryBackend::get_slices(&self.memory, GuestAddress(at), len);
        ranges.iter().flat_map(slices).map(Result::unwrap).collect()
    }

    fn write(&mut self, offset: u64, ranges: &[(u64, usize)]) -> io::Result<()> {
        let memory = self.memory.clone();
        let slices = |&(at, len)| GuestMemoryBackend::get_slices(&memory, GuestAddress(at), len);
        let buffers: Vec<_> = ranges.iter().flat_map(slices).map(Result::unwrap).collect();
        self.run(Request::Write { offset, buffers: &buffers, durable: false })
    }

    fn read(&mut self, offset: u64, ranges: &[(u64, usize)]) -> io::Result<()> {
        let memory = self.memory.clone();
        let slices = |&(at, len)| GuestMemoryBackend::get_slices(&memory, GuestAddress(at), len);
        let buffers: Vec<_> = ranges.iter().flat_map(slices).map(Result::unwrap).collect();
        self.run(Request::Read { offset, buffers: &buffers })
    }

    fn run(&mut self, request: Request<'_>) -> io::Result<()> {
        self.engine.submit(7, request);
        let mut done = self.finish(1);
        assert_eq!(done[0].token, 7);
        done.remove(0).result
    }

    /// Collects `count` completions the way an owner does.
    fn finish(&mut self, count: usize) -> Vec<Completion> {
        self.engine.kick().unwrap();
        let mut done = Vec::new();
        loop {
            self.engine.completions(&mut done).unwrap();
            if done.len() >= count {
                return done;
            }
            let ready = self.engine.ready().expect("an engine without descriptor is done after a kick");
            poll(&mut [PollFd::new(&ready.as_fd(), PollFlags::IN)], None).unwrap();
        }
    }

    fn fill(&self, at: u64, len: usize, byte: impl Fn(usize) -> u8) {
        let bytes: Vec<u8> = (0..len).map(byte).collect();
        self.memory.write_slice(&bytes, GuestAddress(at)).unwrap();
    }

    fn on_disk(&self, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, offset).unwrap();
        bytes
    }
}

#[test]
fn bytes_go_out_and_come_back_through_scattered_buffers() {
    for mut bench in Bench::both() {
        bench.fill(0, 300_000, |i| (i % 251) as u8);
        // Odd lengths, out of order, and one that lies across both mappings.
        bench.write(1000, &[(1, 70_001), (200_000, 3), (MIB - 5, 10), (90_000, 65_536)]).unwrap();
        let mut expected = vec![0; 70_001 + 3 + 10 + 65_536];
        let mut at = 0;
        for (from, len) in [(1, 70_001), (200_000, 3), (MIB - 5, 10), (90_000, 65_536)] {
            bench.memory.read_slice(&mut expected[at..at + len], GuestAddress(from)).unwrap();
            at += len;
        }
        assert!(bench.on_disk(1000, expected.len()) == expected);

        bench.read(1000, &[(MIB + 4096, 100_000), (MIB + 500_000, expected.len() - 100_000)]).unwrap();
        let mut back = vec![0; expected.len()];
        bench.memory.read_slice(&mut back[..100_000], GuestAddress(MIB + 4096)).unwrap();
        bench.memory.read_slice(&mut back[100_000..], GuestAddress(MIB + 500_000)).unwrap();
        assert!(back == expected);
    }
}

#[test]
fn every_request_in_flight_completes_once_under_its_token() {
    for mut bench in Bench::both() {
        bench.fill(0, 64 * 4096, |i| (i / 4096) as u8);
        for i in 0..64 {
            let buffers = [Memory::get_slice(&bench.memory, GuestAddress(i * 4096), 4096).unwrap()];
            bench.engine.submit(
                1000 + i,
                Request::Write { offset: i * 4096, buffers: &buffers, durable: i % 2 == 0 },
            );
        }
        let mut done = bench.finish(64);
        done.sort_by_key(|done| done.token);
        let tokens: Vec<_> = done.iter().map(|done| done.token).collect();
        assert_eq!(tokens, (1000..1064).collect::<Vec<_>>());
        assert!(done.iter().all(|done| done.result.is_ok()));
        assert!((0..64).all(|i| bench.on_disk(i * 4096, 4096) == [i as u8; 4096]));
        bench.run(Request::Flush).unwrap();
    }
}

#[test]
fn nothing_beyond_the_end_of_the_disk_is_touched() {
    for mut bench in Bench::both() {
        let buffer = [(0, 1024)];
        assert!(bench.write(4 * MIB - 512, &buffer).is_err());
        assert!(bench.read(u64::MAX - 100, &buffer).is_err());
        assert!(bench.run(Request::Discard { offset: 4 * MIB, len: 1 }).is_err());
        assert!(bench.run(Request::WriteZeroes { offset: 1, len: u64::MAX, unmap: true }).is_err());
        assert_eq!(bench.file.metadata().unwrap().len(), 4 * MIB);
    }
}

#[test]
fn an_image_that_somebody_cut_short_is_an_error_not_an_endless_read() {
    for mut bench in Bench::both() {
        bench.file.set_len(MIB).unwrap();
        let error = bench.read(MIB - 512, &[(0, 4096)]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn zeroes_are_written_and_holes_punched() {
    for mut bench in Bench::both() {
        bench.fill(0, MIB as usize, |_| 0xaa);
        for offset in [0, MIB, 2 * MIB, 3 * MIB] {
            bench.write(offset, &[(0, MIB as usize)]).unwrap();
        }
        bench.run(Request::WriteZeroes { offset: 512, len: 1024, unmap: false }).unwrap();
        assert!(bench.on_disk(0, 512) == [0xaa; 512]);
        assert!(bench.on_disk(512, 1024) == [0; 1024]);
        assert!(bench.on_disk(1536, 512) == [0xaa; 512]);

        let before = bench.file.metadata().unwrap().blocks();
        bench.run(Request::WriteZeroes { offset: MIB, len: MIB, unmap: true }).unwrap();
        bench.run(Request::Discard { offset: 2 * MIB, len: MIB }).unwrap();
        assert!(bench.on_disk(MIB, MIB as usize).iter().all(|&byte| byte == 0));
        assert!(bench.on_disk(3 * MIB, MIB as usize).iter().all(|&byte| byte == 0xaa));
        assert!(bench.file.metadata().unwrap().blocks() <= before - MIB / 512);
        assert_eq!(bench.file.metadata().unwrap().len(), 4 * MIB);
    }
}

#[test]
fn empty_requests_do_nothing() {
    for mut bench in Bench::both() {
        bench.read(0, &[]).unwrap();
        bench.write(4 * MIB, &[(0, 0)]).unwrap();
        bench.run(Request::Discard { offset: 5, len: 0 }).unwrap();
    }
}

#[test]
fn a_buffer_outside_the_attached_memory_is_refused_by_the_ring() {
    let [mut bench, _] = Bench::both();
    let mut foreign = [0u8; 512];
    let buffers = [Buffer::from(&mut foreign[..])];
    let error = bench.run(Request::Read { offset: 0, buffers: &buffers }).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EFAULT));
    // Also one that begins inside and ends outside.
    drop(bench.buffers(&[(0, 512)]));
    let short = Memory::from_ranges(&[(GuestAddress(0), 4096)]).unwrap();
    bench.engine.attach(short);
    assert!(bench.read(0, &[(0, 512)]).is_err());
}

#[test]
fn more_requests_than_the_depth_are_refused_one_by_one() {
    let [mut bench, _] = Bench::both();
    for token in 0..65 {
        bench.engine.submit(token, Request::Flush);
    }
    let done = bench.finish(65);
    let refused: Vec<_> = done.iter().filter(|done| done.result.is_err()).map(|done| done.token).collect();
    assert_eq!(refused, [64]);
}

#[test]
fn dropping_an_engine_waits_for_what_is_in_flight() {
    let [bench, _] = Bench::both();
    let Bench { file, mut engine, memory } = bench;
    memory.write_slice(&[5; 65536], GuestAddress(0)).unwrap();
    for i in 0..60 {
        let buffers = [Memory::get_slice(&memory, GuestAddress(0), 65536).unwrap()];
        engine.submit(i, Request::Write { offset: i * 65536, buffers: &buffers, durable: true });
    }
    drop(memory);
    drop(engine);
    let mut last = [0; 65536];
    file.read_exact_at(&mut last, 59 * 65536).unwrap();
    assert!(last == [5; 65536]);
}

#[test]
fn what_is_no_image_is_refused() {
    let directory = File::open("/").unwrap();
    assert!(matches!(RawImage::from_fd(directory), Err(ImageError::Kind)));
    assert!(matches!(RawImage::from_fd(File::open("/dev/null").unwrap()), Err(ImageError::Kind)));
    let file = tempfile::tempfile().unwrap();
    file.set_len(511).unwrap();
    assert!(matches!(RawImage::from_fd(file), Err(ImageError::Empty)));
}

#[test]
fn a_disk_ends_with_the_last_whole_sector() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(1025).unwrap();
    let image = RawImage::from_fd(file).unwrap();
    assert_eq!(image.capacity(), 1024);
    assert_eq!(image.backend(4).capacity(), 1024);
    image.syncer().sync().unwrap();
}
