/* What the guests share. */

#pragma once

#include <stddef.h>
#include <stdint.h>

/* What the loader tells (the PVH boot protocol's hvm_start_info). */
struct start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t modules;
    uint64_t module_list;
    uint64_t command_line;
    uint64_t rsdp;
    uint64_t memory_map;
    uint32_t memory_map_entries;
    uint32_t reserved;
};

/* console.c: COM1. */
#define COM1 0x3f8
void put_char(char c);
void print(const char *text);
void print_number(uint64_t value);

/* words.c: whether the command line has this word, and what follows it if it ends in '='. */
const char *find_word(const struct start_info *info, const char *word);
int has_word(const struct start_info *info, const char *word);
int equal(const char *word, const char *text);

/* acpi.c: a table by its signature, 0 if there is none. */
struct table_header {
    char signature[4];
    uint32_t length;
    uint8_t revision;
    uint8_t checksum;
    char oem[14];
    uint32_t oem_revision;
    char creator[4];
    uint32_t creator_revision;
} __attribute__((packed));
const struct table_header *find_table(const struct start_info *info, const char *signature);

/*
 * interrupt.c: what to do on the interrupt lines of COM1, of the clock, of ACPI and of PCI (10 and 11), and on a message; the
 * message that a PCI function has to send for that. A message without an address stands for the interrupt pin.
 * Lines arrive by the I/O APIC, or those of PCI by the 8259s, if that was asked for first.
 */
struct message {
    uint32_t address;
    uint32_t data;
};
void interrupts_init(void);
void route_serial(void (*handler)(void));
void route_clock(void (*handler)(void));
void route_sci(void (*handler)(void));
void route_pci(void (*handler)(void));
void use_8259(void);
struct message route_message(void (*handler)(void));
#define LAPIC 0xfee00000u
#define LAPIC_SPURIOUS 0xf0
#define LAPIC_EOI 0xb0
#define LAPIC_ICR_LOW 0x300
#define LAPIC_ICR_HIGH 0x310

/* power.c: registers as the FADT tells them. Each ends the guest or says why not. */
void power_off(const struct start_info *info);
void reset_by_acpi(const struct start_info *info);
void power_button_init(const struct start_info *info);

/* smp.c: starts all other processors, one after the other. The number of processors that run. */
unsigned start_processors(const struct start_info *info);
