#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/model/edge_store_pack_state.h"

const char edge_pack_magic[8] = {'L', 'L', 'b', 'l', 'o', 'b', '1', '\n'};

int64_t edge_pack_record_bytes(size_t bytes)
{
    return ((int64_t)bytes + EDGE_PACK_ALIGNMENT - 1) / EDGE_PACK_ALIGNMENT * EDGE_PACK_ALIGNMENT +
           EDGE_PACK_ALIGNMENT;
}

void edge_pack_name(unsigned number, char out_name[EDGE_PACK_NAME_BYTES])
{
    snprintf(out_name, EDGE_PACK_NAME_BYTES, "pack-%08u", number);
}

void edge_pack_free(struct edge_packs *packs, struct edge_pack *pack)
{
    if (pack->fd >= 0) {
        packs->files->close(pack->fd);
    }
    ll_buf_unref(pack->map);
    free(pack);
}

/* ---- Records ---- */

static struct edge_pack_record **bucket_locked(struct edge_packs *packs,
                                               const struct ll_digest *digest)
    LL_REQUIRES(packs->lock)
{
    unsigned hash = digest->bytes[0] | ((unsigned)digest->bytes[1] << 8);
    return &packs->buckets[hash % EDGE_PACK_BUCKETS];
}

struct edge_pack_record *edge_pack_find_locked(struct edge_packs *packs,
                                               const struct ll_digest *digest, size_t bytes)
{
    struct edge_pack_record *record = *bucket_locked(packs, digest);
    while (record && !(record->bytes == bytes && ll_digest_equal(&record->digest, digest))) {
        record = record->next;
    }
    return record;
}

void edge_pack_drop_locked(struct edge_packs *packs, struct edge_pack_record *record)
{
    struct edge_pack_record **link = bucket_locked(packs, &record->digest);
    while (*link != record) {
        link = &(*link)->next;
    }
    *link = record->next;
    record->pack->live_bytes -= edge_pack_record_bytes(record->bytes);
    free(record);
}

struct edge_pack_record *edge_pack_add_locked(struct edge_packs *packs, struct edge_pack *pack,
                                              const struct ll_digest *digest, size_t bytes,
                                              int64_t offset)
{
    struct edge_pack_record *record = calloc(1, sizeof(*record));
    if (record) {
        struct edge_pack_record **bucket = bucket_locked(packs, digest);
        *record = (struct edge_pack_record){
            .next = *bucket, .digest = *digest, .bytes = bytes, .pack = pack, .offset = offset};
        *bucket = record;
        pack->live_bytes += edge_pack_record_bytes(bytes);
    }
    return record;
}

/* ---- Use ---- */

/* The record's bytes: of the pack's mapping, or read, where the record was moved behind what was
 * mapped at the start. NULL where they cannot be had. */
static struct ll_buf *take_data(const struct edge_pack_record *record)
{
    const struct edge_pack *pack = record->pack;
    struct ll_buf *data = NULL;
    if (pack->map && record->offset + edge_pack_record_bytes(record->bytes) <=
                         (int64_t)ll_buf_bytes(pack->map)) {
        return ll_buf_slice(pack->map, (size_t)record->offset + EDGE_PACK_ALIGNMENT, record->bytes,
                            &data) == LL_OK
                   ? data
                   : NULL;
    }
    if (ll_buf_create(record->bytes, &data) != LL_OK) {
        return NULL;
    }
    if (edge_store_files_read(pack->fd, ll_buf_writable(data), record->bytes,
                              record->offset + EDGE_PACK_ALIGNMENT) != 0) {
        ll_buf_unref(data);
        return NULL;
    }
    return data;
}

