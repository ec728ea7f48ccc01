#include "tools/lab/lab_idx.h"

#include <stdlib.h>
#include <zlib.h>

enum {
    /* 0, 0, 8 (unsigned bytes), number of dimensions */
    IDX_MAGIC_LABELS = 0x801,
    IDX_MAGIC_IMAGES = 0x803,
    IDX_MAX_BYTES = 1 << 30,
};

static int read_u32(gzFile file, uint32_t *out_value)
{
    uint8_t bytes[4];
    if (gzread(file, bytes, sizeof(bytes)) != (int)sizeof(bytes)) {
        return 0;
    }
    *out_value =
        (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    return 1;
}

/* Reads the header and allocates what it announces. */
static ll_status read_header(gzFile file, const char *path, struct lab_idx *idx,
                             uint32_t *out_bytes, struct ll_error *err)
{
    uint32_t magic;
    uint32_t rows = 1;
    uint32_t cols = 1;
    if (!read_u32(file, &magic) || (magic != IDX_MAGIC_LABELS && magic != IDX_MAGIC_IMAGES)) {
        return ll_fail(err, LL_E_INVALID, "%s: not an idx file of images or labels", path);
    }
    if (!read_u32(file, &idx->count) ||
        (magic == IDX_MAGIC_IMAGES && (!read_u32(file, &rows) || !read_u32(file, &cols)))) {
        return ll_fail(err, LL_E_INVALID, "%s: header cut short", path);
    }
    uint32_t bytes;
    uint32_t total;
    if (__builtin_mul_overflow(rows, cols, &bytes) ||
        __builtin_mul_overflow(bytes, idx->count, &total) || total == 0 || total > IDX_MAX_BYTES) {
        return ll_fail(err, LL_E_INVALID, "%s: %u items of %u x %u: nothing, or above %d bytes",
                       path, idx->count, rows, cols, IDX_MAX_BYTES);
    }
    idx->item_bytes = bytes;
    idx->data = malloc(total);
    if (!idx->data) {
        return ll_fail(err, LL_E_NO_MEMORY, "%s: no memory for %u bytes", path, total);
    }
    *out_bytes = total;
    return LL_OK;
}

ll_status lab_idx_read(const char *path, struct lab_idx *out_idx, struct ll_error *err)
{
    struct lab_idx idx = {0};
    gzFile file = gzopen(path, "rb");
    if (!file) {
        return ll_fail(err, LL_E_IO, "%s: cannot be opened", path);
    }
    uint32_t total = 0;
    ll_status status = read_header(file, path, &idx, &total, err);
    if (status != LL_OK) {
        goto out;
    }
    int got = gzread(file, idx.data, total);
    if (got != (int)total) {
        status = ll_fail(err, LL_E_INVALID, "%s: %d bytes behind the header, %u expected", path,
                         got, total);
        goto out;
    }
    if (gzgetc(file) != -1) {
        status = ll_fail(err, LL_E_INVALID, "%s: bytes behind the last item", path);
        goto out;
    }
    *out_idx = idx;
    idx.data = NULL;
out:
    lab_idx_finish(&idx);
    gzclose(file);
    return status;
}

void lab_idx_finish(struct lab_idx *idx)
{
    free(idx->data);
    idx->data = NULL;
}
