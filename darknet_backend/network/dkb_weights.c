#include "darknet_backend/network/dkb_weights.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_output.h"
#include "darknet_backend/network/dkb_network.h"
#include "darknet_backend/network/dkb_sniff.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "weights are used where the file has them, so the machine must be little-endian");

enum {
    OLD_HEADER_BYTES = 16,
    HEADER_BYTES = 20,
    /* A file that begins with so many bytes of text is one. */
    TEXT_BYTES = 64,
    /* Darknet's own are 0.1 and 0.2; from 1000 on they say that weights are transposed. */
    MAX_VERSION = 99999,
};

struct header {
    int32_t major;
    int32_t minor;
    size_t bytes;
    bool is_transposed;
};

static void read_header(const struct ll_buf *file, struct header *out_header)
{
    int32_t version[3];
    memcpy(version, ll_buf_data(file), sizeof(version));
    int64_t major = version[0];
    int64_t minor = version[1];
    bool is_new = major * 10 + minor >= 2 && major < 1000 && minor < 1000;
    out_header->major = version[0];
    out_header->minor = version[1];
    out_header->bytes = is_new ? HEADER_BYTES : OLD_HEADER_BYTES;
    out_header->is_transposed = major > 1000 || minor > 1000;
}

static bool is_text(const char *data, size_t bytes)
{
    size_t looked_at = bytes < TEXT_BYTES ? bytes : TEXT_BYTES;
    for (size_t i = 0; i < looked_at; i++) {
        bool is_blank = data[i] >= '\t' && data[i] <= '\r';
        if (!is_blank && (data[i] < ' ' || data[i] > '~')) {
            return false;
        }
    }
    return looked_at > 0;
}

/* Of a file that does not fit: LL_OK unless it is no .weights file at all. `header` is that of a
 * file that is long enough to have one, else NULL. */
static ll_status check_kind(const struct ll_buf *file, const struct header *header,
                            struct ll_error *err)
{
    const char *kind = dkb_sniff(ll_buf_data(file), ll_buf_bytes(file));
    if (!kind && is_text(ll_buf_data(file), ll_buf_bytes(file))) {
        kind = "text";
    }
    if (kind) {
        return ll_fail(err, LL_E_INVALID, "not a .weights file but %s", kind);
    }
    if (!header) {
        return ll_fail(err, LL_E_INVALID,
                       "not a .weights file: %zu bytes, but the header alone has %d or %d",
                       ll_buf_bytes(file), OLD_HEADER_BYTES, HEADER_BYTES);
    }
    if (header->major < 0 || header->major > MAX_VERSION || header->minor < 0 ||
        header->minor > MAX_VERSION) {
        return ll_fail(err, LL_E_INVALID,
                       "not a .weights file: it would begin with its version, but that would be "
                       "%d.%d",
                       header->major, header->minor);
    }
    return LL_OK;
}

/* Some converters write the longer header with a version that has the shorter one, or the other way
 * round; Darknet would take a part of the header for the first bias. */
static ll_status refuse_other_header(const struct header *header, struct ll_error *err)
{
    size_t other = header->bytes == HEADER_BYTES ? OLD_HEADER_BYTES : HEADER_BYTES;
    return ll_fail(
        err, LL_E_INVALID,
        "version %d.%d in its header means a header of %zu bytes, but its length fits one "
        "of %zu (version 0.2 has %d bytes, 0.1 has %d), or %d bytes are %s",
        header->major, header->minor, header->bytes, other, HEADER_BYTES, OLD_HEADER_BYTES,
        HEADER_BYTES - OLD_HEADER_BYTES, other > header->bytes ? "too many" : "missing");
}

static ll_status refuse_short(const struct ll_table *table, const struct header *header,
                              uint64_t actual, struct ll_error *err)
{
    uint64_t expected = header->bytes + (uint64_t)table->blob_bytes;
    uint64_t at = header->bytes;
    int layer = 0;
    for (; layer < table->layer_count - 1; layer++) {
        at += (uint64_t)table->layers[layer].blob_bytes;
        if (actual < at) {
            break;
        }
    }
    return ll_fail(
        err, LL_E_INVALID,
        "truncated in layer %d (%s, cfg line %d): %llu bytes, but the cfg's layers and a "
        "header of %zu make %llu; or it belongs to a smaller cfg",
        layer, table->layers[layer].type, table->layers[layer].line, (unsigned long long)actual,
        header->bytes, (unsigned long long)expected);
}

static ll_status refuse_long(const struct ll_table *table, const struct header *header,
                             uint64_t actual, struct ll_error *err)
{
    uint64_t expected = header->bytes + (uint64_t)table->blob_bytes;
    uint64_t left = actual - expected;
    return ll_fail(err, LL_E_INVALID,
                   "too long: %llu bytes, but the cfg's layers and a header of %zu make %llu; the "
                   "%llu left over %s",
                   (unsigned long long)actual, header->bytes, (unsigned long long)expected,
                   (unsigned long long)left,
                   left % sizeof(float) == 0 ? "belong to a cfg with more or larger layers"
                                             : "are no whole number of weights: it is damaged");
}

