/* Counts a classifier's right answers on idx files (MNIST and its kin), computed by our engine.
 *
 * Threads: one, besides the engine's. */
#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli_program.h"
#include "core/ll_option_table.h"
#include "core/ll_sync.h"
#include "core/ll_text.h"
#include "darknet_backend/dkb_engine.h"
#include "darknet_backend/network/dkb_model_file.h"
#include "engine/ll_engine.h"
#include "tools/lab/lab_idx.h"

const char *argp_program_version = "layerlift accuracy";

struct options {
    const char *cfg;
    const char *weights;
    const char *images;
    const char *labels;
    double at_least;
    struct ll_engine_config engine;
};

static const struct ll_option_row rows[] = {
    {
        .name = "cfg",
        .kind = LL_OPTION_TEXT,
        .arg = "C",
        LL_OPTION_FIELD(struct options, cfg),
        .help = "Darknet cfg",
    },
    {
        .name = "weights",
        .kind = LL_OPTION_TEXT,
        .arg = "W",
        LL_OPTION_FIELD(struct options, weights),
        .help = "Its weights",
    },
    {
        .name = "images",
        .kind = LL_OPTION_TEXT,
        .arg = "F",
        LL_OPTION_FIELD(struct options, images),
        .help = "Images, idx or idx.gz; the input is pixel / 255",
    },
    {
        .name = "labels",
        .kind = LL_OPTION_TEXT,
        .arg = "F",
        LL_OPTION_FIELD(struct options, labels),
        .help = "Their labels, idx or idx.gz",
    },
    {
        .name = "engine",
        .kind = LL_OPTION_TEXT,
        .arg = "NAME",
        .preset_text = "onednn",
        LL_OPTION_FIELD(struct options, engine.name),
        .help = "Engine",
    },
    {
        .name = "threads",
        .kind = LL_OPTION_INT,
        .min = 1,
        .max = 256,
        .preset = 1,
        LL_OPTION_FIELD(struct options, engine.threads),
        .help = "Compute threads",
    },
    {
        .name = "compute",
        .kind = LL_OPTION_OWN,
        .arg = "TYPE",
        .shown = "f32",
        .take = ll_compute_take,
        LL_OPTION_FIELD(struct options, engine.compute),
        .help = "f32 or bf16",
    },
    {
        .name = "at-least",
        .kind = LL_OPTION_NUMBER,
        .arg = "PERCENT",
        .unit = "%",
        .least = 0,
        .most = 100,
        LL_OPTION_FIELD(struct options, at_least),
        .help = "Fail below this many right answers",
    },
};

static const struct ll_option_table option_table = LL_OPTION_TABLE(rows, 0x100);

static char *help(int key, const char *text, void *input)
{
    (void)input;
    return ll_option_help(&option_table, key, text);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    if (key == ARGP_KEY_END &&
        (!options->cfg || !options->weights || !options->images || !options->labels)) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): the only thread
        argp_error(state, "--cfg, --weights, --images and --labels are needed");
    }
    return ll_option_parse(&option_table, key, arg, state, options);
}

/* Everything that one measurement holds; finish takes it half-built. */
struct accuracy {
    struct lab_idx images;
    struct lab_idx labels;
    struct dkb_model_file file;
    struct ll_engine *engine;
    struct ll_engine_model *model;
    struct ll_engine_context *context;
    float *input;
    float *scores;
    /* The one output tensor. */
    int output;
    int64_t classes;
};

static void accuracy_finish(struct accuracy *accuracy)
{
    ll_engine_context_destroy(accuracy->context);
    ll_engine_model_destroy(accuracy->model);
    ll_engine_destroy(accuracy->engine);
    dkb_model_file_finish(&accuracy->file);
    lab_idx_finish(&accuracy->images);
    lab_idx_finish(&accuracy->labels);
    free(accuracy->input);
    free(accuracy->scores);
}

static ll_status read_data(struct accuracy *accuracy, const struct options *options,
                           struct ll_error *err)
{
    ll_status status = lab_idx_read(options->images, &accuracy->images, err);
    if (status == LL_OK) {
        status = lab_idx_read(options->labels, &accuracy->labels, err);
    }
    if (status != LL_OK) {
        return status;
    }
    if (accuracy->images.count != accuracy->labels.count || accuracy->labels.item_bytes != 1) {
        return ll_fail(err, LL_E_INVALID, "%u images, but %u labels", accuracy->images.count,
                       accuracy->labels.count);
    }
    return LL_OK;
}

