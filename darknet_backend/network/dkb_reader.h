/* Reads the options of one cfg section as numbers and words, and keeps the first refusal.
 *
 * Reading goes on after a failure with harmless values, so that a layer's parser is a list of what
 * it reads; whoever drives it looks at `status` at the end.
 *
 * Numbers are strict where Darknet's atoi and atof take anything: the same value for everything
 * that is a number (a comment behind it, as in "filters=32#wide", is none of its business), a
 * refusal for what is not, for what does not fit and for what Darknet would crash on.
 *
 * Threads: one per reader. */
#ifndef DKB_READER_H
#define DKB_READER_H

#include <stdbool.h>

#include "core/ll_status.h"
#include "darknet_backend/network/dkb_cfg.h"
#include "net/ll_kinds.h"

struct dkb_reader {
    const struct dkb_cfg_section *section;
    /* LL_OK until something was refused. */
    ll_status status;
    struct ll_error *err;
};

/* A whole number from `min` to `max`; `fallback` where the key is absent; `min` after a refusal. */
int dkb_read_int(struct dkb_reader *reader, const char *key, int fallback, int min, int max);
/* Whether the key is there and is a number other than 0. */
bool dkb_read_flag(struct dkb_reader *reader, const char *key);
/* A finite number that a float can hold; `fallback` after a refusal. */
float dkb_read_float(struct dkb_reader *reader, const char *key, float fallback);
/* The key's value as it stands, or `fallback`. */
const char *dkb_read_text(const struct dkb_reader *reader, const char *key, const char *fallback);
/* `activation=`. Darknet makes an unknown name a relu with a warning that nobody sees; here it is
 * refused, since the network that its author meant would give other answers: LL_E_UNSUPPORTED for
 * one that another dialect has, else LL_E_INVALID. */
ll_activation dkb_read_activation(struct dkb_reader *reader, ll_activation fallback);

/* Numbers separated by commas, at most `max_count`, up to the value's end or a '#': their count,
 * and memory for free(); 0 and NULL where the key is absent or was refused. */
int dkb_read_ints(struct dkb_reader *reader, const char *key, int max_count, int **out_values);
int dkb_read_floats(struct dkb_reader *reader, const char *key, int max_count, float **out_values);

/* Refuses the section because of `key` (NULL: because of the section itself): notes `status` and
 * the sentence "line N, [section] key=value: reason" unless something was refused before. */
void dkb_refuse(struct dkb_reader *reader, const char *key, ll_status status, const char *format,
                ...) LL_PRINTF(4, 5);
/* The same because of `option`, one of the section's; its value may be absent or empty. */
void dkb_refuse_option(struct dkb_reader *reader, const struct dkb_cfg_option *option,
                       ll_status status, const char *format, ...) LL_PRINTF(4, 5);

/* Whether two values say the same: as numbers if both are, else as texts. */
bool dkb_same_value(const char *a, const char *b);

/* The same for the section where a limit was met, which GetServerInfo lists by this name. */
void dkb_refuse_limit(struct dkb_reader *reader, const char *limit, int64_t value,
                      const char *format, ...) LL_PRINTF(4, 5);

#endif
