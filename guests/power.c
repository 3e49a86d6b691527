/* Power off, reset and the power button, by the fixed hardware of ACPI (ACPI 6.5, section 4.8). */

#include "guest.h"
#include "io.h"

#define SLEEP_ENABLE 0x2000
#define POWER_BUTTON 0x0100

/* The part of the FADT that we need (section 5.2.9). */
struct fadt {
    struct table_header header;
    uint32_t facs, dsdt;
    uint8_t model, profile;
    uint16_t sci;
    uint32_t smi_command;
    uint8_t enable, disable, s4bios, pstate;
    uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
    uint8_t pm1_event_length, pm1_control_length;
    uint8_t other[26];
    uint8_t reset_space, reset_width, reset_offset, reset_access;
    uint64_t reset_address;
    uint8_t reset_value;
} __attribute__((packed));

_Static_assert(offsetof(struct fadt, reset_space) == 116, "the reset register's place in the FADT");

static const struct fadt *find_fadt(const struct start_info *info)
{
    const struct fadt *fadt = (const void *)find_table(info, "FACP");
    if (!fadt)
        print("no FADT\n");
    return fadt;
}

/*
 * The sleep type of S5. Reading it properly takes an interpreter; here is the package that our machine
 * writes, `Name (_S5, Package () { n, ... })`, with n as a byte, zero or one.
 */
static int soft_off_type(const struct fadt *fadt)
{
    const uint8_t *dsdt = (const uint8_t *)(uintptr_t)fadt->dsdt;
    const uint8_t *end = dsdt + ((const struct table_header *)dsdt)->length - 8;
    for (const uint8_t *at = dsdt + sizeof(struct table_header); at < end; at++) {
        if (at[0] != '_' || at[1] != 'S' || at[2] != '5' || at[3] != '_' || at[4] != 0x12)
            continue;
        const uint8_t *first = at + 7; /* behind the name, the opcode, its length and the count */
        return *first == 0x0a ? first[1] : *first;
    }
    return -1;
}

void power_off(const struct start_info *info)
{
    const struct fadt *fadt = find_fadt(info);
    if (!fadt)
        return;
    int type = soft_off_type(fadt);
    if (type < 0) {
        print("no S5\n");
        return;
    }
    outw((uint16_t)fadt->pm1a_control, (uint16_t)(type << 10 | SLEEP_ENABLE));
    print("still here after power off\n");
}

void reset_by_acpi(const struct start_info *info)
{
    const struct fadt *fadt = find_fadt(info);
    if (fadt)
        outb((uint16_t)fadt->reset_address, fadt->reset_value);
}

static const struct start_info *boot_info;
static uint16_t event_port;

static void on_sci(void)
{
    uint16_t status = inw(event_port);
    outw(event_port, status);
    if (!(status & POWER_BUTTON))
        return;
    print("power button\n");
    if (has_word(boot_info, "reboot"))
        reset_by_acpi(boot_info);
    else
        power_off(boot_info);
}

void power_button_init(const struct start_info *info)
{
    const struct fadt *fadt = find_fadt(info);
    if (!fadt)
        return;
    boot_info = info;
    event_port = (uint16_t)fadt->pm1a_event;
    route_sci(on_sci);
    outw((uint16_t)(event_port + fadt->pm1_event_length / 2), POWER_BUTTON);
}