static ll_status check_network(struct accuracy *accuracy, struct ll_error *err)
{
    const struct ll_table *table = &accuracy->file.network->table;
    if (table->in_floats != accuracy->images.item_bytes) {
        return ll_fail(err, LL_E_INVALID, "the network takes %lld values, an image has %u",
                       (long long)table->in_floats, accuracy->images.item_bytes);
    }
    struct ll_names outputs = {0};
    ll_status status = ll_table_network_outputs(table, &outputs);
    if (status != LL_OK) {
        return status;
    }
    if (outputs.count == 1) {
        accuracy->output = outputs.names[0];
        accuracy->classes = ll_table_tensor_floats(table, outputs.names[0]);
    } else {
        status =
            ll_fail(err, LL_E_INVALID, "the network has %d outputs: no classifier", outputs.count);
    }
    ll_names_finish(&outputs);
    return status;
}

static ll_status create_model(struct accuracy *accuracy, const struct options *options,
                              struct ll_error *err)
{
    ll_status status = dkb_model_file_load(options->cfg, options->weights, &accuracy->file, err);
    if (status == LL_OK) {
        status = check_network(accuracy, err);
    }
    if (status == LL_OK) {
        status = dkb_engine_create(&options->engine, &accuracy->engine, err);
    }
    if (status == LL_OK) {
        status =
            ll_engine_model_create(accuracy->engine, accuracy->file.network, &accuracy->model, err);
    }
    if (status == LL_OK) {
        status = ll_engine_model_extend(accuracy->model, accuracy->file.network->table.layer_count,
                                        accuracy->file.blobs, err);
    }
    if (status == LL_OK) {
        status = ll_engine_context_create(accuracy->model, &accuracy->context, err);
    }
    if (status != LL_OK) {
        return status;
    }
    accuracy->input = calloc(accuracy->images.item_bytes, sizeof(float));
    accuracy->scores = calloc((size_t)accuracy->classes, sizeof(float));
    if (!accuracy->input || !accuracy->scores) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    return LL_OK;
}

/* Whether the highest score is at image `index`'s label. */
static ll_status answer(struct accuracy *accuracy, uint32_t index, bool *out_right,
                        struct ll_error *err)
{
    const struct lab_idx *images = &accuracy->images;
    const uint8_t *pixels = images->data + (size_t)index * images->item_bytes;
    for (uint32_t i = 0; i < images->item_bytes; i++) {
        accuracy->input[i] = (float)pixels[i] / 255.0f;
    }
    const struct ll_tensor_in in = {LL_TENSOR_INPUT, images->item_bytes, accuracy->input};
    const struct ll_tensor_out out = {accuracy->output, accuracy->classes, accuracy->scores};
    const struct ll_run run = {
        .end = accuracy->file.network->table.layer_count,
        .inputs = &in,
        .input_count = 1,
        .outputs = &out,
        .output_count = 1,
    };
    ll_status status = ll_engine_run(accuracy->context, &run, err);
    if (status != LL_OK) {
        return status;
    }
    int64_t best = 0;
    for (int64_t i = 1; i < accuracy->classes; i++) {
        best = accuracy->scores[i] > accuracy->scores[best] ? i : best;
    }
    *out_right = best == accuracy->labels.data[index];
    return LL_OK;
}

static ll_status measure(struct accuracy *accuracy, double *out_percent, struct ll_error *err)
{
    uint32_t count = accuracy->images.count;
    uint32_t right = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool is_right;
        ll_status status = answer(accuracy, i, &is_right, err);
        if (status != LL_OK) {
            return status;
        }
        right += is_right;
    }
    *out_percent = 100.0 * right / count;
    printf("%u of %u right, %.2f %% (engine %s)\n", right, count, *out_percent,
           ll_engine_name(accuracy->engine));
    return LL_OK;
}

int main(int argc, char **argv)
{
    cli_program_begin("accuracy");
    struct options options = {.cfg = NULL};
    ll_option_set_defaults(&option_table, &options);
    struct argp_option entries[LL_OPTION_ENTRIES(sizeof(rows) / sizeof(rows[0]))];
    ll_option_list(&option_table, entries);
    const struct argp argp = {
        .options = entries,
        .help_filter = help,
        .parser = parse_option,
        .doc = "Counts a classifier's right answers on idx files (MNIST and its kin).",
    };
    argp_err_exit_status = 2;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the only thread
    argp_parse(&argp, argc, argv, 0, NULL, &options);

    ll_thread_flush_denormals();
    struct accuracy accuracy = {0};
    struct ll_error err = {.text = ""};
    double percent = 0;
    ll_status status = read_data(&accuracy, &options, &err);
    if (status == LL_OK) {
        status = create_model(&accuracy, &options, &err);
    }
    if (status == LL_OK) {
        status = measure(&accuracy, &percent, &err);
    }
    accuracy_finish(&accuracy);
    if (status != LL_OK) {
        ll_text_complain("accuracy", err.text[0] ? err.text : ll_status_text(status));
        return EXIT_FAILURE;
    }
    if (percent < options.at_least) {
        fprintf(stderr, "accuracy: below %.2f %%\n", options.at_least);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
