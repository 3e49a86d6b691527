/*
 * A guest that keeps no rule of any device, and says how far it has come: a line for each thing done, "hostile: done"
 * at the end. It sleeps then. Whatever it does may only ever hurt itself, and even that it survives: what would end
 * it by design (power off, reset, panic) is left out, and what devices may write to lies above SCRATCH.
 *
 * Its numbers come from a generator with a fixed seed, so that each run does the same.
 */

#include "guest.h"
#include "io.h"
#include "pci.h"

#define MMIO64(address) (*(volatile uint64_t *)(uintptr_t)(address))

/* Memory that anything may be written to: 8 MiB up to the end of the smallest machine that this is run on. */
#define SCRATCH 0x800000u
#define SCRATCH_SIZE 0x1000000u
#define RAM_END 0x2000000u

#define VIRTIO_VENDOR 0x1af4
#define BAR_NUMBER 4
#define BAR_SIZE 0x8000u
#define PAGE 0x1000u
#define COMMAND 0x04
#define BAR_REGISTER (0x10 + 4 * BAR_NUMBER)
#define DECODE_AND_MASTER 0x7u

/* Pages of a virtio function's range, and registers in the first (virtio 1.2, 4.1.4.3). */
enum { COMMON = 0, NOTIFY = 0x3000, MSIX_TABLE = 0x4000 };
enum {
    FEATURE_SELECT = 8,
    FEATURE = 12,
    STATUS = 20,
    QUEUE_SELECT = 22,
    QUEUE_SIZE = 24,
    QUEUE_ENABLE = 28,
    QUEUE_ADDRESSES = 32,
};
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t random_number(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void done(const char *what)
{
    print(what);
    print(" done\n");
}

/* ---- Ports ------------------------------------------------------------------------------------------------------ */

/* What stops the machine, or takes away the console: reset registers, the panic port, and the serial line. */
static int is_fatal(uint32_t port)
{
    return port == 0x92 || port == 0xcf9 || port == 0x505 || (port >= COM1 - 3 && port < COM1 + 8);
}

static void write_port(uint16_t port)
{
    if (is_fatal(port))
        return;
    outb(port, 0xa5);
    outw(port, 0xa5a5);
    outl(port, 0xa5a5a5a5);
}

static void all_ports(void)
{
    for (uint32_t port = 0; port < 0x10000; port++) {
        (void)inb((uint16_t)port);
        (void)inw((uint16_t)port);
        (void)inl((uint16_t)port);
        write_port((uint16_t)port);
    }
    done("ports");
}

/* Strings of items, in and out, at places where something answers and where nothing does. */
static void string_ports(void)
{
    static const uint16_t ports[] = {0x60, 0x70, 0x80, 0x510, 0x511, 0x514, 0x600, 0x608, 0xcf8, 0xcfc, 0xcfd, 0xffff};
    for (unsigned i = 0; i < sizeof ports / sizeof *ports; i++) {
        void *at = (void *)(uintptr_t)SCRATCH;
        uint64_t count = 100;
        __asm__ volatile("rep insb" : "+D"(at), "+c"(count) : "d"(ports[i]) : "memory");
        count = 100;
        __asm__ volatile("rep insl" : "+D"(at), "+c"(count) : "d"(ports[i]) : "memory");
        count = 100;
        at = (void *)(uintptr_t)SCRATCH;
        __asm__ volatile("rep outsb" : "+S"(at), "+c"(count) : "d"(ports[i]) : "memory");
        count = 100;
        __asm__ volatile("rep outsw" : "+S"(at), "+c"(count) : "d"(ports[i]) : "memory");
    }
    done("strings");
}

/* The serial line in all its modes; afterwards as it was. */
static void serial_line(void)
{
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t number = random_number();
        uint16_t reg = (uint16_t)(1 + number % 7);
        outb((uint16_t)(COM1 + reg), (uint8_t)(number >> 8));
        (void)inb((uint16_t)(COM1 + (number >> 16) % 8));
    }
    outb(COM1 + 3, 0x03);
    outb(COM1 + 1, 0x00);
    outb(COM1 + 2, 0x07);
    outb(COM1 + 4, 0x0b);
    done("serial");
}

/* ---- The range of a function ------------------------------------------------------------------------------------ */

static void poke(uint32_t at)
{
    uint64_t number = random_number();
    (void)MMIO8(at);
    (void)MMIO16(at);
    (void)MMIO32(at);
    (void)MMIO64(at);
    MMIO8(at) = (uint8_t)number;
    MMIO16(at) = (uint16_t)(number >> 8);
    MMIO32(at) = (uint32_t)(number >> 16);
    MMIO64(at) = number;
}

