/* What our parser and slicer make of a cfg and a .weights file, against what Darknet's own
 * parse_network_cfg and load_weights make of them (declared through dkb_network.h). */
#include <darknet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "darknet_backend/network/dkb_network.h"
#include "darknet_backend/network/dkb_weights.h"
#include "darknet_backend/reference/dkb_plain.h"
#include "tests/support/ll_test.h"

/* LeakSanitizer asks this: Darknet's parser keeps some of its memory. */
/* NOLINTNEXTLINE(readability-identifier-naming) */
const char *__lsan_default_suppressions(void);
/* NOLINTNEXTLINE(readability-identifier-naming) */
const char *__lsan_default_suppressions(void)
{
    return "leak:parse_network_cfg";
}

static const char *const cfgs[] = {
    "[net]\nwidth=16\nheight=12\nchannels=4\n"
    "[conv]\nfilters=8\nsize=3\nstride=2\npad=1\nbatch_normalize=1\nactivation=leaky\n"
    "[convolutional]\nfilters=6\nsize=4\npadding=2\ngroups=2\nactivation=stair\n"
    "[max]\nsize=3\nstride=2\n[maxpool]\nsize=2\nstride=1\n[maxpool]\nsize=2\npadding=0\n"
    "[crop]\ncrop_height=2\ncrop_width=3\n[l2norm]\n[logistic]\n[lrn]\nsize=3\nalpha=2\n"
    "[deconv]\nfilters=4\nsize=4\nstride=2\npadding=1\nactivation=elu\n"
    "[batchnorm]\n[upsample]\nstride=2\nscale=.5\n[upsample]\nstride=-2\n"
    "[reorg]\nstride=2\n[reorg]\nstride=2\nreverse=1\n[local]\nfilters=2\nsize=3\npad=1\nstride=2\n"
    "[activation]\nactivation=plse\n[avg]\n[conn]\noutput=9\nbatch_normalize=1\n[dropout]\n"
    "[connected]\nactivation=relie\noutput=6\n[soft]\ngroups=3\ntemperature=2\n[cost]\n",

    "[net]\nwidth=8\nheight=8\nchannels=4\n"
    "[conv]\nfilters=8\n[conv]\nfilters=4\nstride=2\nsize=3\npad=1\n[shortcut]\nfrom=-2\nalpha=.5\n"
    "[upsample]\n[shortcut]\nfrom=0\nbeta=3\nactivation=relu\n[dropout]\n[route]\nlayers=-1,0,-3\n"
    "[conv]\nfilters=21\nstride=4\n[yolo]\nclasses=2\nnum=4\nmask=3,1,0\nanchors=1,2, 3.5,4,5,6\n"
    "[route]\nlayers=0,7\n[conn]\noutput=252\n[conv]\nfilters=28\n[region]\nnum=2\nclasses=9\n"
    "anchors=1,2\nsoftmax=1\nbackground=1\n[reorg]\nextra=24\n[conn]\noutput=63\n"
    "[detection]\nside=3\nclasses=1\nnum=3\nsqrt=1\nsoftmax=1\n",

    "[net]\ninputs=12\nwidth=3\n[conn]\noutput=4\n\n[ conn ]\n # note\nout put = 3\noutput=3\n"
    "acti\tvation= relu\nlearning_rate=\nsmooth\n",
};

static struct ll_network *parse(const char *text)
{
    struct ll_network *ours = NULL;
    struct ll_error err = {.text = ""};
    if (dkb_network_parse(text, strlen(text), &ours, &err) != LL_OK) {
        fprintf(stderr, "%s\n-> %s\n", text, err.text);
        CU_FAIL_FATAL("the test's cfg was refused");
    }
    return ours;
}

static void write_file(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL_FATAL(fwrite(data, 1, bytes, file), bytes);
    CU_ASSERT_EQUAL_FATAL(fclose(file), 0);
}

static network *parse_stock(const char *text)
{
    static char path[4096];
    snprintf(path, sizeof(path), "%s/net.cfg", ll_test_folder());
    write_file(path, text, strlen(text));
    return parse_network_cfg(path);
}

#define SAME(field) CU_ASSERT_EQUAL(ours->field, stock->field)

static void compare_shape(const struct ll_layer_params *ours, const layer *stock)
{
    SAME(outputs);
    SAME(inputs);
    SAME(batch_normalize);
    SAME(size);
    SAME(stride);
    SAME(pad);
    SAME(index);
    SAME(alpha);
    SAME(beta);
    SAME(kappa);
    SAME(temperature);
    SAME(softmax);
    SAME(classes);
    SAME(background);
    SAME(side);
    SAME(reverse);
    SAME(extra);
    SAME(noadjust);
    SAME(sqrt);
    if (stock->out_w > 0) {
        SAME(out_w);
        SAME(out_h);
        SAME(out_c);
    } else {
        CU_ASSERT_EQUAL(ours->out_w, 0);
    }
}

static void compare_type(const struct ll_layer_params *ours, const layer *stock)
{
    switch (stock->type) {
    case CONVOLUTIONAL:
    case DECONVOLUTIONAL:
        SAME(n);
        SAME(groups);
        SAME(nweights);
        SAME(nbiases);
        if (stock->size > 1) {
            CU_ASSERT_EQUAL(ours->workspace_floats * sizeof(float), stock->workspace_size);
        }
        break;
    case LOCAL:
        /* Darknet forgets the size of a float there. */
        CU_ASSERT_EQUAL(ours->workspace_floats, stock->workspace_size);
        break;
    case ROUTE:
        SAME(n);
        for (int i = 0; i < stock->n; i++) {
            SAME(input_layers[i]);
            SAME(input_sizes[i]);
        }
        break;
    case YOLO:
        SAME(n);
        SAME(total);
        for (int i = 0; i < stock->n; i++) {
            SAME(mask[i]);
        }
        for (int i = 0; i < 2 * stock->total; i++) {
            CU_ASSERT_EQUAL(ours->anchors[i], stock->biases[i]);
        }
        break;
    case REGION:
        SAME(coords);
        for (int i = 0; i < 2 * stock->n; i++) {
            CU_ASSERT_EQUAL(ours->anchors[i], stock->biases[i]);
        }
        break;
    default:
        break;
    }
}

