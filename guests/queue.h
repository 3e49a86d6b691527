/* A virtio 1.x device on PCI with one split virtqueue (virtio 1.2, sections 2.7 and 4.1). */

#pragma once

#include <stdint.h>

#include "guest.h"

#define VIRTIO_RNG 4
#define VIRTIO_BLK 2
#define FEATURE_VERSION_1 (1ull << 32)

struct device {
    unsigned slot;
    uint32_t common, notify, isr, config;
    uint32_t notify_multiplier;
    uint64_t features;
    struct queue *queue;
};

/* A piece of memory that a request hands over. */
struct piece {
    void *start;
    uint32_t length;
    int device_writes;
};

/* The slot of the next device of this type from `slot` on, PCI_SLOTS if there is none. */
unsigned find_device(unsigned slot, unsigned type);

/*
 * Resets the device, accepts those of the features that it offers, and starts its first queue: with a
 * message for each interrupt, with its interrupt pin (a message without an address), or without interrupts.
 * 0 if it can not be driven.
 */
int device_init(struct device *device, unsigned slot, uint64_t features, const struct message *message);

/* Has the device serve one request, and does not wait. */
void submit(struct device *device, const struct piece *pieces, unsigned count);

/* Has the device serve one request, and waits for it. The number of bytes that it says it has written. */
uint32_t request(struct device *device, const struct piece *pieces, unsigned count);
