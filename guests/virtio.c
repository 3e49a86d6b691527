/*
 * Drives the virtio devices of the machine and reports, one line for each thing tried. Then it powers off.
 * Words of the command line:
 *
 *   poll     no interrupts
 *   pin      interrupts by the pins of the functions instead of messages, over the I/O APIC
 *   8259     the same over the 8259s
 *   verify   only reads the disks, and expects what an earlier run has written
 *   enospc   expects that writing fails, and that the disk can still be read
 *   storm    first starts the other processors and resets the machine with a request of each disk under way, in
 *            several ways: a byte of CMOS memory counts
 *   stay     sleeps at the end
 */

#include "guest.h"
#include "io.h"
#include "pci.h"
#include "queue.h"

#define FEATURE_FLUSH (1ull << 9)
#define FEATURE_DISCARD (1ull << 13)
#define FEATURE_WRITE_ZEROES (1ull << 14)

/* Kinds of requests to a disk, and what they end with (virtio 1.2, section 5.2.6). */
enum { READ = 0, WRITE = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { OK = 0, IO_ERROR = 1 };

#define SECTOR 512
#define SECTORS 8
#define WORDS (SECTORS * SECTOR / sizeof(uint64_t))

struct block_header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};

struct range {
    uint64_t sector;
    uint32_t sectors;
    uint32_t flags;
};

static uint64_t buffer[WORDS];

static void report(const char *device, unsigned number, const char *what, int fine)
{
    print(device);
    print_number(number);
    print(" ");
    print(what);
    print(fine ? " ok\n" : " FAILED\n");
}

static void fill(uint64_t seed)
{
    for (unsigned i = 0; i < WORDS; i++)
        buffer[i] = seed ? seed * (i + 1) : 0;
}

static int filled_with(uint64_t seed)
{
    for (unsigned i = 0; i < WORDS; i++)
        if (buffer[i] != (seed ? seed * (i + 1) : 0))
            return 0;
    return 1;
}

static void test_rng(unsigned number, struct device *device)
{
    fill(0);
    struct piece piece = {buffer, 64, 1};
    uint32_t length = request(device, &piece, 1);
    int differ = 0;
    for (unsigned i = 1; i < 8; i++)
        differ |= buffer[i] != buffer[0];
    report("rng", number, "read", length > 8 && length <= 64 && differ);
}

/* One request to a disk, with data or without. The device's status, or 255 if it wrote none. */
static uint8_t transfer(struct device *disk, uint32_t type, uint64_t sector, void *data, uint32_t length)
{
    static struct block_header header;
    static uint8_t status;
    header = (struct block_header){.type = type, .sector = sector};
    status = 255;
    struct piece pieces[3] = {{&header, sizeof header, 0}};
    unsigned count = 1;
    if (length)
        pieces[count++] = (struct piece){data, length, type == READ || type == GET_ID};
    pieces[count++] = (struct piece){&status, 1, 1};
    request(disk, pieces, count);
    return status;
}

static int read_back(struct device *disk, uint64_t sector, uint64_t seed)
{
    fill(1);
    return transfer(disk, READ, sector, buffer, sizeof buffer) == OK && filled_with(seed);
}

static int write_out(struct device *disk, uint64_t sector, uint64_t seed)
{
    fill(seed);
    return transfer(disk, WRITE, sector, buffer, sizeof buffer) == OK;
}

static int change_range(struct device *disk, uint32_t type, uint64_t sector)
{
    static struct range range;
    range = (struct range){.sector = sector, .sectors = SECTORS};
    return transfer(disk, type, sector, &range, sizeof range) == OK;
}

static uint64_t capacity(const struct device *disk)
{
    return (uint64_t)MMIO32(disk->config + 4) << 32 | MMIO32(disk->config);
}

static void describe(unsigned number, struct device *disk)
{
    char id[21] = {0};
    transfer(disk, GET_ID, 0, id, 20);
    print("blk");
    print_number(number);
    print(": ");
    print_number(capacity(disk));
    print(" sectors, serial ");
    print(id);
    print("\n");
}

/* Every disk gets another pattern, so that one that is mistaken for another shows. */
static uint64_t pattern(unsigned number) { return 0x9e3779b97f4a7c15u + number; }

static void test_writing(unsigned number, struct device *disk)
{
    uint64_t last = capacity(disk) - SECTORS, seed = pattern(number);
    report("blk", number, "write", write_out(disk, 0, seed) && write_out(disk, last, seed + 1));
    if (disk->features & FEATURE_FLUSH)
        report("blk", number, "flush", transfer(disk, FLUSH, 0, 0, 0) == OK);
    report("blk", number, "read", read_back(disk, 0, seed) && read_back(disk, last, seed + 1));
    if (disk->features & FEATURE_WRITE_ZEROES)
        report("blk", number, "write zeroes", change_range(disk, WRITE_ZEROES, last) && read_back(disk, last, 0));
    if (disk->features & FEATURE_DISCARD)
        report("blk", number, "discard", change_range(disk, DISCARD, last));
    int status = transfer(disk, READ, capacity(disk), buffer, SECTOR);
    report("blk", number, "end of disk", status == IO_ERROR);
}

