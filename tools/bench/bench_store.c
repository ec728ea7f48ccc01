#include "tools/bench/bench_store.h"

#include <stdio.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096 };

/* The file of layer `index`'s weights. */
static void blob_path(const char *folder, int index, char out_path[static PATH_BYTES])
{
    snprintf(out_path, PATH_BYTES, "%s/%04d", folder, index);
}

static ll_status write_blob(const char *path, const struct ll_buf *blob, struct ll_error *err)
{
    FILE *file = fopen(path, "wbe");
    bool ok = file && fwrite(ll_buf_data(blob), 1, ll_buf_bytes(blob), file) == ll_buf_bytes(blob);
    if (file) {
        ok = fclose(file) == 0 && ok;
    }
    return ok ? LL_OK : ll_fail(err, LL_E_IO, "%s: cannot be written", path);
}

ll_status bench_store_write(const char *folder, struct ll_buf *const *blobs, int count,
                            struct ll_error *err)
{
    ll_status status = LL_OK;
    /* That it exists already is fine; anything else shows when a file is written. */
    (void)mkdir(folder, 0700);
    for (int i = 0; i < count && status == LL_OK; i++) {
        char path[PATH_BYTES];
        blob_path(folder, i, path);
        status = blobs[i] ? write_blob(path, blobs[i], err) : LL_OK;
    }
    return status;
}

static ll_status copy(struct ll_buf **blob, struct ll_error *err)
{
    struct ll_buf *mapped = *blob;
    struct ll_buf *copied = NULL;
    ll_status status = ll_buf_copy(ll_buf_data(mapped), ll_buf_bytes(mapped), &copied);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    ll_buf_unref(mapped);
    *blob = copied;
    return LL_OK;
}

ll_status bench_store_read(const char *folder, const struct ll_table *table, bool copied,
                           struct ll_buf **out_blobs, struct ll_error *err)
{
    for (int i = 0; i < table->layer_count; i++) {
        char path[PATH_BYTES];
        int64_t bytes = table->layers[i].blob_bytes;
        if (bytes == 0) {
            continue;
        }
        blob_path(folder, i, path);
        ll_status status = ll_buf_map_file(path, bytes, &out_blobs[i], err);
        if (status == LL_OK && copied) {
            status = copy(&out_blobs[i], err);
        }
        if (status != LL_OK) {
            return status;
        }
    }
    return LL_OK;
}
