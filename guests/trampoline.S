/*
 * Where every processor but the first begins: in real mode, on a page below 1 MiB to which the code up to
 * ap_trampoline_end is copied. Then the same way as the first one.
 */

#include "segments.h"

    .text
    .code16
    .globl ap_trampoline, ap_trampoline_end
ap_trampoline:
    cli
    lgdtl   %cs:(pointer - ap_trampoline)   /* CS is all that points to the page */
    movl    %cr0, %eax
    orl     $1, %eax
    movl    %eax, %cr0
    ljmpl   $CODE32, $protected
    .align 4
pointer:
    .word   GDT_SIZE - 1
    .long   gdt
ap_trampoline_end:

    .code32
protected:
    movw    $DATA, %ax
    movw    %ax, %ds
    movw    %ax, %ss
    movl    ap_stack, %esp
    movl    $ap_main, %esi
    jmp     enter_long_mode

    .section .note.GNU-stack, "", @progbits
