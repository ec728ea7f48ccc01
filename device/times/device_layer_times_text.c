#include "device/times/device_layer_times_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_options.h"

enum { TEXT_LINE_BYTES = 64 };

/* What is not read yet. */
struct text_reader {
    const char *at;
    const char *end;
};

struct text_time {
    int64_t ns;
    int64_t samples;
};

/* The next line without its end; false where there is none, or one that is too long. */
static bool next_line(struct text_reader *reader, char out_line[TEXT_LINE_BYTES])
{
    const char *end = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
    if (!end || end - reader->at >= TEXT_LINE_BYTES) {
        return false;
    }
    size_t bytes = (size_t)(end - reader->at);
    memcpy(out_line, reader->at, bytes);
    out_line[bytes] = '\0';
    reader->at = end + 1;
    return true;
}

static bool read_time(struct text_reader *reader, struct text_time *out_time)
{
    char line[TEXT_LINE_BYTES];
    char *space = next_line(reader, line) ? strchr(line, ' ') : NULL;
    if (!space) {
        return false;
    }
    *space = '\0';
    return ll_parse_int(line, 0, DEVICE_LAYER_TIMES_MOST_NS, &out_time->ns, NULL) == LL_OK &&
           ll_parse_int(space + 1, 0, DEVICE_LAYER_TIMES_SAMPLES, &out_time->samples, NULL) ==
               LL_OK;
}

static bool read_times(struct text_reader *reader, int layers, struct text_time *times)
{
    char line[TEXT_LINE_BYTES];
    char expected[TEXT_LINE_BYTES];
    snprintf(expected, sizeof(expected), "layers %d", layers);
    if (!next_line(reader, line) || strcmp(line, expected) != 0) {
        return false;
    }
    for (int i = 0; i < layers; i++) {
        if (!read_time(reader, &times[i])) {
            return false;
        }
    }
    return next_line(reader, line) && strcmp(line, "end") == 0 && reader->at == reader->end;
}

bool device_layer_times_read(struct device_layer_times *layer_times, const char *text, size_t bytes)
{
    int layers = device_layer_times_table(layer_times)->layer_count;
    struct text_reader reader = {.at = text, .end = text + bytes};
    struct text_time *times = calloc((size_t)layers, sizeof(*times));
    bool is_good = times && read_times(&reader, layers, times);
    /* A network that takes no time at all was not measured. */
    int64_t longest_ns = 0;
    for (int i = 0; is_good && i < layers; i++) {
        longest_ns = times[i].ns > longest_ns ? times[i].ns : longest_ns;
    }
    is_good = is_good && longest_ns > 0;
    for (int i = 0; is_good && i < layers; i++) {
        is_good = device_layer_times_set(layer_times, i, times[i].ns, times[i].samples) == LL_OK;
    }
    free(times);
    return is_good;
}

bool device_layer_times_write(const struct device_layer_times *layer_times, FILE *file)
{
    int layers = device_layer_times_table(layer_times)->layer_count;
    bool is_written = fprintf(file, "layers %d\n", layers) > 0;
    for (int i = 0; is_written && i < layers; i++) {
        int samples = 0;
        int64_t ns = device_layer_times_ns(layer_times, i, &samples);
        is_written = fprintf(file, "%" PRId64 " %d\n", ns, samples) > 0;
    }
    return is_written && fputs("end\n", file) >= 0;
}