/* Compares the file's size with what the network needs, so that slicing cannot fail half-way. */
static ll_status check_size(const struct ll_table *table, const struct ll_buf *file,
                            struct header *out_header, struct ll_error *err)
{
    uint64_t actual = ll_buf_bytes(file);
    bool has_header = actual >= OLD_HEADER_BYTES;
    if (has_header) {
        read_header(file, out_header);
        if (actual == out_header->bytes + (uint64_t)table->blob_bytes) {
            return LL_OK;
        }
    }
    ll_status status = check_kind(file, has_header ? out_header : NULL, err);
    if (status != LL_OK) {
        return status;
    }
    size_t other = out_header->bytes == HEADER_BYTES ? OLD_HEADER_BYTES : HEADER_BYTES;
    if (actual == other + (uint64_t)table->blob_bytes) {
        return refuse_other_header(out_header, err);
    }
    if (actual < out_header->bytes + (uint64_t)table->blob_bytes) {
        return refuse_short(table, out_header, actual, err);
    }
    return refuse_long(table, out_header, actual, err);
}

/* to[column][row] = from[row][column] */
static void transpose(const float *from, size_t rows, size_t columns, float *to)
{
    for (size_t row = 0; row < rows; row++) {
        for (size_t column = 0; column < columns; column++) {
            to[column * rows + row] = from[row * columns + column];
        }
    }
}

/* How the file has a layer's weights: as `outputs` rows, or transposed. */
struct turned {
    bool is_turned;
    size_t outputs;
    size_t inputs;
};

static struct turned how_turned(const struct ll_layer_params *layer, bool is_transposed)
{
    struct turned turned = {.outputs = (size_t)layer->outputs};
    if (layer->kind == LL_KIND_CONVOLUTIONAL) {
        turned.is_turned = layer->flipped;
        turned.outputs = (size_t)layer->n;
    } else if (layer->kind == LL_KIND_CONNECTED) {
        turned.is_turned = is_transposed;
    }
    turned.inputs = turned.is_turned ? layer->nweights / turned.outputs : 0;
    return turned;
}

/* A copy of the blob at `data` with its weights turned from file order to blob order or back. */
static ll_status copy_turned(const struct ll_layer_params *layer, const float *data, size_t bytes,
                             bool from_file, struct ll_buf **out_buf)
{
    struct turned turned = how_turned(layer, true);
    struct ll_buf *copy = NULL;
    ll_status status = ll_buf_copy(data, bytes, &copy);
    if (status != LL_OK) {
        return status;
    }
    float *weights = (float *)ll_buf_writable(copy) + layer->weights_at;
    transpose(data + layer->weights_at, from_file ? turned.inputs : turned.outputs,
              from_file ? turned.outputs : turned.inputs, weights);
    *out_buf = copy;
    return LL_OK;
}

ll_status dkb_weights_slice(const struct ll_network *base, struct ll_buf *file,
                            struct ll_buf **out_blobs, struct ll_error *err)
{
    const struct ll_network *network = base;
    const struct ll_table *table = &base->table;
    struct header header = {0};
    ll_status status = check_size(table, file, &header, err);
    if (status != LL_OK) {
        return status;
    }
    memset(out_blobs, 0, (size_t)table->layer_count * sizeof(struct ll_buf *));
    size_t at = header.bytes;
    for (int i = 0; i < table->layer_count && status == LL_OK; i++) {
        size_t bytes = (size_t)table->layers[i].blob_bytes;
        if (bytes > 0 && how_turned(&network->layers[i], header.is_transposed).is_turned) {
            const char *data = ll_buf_data(file);
            status = copy_turned(&network->layers[i], (const void *)(data + at), bytes, true,
                                 &out_blobs[i]);
        } else if (bytes > 0) {
            status = ll_buf_slice(file, at, bytes, &out_blobs[i]);
        }
        at += bytes;
    }
    if (status != LL_OK) {
        dkb_weights_unref(out_blobs, table->layer_count);
        return ll_fail(err, status, "out of memory");
    }
    return LL_OK;
}

void dkb_weights_unref(struct ll_buf **blobs, int count)
{
    for (int i = 0; blobs && i < count; i++) {
        ll_buf_unref(blobs[i]);
        blobs[i] = NULL;
    }
}

/* One layer's part of the file. */
static ll_status write_layer(struct ll_output *output, const struct ll_layer_params *layer,
                             const struct ll_buf *blob)
{
    struct ll_buf *turned = NULL;
    if (how_turned(layer, false).is_turned) {
        ll_status status =
            copy_turned(layer, ll_buf_data(blob), ll_buf_bytes(blob), false, &turned);
        if (status != LL_OK) {
            return status;
        }
        blob = turned;
    }
    ll_output_write(output, ll_buf_data(blob), ll_buf_bytes(blob));
    ll_buf_unref(turned);
    return LL_OK;
}

static ll_status write_all(struct ll_output *output, const struct ll_network *network,
                           struct ll_buf *const *blobs)
{
    const int32_t version[3] = {0, 2, 0};
    const uint64_t seen = 0;
    ll_output_write(output, version, sizeof(version));
    ll_output_write(output, &seen, sizeof(seen));
    for (int i = 0; i < network->table.layer_count; i++) {
        size_t bytes = (size_t)network->table.layers[i].blob_bytes;
        assert((blobs[i] ? ll_buf_bytes(blobs[i]) : 0) == bytes);
        ll_status status = bytes > 0 ? write_layer(output, &network->layers[i], blobs[i]) : LL_OK;
        if (status != LL_OK) {
            return status;
        }
    }
    return LL_OK;
}

ll_status dkb_weights_write(const struct ll_network *network, struct ll_buf *const *blobs,
                            const char *path, struct ll_error *err)
{
    struct ll_output output;
    ll_status status = ll_output_open(path, LL_OUTPUT_WHOLE, &output, err);
    if (status != LL_OK) {
        return status;
    }
    status = write_all(&output, network, blobs);
    if (status != LL_OK) {
        ll_output_drop(&output);
        return ll_fail(err, status, "%s: out of memory", path);
    }
    return ll_output_finish(&output, err);
}
