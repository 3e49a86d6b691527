/*
 * Drives the CD-ROM drive of the machine: says what it is, prints the first line of each disc that it finds in it,
 * and goes on looking. Words of the command line:
 *
 *   lock     locks the tray whenever there is a disc, and says when the host asks for the disc
 *   polite   with that word it ejects a disc that it is asked for
 *   reset    resets the machine, once, when it has seen a second disc
 */

#include "guest.h"
#include "io.h"
#include "pci.h"
#include "queue.h"

/* The request queue (virtio 1.2, section 5.6.2), and what goes around a command (5.6.6.1). */
#define REQUESTS 2
#define HEADER 51
#define LUN 8
#define CDB 19
#define RESPONSE 108
#define STATUS 10
#define TRANSPORT 11
#define SENSE 12

#define CMOS_MARK 0x70
#define BLOCK 2048

/* Sense keys and codes (SPC-4). */
enum { NOT_READY = 2, UNIT_ATTENTION = 6, CHANGED = 0x28 };

static struct device drive;
static uint8_t data[BLOCK];

/* What a command ended with: its key, and the code behind it; 0 if it went well. */
static unsigned key, code;

/* Has a command carried out, with `length` bytes of data for us. Whether it went well. */
static int command(const uint8_t *cdb, unsigned size, uint32_t length)
{
    static uint8_t header[HEADER], response[RESPONSE];
    for (unsigned i = 0; i < HEADER; i++)
        header[i] = i >= CDB && i - CDB < size ? cdb[i - CDB] : 0;
    header[0] = 1;
    response[TRANSPORT] = 255;
    struct piece pieces[3] = {{header, HEADER, 0}, {response, RESPONSE, 1}, {data, length, 1}};
    request(&drive, pieces, length ? 3 : 2);
    if (response[TRANSPORT]) {
        print("transport failed\n");
        key = code = 255;
        return 0;
    }
    key = response[STATUS] ? response[SENSE + 2] & 0xf : 0;
    code = response[STATUS] ? response[SENSE + 12] : 0;
    return !response[STATUS];
}

static int is_ready(void)
{
    static const uint8_t cdb[6] = {0x00};
    return command(cdb, sizeof cdb, 0);
}

static void move_tray(uint8_t operation, uint8_t how)
{
    const uint8_t cdb[6] = {operation, 0, 0, 0, how};
    command(cdb, sizeof cdb, 0);
}

/* Whether the host has asked for the disc since the last time. */
static int is_asked_for(void)
{
    static const uint8_t cdb[10] = {0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8};
    return command(cdb, sizeof cdb, 8) && (data[4] & 0xf) == 1;
}

static void introduce(void)
{
    static const uint8_t cdb[6] = {0x12, 0, 0, 0, 36};
    if (!command(cdb, sizeof cdb, 36)) {
        print("inquiry FAILED\n");
        return;
    }
    print("drive: ");
    for (unsigned i = 8; i < 36; i++)
        put_char((char)data[i]);
    print("\n");
}

static void show_disc(void)
{
    static const uint8_t size[10] = {0x25}, first[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 1};
    if (!command(size, sizeof size, 8)) {
        print("capacity FAILED\n");
        return;
    }
    uint32_t blocks = ((uint32_t)data[0] << 24 | data[1] << 16 | data[2] << 8 | data[3]) + 1;
    if (!command(first, sizeof first, BLOCK)) {
        print("read FAILED\n");
        return;
    }
    print("disc of ");
    print_number(blocks);
    print(" blocks: ");
    for (unsigned i = 0; i < 80 && data[i] && data[i] != '\n'; i++)
        put_char((char)data[i]);
    print("\n");
}

static void reset_once(void)
{
    outb(0x70, CMOS_MARK);
    if (inb(0x71) == 1)
        return;
    outb(0x70, CMOS_MARK);
    outb(0x71, 1);
    print("reset\n");
    outb(0xcf9, 0x06);
}

static void rest(void)
{
    for (volatile unsigned i = 0; i < 20000; i++)
        ;
}

/* Tells of the disc whenever that has become another one. */
static void watch(const struct start_info *info)
{
    enum { UNKNOWN, ABSENT, PRESENT } known = UNKNOWN;
    unsigned discs = 0;
    for (;; rest()) {
        if (is_ready()) {
            if (known != PRESENT) {
                known = PRESENT;
                if (has_word(info, "lock"))
                    move_tray(0x1e, 1);
                show_disc();
                if (++discs == 2 && has_word(info, "reset"))
                    reset_once();
            }
        } else if (key == NOT_READY) {
            if (known != ABSENT)
                print("no disc\n");
            known = ABSENT;
        } else if (key == UNIT_ATTENTION && code == CHANGED) {
            print("changed\n");
            known = UNKNOWN;
        }
        if (has_word(info, "lock") && is_asked_for()) {
            print("asked for the disc\n");
            if (has_word(info, "polite")) {
                move_tray(0x1e, 0);
                move_tray(0x1b, 2);
            }
        }
    }
}

void main(const struct start_info *info);

void main(const struct start_info *info)
{
    print("scsi guest\n");
    unsigned slot = find_device(0, VIRTIO_SCSI);
    if (slot == PCI_SLOTS) {
        print("no drive\n");
        power_off(info);
    }
    if (!device_init_queue(&drive, slot, REQUESTS, 0, 0)) {
        print("drive start FAILED\n");
        return;
    }
    introduce();
    watch(info);
}