/* Every offset of the range, or the beginning of each of its pages, in each width. */
static void poke_range(uint32_t bar, uint32_t of_each_page)
{
    for (uint32_t page = 0; page < BAR_SIZE; page += PAGE)
        for (uint32_t offset = 0; offset < of_each_page; offset++)
            poke(bar + page + offset);
}

static void set_status(uint32_t bar, uint8_t status) { MMIO8(bar + COMMON + STATUS) = status; }

static void reset_device(uint32_t bar)
{
    set_status(bar, 0);
    while (MMIO8(bar + COMMON + STATUS))
        ;
}

/* Accepts nothing but version 1, or that and all else that is on offer. */
static void negotiate(uint32_t bar, uint32_t low)
{
    reset_device(bar);
    set_status(bar, ACKNOWLEDGE);
    set_status(bar, ACKNOWLEDGE | DRIVER);
    MMIO32(bar + COMMON + FEATURE_SELECT) = 0;
    MMIO32(bar + COMMON + FEATURE) = low;
    MMIO32(bar + COMMON + FEATURE_SELECT) = 1;
    MMIO32(bar + COMMON + FEATURE) = 1;
    set_status(bar, ACKNOWLEDGE | DRIVER | FEATURES_OK);
}

static void set_queue(uint32_t bar, uint16_t size, const uint64_t addresses[3])
{
    MMIO16(bar + COMMON + QUEUE_SELECT) = 0;
    MMIO16(bar + COMMON + QUEUE_SIZE) = size;
    for (unsigned i = 0; i < 3; i++)
        MMIO64(bar + COMMON + QUEUE_ADDRESSES + 8 * i) = addresses[i];
    MMIO16(bar + COMMON + QUEUE_ENABLE) = 1;
}

#define DESCRIPTORS SCRATCH
#define AVAILABLE (SCRATCH + 0x10000)
#define USED (SCRATCH + 0x20000)
static const uint64_t good_addresses[3] = {DESCRIPTORS, AVAILABLE, USED};

static void start_device(uint32_t bar)
{
    for (uint32_t at = SCRATCH; at < SCRATCH + 0x30000; at += 8)
        MMIO64(at) = 0;
    set_queue(bar, 16, good_addresses);
    set_status(bar, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

/* Messages of a function go to a processor that does not exist. */
static void defuse_messages(uint32_t bar)
{
    for (uint32_t entry = bar + MSIX_TABLE; entry < bar + MSIX_TABLE + 0x40; entry += 16) {
        MMIO32(entry) = LAPIC | 0x55000;
        MMIO32(entry + 4) = 0;
        MMIO32(entry + 8) = 0x20;
        MMIO32(entry + 12) = 1;
    }
}

static void phases(uint32_t bar, int whole)
{
    reset_device(bar);
    poke_range(bar, whole ? PAGE : 0x48);
    reset_device(bar);
    set_status(bar, ACKNOWLEDGE | DRIVER);
    poke_range(bar, 0x48);
    negotiate(bar, 0);
    poke_range(bar, 0x48);
    negotiate(bar, 0xffffffff);
    poke_range(bar, 0x48);
    negotiate(bar, 0);
    start_device(bar);
    poke_range(bar, 0x48);
    reset_device(bar);
}

/* ---- Doorbells and rings ---------------------------------------------------------------------------------------- */

static void doorbells(uint32_t bar)
{
    negotiate(bar, 0);
    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t offset = 0; offset < PAGE; offset += 2) {
            MMIO16(bar + NOTIFY + offset) = (uint16_t)offset;
            MMIO32(bar + NOTIFY + offset) = (uint32_t)random_number();
        }
        start_device(bar);
    }
    reset_device(bar);
}

/* An address that means something to a device, or does not; what it writes there must not hurt us. */
static uint64_t some_address(void)
{
    static const uint64_t elsewhere[] = {RAM_END - 1, RAM_END, 0xc0000000, 0xfec00000, 0xfee00000, 1ull << 32, ~0ull, 1ull << 63};
    uint64_t number = random_number();
    if (number & 3)
        return SCRATCH + (number >> 8) % SCRATCH_SIZE;
    return elsewhere[(number >> 8) % (sizeof elsewhere / sizeof *elsewhere)];
}

