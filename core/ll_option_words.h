/* What --help and the manual say of a row of a table of options (ll_option_table.h): its range, its
 * default, what its value is called.
 *
 * Threads: pure. */
#ifndef LL_OPTION_WORDS_H
#define LL_OPTION_WORDS_H

#include "core/ll_option_table.h"

enum { LL_OPTION_WORDS_BYTES = 256, LL_OPTION_TAIL_BYTES = 1024 };
/* "1 to 256", "from 0", "1M to 100G", "f32, bf16"; "" where there is no range. Without the unit. */
void ll_option_range(const struct ll_option_row *row, char out_text[static LL_OPTION_WORDS_BYTES]);
/* "1", "8G", "letterbox"; "" where there is none. Without the unit. */
void ll_option_default(const struct ll_option_row *row,
                       char out_text[static LL_OPTION_WORDS_BYTES]);
/* What the option's value is called: "N", "SIZE"; NULL for a flag. */
const char *ll_option_arg(const struct ll_option_row *row);

/* " (UNIT, RANGE, default DEFAULT)", of what there is; choices stand in the sentence. */
void ll_option_tail(const struct ll_option_row *row, char out_text[static LL_OPTION_TAIL_BYTES]);

/* "a, b, c", of a row with choices. */
void ll_option_choices(const struct ll_option_row *row,
                       char out_text[static LL_OPTION_WORDS_BYTES]);
/* The next one of "a|b|c", which `choices` is moved behind, and how long it is; NULL at the end. */
const char *ll_option_next_choice(const char **choices, size_t *out_bytes);

#endif
