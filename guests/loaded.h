/* The state in which a boot loader left the processor, see loaded.S. */

#pragma once

#include <stdint.h>

struct loaded {
    uint32_t eax, ebx, esp, eflags, cr0, cr4, efer;
    uint16_t cs, ds, es, ss;
    uint16_t gdt_limit;
    uint32_t gdt;
} __attribute__((packed));

/* Says what is wrong unless it is as it should be, and remembers. */
void check(int good, const char *what);
/* Whether all was good so far. */
int all_good(void);

/* Where what is loaded begins and ends, as the linker script has it. */
extern char image_start[], image_end[];

void main(const struct loaded *loaded);
