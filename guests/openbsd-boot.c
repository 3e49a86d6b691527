/*
 * A kernel with the interface of OpenBSD's, written from the published facts: boot(8), sys/arch/amd64/include/biosvar.h
 * and sys/arch/amd64/amd64/locore0.S for what it is told, sys/ddb/db_elf.c for its symbols. It checks every field and
 * says what it found. With -s (single user) it resets the machine, once.
 */

#include "guest.h"
#include "io.h"
#include "loaded.h"

#define RB_SINGLE 0x02

/* What a function called with eight arguments finds on its stack. */
struct arguments {
    uint32_t return_address;
    uint32_t howto, boot_device, version, end, extended, base, records_size, records;
} __attribute__((packed));

struct record {
    uint32_t type, size, next;
} __attribute__((packed));

struct range {
    uint64_t start, size;
    uint32_t type;
} __attribute__((packed));

struct console {
    uint32_t device, speed;
    uint64_t address;
    uint32_t frequency, flags, width, shift;
} __attribute__((packed));

#define RECORD_MEMORY 0
#define RECORD_CONSOLE 5
#define RECORD_MAC 7
#define RECORD_END 0xffffffffu

#ifdef __x86_64__
typedef uint64_t word;
#define CLASS 2
#else
typedef uint32_t word;
#define CLASS 1
#endif

/* File header, section header and symbol of either class. */
struct file_header {
    uint8_t magic[4], class, rest[11];
    uint16_t type, machine;
    uint32_t version;
    word entry, program_headers, section_headers;
    uint32_t flags;
    uint16_t size, program_size, program_count, section_size, section_count, names;
};

struct section {
    uint32_t name, type;
    word flags, address, offset, size;
    uint32_t link, info;
    word align, entry_size;
};

#ifdef __x86_64__
struct symbol {
    uint32_t name;
    uint8_t info, other;
    uint16_t section;
    word value, size;
};
#else
struct symbol {
    uint32_t name;
    word value, size;
    uint8_t info, other;
    uint16_t section;
};
#endif

/* What the loader fills. Kernels have a cookie for each function there. */
#define RANDOM_WORDS 1200
__attribute__((section(".openbsd.randomdata"))) volatile uint32_t random_data[RANDOM_WORDS] = { 0 };

static volatile uint32_t initialised = 0x600dda7a;
static volatile uint32_t zeroes[2048];

static void say(const char *what, uint64_t value)
{
    print(what);
    print(" ");
    print_hex(value);
    print("\n");
}

static void check_processor(const struct loaded *loaded)
{
    check((loaded->cr0 & 0x80000001u) == 1, "protected mode without paging");
    check(loaded->cr4 == 0, "CR4");
    check((loaded->efer & 0x500) == 0, "EFER");
    check((loaded->eflags & 0x20200) == 0, "interrupts off, no virtual 8086 mode");
    check(loaded->cs == 8, "code selector");
    check(loaded->ds == 0x10 && loaded->es == 0x10 && loaded->ss == 0x10, "data selectors");
    check(loaded->gdt == 0x10000 && loaded->gdt_limit >= 0x17, "descriptor table");
    const uint64_t *gdt = (const void *)(uintptr_t)loaded->gdt;
    /* Accessed bits are the processor's. */
    check((gdt[1] | 1ull << 40) == 0x00cf9b000000ffffull, "code descriptor");
    check((gdt[2] | 1ull << 40) == 0x00cf93000000ffffull, "data descriptor");
}

static void check_arguments(const struct loaded *loaded, const struct arguments *arguments)
{
    check(loaded->esp == 0xffdc, "stack pointer");
    check(arguments->boot_device == 0xa0000004u, "boot device");
    check(arguments->version == 0x0e, "version of the interface");
    check(arguments->base == 0, "base memory, which is 0 where there is a map");
    check(arguments->extended == 0, "extended memory");
    check(arguments->records == 0x2000, "address of the boot arguments");
    check(arguments->records_size % 4 == 0 && arguments->records_size <= 4096, "size of the boot arguments");
    say("howto", arguments->howto);
}

static void check_memory(const struct range *range, uint32_t size)
{
    uint64_t total = 0, last_end = 0;
    unsigned count = size / sizeof *range;
    check(size % sizeof *range == 0 && count >= 2, "size of the memory map");
    for (unsigned i = 0; i + 1 < count; i++) {
        check(range[i].size != 0 && range[i].start >= last_end, "a range of memory");
        check(range[i].type == 1 || range[i].type == 2, "type of a range of memory");
        last_end = range[i].start + range[i].size;
        if (range[i].type == 1)
            total += range[i].size;
    }
    const struct range *end = &range[count - 1];
    check(end->start == 0 && end->size == 0 && end->type == 0, "end of the memory map");
    say("memory", total);
}

