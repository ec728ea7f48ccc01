/* How small a model's weights become in frames, and how fast that is on this machine. */
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_program.h"
#include "coding/ll_draft.h"
#include "coding/ll_frame.h"
#include "core/ll_buf.h"
#include "core/ll_clock.h"
#include "core/ll_option_table.h"
#include "core/ll_options.h"
#include "core/ll_text.h"
#include "core/ll_version.h"
#include "darknet_backend/network/dkb_model_file.h"

const char *argp_program_version = "bench_coding (layerlift) " LL_VERSION;

struct options {
    const char *cfg;
    const char *weights;
    const char *delta_from;
    int mantissa_bits;
    int rounds;
    int head_bytes;
};

static const struct ll_option_row rows[] = {
    {
        .name = "cfg",
        .kind = LL_OPTION_TEXT,
        .arg = "C",
        LL_OPTION_FIELD(struct options, cfg),
        .help = "The network, as a Darknet cfg file",
    },
    {
        .name = "weights",
        .kind = LL_OPTION_TEXT,
        .arg = "W",
        LL_OPTION_FIELD(struct options, weights),
        .help = "Its .weights file",
    },
    {
        .name = "delta-from",
        .kind = LL_OPTION_TEXT,
        .arg = "W",
        LL_OPTION_FIELD(struct options, delta_from),
        .help = "Another .weights file of the network: measure the difference as well",
    },
    {
        .name = "mantissa-bits",
        .kind = LL_OPTION_INT,
        .min = 1,
        .max = LL_FRAME_MANTISSA_MOST,
        .preset = 7,
        LL_OPTION_FIELD(struct options, mantissa_bits),
        .help = "Of the draft's weights",
    },
    {
        .name = "rounds",
        .kind = LL_OPTION_INT,
        .min = 1,
        .max = 1000,
        .preset = 5,
        LL_OPTION_FIELD(struct options, rounds),
        .help = "Take the fastest of so many",
    },
    {
        .name = "head-bytes",
        .kind = LL_OPTION_INT,
        .min = 0,
        .max = 1000,
        .preset = 40,
        LL_OPTION_FIELD(struct options, head_bytes),
        .help = "What the protocol adds to each frame, for the column `wire`",
    },
};

static const struct ll_option_table option_table = LL_OPTION_TABLE(rows, 0x100);

static const char doc[] =
    "Encodes and decodes all weights of a model in frames, as uploads do, and checks that they "
    "come "
    "back."
    "\vOne line each for the model in one pass (whole), for what differs from another one (delta), "
    "for a draft and the rest, and for both together. Ratios are of the f32's bytes, `wire` with "
    "--head-bytes a frame; speeds are f32 bytes by processor time of one thread.\n\n"
    "Exit status: 0 success, 1 failure, 2 wrong options.";

static char *help(int key, const char *text, void *input)
{
    (void)input;
    return ll_option_help(&option_table, key, text);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    if (key == ARGP_KEY_END && (!options->cfg || !options->weights)) {
        argp_error(state, "--cfg and --weights are needed");
    }
    return ll_option_parse(&option_table, key, arg, state, options);
}

typedef enum { WHOLE, DELTA, DRAFT, REST, PASS_COUNT } pass_kind;

static const char *const pass_names[PASS_COUNT] = {"whole", "delta", "draft", "rest"};

/* What one way through the model gave. */
struct pass {
    int64_t frames;
    int64_t raw_frames;
    int64_t raw_bytes;
    int64_t encoded_bytes;
    int64_t encode_ns;
    int64_t decode_ns;
};

struct bench {
    const struct options *options;
    struct dkb_model_file model;
    struct dkb_model_file base;
    struct ll_frame_coder *coder;
    uint8_t encoded[LL_FRAME_ENCODED_BYTES];
    /* The draft's frame, and what was decoded last. */
    uint8_t rounded[LL_FRAME_BYTES];
    uint8_t decoded[LL_FRAME_BYTES];
};

/* One frame of a pass. */
struct job {
    pass_kind kind;
    struct ll_frame frame;
    const uint8_t *base;
    struct ll_frame_draft draft;
};

