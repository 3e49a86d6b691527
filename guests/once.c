/* A guest that resets its machine has to know that it did. */

#include "guest.h"
#include "io.h"

#define CMOS_MARK 0x70

int first_time(void)
{
    outb(0x70, CMOS_MARK);
    int first = inb(0x71) != 1;
    outb(0x70, CMOS_MARK);
    outb(0x71, 1);
    return first;
}
