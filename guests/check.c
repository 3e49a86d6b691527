/* A guest that checks what it is given says everything that is wrong. */

#include "guest.h"
#include "loaded.h"

static int failures;

void check(int good, const char *what)
{
    if (good)
        return;
    failures++;
    print("WRONG: ");
    print(what);
    print("\n");
}

int all_good(void) { return failures == 0; }
