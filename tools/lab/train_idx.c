/* Trains a classifier on idx files with Darknet's own training, and says how good it is on a test
 * set.
 *
 * The learning rate, its policy, the batch and the number of batches stand in the cfg. Each image
 * goes in as pixel / 255. The order of the images comes from --seed, Darknet's first weights from
 * the C library's unseeded generator: the same build on the same processor gives the same file.
 *
 * Threads: one. */
#include <argp.h>
#include <darknet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli_program.h"
#include "core/ll_option_table.h"
#include "core/ll_status.h"
#include "tools/lab/lab_idx.h"

enum { REPORT_EVERY_BATCHES = 200 };

struct options {
    const char *cfg;
    const char *out;
    /* training images and labels, test images and labels */
    const char *idx[4];
    uint64_t seed;
};

static const struct ll_option_row rows[] = {
    {
        .name = "cfg",
        .kind = LL_OPTION_TEXT,
        .arg = "FILE",
        LL_OPTION_FIELD(struct options, cfg),
        .help = "Network and training parameters",
    },
    {
        .name = "out",
        .kind = LL_OPTION_TEXT,
        .arg = "FILE",
        LL_OPTION_FIELD(struct options, out),
        .help = "Where the weights go",
    },
    {
        .name = "seed",
        .kind = LL_OPTION_INT,
        .min = 0,
        .max = INT64_MAX,
        .preset = 1,
        LL_OPTION_FIELD(struct options, seed),
        .help = "Order of the images",
    },
    {
        .name = "images",
        .kind = LL_OPTION_TEXT,
        .arg = "FILE",
        LL_OPTION_FIELD(struct options, idx[0]),
        .help = "Training images, idx or idx.gz",
    },
    {
        .name = "labels",
        .kind = LL_OPTION_TEXT,
        .arg = "FILE",
        LL_OPTION_FIELD(struct options, idx[1]),
        .help = "Training labels",
    },
    {
        .name = "test-images",
        .kind = LL_OPTION_TEXT,
        .arg = "FILE",
        LL_OPTION_FIELD(struct options, idx[2]),
        .help = "Test images",
    },
    {
        .name = "test-labels",
        .kind = LL_OPTION_TEXT,
        .arg = "FILE",
        LL_OPTION_FIELD(struct options, idx[3]),
        .help = "Test labels",
    },
};

static const struct ll_option_table option_table = LL_OPTION_TABLE(rows, 0x100);

static char *help(int key, const char *text, void *input)
{
    (void)input;
    return ll_option_help(&option_table, key, text);
}

static void check(struct argp_state *state, const struct options *options)
{
    if (!options->cfg || !options->out) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): the only thread
        argp_error(state, "--cfg and --out are needed");
    }
    for (int i = 0; i < 4; i++) {
        if (!options->idx[i]) {
            // NOLINTNEXTLINE(concurrency-mt-unsafe): the only thread
            argp_error(state, "--images, --labels, --test-images and --test-labels are needed");
        }
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    if (key == ARGP_KEY_END) {
        check(state, state->input);
    }
    return ll_option_parse(&option_table, key, arg, state, state->input);
}

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016. */
static uint32_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)(*state * UINT64_C(0x2545F4914F6CDD1D) >> 32);
}

static void shuffle_order(uint32_t *order, uint32_t count, uint64_t *state)
{
    for (uint32_t left = count; left > 1; left--) {
        uint32_t chosen = next_random(state) % left;
        uint32_t kept = order[left - 1];
        order[left - 1] = order[chosen];
        order[chosen] = kept;
    }
}

static void fill_pixels(const struct lab_idx *images, uint32_t index, float *pixels)
{
    const uint8_t *from = images->data + (size_t)index * images->item_bytes;
    for (uint32_t i = 0; i < images->item_bytes; i++) {
        pixels[i] = (float)from[i] / 255.0f;
    }
}

