//! The seam on a real `/dev/kvm`: a few instructions at a time.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::OpenOptions;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use hv::{
    Bytes, Entry, Exit, Hardware, Kvm, MemoryLayout, MsiRoute, Processor, Shown, Space, StartState, Vcpu, Vm,
    Window,
};
use vm_memory::{Bytes as _, GuestAddress, GuestMemoryMmap, MmapRegion, VolatileMemory};

const CODE: u64 = 0x1000;
const BUFFER: u64 = 0x8000;
const SIZE: usize = 1 << 20;
const PRIVATE_PAGES: u64 = 0xFFFB_C000;
/// Where no RAM is.
const DEVICE: u32 = 0xD000_0000;

struct Machine {
    memory: GuestMemoryMmap<()>,
    vm: Vm,
}

/// A machine with this 32-bit code, or a loud word that the test did not run.
fn machine(code: &[u8]) -> Option<Machine> {
    machine_with(code, MemoryLayout::default())
}

fn machine_with(code: &[u8], layout: MemoryLayout) -> Option<Machine> {
    let device = match OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        Ok(device) => device,
        Err(error) => {
            println!("SKIP: no /dev/kvm: {error}");
            return None;
        }
    };
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), SIZE)]).unwrap();
    memory.write_slice(code, GuestAddress(CODE)).unwrap();
    let layout = MemoryLayout { private_pages: PRIVATE_PAGES, ..layout };
    let vm = Kvm::from_fd(device.into()).unwrap().create_vm(memory.clone(), layout).unwrap();
    Some(Machine { memory, vm })
}

impl Machine {
    fn vcpu(&self) -> Vcpu {
        let mut vcpu = self.vm.create_vcpu(0, 1).unwrap();
        vcpu.set_start_state(start()).unwrap();
        vcpu
    }
}

fn start() -> StartState {
    StartState::Protected { rip: CODE as u32, rbx: 0 }
}

fn read(exit: Exit) -> (Space, u64, u8) {
    match exit {
        Exit::Read { space, address, len } => (space, address, len),
        other => panic!("{other:?}"),
    }
}

fn written(exit: Exit) -> (Space, u64, Vec<u8>) {
    match exit {
        Exit::Write { space, address, data } => (space, address, data.as_slice().to_vec()),
        other => panic!("{other:?}"),
    }
}

fn data(bytes: &[u8]) -> Entry {
    Entry::Data(Bytes::new(bytes))
}

#[test]
fn something_that_is_no_kvm_is_refused() {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
    assert!(matches!(Kvm::from_fd(null.into()), Err(hv::Error::Version(_))));
}

#[test]
fn detection_agrees_with_what_linux_says() {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let native = cpuinfo.split_whitespace().any(|word| word == "vmx" || word == "svm");
    assert_eq!(Hardware::detect() == Hardware::Native, native);
}

#[test]
fn what_a_port_reads_arrives_in_the_guest() {
    // mov dx, 0x3F8; in ax, dx; out dx, al; mov dx, 0x80; in eax, dx; out dx, eax
    let code = [0x66, 0xBA, 0xF8, 0x03, 0x66, 0xED, 0xEE, 0x66, 0xBA, 0x80, 0x00, 0xED, 0xEF];
    let Some(machine) = machine(&code) else { return };
    let mut vcpu = machine.vcpu();
    assert_eq!(read(vcpu.run(Entry::Resume)), (Space::Port, 0x3F8, 2));
    assert_eq!(written(vcpu.run(data(&[0x11, 0x22]))), (Space::Port, 0x3F8, vec![0x11]));
    assert_eq!(read(vcpu.run(Entry::Resume)), (Space::Port, 0x80, 4));
    assert_eq!(written(vcpu.run(data(&[1, 2]))), (Space::Port, 0x80, vec![1, 2, 0xFF, 0xFF]));
}

