/* PCI functions, found by configuration mechanism 1 (PCI Local Bus 3.0, section 3.2.2.3.2). */

#pragma once

#include <stdint.h>

#include "guest.h"

#define PCI_SLOTS 32

uint32_t pci_read(unsigned slot, unsigned offset);
void pci_write(unsigned slot, unsigned offset, uint32_t value);

/* The offset of the capability with this id behind `after` (0: from the start), 0 if there is none. */
unsigned pci_capability(unsigned slot, unsigned after, uint8_t id);
#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_MSIX 0x11

/* The address in a memory base address register, below 4 GiB. */
uint32_t pci_bar(unsigned slot, unsigned bar);

/* Lets the function decode memory and write to memory. */
void pci_enable(unsigned slot);

/* Lets the function send this message as its MSI-X vector 0, and masks nothing. */
int pci_enable_message(unsigned slot, struct message message);
