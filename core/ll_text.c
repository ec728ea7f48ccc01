#include "core/ll_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd";

int ll_text_character(const char *text)
{
    static const struct {
        uint8_t mask, mark;
        uint32_t least;
    } kinds[] = {
        {0x80, 0x00, 0x01}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    const uint8_t *bytes = (const uint8_t *)text;
    for (int more = 0; more < 4; more++) {
        if ((bytes[0] & kinds[more].mask) != kinds[more].mark) {
            continue;
        }
        uint32_t character = bytes[0] & (uint8_t)~kinds[more].mask;
        for (int i = 1; i <= more; i++) {
            if ((bytes[i] & 0xc0) != 0x80) {
                return 0;
            }
            character = character << 6 | (bytes[i] & 0x3fU);
        }
        bool is_surrogate = character >= 0xd800 && character <= 0xdfff;
        bool is_valid = character >= kinds[more].least && character <= 0x10ffff && !is_surrogate;
        return is_valid ? more + 1 : 0;
    }
    return 0;
}

/* Whether the character of `count` bytes may reach a terminal. */
static bool is_tame(const char *text, int count)
{
    const uint8_t *bytes = (const uint8_t *)text;
    if (count == 1) {
        return bytes[0] >= 0x20 && bytes[0] != 0x7f;
    }
    return count > 1 && !(count == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0);
}

void ll_text_tame(char *text)
{
    while (*text) {
        int count = ll_text_character(text);
        int bytes = count > 0 ? count : 1;
        if (!is_tame(text, count)) {
            memset(text, '?', (size_t)bytes);
        }
        text += bytes;
    }
}

void ll_text_print(FILE *file, const char *text)
{
    while (*text) {
        int count = ll_text_character(text);
        int bytes = count > 0 ? count : 1;
        if (is_tame(text, count)) {
            fwrite(text, 1, (size_t)bytes, file);
        } else {
            fwrite("????", 1, (size_t)bytes, file);
        }
        text += bytes;
    }
}

void ll_text_complain(const char *program, const char *sentence)
{
    fprintf(stderr, "%s: ", program);
    ll_text_print(stderr, sentence);
    fputc('\n', stderr);
}

char *ll_text_to_utf8(const char *text)
{
    const size_t most = sizeof(replacement) - 1;
    size_t length = strlen(text);
    char *copy = length < SIZE_MAX / most ? malloc(length * most + 1) : NULL;
    if (!copy) {
        return NULL;
    }
    char *out = copy;
    while (*text) {
        int count = ll_text_character(text);
        if (count > 0) {
            memcpy(out, text, (size_t)count);
            out += count;
        } else {
            memcpy(out, replacement, most);
            out += most;
        }
        text += count > 0 ? count : 1;
    }
    *out = '\0';
    return copy;
}
