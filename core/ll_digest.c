#include "core/ll_digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct ll_hasher {
    EVP_MD_CTX *context;
};

/* libcrypto's SHA-256 fails only where memory ran out when the context was made. */
static void must_be_one(int result)
{
    assert(result == 1);
    (void)result;
}

ll_status ll_hasher_create(struct ll_hasher **out_hasher)
{
    struct ll_hasher *hasher = calloc(1, sizeof(*hasher));
    if (!hasher) {
        return LL_E_NO_MEMORY;
    }
    hasher->context = EVP_MD_CTX_new();
    if (!hasher->context || EVP_DigestInit_ex(hasher->context, EVP_sha256(), NULL) != 1) {
        ll_hasher_destroy(hasher);
        return LL_E_NO_MEMORY;
    }
    *out_hasher = hasher;
    return LL_OK;
}

void ll_hasher_destroy(struct ll_hasher *hasher)
{
    if (hasher) {
        EVP_MD_CTX_free(hasher->context);
        free(hasher);
    }
}

void ll_hasher_update(struct ll_hasher *hasher, const void *data, size_t bytes)
{
    if (bytes > 0) {
        must_be_one(EVP_DigestUpdate(hasher->context, data, bytes));
    }
}

void ll_hasher_update_u64(struct ll_hasher *hasher, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    ll_hasher_update(hasher, bytes, sizeof(bytes));
}

void ll_hasher_finish(struct ll_hasher *hasher, struct ll_digest *out_digest)
{
    unsigned length = 0;
    must_be_one(EVP_DigestFinal_ex(hasher->context, out_digest->bytes, &length));
    assert(length == LL_DIGEST_BYTES);
    must_be_one(EVP_DigestInit_ex(hasher->context, NULL, NULL));
}

ll_status ll_hasher_copy(struct ll_hasher *to, const struct ll_hasher *from)
{
    return EVP_MD_CTX_copy_ex(to->context, from->context) == 1 ? LL_OK : LL_E_NO_MEMORY;
}

ll_status ll_digest_of(const void *data, size_t bytes, struct ll_digest *out_digest)
{
    struct ll_hasher *hasher = NULL;
    ll_status status = ll_hasher_create(&hasher);
    if (status == LL_OK) {
        ll_hasher_update(hasher, data, bytes);
        ll_hasher_finish(hasher, out_digest);
        ll_hasher_destroy(hasher);
    }
    return status;
}

bool ll_digest_equal(const struct ll_digest *a, const struct ll_digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static const char digest_prefix[] = "sha256:";

void ll_digest_format(const struct ll_digest *digest, char out_text[LL_DIGEST_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    memcpy(out_text, digest_prefix, sizeof(digest_prefix) - 1);
    char *next = out_text + sizeof(digest_prefix) - 1;
    for (int i = 0; i < LL_DIGEST_BYTES; i++) {
        *next++ = digits[digest->bytes[i] >> 4];
        *next++ = digits[digest->bytes[i] & 15];
    }
    *next = '\0';
}

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    if (digit >= 'A' && digit <= 'F') {
        return digit - 'A' + 10;
    }
    return -1;
}

ll_status ll_digest_parse(const char *text, struct ll_digest *out_digest)
{
    if (strlen(text) != LL_DIGEST_TEXT_BYTES - 1 ||
        memcmp(text, digest_prefix, sizeof(digest_prefix) - 1) != 0) {
        return LL_E_INVALID;
    }
    const char *next = text + sizeof(digest_prefix) - 1;
    struct ll_digest digest;
    for (int i = 0; i < LL_DIGEST_BYTES; i++) {
        int high = digit_value(*next++);
        int low = digit_value(*next++);
        if (high < 0 || low < 0) {
            return LL_E_INVALID;
        }
        digest.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *out_digest = digest;
    return LL_OK;
}