#[test]
fn a_loaded_kernel_finds_its_registers_its_stack_and_its_segments() {
    // out 0x80, eax; mov eax, ebx; out 0x80, eax; pop eax; out 0x80, eax; mov eax, cs; out 0x80, ax; mov eax, ds;
    // out 0x80, ax; push 8; push next; retf; next: mov eax, cr0; out 0x80, eax
    let next = CODE as u8 + 31;
    let code = [
        0xE7,
        0x80,
        0x89,
        0xD8,
        0xE7,
        0x80,
        0x58,
        0xE7,
        0x80,
        0x8C,
        0xC8,
        0x66,
        0xE7,
        0x80,
        0x8C,
        0xD8,
        0x66,
        0xE7,
        0x80,
        0x6A,
        0x08,
        0x68,
        next,
        (CODE >> 8) as u8,
        0,
        0,
        0xCB,
        0x90,
        0x90,
        0x90,
        0x90,
        0x0F,
        0x20,
        0xC0,
        0xE7,
        0x80,
    ];
    let Some(machine) = machine(&code) else { return };
    machine.memory.write_obj(0x1234_5678u32, GuestAddress(BUFFER)).unwrap();
    let gdt: [u64; 4] = [0, 0x00CF_9B00_0000_FFFF, 0x00CF_9300_0000_FFFF, 0];
    machine.memory.write_obj(gdt, GuestAddress(0x500)).unwrap();
    let mut vcpu = machine.vm.create_vcpu(0, 1).unwrap();
    let state = StartState::Loaded {
        rip: CODE as u32,
        rax: 0xAABB_CCDD,
        rbx: 0x1122_3344,
        rsp: BUFFER as u32,
        gdt: 0x500,
    };
    vcpu.set_start_state(state).unwrap();
    let mut words = (0..6).map(|_| written(vcpu.run(Entry::Resume)).2);
    let mut next = |len: usize| {
        let word = words.next().unwrap();
        assert_eq!(word.len(), len);
        word.iter().rev().fold(0u32, |all, byte| all << 8 | u32::from(*byte))
    };
    assert_eq!([next(4), next(4), next(4)], [0xAABB_CCDD, 0x1122_3344, 0x1234_5678]);
    assert_eq!([next(2), next(2)], [8, 0x10]);
    assert_eq!(next(4) & 0x8000_0001, 1, "protected mode, no paging");
}

#[test]
fn memory_accesses_have_any_width_and_alignment() {
    let [a, b, c, d] = (DEVICE + 1).to_le_bytes();
    // mov al, [device + 1]; mov [device + 1], ax; mov eax, [device + 1]; mov [device + 1], eax
    let code: Vec<u8> =
        [&[0xA0, a, b, c, d][..], &[0x66, 0xA3, a, b, c, d], &[0xA1, a, b, c, d], &[0xA3, a, b, c, d]]
            .concat();
    let Some(machine) = machine(&code) else { return };
    let mut vcpu = machine.vcpu();
    let address = u64::from(DEVICE) + 1;
    assert_eq!(read(vcpu.run(Entry::Resume)), (Space::Memory, address, 1));
    assert_eq!(written(vcpu.run(data(&[7]))), (Space::Memory, address, vec![7, 0]));
    assert_eq!(read(vcpu.run(Entry::Resume)), (Space::Memory, address, 4));
    assert_eq!(written(vcpu.run(data(&[1, 2, 3, 4]))), (Space::Memory, address, vec![1, 2, 3, 4]));
}

/// One page with this in its first byte.
fn page(byte: u8) -> Arc<MmapRegion> {
    let page = MmapRegion::new(0x1000).unwrap();
    page.as_volatile_slice().write_obj(byte, 0).unwrap();
    Arc::new(page)
}

#[test]
fn memory_can_be_shown_and_hidden_with_and_without_writes() {
    let [a, b, c, d] = DEVICE.to_le_bytes();
    // again: mov al, [device]; out 0x80, al; inc byte [device]; jmp again
    let code = [0xA0, a, b, c, d, 0xE6, 0x80, 0xFE, 0x05, a, b, c, d, 0xEB, 0xF1];
    let rom = page(0x55);
    let address = u64::from(DEVICE);
    let window = |shows, writable| Window { address, len: 0x1000, shows, writable };
    let layout =
        MemoryLayout { windows: vec![window(Shown::Memory(rom.clone(), 0), false)], ..Default::default() };
    let Some(machine) = machine_with(&code, layout) else { return };
    let mut vcpu = machine.vcpu();
    assert_eq!(written(vcpu.run(Entry::Resume)), (Space::Port, 0x80, vec![0x55]), "it reads");
    assert_eq!(
        written(vcpu.run(Entry::Resume)),
        (Space::Memory, address, vec![0x56]),
        "its write is reported"
    );
    assert!(machine.vm.show(window(Shown::Ram(GuestAddress(BUFFER)), true)).is_err(), "the place is taken");
    machine.vm.hide(address).unwrap();
    assert!(machine.vm.hide(address).is_err(), "there is nothing to hide");
    assert_eq!(Arc::strong_count(&rom), 1, "nobody keeps it any more");
    assert_eq!(read(vcpu.run(Entry::Resume)), (Space::Memory, address, 1));
    assert_eq!(written(vcpu.run(data(&[7]))), (Space::Port, 0x80, vec![7]));
    machine.memory.write_obj(0x20u8, GuestAddress(BUFFER)).unwrap();
    machine.vm.show(window(Shown::Ram(GuestAddress(BUFFER)), true)).unwrap();
    assert_eq!(written(vcpu.run(Entry::Resume)), (Space::Port, 0x80, vec![0x21]), "its write has arrived");
    assert_eq!(machine.memory.read_obj::<u8>(GuestAddress(BUFFER)).unwrap(), 0x21);
}

