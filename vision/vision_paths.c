#include "vision/vision_paths.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Takes `path`, which malloc gave, also when it fails; NULL is one that malloc did not give. */
static ll_status append(struct vision_paths *pictures, char *path, bool is_stream,
                        struct ll_error *err)
{
    if (!path) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a list of pictures");
    }
    if (pictures->count == VISION_PATHS_MOST) {
        free(path);
        return ll_fail_limit(err, "pictures", VISION_PATHS_MOST, 0,
                             "more than %d pictures (limit pictures)", VISION_PATHS_MOST);
    }
    if (pictures->count == pictures->room) {
        int room = pictures->room == 0 ? 16 : 2 * pictures->room;
        struct vision_path *list =
            reallocarray(pictures->list, (size_t)room, sizeof(*pictures->list));
        if (!list) {
            free(path);
            return ll_fail(err, LL_E_NO_MEMORY, "no memory for a list of pictures");
        }
        pictures->list = list;
        pictures->room = room;
    }
    pictures->list[pictures->count++] = (struct vision_path){path, is_stream};
    return LL_OK;
}

static void shorten(struct vision_paths *pictures, int count)
{
    while (pictures->count > count) {
        free(pictures->list[--pictures->count].path);
    }
}

static ll_status add_stream(struct vision_paths *pictures, const char *name, struct ll_error *err)
{
    for (int i = 0; i < pictures->count; i++) {
        if (pictures->list[i].is_stream && strcmp(pictures->list[i].path, name) == 0) {
            return ll_fail(err, LL_E_INVALID,
                           "named twice as a picture, but its bytes come only once");
        }
    }
    return append(pictures, strdup(name), true, err);
}

/* ---- Folders ---- */

static bool has_picture_name(const char *name)
{
    static const char *const ends[] = {".jpg", ".jpeg", ".png", ".bmp"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t end = strlen(ends[i]);
        if (name[0] != '.' && length > end && strcasecmp(name + length - end, ends[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether an entry that is called like a picture is a file, perhaps by a link. A link that leads
 * nowhere counts: loading it says so, while skipping it would hide a picture. */
static bool may_be_picture(const char *path)
{
    struct stat info;
    return stat(path, &info) != 0 || S_ISREG(info.st_mode);
}

static ll_status add_entry(struct vision_paths *pictures, const char *folder, const char *entry,
                           struct ll_error *err)
{
    bool has_slash = folder[strlen(folder) - 1] == '/';
    char *path = NULL;
    if (asprintf(&path, "%s%s%s", folder, has_slash ? "" : "/", entry) < 0) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a list of pictures");
    }
    if (!may_be_picture(path)) {
        free(path);
        return LL_OK;
    }
    return append(pictures, path, false, err);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const struct vision_path *)a)->path, ((const struct vision_path *)b)->path);
}

static ll_status read_folder(struct vision_paths *pictures, const char *folder, DIR *entries,
                             struct ll_error *err)
{
    for (;;) {
        errno = 0;
        /* Only this thread has the stream. */
        const struct dirent *entry = readdir(entries); /* NOLINT(concurrency-mt-unsafe) */
        if (!entry) {
            return errno == 0 ? LL_OK
                              : ll_fail(err, LL_E_IO, "cannot be read: %s", strerrordesc_np(errno));
        }
        if (has_picture_name(entry->d_name)) {
            ll_status status = add_entry(pictures, folder, entry->d_name, err);
            if (status != LL_OK) {
                return status;
            }
        }
    }
}

static ll_status add_folder(struct vision_paths *pictures, const char *folder, struct ll_error *err)
{
    DIR *entries = opendir(folder);
    if (!entries) {
        return ll_fail(err, LL_E_IO, "cannot be opened: %s", strerrordesc_np(errno));
    }
    int before = pictures->count;
    ll_status status = read_folder(pictures, folder, entries, err);
    closedir(entries);
    int count = pictures->count - before;
    if (status == LL_OK && count == 0) {
        status = ll_fail(err, LL_E_INVALID,
                         "a folder without pictures (files that end in .jpg, .jpeg, .png, .bmp)");
    }
    if (status == LL_OK) {
        qsort(pictures->list + before, (size_t)count, sizeof(*pictures->list), compare_paths);
    }
    return status;
}

/* ---- Names ---- */

static ll_status add(struct vision_paths *pictures, const char *name, struct ll_error *err)
{
    if (strcmp(name, "-") == 0) {
        return add_stream(pictures, name, err);
    }
    struct stat info;
    if (stat(name, &info) != 0) {
        return ll_fail(err, errno == ENOENT ? LL_E_NOT_FOUND : LL_E_IO, "cannot be opened: %s",
                       strerrordesc_np(errno));
    }
    if (S_ISDIR(info.st_mode)) {
        return add_folder(pictures, name, err);
    }
    if (S_ISFIFO(info.st_mode)) {
        return add_stream(pictures, name, err);
    }
    if (!S_ISREG(info.st_mode)) {
        return ll_fail(err, LL_E_IO, "neither a file, a folder nor a pipe");
    }
    return append(pictures, strdup(name), false, err);
}

ll_status vision_paths_add(struct vision_paths *pictures, const char *name, struct ll_error *err)
{
    int before = pictures->count;
    ll_status status = add(pictures, name, err);
    if (status != LL_OK) {
        shorten(pictures, before);
        ll_error_prefix(err, "%s", name);
    }
    return status;
}

void vision_paths_finish(struct vision_paths *pictures)
{
    shorten(pictures, 0);
    free(pictures->list);
    *pictures = (struct vision_paths){0};
}
