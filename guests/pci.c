/* PCI configuration space. */

#include "pci.h"

#include "io.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define COMMAND 0x04
#define COMMAND_MEMORY_AND_MASTER 0x6
#define STATUS_CAPABILITIES 0x100000
#define CAPABILITIES 0x34
#define FIRST_BAR 0x10
#define MSIX_ENABLE 0x80000000u

uint32_t pci_read(unsigned slot, unsigned offset)
{
    outl(CONFIG_ADDRESS, 0x80000000u | slot << 11 | (offset & 0xfc));
    return inl(CONFIG_DATA);
}

void pci_write(unsigned slot, unsigned offset, uint32_t value)
{
    outl(CONFIG_ADDRESS, 0x80000000u | slot << 11 | (offset & 0xfc));
    outl(CONFIG_DATA, value);
}

unsigned pci_capability(unsigned slot, unsigned after, uint8_t id)
{
    if (!(pci_read(slot, COMMAND) & STATUS_CAPABILITIES))
        return 0;
    unsigned at = after ? pci_read(slot, after) >> 8 & 0xfc : pci_read(slot, CAPABILITIES) & 0xfc;
    while (at && (uint8_t)pci_read(slot, at) != id)
        at = pci_read(slot, at) >> 8 & 0xfc;
    return at;
}

uint32_t pci_bar(unsigned slot, unsigned bar) { return pci_read(slot, FIRST_BAR + 4 * bar) & ~0xfu; }

void pci_enable(unsigned slot)
{
    pci_write(slot, COMMAND, (pci_read(slot, COMMAND) & 0xffff) | COMMAND_MEMORY_AND_MASTER);
}

int pci_enable_message(unsigned slot, struct message message)
{
    unsigned capability = pci_capability(slot, 0, PCI_CAP_MSIX);
    if (!capability)
        return 0;
    uint32_t table = pci_read(slot, capability + 4);
    uint32_t entry = pci_bar(slot, table & 7) + (table & ~7u);
    MMIO32(entry) = message.address;
    MMIO32(entry + 4) = 0;
    MMIO32(entry + 8) = message.data;
    MMIO32(entry + 12) = 0;
    pci_write(slot, capability, pci_read(slot, capability) | MSIX_ENABLE);
    return 1;
}