static size_t encode(struct bench *bench, const struct job *job)
{
    switch (job->kind) {
    case DELTA:
        return ll_frame_encode_delta(bench->coder, &job->frame, job->base, bench->encoded);
    case DRAFT:
        return ll_frame_encode_draft(bench->coder, &job->frame, &job->draft, bench->encoded);
    case REST:
        return ll_frame_encode_rest(bench->coder, &job->frame, &job->draft, bench->encoded);
    default:
        return ll_frame_encode(bench->coder, &job->frame, bench->encoded);
    }
}

static ll_status decode(struct bench *bench, const struct job *job, size_t used,
                        struct ll_error *err)
{
    const struct ll_frame encoded = {bench->encoded, used};
    const size_t bytes = job->frame.bytes;
    const struct ll_frame rounded = {bench->rounded, bytes};
    switch (job->kind) {
    case DELTA:
        return ll_frame_decode_delta(bench->coder, &encoded, job->base, bytes, bench->decoded, err);
    case DRAFT:
        return ll_frame_decode_draft(bench->coder, &encoded, &job->draft, bytes, bench->decoded,
                                     err);
    case REST:
        return ll_frame_decode_rest(bench->coder, &encoded, &job->draft, &rounded, bench->decoded,
                                    err);
    default:
        return ll_frame_decode(bench->coder, &encoded, bytes, bench->decoded, err);
    }
}

static ll_status run_frame(struct bench *bench, const struct job *job, struct pass *pass,
                           struct ll_error *err)
{
    const struct ll_frame *frame = &job->frame;
    bool is_rounded = ll_frame_round(frame->data, frame->bytes, &job->draft, bench->rounded);
    int64_t start_ns = ll_clock_thread_cpu_ns();
    size_t used = encode(bench, job);
    int64_t encoded_ns = ll_clock_thread_cpu_ns();
    pass->encode_ns += encoded_ns - start_ns;
    pass->frames++;
    pass->raw_bytes += (int64_t)frame->bytes;
    if (used == 0) {
        pass->raw_frames++;
        pass->encoded_bytes += (int64_t)frame->bytes;
        return LL_OK;
    }
    pass->encoded_bytes += (int64_t)used;
    encoded_ns = ll_clock_thread_cpu_ns();
    ll_status status = decode(bench, job, used, err);
    pass->decode_ns += ll_clock_thread_cpu_ns() - encoded_ns;
    if (status != LL_OK) {
        return status;
    }
    const void *expected = job->kind == DRAFT ? bench->rounded : frame->data;
    if (memcmp(bench->decoded, expected, frame->bytes) != 0) {
        return ll_fail(err, LL_E_INTERNAL, "a %s frame came back with other bytes%s",
                       pass_names[job->kind], is_rounded ? "" : " (not finite)");
    }
    return LL_OK;
}

/* All frames of a layer. Blobs that the draft does not round go whole with it, and have no rest. */
static ll_status run_layer(struct bench *bench, int layer, pass_kind kind, struct pass *pass,
                           struct ll_error *err)
{
    const struct ll_layer *row = &bench->model.network->table.layers[layer];
    const struct ll_draft_blob blob = {
        .mantissa_bits = bench->options->mantissa_bits,
        .bytes = row->blob_bytes,
        .exact_bytes = row->exact_bytes,
        .exact_tail_bytes = row->exact_tail_bytes,
    };
    const bool is_rounded = ll_draft_has_blob(&blob);
    const uint8_t *data = row->blob_bytes > 0 ? ll_buf_data(bench->model.blobs[layer]) : NULL;
    const uint8_t *base = kind == DELTA && data ? ll_buf_data(bench->base.blobs[layer]) : NULL;
    ll_status status = LL_OK;
    for (int64_t at = 0; at < row->blob_bytes && status == LL_OK; at += LL_FRAME_BYTES) {
        struct job job = {
            .kind = kind == DRAFT && !is_rounded ? WHOLE : kind,
            .frame = {data + at, ll_draft_frame_bytes(&blob, at)},
            .base = base ? base + at : NULL,
            .draft = ll_draft_frame(&blob, at),
        };
        if (kind != REST || (is_rounded && !ll_draft_frame_is_exact(&blob, at))) {
            status = run_frame(bench, &job, pass, err);
        }
    }
    if (status != LL_OK) {
        ll_error_prefix(err, "layer %d: ", layer);
    }
    return status;
}

