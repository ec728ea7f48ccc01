/* Records begin at multiples of 64, and so do their bytes, so that engines compute with them where
 * they lie. One lock guards all; an append holds it while the page cache takes the bytes, so that
 * records never overlap. Only the tidying thread removes packs: it may use one without the lock. */
#include "edge/model/edge_store_pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/ll_log.h"
#include "core/ll_sync.h"

enum {
    ALIGNMENT = 64,
    /* Larger ones get no more records. */
    PACK_BYTES = 16 << 20,
    BUCKETS = 4096,
    NAME_BYTES = 32,
};

static const char magic[8] = {'L', 'L', 'b', 'l', 'o', 'b', '1', '\n'};

/* As it stands in the file, little-endian on every machine that this runs on. */
struct head {
    char magic[8];
    uint64_t bytes;
    uint8_t digest[LL_DIGEST_BYTES];
    uint8_t zeros[16];
};
_Static_assert(sizeof(struct head) == ALIGNMENT, "bytes follow aligned");

struct pack {
    struct pack *next;
    unsigned number;
    int fd;
    /* Where the next record goes; of that, what records take that are alive. */
    int64_t bytes;
    int64_t live_bytes;
    bool is_dirty;
    /* Its name is not on disk yet. */
    bool is_new;
    /* What was here at the start, or NULL. */
    struct ll_buf *map;
};

struct edge_pack_record {
    struct edge_pack_record *next;
    struct ll_digest digest;
    size_t bytes;
    struct pack *pack;
    /* The head's. */
    int64_t offset;
    bool is_claimed;
};

struct edge_packs {
    int folder_fd;
    const struct edge_store_files *files;

    struct ll_mutex lock;
    /* Guarded by lock; the last pack first. */
    struct pack *first LL_GUARDED_BY(lock);
    unsigned last_number LL_GUARDED_BY(lock);
    struct edge_pack_record *buckets[BUCKETS] LL_GUARDED_BY(lock);
};

