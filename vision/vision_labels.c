#include "vision/vision_labels.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_buf.h"
#include "core/ll_text.h"

/* A names file: more than any list of classes takes. */
static const int64_t labels_limit_bytes = (int64_t)16 << 20;

/* Ends every line with a line feed alone, as CR LF and CR end them elsewhere. */
static void unify_ends(char *text)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in == '\r') {
            *out++ = '\n';
            in += in[1] == '\n';
        } else {
            *out++ = *in;
        }
    }
    *out = '\0';
}

static int64_t count_lines(const char *text)
{
    int64_t lines = 0;
    for (const char *at = text; *at; at++) {
        lines += *at == '\n' || at[1] == '\0';
    }
    return lines;
}

/* Cuts `labels->text` into lines. */
static void split_lines(struct vision_labels *labels)
{
    char *line = labels->text;
    for (int64_t i = 0; i < labels->count; i++) {
        labels->names[i] = line;
        size_t length = strcspn(line, "\n");
        char *next = line[length] ? line + length + 1 : line + length;
        line[length] = '\0';
        line = next;
    }
}

/* The text as UTF-8 without a byte order mark; what is no UTF-8 has U+FFFD in its place, since
 * names go into JSON. NULL without memory. */
static char *copy_text(const char *text, size_t bytes)
{
    static const char mark[] = "\xef\xbb\xbf";
    size_t skipped = bytes >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    char *raw = strndup(text + skipped, bytes - skipped);
    char *valid = raw ? ll_text_to_utf8(raw) : NULL;
    free(raw);
    return valid;
}

static ll_status check_text(const char *text, size_t bytes, const char *path, struct ll_error *err)
{
    if (bytes >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
        return ll_fail(err, LL_E_INVALID, "%s: a list of names in UTF-16; it must be UTF-8", path);
    }
    if (bytes > 0 && memchr(text, '\0', bytes)) {
        return ll_fail(err, LL_E_INVALID, "%s: a NUL byte in a list of names", path);
    }
    return LL_OK;
}

static ll_status labels_init(struct vision_labels *labels, const struct ll_buf *file,
                             const char *path, struct ll_error *err)
{
    const char *text = ll_buf_data(file);
    size_t bytes = ll_buf_bytes(file);
    ll_status status = check_text(text, bytes, path, err);
    if (status != LL_OK) {
        return status;
    }
    labels->text = bytes > 0 ? copy_text(text, bytes) : strdup("");
    if (!labels->text) {
        return ll_fail(err, LL_E_NO_MEMORY, "%s: no memory for names", path);
    }
    unify_ends(labels->text);
    labels->count = count_lines(labels->text);
    if (labels->count == 0) {
        return ll_fail(err, LL_E_INVALID, "%s: no names in it", path);
    }
    labels->names = calloc((size_t)labels->count, sizeof(*labels->names));
    if (!labels->names) {
        return ll_fail(err, LL_E_NO_MEMORY, "%s: no memory for names", path);
    }
    split_lines(labels);
    return LL_OK;
}

ll_status vision_labels_load(const char *path, struct vision_labels *out_labels,
                             struct ll_error *err)
{
    struct ll_buf *file = NULL;
    ll_status status = ll_buf_map_file(path, labels_limit_bytes, &file, err);
    if (status != LL_OK) {
        return status;
    }
    struct vision_labels labels = {0};
    status = labels_init(&labels, file, path, err);
    ll_buf_unref(file);
    if (status == LL_OK) {
        *out_labels = labels;
    } else {
        vision_labels_finish(&labels);
    }
    return status;
}

void vision_labels_finish(struct vision_labels *labels)
{
    free(labels->names);
    free(labels->text);
    *labels = (struct vision_labels){0};
}

const char *vision_label(const struct vision_labels *labels, int64_t floats, int64_t index,
                         char scratch[static VISION_LABEL_SCRATCH_BYTES])
{
    if (labels && labels->count >= floats && labels->names[index][0]) {
        return labels->names[index];
    }
    snprintf(scratch, VISION_LABEL_SCRATCH_BYTES, "%" PRId64, index);
    return scratch;
}
