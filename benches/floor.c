/*
 * The least that it takes to see a guest's first byte: the calls to KVM that any virtual machine needs, in the
 * order that is quickest, and nothing else. `floor KERNEL MIB` loads an ELF image with a PVH entry, runs it with an
 * interrupt controller and a timer, copies its first byte on COM1 to standard output, and ends.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define COM1 0x3f8
#define START_INFO 0x6000
#define PVH_MAGIC 0x336ec578
#define XEN_ELFNOTE_PHYS32_ENTRY 18

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static long kvm(int fd, unsigned long request, void *argument, const char *what)
{
    long result = ioctl(fd, request, argument);
    if (result < 0)
        fail(what);
    return result;
}

static uint32_t load(const char *path, uint8_t *ram)
{
    uint32_t entry = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    Elf64_Ehdr header;
    if (fd < 0 || pread(fd, &header, sizeof header, 0) != sizeof header)
        fail(path);
    for (int i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        pread(fd, &segment, sizeof segment, header.e_phoff + i * sizeof segment);
        if (segment.p_type == PT_LOAD)
            pread(fd, ram + segment.p_paddr, segment.p_filesz, segment.p_offset);
        if (segment.p_type == PT_NOTE) {
            uint8_t notes[256];
            long length = pread(fd, notes, sizeof notes, segment.p_offset);
            for (long at = 0; at + 16 <= length;) {
                Elf64_Nhdr *note = (Elf64_Nhdr *)(notes + at);
                long body = at + sizeof *note + ((note->n_namesz + 3) & ~3u);
                if (note->n_type == XEN_ELFNOTE_PHYS32_ENTRY)
                    memcpy(&entry, notes + body, 4);
                at = body + ((note->n_descsz + 3) & ~3u);
            }
        }
    }
    if (!entry) {
        fprintf(stderr, "%s: no PVH entry\n", path);
        exit(1);
    }
    return entry;
}

static void set_registers(int vcpu, uint32_t entry)
{
    struct kvm_sregs sregs;
    struct kvm_segment data = { .base = 0, .limit = 0xffffffff, .selector = 16, .type = 3, .present = 1,
                                .db = 1, .s = 1, .g = 1 };
    struct kvm_segment code = data;
    struct kvm_regs regs = { .rip = entry, .rbx = START_INFO, .rflags = 2 };

    code.type = 11;
    code.selector = 8;
    kvm(vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
    sregs.cs = code;
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
    sregs.cr0 |= 1;
    kvm(vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
    kvm(vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

static void set_cpuid(int fd, int vcpu)
{
    struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + 256 * sizeof cpuid->entries[0]);
    cpuid->nent = 256;
    kvm(fd, KVM_GET_SUPPORTED_CPUID, cpuid, "KVM_GET_SUPPORTED_CPUID");
    kvm(vcpu, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: floor kernel mebibytes\n");
        return 1;
    }
    size_t size = strtoul(argv[2], NULL, 10) << 20;
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        fail("/dev/kvm");
    int vm = kvm(fd, KVM_CREATE_VM, 0, "KVM_CREATE_VM");
    uint8_t *ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ram == MAP_FAILED)
        fail("mmap");
    struct kvm_userspace_memory_region region = { .memory_size = size, .userspace_addr = (uintptr_t)ram };
    kvm(vm, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
    kvm(vm, KVM_CREATE_IRQCHIP, 0, "KVM_CREATE_IRQCHIP");
    struct kvm_pit_config pit = { 0 };
    kvm(vm, KVM_CREATE_PIT2, &pit, "KVM_CREATE_PIT2");
    int vcpu = kvm(vm, KVM_CREATE_VCPU, 0, "KVM_CREATE_VCPU");
    size_t run_size = kvm(fd, KVM_GET_VCPU_MMAP_SIZE, 0, "KVM_GET_VCPU_MMAP_SIZE");
    struct kvm_run *run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    set_cpuid(fd, vcpu);
    uint32_t magic = PVH_MAGIC;
    memcpy(ram + START_INFO, &magic, 4);
    set_registers(vcpu, load(argv[1], ram));
    for (;;) {
        kvm(vcpu, KVM_RUN, 0, "KVM_RUN");
        if (run->exit_reason != KVM_EXIT_IO) {
            fprintf(stderr, "unexpected exit %u\n", run->exit_reason);
            return 1;
        }
        uint8_t *data = (uint8_t *)run + run->io.data_offset;
        if (run->io.direction == KVM_EXIT_IO_OUT && run->io.port == COM1)
            return write(1, data, 1) == 1 ? 0 : 1;
        if (run->io.direction == KVM_EXIT_IO_IN)
            memset(data, run->io.port == COM1 + 5 ? 0x60 : 0xff, run->io.size * run->io.count);
    }
}