static int64_t record_bytes(size_t bytes)
{
    return ((int64_t)bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + ALIGNMENT;
}

static void pack_name(unsigned number, char out_name[NAME_BYTES])
{
    snprintf(out_name, NAME_BYTES, "pack-%08u", number);
}

/* ---- Records ---- */

static struct edge_pack_record **bucket_locked(struct edge_packs *packs,
                                               const struct ll_digest *digest)
    LL_REQUIRES(packs->lock)
{
    unsigned hash = digest->bytes[0] | ((unsigned)digest->bytes[1] << 8);
    return &packs->buckets[hash % BUCKETS];
}

static struct edge_pack_record *find_locked(struct edge_packs *packs,
                                            const struct ll_digest *digest, size_t bytes)
    LL_REQUIRES(packs->lock)
{
    struct edge_pack_record *record = *bucket_locked(packs, digest);
    while (record && !(record->bytes == bytes && ll_digest_equal(&record->digest, digest))) {
        record = record->next;
    }
    return record;
}

static void drop_locked(struct edge_packs *packs, struct edge_pack_record *record)
    LL_REQUIRES(packs->lock)
{
    struct edge_pack_record **link = bucket_locked(packs, &record->digest);
    while (*link != record) {
        link = &(*link)->next;
    }
    *link = record->next;
    record->pack->live_bytes -= record_bytes(record->bytes);
    free(record);
}

static struct edge_pack_record *add_locked(struct edge_packs *packs, struct pack *pack,
                                           const struct ll_digest *digest, size_t bytes,
                                           int64_t offset) LL_REQUIRES(packs->lock)
{
    struct edge_pack_record *record = calloc(1, sizeof(*record));
    if (record) {
        struct edge_pack_record **bucket = bucket_locked(packs, digest);
        *record = (struct edge_pack_record){
            .next = *bucket, .digest = *digest, .bytes = bytes, .pack = pack, .offset = offset};
        *bucket = record;
        pack->live_bytes += record_bytes(bytes);
    }
    return record;
}

/* ---- The start ---- */

/* Notes a pack's records; its end is where none follows. */
static ll_status walk_locked(struct edge_packs *packs, struct pack *pack) LL_REQUIRES(packs->lock)
{
    const char *data = ll_buf_data(pack->map);
    int64_t whole = (int64_t)ll_buf_bytes(pack->map);
    while (whole - pack->bytes >= ALIGNMENT) {
        struct head head;
        struct ll_digest digest;
        memcpy(&head, data + pack->bytes, sizeof(head));
        /* The bound first: the sum must not run over. */
        if (memcmp(head.magic, magic, sizeof(magic)) != 0 || head.bytes == 0 ||
            head.bytes > (uint64_t)whole ||
            record_bytes((size_t)head.bytes) > whole - pack->bytes) {
            break;
        }
        memcpy(digest.bytes, head.digest, sizeof(digest.bytes));
        struct edge_pack_record *older = find_locked(packs, &digest, (size_t)head.bytes);
        if (older) {
            drop_locked(packs, older);
        }
        if (!add_locked(packs, pack, &digest, (size_t)head.bytes, pack->bytes)) {
            return LL_E_NO_MEMORY;
        }
        pack->bytes += record_bytes((size_t)head.bytes);
    }
    return LL_OK;
}

/* Takes one pack's file into the list. */
static ll_status take_pack_locked(struct edge_packs *packs, const char *name, struct ll_error *err)
    LL_REQUIRES(packs->lock)
{
    struct stat info;
    struct pack *pack = calloc(1, sizeof(*pack));
    if (!pack) {
        return ll_fail(err, LL_E_NO_MEMORY, "store: out of memory");
    }
    pack->number = (unsigned)strtoul(name + strlen("pack-"), NULL, 10);
    pack->fd =
        packs->files->open(packs->folder_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    pack->next = packs->first;
    packs->first = pack;
    packs->last_number = pack->number > packs->last_number ? pack->number : packs->last_number;
    if (pack->fd < 0 || fstat(pack->fd, &info) != 0) {
        return ll_fail(err, LL_E_IO, "store: %s cannot be opened: %s", name,
                       strerrordesc_np(errno));
    }
    ll_status status = LL_OK;
    if (info.st_size > 0) {
        status = ll_buf_map_open(pack->fd, name, (size_t)info.st_size, &pack->map, err);
    }
    if (status == LL_OK && pack->map) {
        status = walk_locked(packs, pack);
    }
    if (status == LL_OK && pack->bytes < info.st_size) {
        ll_log(LL_LOG_INFO, "store", "%s ends in the middle of a blob: %lld bytes cut", name,
               (long long)(info.st_size - pack->bytes));
        if (packs->files->truncate(pack->fd, (off_t)pack->bytes) != 0) {
            status =
                ll_fail(err, LL_E_IO, "store: %s cannot be cut: %s", name, strerrordesc_np(errno));
        }
    }
    return status;
}

static int is_pack_entry(const struct dirent *entry)
{
    size_t prefix = strlen("pack-");
    return strncmp(entry->d_name, "pack-", prefix) == 0 &&
           strspn(entry->d_name + prefix, "0123456789") == 8 && strlen(entry->d_name) == prefix + 8;
}

LL_NO_ANALYSIS ll_status edge_packs_open(int folder_fd, const struct edge_store_files *files,
                                         struct edge_packs **out_packs, struct ll_error *err)
{
    struct dirent **entries = NULL;
    struct edge_packs *packs = calloc(1, sizeof(*packs));
    if (!packs) {
        return ll_fail(err, LL_E_NO_MEMORY, "store: out of memory");
    }
    packs->folder_fd = folder_fd;
    packs->files = files;
    ll_mutex_init(&packs->lock);
    /* In the order in which they were written: of two records of one blob the later one counts. */
    int count = scandirat(folder_fd, ".", &entries, is_pack_entry, alphasort);
    ll_status status = count >= 0 ? LL_OK
                                  : ll_fail(err, LL_E_IO, "store: the folder cannot be read: %s",
                                            strerrordesc_np(errno));
    for (int i = 0; i < count; i++) {
        if (status == LL_OK) {
            status = take_pack_locked(packs, entries[i]->d_name, err);
        }
        free(entries[i]);
    }
    free(entries);
    if (status != LL_OK) {
        edge_packs_close(packs);
        return status;
    }
    *out_packs = packs;
    return LL_OK;
}

static void free_pack(struct edge_packs *packs, struct pack *pack)
{
    if (pack->fd >= 0) {
        packs->files->close(pack->fd);
    }
    ll_buf_unref(pack->map);
    free(pack);
}

LL_NO_ANALYSIS void edge_packs_close(struct edge_packs *packs)
{
    if (!packs) {
        return;
    }
    for (int i = 0; i < BUCKETS; i++) {
        while (packs->buckets[i]) {
            drop_locked(packs, packs->buckets[i]);
        }
    }
    while (packs->first) {
        struct pack *pack = packs->first;
        packs->first = pack->next;
        free_pack(packs, pack);
    }
    ll_mutex_finish(&packs->lock);
    free(packs);
}

/* ---- Use ---- */

struct edge_pack_record *edge_packs_find(struct edge_packs *packs, const struct ll_digest *digest,
                                         size_t bytes, struct ll_buf **out_data)
{
    struct ll_digest found;
    struct ll_buf *data = NULL;
    ll_mutex_lock(&packs->lock);
    struct edge_pack_record *record = find_locked(packs, digest, bytes);
    struct ll_buf *map = record && !record->is_claimed ? record->pack->map : NULL;
    bool is_right = map && record->offset + record_bytes(bytes) <= (int64_t)ll_buf_bytes(map) &&
                    ll_buf_slice(map, (size_t)record->offset + ALIGNMENT, bytes, &data) == LL_OK;
    if (is_right) {
        is_right = ll_digest_of(ll_buf_data(data), bytes, &found) == LL_OK &&
                   ll_digest_equal(&found, digest);
    }
    if (is_right) {
        record->is_claimed = true;
    } else if (record && !record->is_claimed) {
        /* Torn by the end of a machine. */
        drop_locked(packs, record);
    }
    ll_mutex_unlock(&packs->lock);
    if (!is_right) {
        ll_buf_unref(data);
        return NULL;
    }
    *out_data = data;
    return record;
}

/* The pack that takes the next record, or NULL with errno. */
static struct pack *last_pack_locked(struct edge_packs *packs) LL_REQUIRES(packs->lock)
{
    char name[NAME_BYTES];
    if (packs->first && packs->first->bytes < PACK_BYTES) {
        return packs->first;
    }
    struct pack *pack = calloc(1, sizeof(*pack));
    if (!pack) {
        errno = ENOMEM;
        return NULL;
    }
    pack->number = packs->last_number + 1;
    pack->is_new = true;
    pack_name(pack->number, name);
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

static int write_record_locked(struct edge_packs *packs, struct pack *pack,
                               const struct ll_digest *digest, const void *data, size_t bytes)
    LL_REQUIRES(packs->lock)
{
    struct head head = {.bytes = bytes};
    size_t whole = (size_t)record_bytes(bytes);
    char *record = calloc(1, whole);
    if (!record) {
        return ENOMEM;
    }
    memcpy(head.magic, magic, sizeof(magic));
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
    struct pack *pack = last_pack_locked(packs);
    int failure = pack ? write_record_locked(packs, pack, digest, data, bytes) : errno;
    if (failure == 0) {
        struct edge_pack_record *record = add_locked(packs, pack, digest, bytes, pack->bytes);
        failure = record ? 0 : ENOMEM;
        if (record) {
            record->is_claimed = true;
            pack->bytes += record_bytes(bytes);
            *out_record = record;
        }
    }
    ll_mutex_unlock(&packs->lock);
    return failure;
}

void edge_packs_drop(struct edge_packs *packs, struct edge_pack_record *record)
{
    ll_mutex_lock(&packs->lock);
    drop_locked(packs, record);
    ll_mutex_unlock(&packs->lock);
}

void edge_packs_drop_unclaimed(struct edge_packs *packs)
{
    ll_mutex_lock(&packs->lock);
    for (int i = 0; i < BUCKETS; i++) {
        struct edge_pack_record *record = packs->buckets[i];
        while (record) {
            struct edge_pack_record *next = record->next;
            if (!record->is_claimed) {
                drop_locked(packs, record);
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
    for (const struct pack *pack = packs->first; pack; pack = pack->next) {
        bytes += pack->bytes;
    }
    ll_mutex_unlock(&packs->lock);
    return bytes;
}

/* ---- Order ---- */

/* One pack that has something to bring to disk, or NULL. */
static struct pack *take_dirty(struct edge_packs *packs, bool *out_is_new)
{
    ll_mutex_lock(&packs->lock);
    struct pack *pack = packs->first;
    while (pack && !pack->is_dirty) {
        pack = pack->next;
    }
    if (pack) {
        *out_is_new = pack->is_new;
        pack->is_dirty = pack->is_new = false;
    }
    ll_mutex_unlock(&packs->lock);
    return pack;
}

static bool sync_packs(struct edge_packs *packs)
{
    bool is_new = false;
    bool is_synced = true;
    struct pack *pack = NULL;
    while ((pack = take_dirty(packs, &is_new)) != NULL) {
        if (packs->files->sync(pack->fd) != 0 ||
            (is_new && packs->files->sync(packs->folder_fd) != 0)) {
            ll_log(LL_LOG_WARN, "store", "small blobs may not survive a loss of power: %s",
                   strerrordesc_np(errno));
            is_synced = false;
        }
    }
    return is_synced;
}

/* A pack that is dead by more than half, or NULL. It gets no more records. */
static struct pack *take_dead(struct edge_packs *packs)
{
    ll_mutex_lock(&packs->lock);
    struct pack **link = &packs->first;
    while (*link && (*link)->bytes - (*link)->live_bytes <= (*link)->live_bytes) {
        link = &(*link)->next;
    }
    struct pack *pack = *link;
    if (pack) {
        *link = pack->next;
    }
    ll_mutex_unlock(&packs->lock);
    return pack;
}

/* Any record of the pack, or NULL. */
static struct edge_pack_record *record_of_locked(struct edge_packs *packs, const struct pack *pack,
                                                 int *bucket) LL_REQUIRES(packs->lock)
{
    for (; *bucket < BUCKETS; (*bucket)++) {
        struct edge_pack_record *record = packs->buckets[*bucket];
        while (record && record->pack != pack) {
            record = record->next;
        }
        if (record) {
            return record;
        }
    }
    return NULL;
}

/* Writes one record of the pack, from `*bucket` on, into the last one. False when there is none, or
 * with `*out_failure`. */
static bool move_record(struct edge_packs *packs, struct pack *pack, int *bucket, int *out_failure)
{
    ll_mutex_lock(&packs->lock);
    struct edge_pack_record *record = record_of_locked(packs, pack, bucket);
    char *data = record ? malloc(record->bytes) : NULL;
    struct pack *to = NULL;
    int failure = record && !data ? ENOMEM : 0;
    if (record && failure == 0) {
        failure = edge_store_files_read(pack->fd, data, record->bytes, record->offset + ALIGNMENT);
    }
    if (record && failure == 0) {
        to = last_pack_locked(packs);
        failure = to ? write_record_locked(packs, to, &record->digest, data, record->bytes) : errno;
    }
    if (to && failure == 0) {
        pack->live_bytes -= record_bytes(record->bytes);
        record->pack = to;
        record->offset = to->bytes;
        to->bytes += record_bytes(record->bytes);
        to->live_bytes += record_bytes(record->bytes);
    }
    ll_mutex_unlock(&packs->lock);
    free(data);
    *out_failure = failure;
    return to && failure == 0;
}

/* The old pack goes only when the new ones are on disk. */
static bool rewrite(struct edge_packs *packs, struct pack *pack)
{
    char name[NAME_BYTES];
    int bucket = 0;
    int failure = 0;
    while (move_record(packs, pack, &bucket, &failure)) {
    }
    if (failure == 0 && sync_packs(packs)) {
        pack_name(pack->number, name);
        packs->files->unlink(packs->folder_fd, name);
        free_pack(packs, pack);
        return true;
    }
    /* Back behind the others: it is whole. */
    ll_mutex_lock(&packs->lock);
    struct pack **link = &packs->first;
    while (*link) {
        link = &(*link)->next;
    }
    pack->next = NULL;
    *link = pack;
    ll_mutex_unlock(&packs->lock);
    ll_log(LL_LOG_WARN, "store", "dead bytes stay in a pack: %s", strerrordesc_np(failure));
    return false;
}

void edge_packs_tidy(struct edge_packs *packs)
{
    struct pack *pack = NULL;
    (void)sync_packs(packs);
    do {
        pack = take_dead(packs);
    } while (pack && rewrite(packs, pack));
}