struct edge_pack_record *edge_packs_find(struct edge_packs *packs, const struct ll_digest *digest,
                                         size_t bytes, struct ll_buf **out_data)
{
    struct ll_digest found;
    struct ll_buf *data = NULL;
    ll_mutex_lock(&packs->lock);
    struct edge_pack_record *record = edge_pack_find_locked(packs, digest, bytes);
    if (record && !record->is_claimed) {
        data = take_data(record);
    }
    bool is_right = data && ll_digest_of(ll_buf_data(data), bytes, &found) == LL_OK &&
                    ll_digest_equal(&found, digest);
    if (is_right) {
        record->is_claimed = true;
    } else if (data) {
        /* Torn by the end of a machine. */
        edge_pack_drop_locked(packs, record);
    }
    ll_mutex_unlock(&packs->lock);
    if (!is_right) {
        ll_buf_unref(data);
        return NULL;
    }
    *out_data = data;
    return record;
}

struct edge_pack *edge_pack_last_locked(struct edge_packs *packs)
{
    char name[EDGE_PACK_NAME_BYTES];
    if (packs->first && packs->first->bytes < EDGE_PACK_BYTES) {
        return packs->first;
    }
    struct edge_pack *pack = calloc(1, sizeof(*pack));
    if (!pack) {
        errno = ENOMEM;
        return NULL;
    }
    pack->number = packs->last_number + 1;
    pack->is_new = true;
    edge_pack_name(pack->number, name);
    pack->fd = packs->files->open(packs->folder_fd, name,
                                  O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (pack->fd < 0) {
        free(pack);
        return NULL;
    }
    packs->last_number++;
    pack->next = packs->first;
    packs->first = pack;
    return pack;
}

int edge_pack_write_locked(struct edge_packs *packs, struct edge_pack *pack,
                           const struct ll_digest *digest, const void *data, size_t bytes)
{
    struct edge_pack_head head = {.bytes = bytes};
    size_t whole = (size_t)edge_pack_record_bytes(bytes);
    char *record = calloc(1, whole);
    if (!record) {
        return ENOMEM;
    }
    memcpy(head.magic, edge_pack_magic, sizeof(edge_pack_magic));
    memcpy(head.digest, digest->bytes, sizeof(head.digest));
    memcpy(record, &head, sizeof(head));
    memcpy(record + sizeof(head), data, bytes);
    int failure = edge_store_files_write(packs->files, pack->fd, record, whole, pack->bytes);
    free(record);
    pack->is_dirty |= failure == 0;
    return failure;
}

int edge_packs_append(struct edge_packs *packs, const struct ll_digest *digest, const void *data,
                      size_t bytes, struct edge_pack_record **out_record)
{
    ll_mutex_lock(&packs->lock);
    struct edge_pack *pack = edge_pack_last_locked(packs);
    int failure = pack ? edge_pack_write_locked(packs, pack, digest, data, bytes) : errno;
    if (failure == 0) {
        struct edge_pack_record *record =
            edge_pack_add_locked(packs, pack, digest, bytes, pack->bytes);
        failure = record ? 0 : ENOMEM;
        if (record) {
            record->is_claimed = true;
            pack->bytes += edge_pack_record_bytes(bytes);
            *out_record = record;
        }
    }
    ll_mutex_unlock(&packs->lock);
    return failure;
}

void edge_packs_drop(struct edge_packs *packs, struct edge_pack_record *record)
{
    ll_mutex_lock(&packs->lock);
    edge_pack_drop_locked(packs, record);
    ll_mutex_unlock(&packs->lock);
}

void edge_packs_drop_unclaimed(struct edge_packs *packs)
{
    ll_mutex_lock(&packs->lock);
    for (int i = 0; i < EDGE_PACK_BUCKETS; i++) {
        struct edge_pack_record *record = packs->buckets[i];
        while (record) {
            struct edge_pack_record *next = record->next;
            if (!record->is_claimed) {
                edge_pack_drop_locked(packs, record);
            }
            record = next;
        }
    }
    ll_mutex_unlock(&packs->lock);
}

int64_t edge_packs_file_bytes(struct edge_packs *packs)
{
    int64_t bytes = 0;
    ll_mutex_lock(&packs->lock);
    for (const struct edge_pack *pack = packs->first; pack; pack = pack->next) {
        bytes += pack->bytes;
    }
    ll_mutex_unlock(&packs->lock);
    return bytes;
}
