/* The words of the command line. */

#include "guest.h"

/* Whether the text begins with the prefix; then what follows it. */
static const char *after_prefix(const char *text, const char *prefix)
{
    while (*prefix)
        if (*text++ != *prefix++)
            return 0;
    return text;
}

static int ends_word(char c) { return c == 0 || c == ' '; }

const char *find_word(const struct start_info *info, const char *word)
{
    const char *at = (const char *)(uintptr_t)info->command_line;
    while (at && *at) {
        const char *rest = after_prefix(at, word);
        if (rest && (rest[-1] == '=' || ends_word(*rest)))
            return rest;
        while (!ends_word(*at))
            at++;
        while (*at == ' ')
            at++;
    }
    return 0;
}

int has_word(const struct start_info *info, const char *word) { return find_word(info, word) != 0; }

int equal(const char *word, const char *text)
{
    const char *rest = after_prefix(word, text);
    return rest && ends_word(*rest);
}
