/*
 * From the entry of a kernel that a boot loader starts, in 32-bit protected mode without paging, to main() with all
 * registers as they were. Assembled for 64 bits, main() runs in long mode.
 */

    .section .text.start, "ax"
    .code32
    .globl loaded_start
loaded_start:
    movl    %eax, state
    movl    %ebx, state + 4
    movl    %esp, state + 8
    movl    $loaded_stack_end, %esp
    pushfl
    popl    state + 12
    movl    %cr0, %eax
    movl    %eax, state + 16
    movl    %cr4, %eax
    movl    %eax, state + 20
    movl    $0xc0000080, %ecx   /* EFER */
    rdmsr
    movl    %eax, state + 24
    movl    %cs, %eax
    movw    %ax, state + 28
    movl    %ds, %eax
    movw    %ax, state + 30
    movl    %es, %eax
    movw    %ax, state + 32
    movl    %ss, %eax
    movw    %ax, state + 34
    sgdt    state + 36
    /* The segments can be loaded from the table that there is. */
    movw    state + 30, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
#ifdef __x86_64__
    movl    $state, %edi
    movl    $main, %esi
    jmp     enter_long_mode
#else
    cld
    pushl   $0
    pushl   $0
    pushl   $0
    pushl   $state
    call    main
1:  cli
    hlt
    jmp     1b
#endif

    .data
    .align 4
state:
    .fill   42, 1, 0

    .bss
    .align 16
    .skip 4096
loaded_stack_end:

    .section .note.GNU-stack, "", @progbits