#[test]
fn ram_leaves_a_hole_to_windows() {
    let hole = 0x2000..0x3000;
    // mov al, [0x1FFF]; mov al, [0x2000]; mov al, [0x3000]; out 0x80, al
    let code = [0xA0, 0xFF, 0x1F, 0, 0, 0xA0, 0, 0x20, 0, 0, 0xA0, 0, 0x30, 0, 0, 0xE6, 0x80];
    let Some(machine) = machine_with(&code, MemoryLayout { hole, ..Default::default() }) else { return };
    machine.memory.write_obj(0x77u8, GuestAddress(0x3000)).unwrap();
    let mut vcpu = machine.vcpu();
    assert_eq!(read(vcpu.run(Entry::Resume)), (Space::Memory, 0x2000, 1));
    assert_eq!(written(vcpu.run(data(&[0]))), (Space::Port, 0x80, vec![0x77]));
}

#[test]
fn string_instructions_go_item_by_item() {
    let [a, b, c, d] = (BUFFER as u32).to_le_bytes();
    // mov edi, buffer; mov ecx, 3; mov dx, 0x70; rep insw; mov esi, buffer; mov ecx, 3; rep outsw; hlt
    let code: Vec<u8> = [
        &[0xBF, a, b, c, d][..],
        &[0xB9, 3, 0, 0, 0, 0x66, 0xBA, 0x70, 0x00, 0xF3, 0x66, 0x6D],
        &[0xBE, a, b, c, d, 0xB9, 3, 0, 0, 0, 0xF3, 0x66, 0x6F, 0xF4],
    ]
    .concat();
    let Some(machine) = machine(&code) else { return };
    let mut vcpu = machine.vcpu();
    let mut entry = Entry::Resume;
    for item in 1..=3 {
        assert_eq!(read(vcpu.run(entry)), (Space::Port, 0x70, 2));
        entry = data(&[item, item]);
    }
    for item in 1..=3 {
        assert_eq!(written(vcpu.run(entry)), (Space::Port, 0x70, vec![item, item]));
        entry = Entry::Resume;
    }
    let mut buffer = [0; 8];
    machine.memory.read_slice(&mut buffer, GuestAddress(BUFFER)).unwrap();
    assert_eq!(buffer, [1, 1, 2, 2, 3, 3, 0, 0]);
}

#[test]
fn leaving_completes_what_was_begun() {
    // mov dx, 0x70; in al, dx; mov [buffer], al; hlt
    let [a, b, c, d] = (BUFFER as u32).to_le_bytes();
    let code = [0x66, 0xBA, 0x70, 0x00, 0xEC, 0xA2, a, b, c, d, 0xF4];
    let Some(machine) = machine(&code) else { return };
    let mut vcpu = machine.vm.create_vcpu(0, 1).unwrap();
    let power_on = vcpu.state().unwrap();
    for round in 1..=3 {
        vcpu.set_start_state(start()).unwrap();
        assert_eq!(read(vcpu.run(Entry::Resume)), (Space::Port, 0x70, 1), "round {round}");
        vcpu.leave();
        // Were the read not complete, its answer would end up in the state that is put back here.
        assert!(matches!(vcpu.run(data(&[round])), Exit::Interrupted));
        vcpu.reset(&power_on).unwrap();
    }
}

/// Runs a guest that loops for ever on a thread; the thread sends a word for each time that it is
/// interrupted.
fn spinning(times: usize) -> Option<(std::thread::JoinHandle<()>, mpsc::Receiver<()>)> {
    let machine = machine(&[0xEB, 0xFE])?;
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut vcpu = machine.vcpu();
        for _ in 0..times {
            assert!(matches!(vcpu.run(Entry::Resume), Exit::Interrupted));
            sender.send(()).unwrap();
        }
    });
    Some((thread, receiver))
}

