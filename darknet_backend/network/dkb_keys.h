/* Which keys a cfg's sections may have: what is not understood is refused, never skipped.
 *
 * Darknet itself reads the keys that it knows and prints a line about the others. But a key that
 * is skipped may be a mistyped one, or one of another dialect that makes another network of the
 * same sections; both would give other answers without a word. So every key of a section is
 *
 *   - read: it says something about the network;
 *   - without effect: Darknet, or a dialect, uses it in training or display only;
 *   - foreign: it makes a network of a dialect that is not supported. It is refused unless its
 *     value is the one with which the network is the same as without it;
 *   - or unknown, and refused.
 *
 * Threads: any; the tables are constant. */
#ifndef DKB_KEYS_H
#define DKB_KEYS_H

#include "darknet_backend/network/dkb_reader.h"

/* As a value of `neutral`: whatever the section's `stride` is, 1 where it has none. */
#define DKB_KEYS_STRIDE "stride"

struct dkb_keys_foreign {
    const char *key;
    /* The number or word with which the network is the same as without the key. */
    const char *neutral;
    /* What it asks for, to follow "not supported:". */
    const char *meaning;
};

/* Lists that end with NULL, or with an entry whose key is NULL. */
struct dkb_keys {
    /* As the layer table has it, or "net". */
    const char *section;
    const char *const *read;
    const char *const *without_effect;
    const struct dkb_keys_foreign *foreign;
};

/* The keys of one type of section; NULL where there is none of that name. */
const struct dkb_keys *dkb_keys_of(const char *section);
/* Those that every section of a layer may have beside its own; `section` is "". */
const struct dkb_keys *dkb_keys_of_layers(void);

/* Refuses the reader's section, of type `section`, because of its first option that is not
 * understood: LL_E_INVALID for an unknown key, with the known one that is near, for a key that is
 * read and has no value, and for a second, other value of one; LL_E_UNSUPPORTED for a foreign
 * key. */
void dkb_keys_check(struct dkb_reader *reader, const char *section);

#endif
