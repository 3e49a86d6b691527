/*
 * From the PVH entry to main() in long mode.
 *
 * The loader enters _start in 32-bit protected mode, paging off, flat segments, with the address of the
 * start information in EBX. The page tables are written by the assembler, so that the way to the first
 * byte of output is a few dozen instructions.
 */

#include "segments.h"

    .section .note.pvh, "a", @note
    .align 4
    .long 4                     /* size of the name */
    .long 4                     /* size of the value */
    .long 18                    /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long _start

    .section .text.start, "ax"
    .code32
    .globl _start
_start:
    movl    $stack_end, %esp
    movl    %ebx, %edi
    movl    $main, %esi
    jmp     enter_long_mode

/* Goes on in long mode at ESI, with EDI as its argument. */
    .globl enter_long_mode
enter_long_mode:
    movl    $pml4, %eax
    movl    %eax, %cr3
    movl    %cr4, %eax
    orl     $0x20, %eax         /* PAE */
    movl    %eax, %cr4
    movl    $0xc0000080, %ecx   /* EFER */
    rdmsr
    orl     $0x100, %eax        /* LME */
    wrmsr
    movl    %cr0, %eax
    orl     $0x80000000, %eax   /* PG */
    movl    %eax, %cr0
    lgdt    gdt_pointer
    ljmp    $CODE64, $1f

    .code64
1:  xorl    %eax, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss
    movl    %edi, %edi          /* the upper halves are undefined after the switch */
    movl    %esi, %esi
    call    *%rsi
2:  cli
    hlt
    jmp     2b

    .data
    .globl gdt
    .align 8
gdt:
    .quad   0
    .quad   0x00af9b000000ffff  /* 64-bit code */
    .quad   0x00cf9b000000ffff  /* 32-bit code */
    .quad   0x00cf93000000ffff  /* data */
gdt_pointer:
    .word   GDT_SIZE - 1
    .long   gdt

/* The first 4 GiB, each address to itself: all memory that we use, and all devices. */
    .align 4096
pml4:
    .quad   pdpt + 0x3
    .fill   511, 8, 0
pdpt:
    .quad   pd + 0x0003
    .quad   pd + 0x1003
    .quad   pd + 0x2003
    .quad   pd + 0x3003
    .fill   508, 8, 0
pd:
    .set    page, 0
    .rept   2048
    .quad   page + 0x83         /* 2 MiB, present, writable */
    .set    page, page + 0x200000
    .endr

    .bss
    .align 16
    .skip 8192
stack_end:

    .section .note.GNU-stack, "", @progbits
