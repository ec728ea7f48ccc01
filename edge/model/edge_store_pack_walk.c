/* The start: what an earlier process left of packs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/ll_log.h"
#include "edge/model/edge_store_pack_state.h"

/* Notes a pack's records; its end is where none follows. */
static ll_status walk_locked(struct edge_packs *packs, struct edge_pack *pack)
    LL_REQUIRES(packs->lock)
{
    const char *data = ll_buf_data(pack->map);
    int64_t whole = (int64_t)ll_buf_bytes(pack->map);
    while (whole - pack->bytes >= EDGE_PACK_ALIGNMENT) {
        struct edge_pack_head head;
        struct ll_digest digest;
        memcpy(&head, data + pack->bytes, sizeof(head));
        /* The bound first: the sum must not run over. */
        if (memcmp(head.magic, edge_pack_magic, sizeof(edge_pack_magic)) != 0 || head.bytes == 0 ||
            head.bytes > (uint64_t)whole ||
            edge_pack_record_bytes((size_t)head.bytes) > whole - pack->bytes) {
            break;
        }
        memcpy(digest.bytes, head.digest, sizeof(digest.bytes));
        struct edge_pack_record *older = edge_pack_find_locked(packs, &digest, (size_t)head.bytes);
        if (older) {
            edge_pack_drop_locked(packs, older);
        }
        if (!edge_pack_add_locked(packs, pack, &digest, (size_t)head.bytes, pack->bytes)) {
            return LL_E_NO_MEMORY;
        }
        pack->bytes += edge_pack_record_bytes((size_t)head.bytes);
    }
    return LL_OK;
}

/* Takes one pack's file into the list. */
static ll_status take_pack_locked(struct edge_packs *packs, const char *name, struct ll_error *err)
    LL_REQUIRES(packs->lock)
{
    struct stat info;
    struct edge_pack *pack = calloc(1, sizeof(*pack));
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
    ll_status status =
        S_ISREG(info.st_mode) ? LL_OK : ll_fail(err, LL_E_INVALID, "store: %s is no file", name);
    if (status == LL_OK && info.st_size > 0) {
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

LL_NO_ANALYSIS void edge_packs_close(struct edge_packs *packs)
{
    if (!packs) {
        return;
    }
    for (int i = 0; i < EDGE_PACK_BUCKETS; i++) {
        while (packs->buckets[i]) {
            edge_pack_drop_locked(packs, packs->buckets[i]);
        }
    }
    while (packs->first) {
        struct edge_pack *pack = packs->first;
        packs->first = pack->next;
        edge_pack_free(packs, pack);
    }
    ll_mutex_finish(&packs->lock);
    free(packs);
}