static void garbage_descriptors(uint32_t table, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t number = random_number();
        MMIO64(table + 16 * i) = some_address();
        MMIO32(table + 16 * i + 8) = number & 1 ? (uint32_t)(number >> 8) % 0x2000 : (uint32_t)(number >> 8);
        MMIO16(table + 16 * i + 12) = (uint16_t)(number >> 40) & 7;
        MMIO16(table + 16 * i + 14) = number & 2 ? (uint16_t)((number >> 48) % 16) : (uint16_t)(number >> 48);
    }
}

/* Requests whose heads look right, so that more than the first check is met. */
static void garbage_requests(void)
{
    for (uint32_t at = SCRATCH + 0x30000; at < SCRATCH + 0x40000; at += 0x100) {
        MMIO32(at) = (uint32_t)random_number() % 16;
        MMIO64(at + 8) = random_number() & 1 ? random_number() % 0x4000 : random_number();
    }
}

static void rings(uint32_t bar)
{
    garbage_requests();
    for (unsigned round = 0; round < 60; round++) {
        negotiate(bar, round & 1 ? 0xffffffff : 1 << 28);
        uint64_t addresses[3] = {DESCRIPTORS, AVAILABLE, USED};
        if (round % 3 == 0)
            addresses[random_number() % 3] = some_address();
        garbage_descriptors(DESCRIPTORS, 16);
        garbage_descriptors(SCRATCH + 0x50000, 64);
        for (unsigned i = 0; i < 16; i += 3)
            MMIO64(DESCRIPTORS + 16 * i) = SCRATCH + 0x30000 + 0x100 * i;
        for (unsigned i = 0; i < 20; i++)
            MMIO16(AVAILABLE + 4 + 2 * i) = (uint16_t)(random_number() % (round & 2 ? 16 : 0x10000));
        MMIO16(AVAILABLE) = (uint16_t)random_number();
        MMIO16(AVAILABLE + 2) = round & 4 ? (uint16_t)random_number() : (uint16_t)(random_number() % 16);
        set_queue(bar, round % 7 == 6 ? (uint16_t)random_number() : 16, addresses);
        set_status(bar, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        MMIO16(bar + NOTIFY) = 0;
        /* While it is at work. */
        garbage_descriptors(DESCRIPTORS, 16);
        MMIO16(AVAILABLE + 2) = (uint16_t)random_number();
        MMIO16(bar + NOTIFY) = 0;
        pci_write((unsigned)(round & 1 ? 31 : 0), 0, (uint32_t)random_number());
    }
    reset_device(bar);
}

/* ---- Configuration space ---------------------------------------------------------------------------------------- */

static uint32_t saved_bar[PCI_SLOTS];

static int is_virtio(unsigned slot) { return (pci_read(slot, 0) & 0xffff) == VIRTIO_VENDOR; }

static uint32_t bar_of(unsigned slot) { return pci_bar(slot, BAR_NUMBER); }

/* As it was, so that the next test finds it. */
static void restore(unsigned slot)
{
    pci_write(slot, COMMAND, 0);
    pci_write(slot, BAR_REGISTER, saved_bar[slot]);
    pci_write(slot, COMMAND, DECODE_AND_MASTER);
    unsigned capability = pci_capability(slot, 0, PCI_CAP_MSIX);
    if (capability)
        pci_write(slot, capability, 0);
}

static void select(unsigned slot, unsigned function, unsigned offset)
{
    outl(0xcf8, 0x80000000u | slot << 11 | function << 8 | (offset & 0xfc));
}

static void read_everything(void)
{
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
        for (unsigned function = 0; function < 8; function++)
            for (unsigned offset = 0; offset < 0x100; offset += 4) {
                select(slot, function, offset);
                if (inl(0xcfc) == 0xffffffff && offset == 0)
                    break;
                (void)inw((uint16_t)(0xcfc + (offset >> 2) % 4));
                (void)inb((uint16_t)(0xcfc + (offset >> 2) % 4));
            }
    done("configuration read");
}

static void write_everything(unsigned slot, unsigned function)
{
    for (unsigned round = 0; round < 3; round++)
        for (unsigned offset = 0; offset < 0x100; offset++) {
            uint64_t number = random_number();
            select(slot, function, offset);
            outl(0xcfc, (uint32_t)number);
            outw((uint16_t)(0xcfc + (number >> 40) % 4), (uint16_t)number);
            outb((uint16_t)(0xcfc + offset % 4), (uint8_t)(number >> 8));
        }
}

/* Ranges over memory, firmware, the controllers, the end of everything, and one another. */
static void move_ranges(unsigned slot, unsigned other)
{
    uint32_t places[] = {0, 0x8000, 0xa0000, 0xe0000, 0xf8000, 0x100000, SCRATCH, RAM_END - BAR_SIZE, RAM_END,
        0xc0000000, 0xfebf8000, 0xfec00000, 0xfee00000, 0xfffb8000, 0xffff8000, saved_bar[other]};
    negotiate(bar_of(slot), 0);
    start_device(bar_of(slot));
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        pci_write(slot, BAR_REGISTER, places[i]);
        for (uint32_t offset = 0; offset < BAR_SIZE; offset += PAGE)
            (void)MMIO32(places[i] + offset);
        if (places[i] >= RAM_END && places[i] != saved_bar[other]) {
            MMIO16(places[i] + NOTIFY) = 0;
            MMIO32(places[i] + COMMON + STATUS) = (uint32_t)random_number();
        }
    }
    /* Both in one place, both active, and away again. */
    negotiate(saved_bar[other], 0);
    set_status(saved_bar[other], ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    MMIO16(saved_bar[other] + NOTIFY) = 0;
    pci_write(slot, BAR_REGISTER, saved_bar[slot]);
    pci_write(other, BAR_REGISTER, saved_bar[slot]);
    MMIO16(saved_bar[slot] + NOTIFY) = 0;
    pci_write(slot, COMMAND, 0);
    MMIO16(saved_bar[slot] + NOTIFY) = 0;
    restore(slot);
    restore(other);
    reset_device(saved_bar[slot]);
    reset_device(saved_bar[other]);
}

/* ---- fw_cfg ----------------------------------------------------------------------------------------------------- */

static uint32_t big32(uint32_t value) { return __builtin_bswap32(value); }

static void fw_cfg_transfer(uint32_t control, uint32_t length, uint64_t address, uint64_t structure)
{
    volatile uint32_t *access = (volatile uint32_t *)(uintptr_t)SCRATCH;
    access[0] = big32(control);
    access[1] = big32(length);
    access[2] = big32((uint32_t)(address >> 32));
    access[3] = big32((uint32_t)address);
    outl(0x514, big32((uint32_t)(structure >> 32)));
    outl(0x518, big32((uint32_t)structure));
}

static void fw_cfg(void)
{
    outw(0x510, 0);
    if (inb(0x511) != 'Q' || inb(0x511) != 'E' || inb(0x511) != 'M' || inb(0x511) != 'U') {
        print("no fw_cfg\n");
        return;
    }
    static const uint64_t structures[] = {SCRATCH, SCRATCH + 1, RAM_END - 8, RAM_END, 0xfee00000, ~0ull, 1ull << 63};
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t number = random_number();
        uint32_t item = (uint32_t)(number % 0x40) << 16;
        uint32_t control = item | ((number >> 8) & 0x1f);
        uint64_t address = i % 5 == 0 ? SCRATCH : some_address();
        uint32_t length = i & 1 ? (uint32_t)(number >> 32) : (uint32_t)(number >> 32) % 64;
        if (!(control & 2) || address + length < address || address >= SCRATCH)
            fw_cfg_transfer(control, length, address, structures[i % 7]);
    }
    for (uint32_t item = 0; item < 0x10000; item += 37) {
        outw(0x510, (uint16_t)item);
        (void)inb(0x511);
        (void)inl(0x511);
    }
    done("fw_cfg");
}

