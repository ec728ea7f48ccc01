/* The cfg language, read exactly as Darknet reads it: lines into sections with options.
 *
 *   - Spaces and tabs are deleted everywhere, inside values too.
 *   - A line that then begins with '#' or ';' is a comment; one that begins with '[' opens a
 *     section, whose name is the whole line; anything else is an option.
 *   - "key=value" splits at the first '='. "key" alone is an option without a value. The first of
 *     two equal keys wins.
 *
 * Where Darknet would crash, misread or skip, this differs: an option before any section and NUL
 * bytes are refused; "key=" is an option with an empty value, for its reader to refuse (Darknet
 * drops it); and files of other systems work: CRLF line ends are taken as LF (Darknet leaves the CR
 * in the section's name and fails), CR line ends too where the text has no LF at all, and a byte
 * order mark of UTF-8 is skipped. A CR elsewhere inside a line is refused.
 *
 * Threads: any; a parsed cfg is immutable. */
#ifndef DKB_CFG_H
#define DKB_CFG_H

#include <stddef.h>

#include "core/ll_status.h"

struct dkb_cfg_option {
    const char *key;
    /* NULL for a key alone, empty for "key=". */
    const char *value;
    /* From 1. */
    int line;
};

struct dkb_cfg_section {
    /* With its brackets: "[net]". */
    const char *name;
    int line;
    const struct dkb_cfg_option *options;
    size_t option_count;
};

struct dkb_cfg {
    struct dkb_cfg_section *sections;
    size_t section_count;
    /* What the sections point into. */
    struct dkb_cfg_option *options;
    char *text;
};

/* Reads `bytes` bytes of cfg text; it need not end in NUL or a line end. Time is linear in `bytes`
 * and stops at the first limit that is passed.
 *
 * Errors: LL_E_EXHAUSTED above the limits on bytes, line length, sections and options; LL_E_INVALID
 * for NUL bytes, for a CR inside a line, for an option before any section, for a text without
 * sections and for what is another kind of file (dkb_sniff.h);
 * LL_E_NO_MEMORY. `err` names the line. */
LL_MUST_USE ll_status dkb_cfg_init(struct dkb_cfg *cfg, const char *text, size_t bytes,
                                   struct ll_error *err);
void dkb_cfg_finish(struct dkb_cfg *cfg);

/* The first option of that key, with or without value; NULL where there is none. */
const struct dkb_cfg_option *dkb_cfg_find(const struct dkb_cfg_section *section, const char *key);

#endif
