/* Selectors of the descriptor table in start.S. */

#define CODE64   0x08
#define CODE32   0x10
#define DATA     0x18
#define GDT_SIZE 0x20