void main(const struct start_info *info);

void main(const struct start_info *info)
{
    (void)info;
    print("hostile guest\n");
    unsigned slots[PCI_SLOTS], count = 0;
    for (unsigned slot = 3; slot < PCI_SLOTS; slot++)
        if (is_virtio(slot)) {
            slots[count++] = slot;
            saved_bar[slot] = bar_of(slot);
            restore(slot);
        }
    for (unsigned i = 0; i < count; i++)
        phases(saved_bar[slots[i]], i == count - 1);
    done("ranges");
    for (unsigned i = 0; i < count; i++)
        doorbells(saved_bar[slots[i]]);
    done("doorbells");
    for (unsigned i = 0; i < count; i++)
        rings(saved_bar[slots[i]]);
    done("rings");
    fw_cfg();
    for (unsigned i = 0; i + 1 < count; i++)
        move_ranges(slots[i + 1], slots[i]), move_ranges(slots[i], slots[i + 1]);
    done("moves");
    read_everything();
    for (unsigned i = 0; i < count; i++) {
        defuse_messages(saved_bar[slots[i]]);
        write_everything(slots[i], 0);
        restore(slots[i]);
        reset_device(saved_bar[slots[i]]);
    }
    write_everything(1, 0);
    write_everything(1, 3);
    done("configuration written");
    string_ports();
    all_ports();
    serial_line();
    print("hostile: done\n");
}