/* Trains up to the cfg's max_batches. `order` has one entry an image. */
static void train(network *net, const struct lab_idx *images, const struct lab_idx *labels,
                  uint32_t *order, uint64_t seed)
{
    uint32_t batch = (uint32_t)net->batch;
    data part = {0};
    part.X = make_matrix(net->batch, net->inputs);
    part.y = make_matrix(net->batch, net->outputs);
    for (uint32_t i = 0; i < images->count; i++) {
        order[i] = i;
    }
    uint64_t random = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
    uint32_t used = images->count;
    float loss = 0;
    for (int done = 1; done <= net->max_batches; done++) {
        if (used + batch > images->count) {
            shuffle_order(order, images->count, &random);
            used = 0;
        }
        for (uint32_t i = 0; i < batch; i++, used++) {
            fill_pixels(images, order[used], part.X.vals[i]);
            for (int j = 0; j < net->outputs; j++) {
                part.y.vals[i][j] = 0;
            }
            part.y.vals[i][labels->data[order[used]]] = 1;
        }
        loss += train_network(net, part);
        if (done % REPORT_EVERY_BATCHES == 0 || done == net->max_batches) {
            int since = (done - 1) % REPORT_EVERY_BATCHES + 1;
            printf("batch %d of %d: loss %.4f, rate %.5f\n", done, net->max_batches,
                   loss / (float)since, get_current_rate(net));
            fflush(stdout);
            loss = 0;
        }
    }
    free_data(part);
}

static uint32_t count_right(network *net, const struct lab_idx *images,
                            const struct lab_idx *labels, float *pixels)
{
    uint32_t right = 0;
    set_batch_network(net, 1);
    for (uint32_t i = 0; i < images->count; i++) {
        fill_pixels(images, i, pixels);
        const float *scores = network_predict(net, pixels);
        int best = 0;
        for (int j = 1; j < net->outputs; j++) {
            best = scores[j] > scores[best] ? j : best;
        }
        right += best == labels->data[i];
    }
    return right;
}

static bool check_fit(const network *net, const struct lab_idx *images,
                      const struct lab_idx *labels)
{
    if (images->count != labels->count || labels->item_bytes != 1) {
        fprintf(stderr, "train_idx: %u images, but %u labels\n", images->count, labels->count);
        return false;
    }
    if (net->inputs != (int)images->item_bytes || net->batch < 1 ||
        (uint32_t)net->batch > images->count) {
        fprintf(stderr,
                "train_idx: the network takes %d values in batches of %d, an image has %u\n",
                net->inputs, net->batch, images->item_bytes);
        return false;
    }
    for (uint32_t i = 0; i < labels->count; i++) {
        if (labels->data[i] >= net->outputs) {
            fprintf(stderr, "train_idx: label %u, but the network has %d classes\n",
                    labels->data[i], net->outputs);
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    cli_program_begin("train_idx");
    struct options options = {.cfg = NULL};
    ll_option_set_defaults(&option_table, &options);
    struct argp_option entries[LL_OPTION_ENTRIES(sizeof(rows) / sizeof(rows[0]))];
    ll_option_list(&option_table, entries);
    const struct argp argp = {
        .options = entries,
        .help_filter = help,
        .parser = parse_option,
        .doc = "Trains a Darknet classifier on idx files (MNIST and its kin).",
    };
    argp_err_exit_status = 2;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the only thread
    argp_parse(&argp, argc, argv, 0, NULL, &options);

    int exit_status = EXIT_FAILURE;
    struct lab_idx idx[4] = {{0}};
    uint32_t *order = NULL;
    float *pixels = NULL;
    network *net = NULL;
    struct ll_error err;
    for (int i = 0; i < 4; i++) {
        if (lab_idx_read(options.idx[i], &idx[i], &err) != LL_OK) {
            fprintf(stderr, "train_idx: %s\n", err.text);
            goto out;
        }
    }
    /* Darknet ends the process with status 0 when it cannot read a cfg. */
    if (access(options.cfg, R_OK) != 0) {
        fprintf(stderr, "train_idx: %s: cannot be read\n", options.cfg);
        goto out;
    }
    net = parse_network_cfg((char *)options.cfg);
    if (!check_fit(net, &idx[0], &idx[1]) || !check_fit(net, &idx[2], &idx[3])) {
        goto out;
    }
    order = calloc(idx[0].count, sizeof(*order));
    pixels = calloc(idx[0].item_bytes, sizeof(*pixels));
    if (!order || !pixels) {
        fprintf(stderr, "train_idx: out of memory\n");
        goto out;
    }
    train(net, &idx[0], &idx[1], order, options.seed);
    save_weights(net, (char *)options.out);
    uint32_t right = count_right(net, &idx[2], &idx[3], pixels);
    printf("test images: %u of %u right, %.2f %%\n", right, idx[2].count,
           100.0 * right / idx[2].count);
    exit_status = EXIT_SUCCESS;
out:
    if (net) {
        free_network(net);
    }
    free(order);
    free(pixels);
    for (int i = 0; i < 4; i++) {
        lab_idx_finish(&idx[i]);
    }
    return exit_status;
}