static ll_status run_pass(struct bench *bench, pass_kind kind, struct pass *out_pass,
                          struct ll_error *err)
{
    struct pass best = {0};
    for (int round = 0; round < bench->options->rounds; round++) {
        struct pass pass = {0};
        for (int i = 0; i < bench->model.network->table.layer_count; i++) {
            ll_status status = run_layer(bench, i, kind, &pass, err);
            if (status != LL_OK) {
                return status;
            }
        }
        if (round > 0 && best.encode_ns < pass.encode_ns) {
            pass.encode_ns = best.encode_ns;
        }
        if (round > 0 && best.decode_ns < pass.decode_ns) {
            pass.decode_ns = best.decode_ns;
        }
        best = pass;
    }
    *out_pass = best;
    return LL_OK;
}

static double per(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

static void print_pass(const char *name, const struct pass *pass, int64_t model_bytes,
                       int head_bytes)
{
    printf("%-13s %7lld %7lld %12lld %7.4f %7.4f %7.2f %7.2f\n", name, (long long)pass->frames,
           (long long)pass->raw_frames, (long long)pass->encoded_bytes,
           per(pass->encoded_bytes, model_bytes),
           per(pass->encoded_bytes + pass->frames * head_bytes, model_bytes),
           per(pass->raw_bytes, pass->encode_ns), per(pass->raw_bytes, pass->decode_ns));
}

static ll_status run(struct bench *bench, struct ll_error *err)
{
    const struct options *options = bench->options;
    const int64_t bytes = bench->model.network->table.blob_bytes;
    struct pass passes[PASS_COUNT] = {{0}};
    printf("%s: %lld bytes of weights\n%-13s %7s %7s %12s %7s %7s %7s %7s\n", options->weights,
           (long long)bytes, "pass", "frames", "raw", "bytes", "ratio", "wire", "enc GB/s",
           "dec GB/s");
    for (int kind = 0; kind < PASS_COUNT; kind++) {
        if (kind == DELTA && !options->delta_from) {
            continue;
        }
        ll_status status = run_pass(bench, (pass_kind)kind, &passes[kind], err);
        if (status != LL_OK) {
            return status;
        }
        print_pass(pass_names[kind], &passes[kind], bytes, options->head_bytes);
    }
    const struct pass *draft = &passes[DRAFT];
    const struct pass *rest = &passes[REST];
    const struct pass both = {
        .frames = draft->frames + rest->frames,
        .raw_frames = draft->raw_frames + rest->raw_frames,
        .raw_bytes = bytes,
        .encoded_bytes = draft->encoded_bytes + rest->encoded_bytes,
        .encode_ns = draft->encode_ns + rest->encode_ns,
        .decode_ns = draft->decode_ns + rest->decode_ns,
    };
    print_pass("draft + rest", &both, bytes, options->head_bytes);
    return LL_OK;
}

static ll_status bench_coding(struct bench *bench, struct ll_error *err)
{
    const struct options *options = bench->options;
    ll_status status = dkb_model_file_load(options->cfg, options->weights, &bench->model, err);
    if (status == LL_OK && options->delta_from) {
        status = dkb_model_file_load(options->cfg, options->delta_from, &bench->base, err);
    }
    if (status == LL_OK) {
        status = ll_frame_coder_create(&bench->coder);
    }
    return status == LL_OK ? run(bench, err) : status;
}

static void bench_destroy(struct bench *bench)
{
    if (bench) {
        ll_frame_coder_destroy(bench->coder);
        dkb_model_file_finish(&bench->base);
        dkb_model_file_finish(&bench->model);
        free(bench);
    }
}

int main(int argc, char **argv)
{
    cli_program_begin("bench_coding");
    struct argp_option entries[LL_OPTION_ENTRIES(sizeof(rows) / sizeof(rows[0]))];
    ll_option_list(&option_table, entries);
    const struct argp argp = {entries, parse_option, NULL, doc, NULL, help, NULL};
    struct options options = {.cfg = NULL};
    ll_option_set_defaults(&option_table, &options);
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    ll_options_enter_caller_folder();
    struct ll_error err = {.text = ""};
    struct bench *bench = calloc(1, sizeof(*bench));
    ll_status status = LL_E_NO_MEMORY;
    if (bench) {
        bench->options = &options;
        status = bench_coding(bench, &err);
    }
    bench_destroy(bench);
    if (status != LL_OK) {
        ll_text_complain("bench_coding", err.text[0] ? err.text : ll_status_text(status));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
