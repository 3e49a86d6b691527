/* Finding ACPI tables (ACPI 6.5, section 5.2). */

#include "guest.h"

static int checksum_is_zero(const void *start, size_t length)
{
    const uint8_t *bytes = start;
    uint8_t sum = 0;
    while (length--)
        sum = (uint8_t)(sum + *bytes++);
    return sum == 0;
}

static int same_signature(const char *a, const char *b)
{
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

const struct table_header *find_table(const struct start_info *info, const char *signature)
{
    const uint8_t *rsdp = (const uint8_t *)(uintptr_t)info->rsdp;
    if (!rsdp || !checksum_is_zero(rsdp, 36))
        return 0;
    const struct table_header *xsdt = (const void *)(uintptr_t) * (const uint64_t *)(rsdp + 24);
    const uint64_t *entry = (const void *)(xsdt + 1);
    const uint64_t *end = (const void *)((const uint8_t *)xsdt + xsdt->length);
    for (; entry < end; entry++) {
        const struct table_header *table = (const void *)(uintptr_t)*entry;
        if (same_signature(table->signature, signature) && checksum_is_zero(table, table->length))
            return table;
    }
    return 0;
}
