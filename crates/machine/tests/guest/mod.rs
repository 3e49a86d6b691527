//! A few instructions of 32-bit code in an ELF file with a PVH note.

/// Where the code is loaded.
const LOAD: u32 = 0x10_0000;
/// A word of memory that nothing else uses.
const MARK: u32 = 0x20_0000;
/// Where other processors start: real mode, below 1 MiB, on a page of its own.
const TRAMPOLINE: u32 = 0x4_0000;
/// Set by other processors, below 1 MiB as well.
const FLAG: u32 = 0x5_0000;
const COM1: u16 = 0x3F8;
const PM_STATUS: u16 = 0x600;
const PM_CONTROL: u16 = 0x604;

/// Code under construction. Runs in 32-bit protected mode without paging; EBX and ESI are free.
#[derive(Clone, Default)]
pub struct Code(Vec<u8>);

impl Code {
    pub fn new() -> Self {
        Self::default()
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn with_u32(self, opcode: &[u8], operand: u32) -> Self {
        self.bytes(opcode).bytes(&operand.to_le_bytes())
    }

    /// `mov dx, port`
    fn dx(self, port: u16) -> Self {
        self.bytes(&[0x66, 0xBA]).bytes(&port.to_le_bytes())
    }

    /// `jz`/`jnz` and the like over `body`: jumps over it if the condition holds.
    fn unless(self, jump: u8, body: Self) -> Self {
        self.bytes(&[jump, u8::try_from(body.0.len()).unwrap()]).bytes(&body.0)
    }

    pub fn out8(self, port: u16, value: u8) -> Self {
        self.dx(port).bytes(&[0xB0, value, 0xEE])
    }

    pub fn print(self, text: &str) -> Self {
        text.bytes().fold(self, |code, byte| code.out8(COM1, byte))
    }

    /// Soft off: sleep type 5 and sleep enable.
    pub fn power_off(self) -> Self {
        self.dx(PM_CONTROL).bytes(&[0x66, 0xB8, 0x00, 0x34, 0x66, 0xEF]).halt()
    }

    /// `hlt` for ever.
    pub fn halt(self) -> Self {
        self.bytes(&[0xF4, 0xEB, 0xFD])
    }

    /// A loop that never leaves the guest.
    pub fn spin(self) -> Self {
        self.bytes(&[0xEB, 0xFE])
    }

    /// An exception without a table of handlers: `lidt` of six zero bytes, then `ud2`.
    pub fn triple_fault(self) -> Self {
        self.with_u32(&[0x0F, 0x01, 0x1D], 0x30_0000).bytes(&[0x0F, 0x0B])
    }

    /// Writes 1 to the mark.
    pub fn mark(self) -> Self {
        self.with_u32(&[0xC7, 0x05], MARK).bytes(&1u32.to_le_bytes())
    }

    fn compare_mark(self) -> Self {
        self.with_u32(&[0x83, 0x3D], MARK).bytes(&[0])
    }

    pub fn print_if_marked(self, marked: &str, not: &str) -> Self {
        const JZ: u8 = 0x74;
        const JNZ: u8 = 0x75;
        self.compare_mark()
            .unless(JZ, Self::new().print(marked))
            .compare_mark()
            .unless(JNZ, Self::new().print(not))
    }

    /// Copies real-mode code that prints `text` and sets a flag, starts all other processors there with the
    /// usual messages, INIT and start-up, through the local APIC, and waits for the flag.
    pub fn start_others(self, text: &str) -> Self {
        let mut real = Vec::new();
        for byte in text.bytes() {
            real.extend([0xBA, 0xF8, 0x03, 0xB0, byte, 0xEE]);
        }
        // mov ax, FLAG / 16; mov ds, ax; mov byte [0], 1; hlt for ever
        real.extend([0xB8, 0x00, 0x50, 0x8E, 0xD8, 0xC6, 0x06, 0x00, 0x00, 0x01, 0xF4, 0xEB, 0xFD]);
        let mut code = self;
        for (address, byte) in (TRAMPOLINE..).zip(real) {
            // mov byte [address], byte
            code = code.with_u32(&[0xC6, 0x05], address).bytes(&[byte]);
        }
        let icr = 0xFEE0_0300;
        let vector = TRAMPOLINE >> 12;
        // Enable the local APIC, then "all but self": INIT, start-up.
        let code = code.store(0xFEE0_00F0, 0x1FF).store(icr, 0x000C_4500).store(icr, 0x000C_4600 | vector);
        // pause; cmp byte [flag], 0; jz back
        code.bytes(&[0xF3, 0x90]).with_u32(&[0x80, 0x3D], FLAG).bytes(&[0, 0x74, 0xF5])
    }

    /// `mov dword [address], value`
    fn store(self, address: u32, value: u32) -> Self {
        self.with_u32(&[0xC7, 0x05], address).bytes(&value.to_le_bytes())
    }

    /// `mov byte [address], value`
    pub fn store8(self, address: u32, value: u8) -> Self {
        self.with_u32(&[0xC6, 0x05], address).bytes(&[value])
    }

    /// Prints `text` if the byte at `address` is `value`.
    pub fn print_if_byte(self, address: u32, value: u8, text: &str) -> Self {
        const JNZ: u8 = 0x75;
        let code = self.with_u32(&[0x80, 0x3D], address).bytes(&[value]);
        code.unless(JNZ, Self::new().print(text))
    }

    /// Polls the status register for the power button.
    pub fn wait_for_power_button(self) -> Self {
        // in ax, dx; test ah, 1; jz back
        self.dx(PM_STATUS).bytes(&[0x66, 0xED, 0xF6, 0xC4, 0x01, 0x74, 0xF9])
    }

    /// Prints the next `count` bytes that arrive.
    pub fn echo(self, count: u32) -> Self {
        let wait = Self::new().dx(COM1 + 5).bytes(&[0xEC, 0xA8, 0x01, 0x74, 0xFB]);
        let copy = wait.dx(COM1).bytes(&[0xEC, 0xEE]);
        (0..count).fold(self, |code, _| code.bytes(&copy.0))
    }

    /// `rep outsb` of the text, which lies behind a jump over it.
    pub fn print_string(self, text: &str) -> Self {
        let len = text.len() as u32;
        let code = self.bytes(&[0xEB, text.len() as u8]);
        let at = LOAD + code.0.len() as u32;
        let code = code.bytes(text.as_bytes()).with_u32(&[0xBE], at).with_u32(&[0xB9], len);
        code.dx(COM1).bytes(&[0xF3, 0x6E])
    }

    /// Reads every port but the interrupt controllers' and timer's neighbourhood below 0x60, in all widths.
    pub fn read_all_ports(self) -> Self {
        // mov edx, 0x60; loop: in al, dx; in ax, dx; in eax, dx; inc edx; cmp edx, 0x10000; jnz loop
        let code = self.with_u32(&[0xBA], 0x60).bytes(&[0xEC, 0x66, 0xED, 0xED, 0x42]);
        code.with_u32(&[0x81, 0xFA], 0x1_0000).bytes(&[0x75, 0xF3])
    }

    /// Reads and writes at unaligned addresses all over the PCI memory window and above, one in each MiB.
    pub fn touch_all_memory_windows(self) -> Self {
        // mov edi, 0xC0000FFD; loop: mov eax, [edi]; mov [edi], eax; mov [edi], al; add edi, 1 MiB; cmp edi, end;
        // jb loop
        let code = self.with_u32(&[0xBF], 0xC000_0FFD).bytes(&[0x8B, 0x07, 0x89, 0x07, 0x88, 0x07]);
        code.with_u32(&[0x81, 0xC7], 0x10_0000).with_u32(&[0x81, 0xFF], 0xFE00_0000).bytes(&[0x72, 0xEC])
    }

    /// Prints `text` if the double word of configuration space that `address` selects is `value`.
    pub fn print_if_config(self, address: u32, value: u32, text: &str) -> Self {
        const JNZ: u8 = 0x75;
        let code = self.dx(0xCF8).with_u32(&[0xB8], address).bytes(&[0xEF]).dx(0xCFC).bytes(&[0xED]);
        code.with_u32(&[0x3D], value).unless(JNZ, Self::new().print(text))
    }

    /// The file: header, two program headers, note, code.
    pub fn elf(&self) -> Vec<u8> {
        const HEADERS: u64 = 64 + 2 * 56;
        let note: Vec<u8> = [4u32, 4, 18]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .chain(*b"Xen\0")
            .chain(LOAD.to_le_bytes())
            .collect();
        let note_len = note.len() as u64;
        let code_at = HEADERS + note_len;
        let mut file = vec![0x7F, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        file.extend([2u16, 62].into_iter().flat_map(u16::to_le_bytes));
        file.extend(1u32.to_le_bytes());
        file.extend([LOAD.into(), 64u64, 0].into_iter().flat_map(u64::to_le_bytes));
        file.extend(0u32.to_le_bytes());
        file.extend([64u16, 56, 2, 64, 0, 0].into_iter().flat_map(u16::to_le_bytes));
        file.extend(program_header(4, HEADERS, 0, note_len));
        file.extend(program_header(1, code_at, LOAD.into(), self.0.len() as u64));
        file.extend(note);
        file.extend(&self.0);
        file
    }
}

fn program_header(kind: u32, offset: u64, address: u64, len: u64) -> Vec<u8> {
    let words = [offset, address, address, len, len, 4];
    [kind, 7]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .chain(words.into_iter().flat_map(u64::to_le_bytes))
        .collect()
}