static void test_full_disk(unsigned number, struct device *disk)
{
    fill(pattern(number));
    report("blk", number, "write refused", transfer(disk, WRITE, 0, buffer, sizeof buffer) == IO_ERROR);
    report("blk", number, "read", transfer(disk, READ, 0, buffer, sizeof buffer) == OK);
}

static void test_disk(const struct start_info *info, unsigned number, struct device *disk)
{
    describe(number, disk);
    if (has_word(info, "verify"))
        report("blk", number, "verify", read_back(disk, 0, pattern(number)));
    else if (has_word(info, "enospc"))
        test_full_disk(number, disk);
    else
        test_writing(number, disk);
}

/* The device that is being tested. */
static struct device *current;
static unsigned pin_interrupts;

/* Reading the reason lowers the pin; one that stays high comes again and again. */
static void on_pin(void)
{
    (void)MMIO8(current->isr);
    pin_interrupts++;
}

#define PCI_INTERRUPT 0x3c
#define PCI_INTERRUPT_STATUS 0x80000u
#define PCI_COMMAND 0x04
#define LEVEL_TRIGGERED 0x4d1 /* a bit for each input of the second 8259 */

/* Where the pin arrives is noted by the firmware, to be level triggered, and it is quiet when all is done. */
static void test_pin(const char *device, unsigned number, unsigned slot)
{
    uint32_t note = pci_read(slot, PCI_INTERRUPT);
    unsigned line = note & 0xff;
    int noted = (note >> 8 & 0xff) == 1 && (line == 10 || line == 11) && (inb(LEVEL_TRIGGERED) & 1 << (line - 8));
    int quiet = 0;
    enable_interrupts();
    for (unsigned tries = 0; !quiet && tries < 100; tries++)
        quiet = !(pci_read(slot, PCI_COMMAND) & PCI_INTERRUPT_STATUS);
    disable_interrupts();
    report(device, number, "pin", noted && quiet && pin_interrupts > 0);
    pin_interrupts = 0;
}

/* Starts each device of this type. The number of them. */
static unsigned for_each(const struct start_info *info, unsigned type, const struct message *message)
{
    unsigned number = 0;
    for (unsigned slot = 0; (slot = find_device(slot, type)) < PCI_SLOTS; slot++, number++) {
        struct device device;
        current = &device;
        if (!device_init(&device, slot, FEATURE_FLUSH | FEATURE_DISCARD | FEATURE_WRITE_ZEROES, message))
            report(type == VIRTIO_RNG ? "rng" : "blk", number, "start", 0);
        else if (type == VIRTIO_RNG)
            test_rng(number, &device);
        else
            test_disk(info, number, &device);
        if (message && !message->address)
            test_pin(type == VIRTIO_RNG ? "rng" : "blk", number, slot);
    }
    return number;
}

#define CMOS_ROUND 0x71
#define LARGE_SECTORS 2048

/* A large write to each disk, begun and not waited for. */
static void begin_writes(void)
{
    static struct block_header header = {.type = WRITE};
    static uint8_t status;
    const struct piece pieces[3] = {
        {&header, sizeof header, 0}, {(void *)0x1000000, LARGE_SECTORS * SECTOR, 0}, {&status, 1, 1}};
    struct device disk;
    for (unsigned slot = 0; (slot = find_device(slot, VIRTIO_BLK)) < PCI_SLOTS; slot++)
        if (device_init(&disk, slot, 0, 0))
            submit(&disk, pieces, 3);
}

static void storm(const struct start_info *info)
{
    static const struct {
        uint16_t port;
        uint8_t value;
    } resets[] = {{0xcf9, 0x06}, {0x64, 0xfe}, {0x92, 0x01}, {0xcf9, 0x06}, {0x64, 0xfe}};
    outb(0x70, CMOS_ROUND);
    unsigned round = inb(0x71);
    print("round ");
    print_number(round);
    print("\n");
    if (round >= sizeof resets / sizeof *resets)
        return;
    outb(0x71, (uint8_t)(round + 1));
    start_processors(info);
    begin_writes();
    outb(resets[round].port, resets[round].value);
    for (;;)
        halt();
}

/* The interrupt has done its work by waking us. */
static void on_message(void) {}

void main(const struct start_info *info);

void main(const struct start_info *info)
{
    print("virtio guest\n");
    if (has_word(info, "storm"))
        storm(info);
    interrupts_init();
    struct message message = route_message(on_message);
    if (has_word(info, "pin") || has_word(info, "8259")) {
        if (has_word(info, "8259"))
            use_8259();
        route_pci(on_pin);
        message.address = 0;
    }
    const struct message *wanted = has_word(info, "poll") ? 0 : &message;
    unsigned rngs = for_each(info, VIRTIO_RNG, wanted);
    unsigned disks = for_each(info, VIRTIO_BLK, wanted);
    print("done: ");
    print_number(rngs);
    print(" rng, ");
    print_number(disks);
    print(" blk\n");
    if (!has_word(info, "stay"))
        power_off(info);
}
