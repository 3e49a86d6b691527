/*
 * Prints a line and sleeps. Words of the command line make it do more, in this order:
 *
 *   smp                       starts the other processors, each says so
 *   flood                     prints for ever
 *   reset=kbd|cf9|port92|acpi|triple
 *                             resets the machine, once: a byte of CMOS memory remembers
 *   tick                      has the clock interrupt, first with the second, then twice in a second
 *   off                       powers off at once
 *   panic                     says so and stops
 *   echo                      sends back what comes in on the serial line, and for a break the word
 *   poweroff                  powers off when the power button is pressed
 *   reboot                    resets then instead
 *   spin                      never sleeps
 *
 * It wakes for interrupts only if one of echo and poweroff is there, and uses no time while nothing happens.
 */

#include "guest.h"
#include "io.h"

#define CMOS_MARK 0x70
#define FIFO_SIZE 16
#define LINE_DATA_READY 0x01
#define LINE_BREAK 0x10

static void flood(void)
{
    for (uint64_t line = 0;; line++) {
        print("flood ");
        print_number(line);
        print("\n");
    }
}

static void reset_by_triple_fault(void)
{
    static const uint8_t no_gates[10];
    __asm__ volatile("lidt %0" : : "m"(no_gates));
    (void)*(volatile char *)(1ul << 32); /* the first page that is not mapped */
}

static void reset(const struct start_info *info, const char *how)
{
    if (equal(how, "kbd"))
        outb(0x64, 0xfe);
    else if (equal(how, "cf9"))
        outb(0xcf9, 0x06);
    else if (equal(how, "port92"))
        outb(0x92, 0x03);
    else if (equal(how, "acpi"))
        reset_by_acpi(info);
    else if (equal(how, "triple"))
        reset_by_triple_fault();
    print("still here after reset\n");
}

#define CLOCK_A 0x0a
#define CLOCK_B 0x0b
#define CLOCK_C 0x0c
#define TWICE_A_SECOND 0x2f
#define UPDATE 0x10
#define PERIODIC 0x40
#define HOURS_24 0x02
#define INTERRUPT_REQUEST 0x80

static uint8_t read_cmos(uint8_t index)
{
    outb(0x70, index);
    return inb(0x71);
}

static void write_cmos(uint8_t index, uint8_t value)
{
    outb(0x70, index);
    outb(0x71, value);
}

static volatile unsigned ticks;
static uint8_t tick_flag;

static void on_tick(void)
{
    if ((read_cmos(CLOCK_C) & (tick_flag | INTERRUPT_REQUEST)) == (tick_flag | INTERRUPT_REQUEST))
        ticks++;
}

static void wait_for_ticks(uint8_t flag, unsigned count)
{
    tick_flag = flag;
    ticks = 0;
    read_cmos(CLOCK_C);
    write_cmos(CLOCK_B, HOURS_24 | flag);
    while (ticks < count)
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    write_cmos(CLOCK_B, HOURS_24);
}

static void tick(void)
{
    interrupts_init();
    route_clock(on_tick);
    wait_for_ticks(UPDATE, 1);
    write_cmos(CLOCK_A, TWICE_A_SECOND);
    wait_for_ticks(PERIODIC, 3);
    print("ticks\n");
}

/* Whether this is the first time that it is called since the machine was built, resets not counted. */
static int first_time(void)
{
    outb(0x70, CMOS_MARK);
    int first = inb(0x71) != 1;
    outb(0x70, CMOS_MARK);
    outb(0x71, 1);
    return first;
}

static void reset_once(const struct start_info *info, const char *how)
{
    if (first_time()) {
        print("reset\n");
        reset(info, how);
    } else {
        print("back after reset\n");
    }
}

/*
 * Takes all that is there before anything is sent: to send means to read the line status, and that takes
 * away the mark of a break that is still in the FIFO.
 */
static unsigned receive(char *bytes, char *breaks)
{
    unsigned count = 0;
    uint8_t status;
    while (count < FIFO_SIZE && ((status = inb(COM1 + 5)) & LINE_DATA_READY)) {
        breaks[count] = (status & LINE_BREAK) != 0;
        bytes[count++] = (char)inb(COM1);
    }
    return count;
}

static void on_serial(void)
{
    char bytes[FIFO_SIZE], breaks[FIFO_SIZE];
    unsigned count;
    while ((count = receive(bytes, breaks)) != 0)
        for (unsigned i = 0; i < count; i++)
            if (breaks[i])
                print("break\n");
            else
                put_char(bytes[i]);
}

static void serial_init(void)
{
    outb(COM1 + 2, 0x87); /* FIFO on and empty, trigger at 8 */
    outb(COM1 + 4, 0x0b); /* DTR, RTS, and OUT2, which lets the interrupt through */
    outb(COM1 + 1, 0x01); /* received data */
    route_serial(on_serial);
}

static void wait_for_interrupts(const struct start_info *info, int echo, int poweroff)
{
    interrupts_init();
    if (echo)
        serial_init();
    if (poweroff)
        power_button_init(info);
    print("ready\n");
    enable_interrupts();
}

void main(const struct start_info *info);

void main(const struct start_info *info)
{
    print("hello, world\n");
    if (has_word(info, "smp")) {
        print_number(start_processors(info));
        print(" processors\n");
    }
    if (has_word(info, "flood"))
        flood();
    const char *how = find_word(info, "reset=");
    if (how)
        reset_once(info, how);
    if (has_word(info, "tick"))
        tick();
    if (has_word(info, "off"))
        power_off(info);
    if (has_word(info, "panic")) {
        print("panic: as asked\n");
        return; /* to a halt with interrupts off */
    }
    int echo = has_word(info, "echo"), poweroff = has_word(info, "poweroff");
    if (echo || poweroff)
        wait_for_interrupts(info, echo, poweroff);
    while (has_word(info, "spin"))
        ;
    for (;;)
        halt();
}
