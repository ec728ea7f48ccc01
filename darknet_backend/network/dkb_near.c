#include "darknet_backend/network/dkb_near.h"

#include <string.h>

/* Longer words are near nothing: no key, section or activation is as long. */
enum { MAX_CHARS = 40, MAX_EDITS = 2 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Without the application's locale. */
static int lower(char character)
{
    return character >= 'A' && character <= 'Z' ? character - 'A' + 'a' : character;
}

/* The optimal string alignment distance, row by row: rows[i][j] is that of the first i characters
 * of `a` and the first j of `b`. */
static int count_edits(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int rows[MAX_CHARS + 1][MAX_CHARS + 1];
    for (size_t i = 0; i <= a_length; i++) {
        for (size_t j = 0; j <= b_length; j++) {
            if (i == 0 || j == 0) {
                rows[i][j] = (int)(i + j);
                continue;
            }
            int in_a = lower(a[i - 1]);
            int in_b = lower(b[j - 1]);
            int edits = rows[i - 1][j - 1] + (in_a != in_b);
            edits = least(edits, rows[i - 1][j] + 1);
            edits = least(edits, rows[i][j - 1] + 1);
            if (i > 1 && j > 1 && in_a == lower(b[j - 2]) && lower(a[i - 2]) == in_b) {
                edits = least(edits, rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = edits;
        }
    }
    return rows[a_length][b_length];
}

void dkb_near_init(struct dkb_near *near, const char *word)
{
    int edits = (int)(strnlen(word, MAX_CHARS + 1) / 3);
    *near = (struct dkb_near){.word = word, .most_edits = least(edits, MAX_EDITS)};
}

void dkb_near_try(struct dkb_near *near, const char *candidate)
{
    size_t word_length = strnlen(near->word, MAX_CHARS + 1);
    size_t length = strnlen(candidate, MAX_CHARS + 1);
    if (word_length > MAX_CHARS || length > MAX_CHARS) {
        return;
    }
    int edits = count_edits(near->word, word_length, candidate, length);
    if (edits <= near->most_edits) {
        near->best = candidate;
        near->most_edits = edits - 1;
    }
}
