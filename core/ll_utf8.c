#include "core/ll_utf8.h"

#include <string.h>

/* The bytes of the character that begins with `byte`. */
static size_t character_bytes(unsigned char byte)
{
    if (byte >= 0xf0) {
        return 4;
    }
    if (byte >= 0xe0) {
        return 3;
    }
    return byte >= 0xc0 ? 2 : 1;
}

size_t ll_utf8_cut(const char *text, size_t most)
{
    enum { BYTES_BEHIND_FIRST = 3 };
    size_t bytes = strnlen(text, most);
    size_t behind = 0;
    while (behind < bytes && behind <= BYTES_BEHIND_FIRST) {
        unsigned char byte = (unsigned char)text[bytes - 1 - behind];
        behind++;
        if ((byte & 0xc0) != 0x80) {
            return character_bytes(byte) > behind ? bytes - behind : bytes;
        }
    }
    return bytes;
}