#[test]
fn no_kick_is_lost_wherever_the_thread_is() {
    const KICKS: usize = 200;
    let Some((thread, interrupted)) = spinning(KICKS) else { return };
    for n in 0..KICKS as u64 {
        // Kicks come before, while, and after the processor is entered.
        std::thread::sleep(Duration::from_micros(n * 7 % 300));
        hv::kick(&thread);
        interrupted.recv_timeout(Duration::from_secs(60)).unwrap();
    }
    thread.join().unwrap();
}

#[test]
fn a_reset_processor_starts_where_a_new_one_does() {
    // inc dword [buffer]; mov eax, cr0; or eax, 0x20; mov cr0, eax; out 0x80, al; jmp back
    let [a, b, c, d] = (BUFFER as u32).to_le_bytes();
    let code = [
        0xFF, 0x05, a, b, c, d, 0x0F, 0x20, 0xC0, 0x83, 0xC8, 0x20, 0x0F, 0x22, 0xC0, 0xE6, 0x80, 0xEB, 0xED,
    ];
    let Some(machine) = machine(&code) else { return };
    let mut vcpu = machine.vm.create_vcpu(0, 1).unwrap();
    let power_on = vcpu.state().unwrap();
    let controllers = machine.vm.controllers().unwrap();
    for round in 1..=3u32 {
        vcpu.set_start_state(start()).unwrap();
        assert_eq!(written(vcpu.run(Entry::Resume)).1, 0x80);
        let count: u32 = machine.memory.read_obj(GuestAddress(BUFFER)).unwrap();
        assert_eq!(count, round);
        vcpu.leave();
        assert!(matches!(vcpu.run(Entry::Resume), Exit::Interrupted));
        vcpu.reset(&power_on).unwrap();
        machine.vm.reset_controllers(&controllers).unwrap();
    }
}

#[test]
fn several_processors_wait_for_the_first() {
    let Some(machine) = machine(&[0xF4]) else { return };
    let mut second = machine.vm.create_vcpu(1, 2).unwrap();
    let (enters, entered) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        enters.send(()).unwrap();
        assert!(matches!(second.run(Entry::Resume), Exit::Interrupted));
    });
    entered.recv().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    assert!(!thread.is_finished(), "it sleeps in the kernel");
    hv::kick(&thread);
    thread.join().unwrap();
}

#[test]
fn a_full_table_of_messages_keeps_the_lines() {
    let Some(machine) = machine(&[0xF4]) else { return };
    let route = |n| MsiRoute { gsi: hv::FIRST_MSI_GSI + n, address: 0xFEE0_0000, data: 0x41 };
    let routes: Vec<_> = (0..).map(route).take(hv::MAX_MSI_ROUTES).collect();
    machine.vm.route_messages(&routes).unwrap();
    machine.vm.irq_line(4).set(true).unwrap();
    machine.vm.irq_line(4).set(false).unwrap();
}

#[test]
fn a_guest_that_stood_still_does_not_see_the_time() {
    const PAUSE: Duration = Duration::from_millis(100);
    let [a, b, c, d] = DEVICE.to_le_bytes();
    // again: rdtsc; mov [device], eax; jmp again
    let Some(machine) = machine(&[0x0F, 0x31, 0xA3, a, b, c, d, 0xEB, 0xF7]) else { return };
    let mut vcpu = machine.vcpu();
    let counter = |vcpu: &mut Vcpu| {
        let (_, _, low) = written(vcpu.run(Entry::Resume));
        u32::from_le_bytes(low.try_into().unwrap())
    };
    let first = counter(&mut vcpu);
    std::thread::sleep(PAUSE);
    let second = counter(&mut vcpu);
    let clock = machine.vm.clock().unwrap();
    let stopped = hv::host_counter();
    std::thread::sleep(PAUSE);
    vcpu.set_counter_back(hv::host_counter().wrapping_sub(stopped)).unwrap();
    machine.vm.set_clock(&clock).unwrap();
    vcpu.tell_of_pause();
    let third = counter(&mut vcpu);
    let told = machine.vm.clock().unwrap().elapsed().saturating_sub(clock.elapsed());
    assert!(told < PAUSE / 2, "{told:?} have passed by the machine's clock");
    if Hardware::detect() != Hardware::Native {
        println!("SKIP: no hardware virtualisation: the counter of the guest is the host's");
        return;
    }
    let (seen, unseen) = (second.wrapping_sub(first), third.wrapping_sub(second));
    assert!(unseen < seen / 2, "{unseen} ticks, where {seen} are {PAUSE:?}");
}
