/*
 * A Multiboot kernel (Multiboot Specification 0.6.96) that checks what it is told and says what it found. With the word
 * "reset" on its command line it resets the machine, once.
 */

#include "guest.h"
#include "io.h"
#include "loaded.h"

struct info {
    uint32_t flags, lower, upper, boot_device, command_line, module_count, modules;
    uint32_t symbols[4];
    uint32_t map_size, map;
    uint32_t drives_size, drives, config_table, loader_name;
};

struct module {
    uint32_t start, end, name, reserved;
};

struct range {
    uint32_t size; /* of what follows */
    uint64_t start, length;
    uint32_t type;
} __attribute__((packed));

#define HAS_MEMORY (1u << 0)
#define HAS_COMMAND_LINE (1u << 2)
#define HAS_MODULES (1u << 3)
#define HAS_MAP (1u << 6)
#define HAS_LOADER_NAME (1u << 9)

static volatile uint32_t zeroes[2048];

/* A word of the BIOS data area. The compiler takes a constant this low for a mistake. */
static volatile uintptr_t base_memory = 0x413;

static void say(const char *what, const char *text)
{
    print(what);
    print(" [");
    print(text);
    print("]\n");
}

static const char *text_at(uint32_t address) { return (const char *)(uintptr_t)address; }

static void check_processor(const struct loaded *loaded)
{
    check(loaded->eax == 0x2badb002u, "magic in EAX");
    check((loaded->cr0 & 0x80000001u) == 1, "protected mode without paging");
    check((loaded->eflags & 0x20200) == 0, "interrupts off, no virtual 8086 mode");
    for (unsigned i = 0; i < sizeof zeroes / sizeof *zeroes; i++)
        if (zeroes[i]) {
            check(0, "zeroes");
            break;
        }
}

static void check_memory(const struct info *info)
{
    const uint8_t *at = (const uint8_t *)(uintptr_t)info->map, *end = at + info->map_size;
    uint64_t total = 0, upper_end = 0;
    while (at < end) {
        const struct range *range = (const void *)at;
        check(range->size >= 20, "size of a range of memory");
        if (range->size < 20)
            return;
        if (range->type == 1)
            total += range->length;
        if (range->type == 1 && range->start == 0x100000)
            upper_end = range->start + range->length;
        at += range->size + 4;
    }
    check(at == end, "size of the memory map");
    check(info->lower == 640, "base memory");
    check(*(const uint16_t *)base_memory == 640, "base memory in the BIOS data area");
    check((uint64_t)info->upper * 1024 + 0x100000 == upper_end, "extended memory");
    print("memory ");
    print_hex(total);
    print("\n");
}

static void check_modules(const struct info *info)
{
    const struct module *module = (const void *)(uintptr_t)info->modules;
    print("modules ");
    print_hex(info->module_count);
    print("\n");
    for (uint32_t i = 0; i < info->module_count; i++, module++) {
        check(module->start % 4096 == 0, "a module on a page");
        check(module->start >= (uintptr_t)image_end && module->end > module->start, "place of a module");
        say("module", text_at(module->name));
        print("size ");
        print_hex(module->end - module->start);
        print(", begins ");
        for (uint32_t at = module->start; at < module->end && at < module->start + 8; at++)
            put_char(*text_at(at));
        print("\n");
    }
}

/* Whether the text has this word somewhere. */
static int has(const char *text, const char *word)
{
    for (; *text; text++) {
        unsigned i = 0;
        while (word[i] && text[i] == word[i])
            i++;
        if (!word[i])
            return 1;
    }
    return 0;
}

void main(const struct loaded *loaded)
{
    const struct info *info = (const void *)(uintptr_t)loaded->ebx;
    const uint32_t wanted = HAS_MEMORY | HAS_COMMAND_LINE | HAS_MODULES | HAS_MAP | HAS_LOADER_NAME;
    print("multiboot\n");
    check_processor(loaded);
    check(info->flags == wanted, "flags of the information");
    check_memory(info);
    check_modules(info);
    say("loader", text_at(info->loader_name));
    say("command line", text_at(info->command_line));
    print(all_good() ? "all is well\n" : "not well\n");
    if (has(text_at(info->command_line), "reset") && first_time()) {
        print("reset\n");
        outb(0xcf9, 0x06);
    }
    print("done\n");
}