static void check_console(const struct console *console, uint32_t size)
{
    check(size == sizeof *console, "size of the console");
    check(console->device == 0x800, "device of the console");
    check(console->speed == 115200, "speed of the console");
    check(console->address == COM1, "address of the console");
    check(!console->frequency && !console->flags && !console->width && !console->shift, "rest of the console");
}

static void check_records(const struct arguments *arguments)
{
    const uint8_t *at = (const uint8_t *)(uintptr_t)arguments->records;
    const uint8_t *end = at + arguments->records_size;
    unsigned seen = 0;
    while (at + 4 < end) {
        const struct record *record = (const void *)at;
        if (record->size < sizeof *record || record->next < record->size || record->next > (uintptr_t)(end - at)) {
            check(0, "size of a boot argument");
            return;
        }
        const void *content = record + 1;
        uint32_t size = record->size - (uint32_t)sizeof *record;
        check(record->type < 32 && !(seen & 1u << record->type), "a boot argument once");
        seen |= 1u << (record->type & 31);
        if (record->type == RECORD_MEMORY)
            check_memory(content, size);
        else if (record->type == RECORD_CONSOLE)
            check_console(content, size);
        else if (record->type == RECORD_MAC)
            check(size == 8, "size of the address of the network card");
        else
            check(0, "type of a boot argument");
        at += record->next;
    }
    check(at + 4 == end && *(const uint32_t *)at == RECORD_END, "end of the boot arguments");
    check(seen & 1u << RECORD_MEMORY && seen & 1u << RECORD_CONSOLE, "memory and console");
    say("boot arguments", seen);
}

static void check_image(void)
{
    check(initialised == 0x600dda7a, "data");
    for (unsigned i = 0; i < sizeof zeroes / sizeof *zeroes; i++)
        if (zeroes[i]) {
            check(0, "zeroes");
            break;
        }
    unsigned empty = 0;
    for (unsigned i = 0; i < RANDOM_WORDS; i++)
        empty += random_data[i] == 0;
    check(empty < 4, "random data");
    say("random", (uint64_t)random_data[0] << 32 | random_data[RANDOM_WORDS - 1]);
}

static uintptr_t round_up(uintptr_t value) { return (value + sizeof(word) - 1) & ~(sizeof(word) - 1); }

static int same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

/* The value of the symbol with that name, 0 if there is none. */
static word find_symbol(const char *start, const struct section *symbols, const struct section *strings,
                        const char *name)
{
    const struct symbol *symbol = (const void *)(start + symbols->offset);
    for (word i = 0; i < symbols->size / sizeof *symbol; i++, symbol++)
        if (symbol->name < strings->size && same(start + strings->offset + symbol->name, name))
            return symbol->value;
    return 0;
}

/* As the debugger of the kernel looks for them: behind the kernel's last zeroes. */
static void check_symbols(const struct arguments *arguments)
{
    const char *start = (const char *)round_up((uintptr_t)image_end);
    const struct file_header *header = (const void *)start;
    const struct section *sections = (const void *)(start + header->section_headers);
    check(header->magic[0] == 0x7f && header->magic[1] == 'E' && header->class == CLASS, "header of the symbols");
    check(header->section_headers == sizeof *header, "place of the section headers");
    check(header->section_size == sizeof *sections && header->section_count > 3, "size of the section headers");
    check(header->program_headers == 0 && header->program_count == 0, "no program headers");
    if (!all_good())
        return;
    uintptr_t end = (uintptr_t)(sections + header->section_count);
    const struct section *symbols = 0;
    for (unsigned i = 0; i < header->section_count; i++) {
        const struct section *section = &sections[i];
        if (section->type != 2 && section->type != 3)
            continue;
        check(section->flags & 2, "flag of a section that is in memory");
        check((uintptr_t)start + section->offset == round_up(end), "place of a section");
        end = round_up(end) + section->size;
        if (section->type == 2)
            symbols = section;
    }
    check(arguments->end == round_up(end), "end of the symbols");
    if (!symbols || symbols->link >= header->section_count) {
        check(0, "symbols");
        return;
    }
    word value = find_symbol(start, symbols, &sections[symbols->link], "random_data");
    check(value == (word)(uintptr_t)random_data, "value of a symbol");
    say("symbols end at", arguments->end);
}

void main(const struct loaded *loaded)
{
    const struct arguments *arguments = (const void *)(uintptr_t)loaded->esp;
    print(CLASS == 2 ? "openbsd-boot, 64 bits\n" : "openbsd-boot, 32 bits\n");
    check_processor(loaded);
    check_arguments(loaded, arguments);
    check_records(arguments);
    check_image();
    check_symbols(arguments);
    print(all_good() ? "all is well\n" : "not well\n");
    if (arguments->howto & RB_SINGLE && first_time()) {
        print("reset\n");
        outb(0xcf9, 0x06);
    }
    print("done\n");
}
