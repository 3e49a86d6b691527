/* Driving a virtio device: transport and queue. */

#include "queue.h"

#include "io.h"
#include "pci.h"

#define VENDOR 0x1af4
#define FIRST_MODERN_ID 0x1040

/* Kinds of virtio's vendor capabilities (4.1.4). */
enum { COMMON = 1, NOTIFY = 2, ISR = 3, DEVICE = 4 };

/* Offsets in the common configuration (4.1.4.3). */
enum {
    DEVICE_FEATURE_SELECT = 0,
    DEVICE_FEATURE = 4,
    DRIVER_FEATURE_SELECT = 8,
    DRIVER_FEATURE = 12,
    CONFIG_VECTOR = 16,
    DEVICE_STATUS = 20,
    QUEUE_SELECT = 22,
    QUEUE_SIZE = 24,
    QUEUE_VECTOR = 26,
    QUEUE_ENABLE = 28,
    QUEUE_NOTIFY_OFFSET = 30,
    QUEUE_DESCRIPTORS = 32,
    QUEUE_DRIVER = 40,
    QUEUE_DEVICE = 48,
};

/* Device status (2.1). */
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };

#define ENTRIES 4
#define NO_VECTOR 0xffff
#define FLAG_NEXT 1
#define FLAG_WRITE 2
#define NO_INTERRUPT 1

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};

struct queue {
    struct descriptor descriptors[ENTRIES];
    struct {
        uint16_t flags, index, ring[ENTRIES];
    } available;
    struct {
        uint16_t flags, index;
        struct {
            uint32_t id, length;
        } ring[ENTRIES];
    } used __attribute__((aligned(4)));
    int interrupts;
} __attribute__((aligned(16)));

static struct queue queues[PCI_SLOTS];

unsigned find_device(unsigned slot, unsigned type)
{
    uint32_t id = (FIRST_MODERN_ID + type) << 16 | VENDOR;
    while (slot < PCI_SLOTS && pci_read(slot, 0) != id)
        slot++;
    return slot;
}

/* The address of a virtio structure, and the word behind its capability. */
static uint32_t find_structure(unsigned slot, unsigned kind, uint32_t *extra)
{
    unsigned at = 0;
    while ((at = pci_capability(slot, at, PCI_CAP_VENDOR)) != 0) {
        if (pci_read(slot, at) >> 24 != kind)
            continue;
        *extra = pci_read(slot, at + 16);
        return pci_bar(slot, pci_read(slot, at + 4) & 7) + pci_read(slot, at + 8);
    }
    return 0;
}

static int find_structures(struct device *device)
{
    uint32_t unused;
    device->common = find_structure(device->slot, COMMON, &unused);
    device->notify = find_structure(device->slot, NOTIFY, &device->notify_multiplier);
    device->isr = find_structure(device->slot, ISR, &unused);
    device->config = find_structure(device->slot, DEVICE, &unused);
    return device->common && device->notify && device->isr;
}

static void add_status(uint32_t common, uint8_t bits)
{
    MMIO8(common + DEVICE_STATUS) = MMIO8(common + DEVICE_STATUS) | bits;
}

static uint64_t offered_features(uint32_t common)
{
    MMIO32(common + DEVICE_FEATURE_SELECT) = 1;
    uint64_t high = MMIO32(common + DEVICE_FEATURE);
    MMIO32(common + DEVICE_FEATURE_SELECT) = 0;
    return high << 32 | MMIO32(common + DEVICE_FEATURE);
}

/* The steps of 3.1.1, up to the check that the device agrees. */
static int negotiate(struct device *device, uint64_t features)
{
    uint32_t common = device->common;
    MMIO8(common + DEVICE_STATUS) = 0;
    while (MMIO8(common + DEVICE_STATUS))
        ;
    add_status(common, ACKNOWLEDGE);
    add_status(common, DRIVER);
    device->features = offered_features(common) & (features | FEATURE_VERSION_1);
    for (uint32_t half = 0; half < 2; half++) {
        MMIO32(common + DRIVER_FEATURE_SELECT) = half;
        MMIO32(common + DRIVER_FEATURE) = (uint32_t)(device->features >> 32 * half);
    }
    add_status(common, FEATURES_OK);
    return (device->features & FEATURE_VERSION_1) && (MMIO8(common + DEVICE_STATUS) & FEATURES_OK);
}

static void write_address(uint32_t reg, const volatile void *memory)
{
    MMIO32(reg) = (uint32_t)(uintptr_t)memory;
    MMIO32(reg + 4) = 0;
}

static int start_queue(struct device *device, int interrupts, int messages)
{
    uint32_t common = device->common;
    struct queue *queue = device->queue = &queues[device->slot];
    queue->interrupts = interrupts;
    queue->available.flags = interrupts ? 0 : NO_INTERRUPT;
    MMIO16(common + CONFIG_VECTOR) = NO_VECTOR;
    MMIO16(common + QUEUE_SELECT) = 0;
    MMIO16(common + QUEUE_SIZE) = ENTRIES;
    MMIO16(common + QUEUE_VECTOR) = messages ? 0 : NO_VECTOR;
    if (messages && MMIO16(common + QUEUE_VECTOR) != 0)
        return 0;
    write_address(common + QUEUE_DESCRIPTORS, queue->descriptors);
    write_address(common + QUEUE_DRIVER, &queue->available);
    write_address(common + QUEUE_DEVICE, &queue->used);
    device->notify += MMIO16(common + QUEUE_NOTIFY_OFFSET) * device->notify_multiplier;
    MMIO16(common + QUEUE_ENABLE) = 1;
    return 1;
}

int device_init(struct device *device, unsigned slot, uint64_t features, const struct message *message)
{
    device->slot = slot;
    pci_enable(slot);
    if (!find_structures(device) || !negotiate(device, features))
        return 0;
    int by_message = message && message->address;
    if (by_message && !pci_enable_message(slot, *message))
        return 0;
    if (!start_queue(device, message != 0, by_message))
        return 0;
    add_status(device->common, DRIVER_OK);
    return 1;
}

/*
 * The index is looked at with interrupts off, so that the one that tells of a change is not lost before the
 * halt.
 */
static void wait_for_used(struct queue *queue, uint16_t before)
{
    volatile uint16_t *index = &queue->used.index;
    while (*index == before)
        if (queue->interrupts)
            __asm__ volatile("sti; hlt; cli" : : : "memory");
}

void submit(struct device *device, const struct piece *pieces, unsigned count)
{
    struct queue *queue = device->queue;
    for (unsigned i = 0; i < count; i++)
        queue->descriptors[i] = (struct descriptor){
            .address = (uintptr_t)pieces[i].start,
            .length = pieces[i].length,
            .flags = (pieces[i].device_writes ? FLAG_WRITE : 0) | (i + 1 < count ? FLAG_NEXT : 0),
            .next = (uint16_t)(i + 1),
        };
    queue->available.ring[queue->available.index % ENTRIES] = 0;
    barrier();
    queue->available.index++;
    barrier();
    MMIO16(device->notify) = 0;
}

uint32_t request(struct device *device, const struct piece *pieces, unsigned count)
{
    struct queue *queue = device->queue;
    uint16_t before = queue->used.index;
    submit(device, pieces, count);
    wait_for_used(queue, before);
    barrier();
    return queue->used.ring[before % ENTRIES].length;
}
