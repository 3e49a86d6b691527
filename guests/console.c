/* Output over COM1, by polling. */

#include "guest.h"
#include "io.h"

#define LINE_STATUS 5
#define TRANSMITTER_EMPTY 0x20

void put_char(char c)
{
    while (!(inb(COM1 + LINE_STATUS) & TRANSMITTER_EMPTY))
        ;
    outb(COM1, (uint8_t)c);
}

void print(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            put_char('\r');
        put_char(*text);
    }
}

void print_number(uint64_t value)
{
    if (value >= 10)
        print_number(value / 10);
    put_char((char)('0' + value % 10));
}

/* Without a division, which guests of 32 bits have no function for. */
void print_hex(uint64_t value)
{
    int shift = 60;
    while (shift > 0 && !(value >> shift))
        shift -= 4;
    print("0x");
    for (; shift >= 0; shift -= 4)
        put_char("0123456789abcdef"[(value >> shift) & 15]);
}
