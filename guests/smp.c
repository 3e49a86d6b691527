/* The other processors: found in the MADT, started by INIT and start-up messages (SDM volume 3, 9.4). */

#include "guest.h"
#include "io.h"

#define TRAMPOLINE_PAGE 8 /* the page at 0x8000, free of tables */
#define ICR_BUSY 0x1000
#define ICR_INIT 0x4500
#define ICR_STARTUP 0x4600

extern const uint8_t ap_trampoline[], ap_trampoline_end[];
void ap_main(void);

/* Only one processor is on its way at a time, so that a stack and a word to say "I run" are enough. */
uint32_t ap_stack;
static volatile unsigned running = 1;
static uint8_t stack[1024] __attribute__((aligned(16)));

void ap_main(void)
{
    print("cpu ");
    print_number(running);
    print(" up\n");
    running = running + 1;
    for (;;)
        halt();
}

static void send(uint8_t apic, uint32_t command)
{
    MMIO32(LAPIC + LAPIC_ICR_HIGH) = (uint32_t)apic << 24;
    MMIO32(LAPIC + LAPIC_ICR_LOW) = command;
    while (MMIO32(LAPIC + LAPIC_ICR_LOW) & ICR_BUSY)
        ;
}

/* The new processor halts in ap_main with nothing left on its stack that anybody needs. */
static void start_processor(uint8_t apic)
{
    unsigned before = running;
    ap_stack = (uint32_t)(uintptr_t)(stack + sizeof stack);
    send(apic, ICR_INIT);
    send(apic, ICR_STARTUP | TRAMPOLINE_PAGE);
    while (running == before)
        ;
}

static void copy_trampoline(void)
{
    volatile uint8_t *to = (volatile uint8_t *)(uintptr_t)(TRAMPOLINE_PAGE << 12);
    for (const uint8_t *from = ap_trampoline; from < ap_trampoline_end; from++)
        *to++ = *from;
}

/* Entries of the MADT (ACPI 6.5, section 5.2.12.2): kind 0, length 8, uid, APIC id, flags. */
unsigned start_processors(const struct start_info *info)
{
    const struct table_header *madt = find_table(info, "APIC");
    if (!madt) {
        print("no MADT\n");
        return running;
    }
    copy_trampoline();
    MMIO32(LAPIC + LAPIC_SPURIOUS) = 0x1ff; /* a disabled one sends nothing */
    uint8_t self = (uint8_t)(MMIO32(LAPIC + 0x20) >> 24);
    const uint8_t *end = (const uint8_t *)madt + madt->length;
    for (const uint8_t *entry = (const uint8_t *)(madt + 1) + 8; entry < end; entry += entry[1])
        if (entry[0] == 0 && (entry[4] & 1) && entry[3] != self)
            start_processor(entry[3]);
    return running;
}
