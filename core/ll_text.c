#include "core/ll_text.h"

#include <stdbool.h>
#include <stdint.h>

/* The bytes of the character that begins at text[0], and its code point; 0 where none begins there
 * (The Unicode Standard, table 3-7). */
static size_t decode(const unsigned char *text, size_t bytes, uint32_t *out_point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = text[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (length == 0 || length > bytes || lead > 0xf4) {
        return 0;
    }
    uint32_t point = length == 1 ? lead : lead & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (text[i] & 0x3f);
    }
    bool is_surrogate = point >= 0xd800 && point <= 0xdfff;
    *out_point = point;
    return point < least[length] || is_surrogate || point > 0x10ffff ? 0 : length;
}

static bool is_printable(uint32_t point)
{
    bool is_control = point < 0x20 || (point >= 0x7f && point < 0xa0);
    bool is_separator = point == 0x2028 || point == 0x2029;
    bool turns = point == 0x061c || point == 0x200e || point == 0x200f ||
                 (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
    return !is_control && !is_separator && !turns;
}

void ll_text_clean(char *text, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        uint32_t point = 0;
        size_t length = decode((const unsigned char *)text + at, bytes - at, &point);
        bool stays = length > 0 && is_printable(point);
        size_t end = at + (length > 0 ? length : 1);
        for (; at < end; at++) {
            text[at] = (char)(stays ? text[at] : '?');
        }
    }
}
