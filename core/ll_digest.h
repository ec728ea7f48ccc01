/* SHA-256, the name of every blob and model.
 *
 * Threads: one hasher per thread at a time; the rest is pure. */
#ifndef LL_DIGEST_H
#define LL_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"

enum {
    LL_DIGEST_BYTES = 32,
    /* "sha256:" + 64 digits + NUL */
    LL_DIGEST_TEXT_BYTES = 7 + 64 + 1,
};

struct ll_digest {
    uint8_t bytes[LL_DIGEST_BYTES];
};

struct ll_hasher;

/* Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_hasher_create(struct ll_hasher **out_hasher);
void ll_hasher_destroy(struct ll_hasher *hasher);

void ll_hasher_update(struct ll_hasher *hasher, const void *data, size_t bytes);
/* `value` as 8 bytes, little-endian. */
void ll_hasher_update_u64(struct ll_hasher *hasher, uint64_t value);
/* Gives the digest of everything since creation or the last finish, and starts anew. */
void ll_hasher_finish(struct ll_hasher *hasher, struct ll_digest *out_digest);

/* `to` goes on from where `from` stands. Errors: LL_E_NO_MEMORY; `to` is to be destroyed then. */
LL_MUST_USE ll_status ll_hasher_copy(struct ll_hasher *to, const struct ll_hasher *from);

/* The digest of one piece of memory. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_digest_of(const void *data, size_t bytes, struct ll_digest *out_digest);

bool ll_digest_equal(const struct ll_digest *a, const struct ll_digest *b);

/* "sha256:0123...", lower case; and back, which also takes upper case.
 * Errors: LL_E_INVALID for anything else. */
void ll_digest_format(const struct ll_digest *digest, char out_text[LL_DIGEST_TEXT_BYTES]);
LL_MUST_USE ll_status ll_digest_parse(const char *text, struct ll_digest *out_digest);

#endif
