/* The header by which a boot loader knows a Multiboot kernel (Multiboot Specification 0.6.96, 3.1). */

#define MAGIC 0x1badb002
#ifdef ADDRESSES
#define FLAGS 0x10003           /* modules on pages, memory, and addresses: the file has no headers */
#else
#define FLAGS 0x3
#endif

    .section .text.header, "ax"
    .align 4
header:
    .long   MAGIC
    .long   FLAGS
    .long   -(MAGIC + FLAGS)
#ifdef ADDRESSES
    .long   header
    .long   image_start
    .long   data_end
    .long   image_end
    .long   loaded_start
#endif

    .section .note.GNU-stack, "", @progbits