/* Types whose forward reads l.activation. */
static bool has_activation(ll_layer_kind kind)
{
    return kind == LL_KIND_CONVOLUTIONAL || kind == LL_KIND_DECONVOLUTIONAL ||
           kind == LL_KIND_CONNECTED || kind == LL_KIND_LOCAL || kind == LL_KIND_SHORTCUT ||
           kind == LL_KIND_ACTIVATION;
}

static void compare_network(const char *text)
{
    struct ll_network *ours = parse(text);
    network *stock = parse_stock(text);
    CU_ASSERT_EQUAL(ours->table.in_floats, stock->inputs);
    CU_ASSERT_EQUAL_FATAL(ours->table.layer_count, stock->n);
    for (int i = 0; i < stock->n; i++) {
        const struct ll_layer_params *layer = &ours->layers[i];
        compare_shape(layer, &stock->layers[i]);
        compare_type(layer, &stock->layers[i]);
        if (has_activation(layer->kind)) {
            CU_ASSERT_EQUAL(dkb_plain_activation(layer->activation), stock->layers[i].activation);
        }
    }
    ll_network_unref(ours);
    free_network(stock);
}

static void test_layers_are_stocks(void)
{
    for (size_t i = 0; i < sizeof(cfgs) / sizeof(cfgs[0]); i++) {
        compare_network(cfgs[i]);
    }
}

/* No [deconvolutional]: Darknet divides by zero when it loads one. */
static const char weights_cfg[] =
    "[net]\nwidth=6\nheight=4\nchannels=2\n"
    "[conv]\nfilters=3\nsize=3\npad=1\nbatch_normalize=1\n"
    "[conv]\nfilters=5\nflipped=1\n[batchnorm]\n[local]\nfilters=2\nsize=3\n"
    "[conn]\noutput=4\nbatch_normalize=1\n[conn]\noutput=3\nbatch_normalize=1\ndontloadscales=1\n";

static bool is_equal(const float *ours, const float *stock, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ours[i] != stock[i]) {
            return false;
        }
    }
    return true;
}

static void compare_blob(const struct ll_layer_params *ours, const struct ll_buf *blob,
                         const layer *stock)
{
    const float *data = ll_buf_data(blob);
    const float *scales = data + ours->scales_at;
    CU_ASSERT(is_equal(data, stock->biases, ours->nbiases));
    CU_ASSERT(is_equal(data + ours->weights_at, stock->weights, ours->nweights));
    CU_ASSERT(is_equal(scales, stock->scales, ours->nscales));
    CU_ASSERT(is_equal(scales + ours->nscales, stock->rolling_mean, ours->nscales));
    CU_ASSERT(is_equal(scales + 2 * ours->nscales, stock->rolling_variance, ours->nscales));
}

/* Floats 1, 2, 3, ... behind the header of that version. */
static struct ll_buf *make_weights(int major, int minor, size_t header_bytes, size_t blob_bytes)
{
    struct ll_buf *file = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(header_bytes + blob_bytes, &file), LL_OK);
    char *data = ll_buf_writable(file);
    memset(data, 0, header_bytes);
    const int32_t version[3] = {major, minor, 7};
    memcpy(data, version, sizeof(version));
    for (size_t i = 0; i < blob_bytes / sizeof(float); i++) {
        float value = (float)(i + 1);
        memcpy(data + header_bytes + i * sizeof(float), &value, sizeof(value));
    }
    return file;
}

static void test_weights_are_stocks(void)
{
    static const struct {
        int major, minor;
        size_t header_bytes;
    } versions[] = {{0, 1, 16},    {0, 2, 20},    {1, 0, 20},
                    {1000, 0, 16}, {1001, 0, 16}, {0, 1001, 16}};
    struct ll_network *ours = parse(weights_cfg);
    size_t blob_bytes = (size_t)ours->table.blob_bytes;
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        struct ll_buf *file = make_weights(versions[i].major, versions[i].minor,
                                           versions[i].header_bytes, blob_bytes);
        struct ll_buf *blobs[6];
        CU_ASSERT_EQUAL_FATAL(dkb_weights_slice(ours, file, blobs, NULL), LL_OK);
        char path[4096];
        snprintf(path, sizeof(path), "%s/net.weights", ll_test_folder());
        write_file(path, ll_buf_data(file), ll_buf_bytes(file));
        network *stock = parse_stock(weights_cfg);
        load_weights(stock, path);
        for (int l = 0; l < stock->n; l++) {
            compare_blob(&ours->layers[l], blobs[l], &stock->layers[l]);
        }
        free_network(stock);
        dkb_weights_unref(blobs, 6);
        ll_buf_unref(file);
    }
    ll_network_unref(ours);
}

const char *const ll_test_suite = "dkb_stock";
const struct ll_test ll_tests[] = {
    LL_TEST(test_layers_are_stocks),
    LL_TEST(test_weights_are_stocks),
    {NULL, NULL},
};
