/* Interrupts, by line and by message: descriptor table, local APIC, I/O APIC or the two 8259. */

#include "guest.h"
#include "io.h"
#include "segments.h"

#define IOAPIC 0xfec00000u
#define IOAPIC_DATA 0x10
#define FIRST_VECTOR 0x20
#define LEVEL_TRIGGERED 0x8000
#define FIRST_8259 0x20
#define SECOND_8259 0xa0
#define CASCADE 2
#define END_OF_INTERRUPT 0x20

enum { SERIAL_LINE = 4, CLOCK_LINE = 8, SCI_LINE = 9, MESSAGE_LINE = 16, LINES = 17 };

struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint16_t flags;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

static struct gate gates[FIRST_VECTOR + LINES];
static void (*handlers[LINES])(void);
static int by_8259;

extern void gate_serial(void), gate_clock(void), gate_sci(void), gate_ten(void), gate_eleven(void), gate_message(void);
void on_interrupt(unsigned line);

void on_interrupt(unsigned line)
{
    handlers[line]();
    if (by_8259) {
        outb(SECOND_8259, END_OF_INTERRUPT);
        outb(FIRST_8259, END_OF_INTERRUPT);
    } else {
        MMIO32(LAPIC + LAPIC_EOI) = 0;
    }
}

static void set_gate(unsigned vector, void (*entry)(void))
{
    uintptr_t address = (uintptr_t)entry;
    gates[vector] = (struct gate){
        .offset_low = (uint16_t)address,
        .selector = CODE64,
        .flags = 0x8e00, /* present, interrupt gate */
        .offset_middle = (uint16_t)(address >> 16),
    };
}

/* The redirection entry of a line: this processor (APIC id 0), fixed delivery, active high. */
static void set_redirection(unsigned line, uint32_t low)
{
    MMIO32(IOAPIC) = 0x11 + 2 * line;
    MMIO32(IOAPIC + IOAPIC_DATA) = 0;
    MMIO32(IOAPIC) = 0x10 + 2 * line;
    MMIO32(IOAPIC + IOAPIC_DATA) = low;
}

static void route(unsigned line, void (*entry)(void), void (*handler)(void), uint32_t trigger)
{
    handlers[line] = handler;
    set_gate(FIRST_VECTOR + line, entry);
    if (by_8259)
        outb(SECOND_8259 + 1, inb(SECOND_8259 + 1) & (uint8_t)~(1 << (line - 8)));
    else
        set_redirection(line, (FIRST_VECTOR + line) | trigger);
}

void route_serial(void (*handler)(void)) { route(SERIAL_LINE, gate_serial, handler, 0); }
void route_clock(void (*handler)(void)) { route(CLOCK_LINE, gate_clock, handler, 0); }
void route_sci(void (*handler)(void)) { route(SCI_LINE, gate_sci, handler, LEVEL_TRIGGERED); }

void route_pci(void (*handler)(void))
{
    route(10, gate_ten, handler, LEVEL_TRIGGERED);
    route(11, gate_eleven, handler, LEVEL_TRIGGERED);
}

/* Vectors, the input between the two, and the mode in which an interrupt is ended by us. */
static void start_8259(uint16_t port, uint8_t vector, uint8_t cascade, uint8_t mask)
{
    outb(port, 0x11);
    outb(port + 1, vector);
    outb(port + 1, cascade);
    outb(port + 1, 0x01);
    outb(port + 1, mask);
}

void use_8259(void)
{
    by_8259 = 1;
    start_8259(FIRST_8259, FIRST_VECTOR, 1 << CASCADE, (uint8_t)~(1 << CASCADE));
    start_8259(SECOND_8259, FIRST_VECTOR + 8, CASCADE, 0xff);
}

struct message route_message(void (*handler)(void))
{
    handlers[MESSAGE_LINE] = handler;
    set_gate(FIRST_VECTOR + MESSAGE_LINE, gate_message);
    return (struct message){.address = LAPIC, .data = FIRST_VECTOR + MESSAGE_LINE};
}

void interrupts_init(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {sizeof gates - 1, (uintptr_t)gates};
    __asm__ volatile("lidt %0" : : "m"(pointer));
    outb(0x21, 0xff); /* the two 8259 stay silent */
    outb(0xa1, 0xff);
    MMIO32(LAPIC + LAPIC_SPURIOUS) = 0x1ff;
}
