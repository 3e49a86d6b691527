/*
 * Interrupt gates. Each device interrupt has its stub, which calls on_interrupt() with the number of the
 * line; messages of PCI functions have the number of a line that nothing else has. There are no handlers for
 * exceptions: a fault here is a bug, and ends in a triple fault.
 */

    .text
    .code64
    .globl gate_serial, gate_clock, gate_sci, gate_ten, gate_eleven, gate_message
gate_serial:
    pushq   %rdi
    movl    $4, %edi
    jmp     dispatch
gate_clock:
    pushq   %rdi
    movl    $8, %edi
    jmp     dispatch
gate_sci:
    pushq   %rdi
    movl    $9, %edi
    jmp     dispatch
gate_ten:
    pushq   %rdi
    movl    $10, %edi
    jmp     dispatch
gate_eleven:
    pushq   %rdi
    movl    $11, %edi
    jmp     dispatch
gate_message:
    pushq   %rdi
    movl    $16, %edi
dispatch:
    pushq   %rax
    pushq   %rcx
    pushq   %rdx
    pushq   %rsi
    pushq   %r8
    pushq   %r9
    pushq   %r10
    pushq   %r11
    cld
    call    on_interrupt
    popq    %r11
    popq    %r10
    popq    %r9
    popq    %r8
    popq    %rsi
    popq    %rdx
    popq    %rcx
    popq    %rax
    popq    %rdi
    iretq

    .section .note.GNU-stack, "", @progbits
