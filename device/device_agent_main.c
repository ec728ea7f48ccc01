/* The agent as a program: reads the options, then a thread of its own reads the files and runs the
 * agent, while the main one waits for its end or a signal. */
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli_answer.h"
#include "cli/cli_boxes.h"
#include "cli/cli_program.h"
#include "cli/cli_wait.h"
#include "core/ll_clock.h"
#include "core/ll_options.h"
#include "core/ll_output.h"
#include "core/ll_startup.h"
#include "core/ll_sync.h"
#include "core/ll_text.h"
#include "darknet_backend/dkb_engine.h"
#include "darknet_backend/network/dkb_model_file.h"
#include "device/device_agent.h"
#include "device/device_cut.h"
#include "device/device_draft.h"
#include "device/device_input_main.h"
#include "device/device_options.h"
#include "net/ll_dtype.h"
#include "vision/vision_output.h"

/* After a signal, the query under way gets this long, and then what is still to be written. */
enum { MAIN_GRACE_MS = 4000, MAIN_WRITE_MS = 500 };
/* The status of a program that a signal ended is this and its number, as shells have it. */
enum { MAIN_SIGNAL_STATUS = 128 };

/* Bits of mantissa of --draft's choices. */
enum { MAIN_BF16_MANTISSA = 7, MAIN_M4_MANTISSA = 4 };

/* Threads beside those that compute: the agent's own, and gRPC's where there is an edge. */
enum { MAIN_THREADS = 4, MAIN_NETWORK_THREADS = 16 };

struct agent_program {
    struct device_options options;
    struct ll_engine *engine;
    struct dkb_model_file file;
    /* The earlier model of --delta-from, and its blobs' names. */
    struct dkb_model_file base;
    struct ll_digest *base_digests;
    struct device_draft draft;
    struct device_model model;
    struct vision_labels labels;
    struct device_input input;
    struct cli_answer_room room;
    struct ll_output json;
    struct device_report *report;
    struct device_layer_times_store *times_store;
    struct device_agent *agent;
    struct ll_thread thread;
    struct cli_wait wait;
    /* There is a run, which a signal ends in order. */
    atomic_bool is_running;
    ll_status status;
    struct ll_error err;
    /* What failed is an option's value, which only the model could tell. */
    bool is_usage_error;
};

/* A classifier has one output; of several, the last is shown. */
static void look(void *owner, const struct device_query_result *result,
                 struct device_view *out_view)
{
    struct agent_program *program = owner;
    cli_answer_look(&program->room, program->input.current->detect.boxes, result->outputs,
                    result->output_floats, result->last_floats, &out_view->answer);
}

static ll_status pick(void *owner, int64_t id, struct device_query_input *out_input,
                      const char **out_name, struct ll_error *err)
{
    struct agent_program *program = owner;
    return device_input_pick(&program->input, id, out_input, out_name, err);
}

/* The cfg is the same, and so are the sizes of all blobs. */
static ll_status load_base(struct agent_program *program, struct ll_error *err)
{
    const struct device_options *options = &program->options;
    if (!options->delta_from) {
        return LL_OK;
    }
    ll_status status =
        dkb_model_file_load(options->model.cfg, options->delta_from, &program->base, err);
    if (status != LL_OK) {
        return status;
    }
    size_t layers = (size_t)program->model.table->layer_count;
    program->base_digests = calloc(layers, sizeof(*program->base_digests));
    if (!program->base_digests) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < layers; i++) {
        program->base_digests[i] = program->base.manifest.blobs[i].digest;
    }
    program->model.bases = program->base.blobs;
    program->model.base_digests = program->base_digests;
    return LL_OK;
}

static ll_status make_draft(struct agent_program *program, struct ll_error *err)
{
    const struct device_options *options = &program->options;
    struct device_draft_source source = {
        .table = program->model.table,
        .blobs = program->model.blobs,
        .manifest = program->model.manifest,
    };
    if (options->precision != DEVICE_PRECISION_DRAFT || options->edge_count == 0) {
        return LL_OK;
    }
    int mantissa_bits = options->draft == DEVICE_DRAFT_M4 ? MAIN_M4_MANTISSA : MAIN_BF16_MANTISSA;
    if (device_draft_init(&program->draft, &source, mantissa_bits) != LL_OK) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    if (device_draft_has_any(&program->draft, source.table->layer_count)) {
        program->model.draft = &program->draft;
    }
    return LL_OK;
}

static ll_status load_model(struct agent_program *program, struct ll_error *err)
{
    const struct device_options *options = &program->options;
    ll_status status =
        dkb_model_file_load(options->model.cfg, options->model.weights, &program->file, err);
    if (status != LL_OK) {
        return status;
    }
    const struct ll_table *table = &program->file.network->table;
    program->model = (struct device_model){
        .table = table,
        .blobs = program->file.blobs,
        .manifest = &program->file.manifest,
    };
    ll_digest_format(&program->file.model_id, program->model.id);
    if (options->cut_end >= 0) {
        status = device_cut_check(table, options->cut_first, options->cut_end, err);
        program->is_usage_error = status != LL_OK;
    }
    if (status == LL_OK) {
        status = load_base(program, err);
    }
    return status == LL_OK ? make_draft(program, err) : status;
}

static ll_status open_json(struct agent_program *program, struct ll_error *err)
{
    const char *path = program->options.model.json;
    if (!path) {
        return LL_OK;
    }
    return ll_output_open(path, LL_OUTPUT_DIRECT, &program->json, err);
}

/* The user's cache folder of this project; false where there is none. */
static bool find_cache(char *out_path, size_t bytes)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int length = -1;
    if (cache && cache[0] == '/') {
        length = snprintf(out_path, bytes, "%s/layerlift", cache);
    } else if (home && home[0] == '/') {
        length = snprintf(out_path, bytes, "%s/.cache/layerlift", home);
    }
    return length > 0 && (size_t)length < bytes;
}

static ll_status create_times_store(struct agent_program *program, struct ll_error *err)
{
    const struct device_options *options = &program->options;
    if (!options->keeps_profile) {
        return LL_OK;
    }
    struct device_layer_times_key key = {
        .model_id = program->model.id,
        .engine = ll_engine_name(program->engine),
        .instruction_set = ll_engine_instruction_set(program->engine),
        .threads = ll_engine_threads(program->engine),
    };
    char cache[PATH_MAX];
    bool has_cache = find_cache(cache, sizeof(cache));
    ll_status status = device_layer_times_store_create(
        &key, options->model.weights, has_cache ? cache : NULL, &program->times_store);
    return status == LL_OK ? LL_OK : ll_fail(err, status, "out of memory");
}

/* How many queries: pictures in rounds, where rounds were asked for or nothing was. */
static void set_count(struct agent_program *program, struct device_agent_config *config)
{
    const struct device_options *options = &program->options;
    bool is_round = options->until == DEVICE_UNTIL_COUNT;
    config->until = options->until;
    config->count = options->count;
    if (!options->has_until && program->input.count > 1) {
        config->until = DEVICE_UNTIL_COUNT;
        config->count = 1;
        is_round = true;
    }
    config->count *= is_round ? program->input.count : 1;
}

/* Of a picture's file that inputs like the first one would be sent as. */
static int64_t file_bytes(const struct device_options *options,
                          const struct device_query_input *first)
{
    bool may_be_file =
        options->input_encoding == DEVICE_WANT_ANY || options->input_encoding == DEVICE_WANT_FILE;
    return may_be_file && first->file.bytes ? (int64_t)ll_buf_bytes(first->file.bytes) : 0;
}

static ll_status create_agent(struct agent_program *program, const struct device_query_input *first,
                              struct ll_error *err)
{
    const struct device_options *options = &program->options;
    FILE *text = program->json.is_stdout ? stderr : stdout;
    struct device_report_config report = {
        .text = text,
        .is_terminal = isatty(fileno(text)) == 1,
        .json = program->json.file,
        .layer_count = program->model.table->layer_count,
        .names_images = program->input.count > 1,
        .terms = options->terms,
    };
    if (cli_answer_room_init(&program->room, options->model.top, &program->labels) != LL_OK ||
        device_report_create(&report, &program->report) != LL_OK) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    struct device_agent_config config = {
        .client =
            {
                .engine = program->engine,
                .network = program->file.network,
                .model = &program->model,
                .partitioner = options->partitioner,
                .input = first->floats,
                .input_file_bytes = file_bytes(options, first),
                .edges = options->edges,
                .edge_count = options->edge_count,
                .slowdown = options->terms.slowdown,
                .limit_bytes_per_s = options->terms.limit_mbps * 1e6 / 8,
                .most_upload_bytes = options->most_upload_bytes,
                .wish = {.cut_first = options->cut_first,
                         .cut_end = options->cut_end,
                         .choose = options->choose,
                         .input = options->input_encoding,
                         .cut_dtype = options->cut_dtype,
                         .deadline_ns = options->deadline_ns},
                .wait_edge_ns = options->wait_edge_ns,
                .verify_every = options->verify_every,
                .times_store = program->times_store,
            },
        .pick = pick,
        .duration_ns = options->duration_ns,
        .patience_ns = options->patience_ns,
        .interval_ns = options->interval_ns,
        .look = look,
        .owner = program,
        .report = program->report,
    };
    set_count(program, &config);
    return device_agent_create(&config, &program->agent, err);
}

/* Makes the list of inputs and loads the first one: what is wrong with it comes to light early. */
static ll_status load_input(struct agent_program *program, struct device_query_input *out_first,
                            struct ll_error *err)
{
    const char *name = NULL;
    ll_status status = device_input_init(&program->input, &program->options, program->file.network,
                                         &program->labels, err);
    return status == LL_OK ? device_input_pick(&program->input, 1, out_first, &name, err) : status;
}

static ll_status prepare(struct agent_program *program, struct ll_error *err)
{
    struct device_query_input first = {0};
    ll_status status = load_model(program, err);
    if (status == LL_OK) {
        status = dkb_engine_create(&program->options.model.engine, &program->engine, err);
    }
    if (status == LL_OK) {
        status = load_input(program, &first, err);
    }
    if (status == LL_OK && program->options.model.names) {
        status = vision_labels_load(program->options.model.names, &program->labels, err);
        if (status == LL_OK) {
            cli_boxes_check_names(&program->input.current->detect, program->model.table,
                                  &program->labels, program->options.model.names);
        }
    }
    if (status == LL_OK) {
        status = open_json(program, err);
    }
    if (status == LL_OK) {
        status = create_times_store(program, err);
    }
    return status == LL_OK ? create_agent(program, &first, err) : status;
}

static void finish(struct agent_program *program)
{
    device_agent_destroy(program->agent);
    device_layer_times_store_destroy(program->times_store);
    device_report_destroy(program->report);
    ll_output_drop(&program->json);
    cli_answer_room_finish(&program->room);
    device_input_finish(&program->input);
    vision_labels_finish(&program->labels);
    device_draft_finish(&program->draft);
    free(program->base_digests);
    dkb_model_file_finish(&program->base);
    dkb_model_file_finish(&program->file);
    ll_engine_destroy(program->engine);
}

static void run_agent(void *arg)
{
    struct agent_program *program = arg;
    program->status = prepare(program, &program->err);
    if (program->status == LL_OK) {
        atomic_store(&program->is_running, true);
        program->status = device_agent_run(program->agent, &program->err);
    }
    cli_wait_end(&program->wait);
}

/* Waits for the run's end; a signal stops it. A second one ends the program at once, as does one
 * while files are read and the model is made: nothing is to be saved then. Returns false where a
 * query, or who reads what is written, takes too long to wait for. */
static bool wait_for_end(struct agent_program *program)
{
    int64_t until_ns = LL_CLOCK_NEVER;
    int number = 0;
    cli_wait_event event;
    while ((event = cli_wait_next(&program->wait, until_ns, &number)) == CLI_WAIT_SIGNAL) {
        if (until_ns != LL_CLOCK_NEVER || !atomic_load(&program->is_running)) {
            /* Nothing is flushed: ThreadSanitizer's _exit would wait for the writer. */
            _Exit(MAIN_SIGNAL_STATUS + number);
        }
        until_ns = ll_clock_now_ns() + MAIN_GRACE_MS * LL_NS_PER_MS;
        device_agent_stop(program->agent);
    }
    if (event == CLI_WAIT_ENDED) {
        ll_thread_join(&program->thread);
    }
    return event == CLI_WAIT_ENDED;
}

static ll_status write_output(struct agent_program *program, struct ll_error *err)
{
    int64_t floats = 0;
    const float *data = device_agent_outputs(program->agent, &floats);
    const char *path = program->options.model.output_f32;
    ll_status status = LL_OK;
    if (data && path) {
        status = vision_output_write(path, data, floats, err);
    }
    return data && status == LL_OK ? cli_boxes_draw(&program->input.current->detect, data, err)
                                   : status;
}

int main(int argc, char **argv)
{
    cli_program_begin("agent");
    static struct agent_program program;
    struct ll_error err = {.text = ""};
    ll_options_enter_caller_folder();
    device_options_parse(argc, argv, &program.options);
    ll_status status = cli_wait_open(&program.wait, &err);
    if (status == LL_OK) {
        int own = program.options.edge_count > 0 ? MAIN_NETWORK_THREADS : MAIN_THREADS;
        status = ll_startup_threads(own + program.options.model.engine.threads, &err);
    }
    if (status == LL_OK) {
        /* This thread reads the signals from now on, while the other one loads and runs. */
        ll_startup_done();
        status = ll_thread_start(&program.thread, "queries", run_agent, &program);
        if (status != LL_OK) {
            status = ll_fail(&err, status, "no thread");
        }
    }
    if (status == LL_OK) {
        if (!wait_for_end(&program)) {
            /* The query under way computes for longer than anybody waits: nothing is lost that
             * was finished, and the process goes without it. */
            int64_t until_ns = ll_clock_now_ns() + MAIN_WRITE_MS * LL_NS_PER_MS;
            status = device_report_end(program.report, until_ns);
            /* A stream that still takes nothing must not be asked again. */
            _Exit(status == LL_OK && ll_output_end_stdout("agent") ? 0 : 1);
        }
        status = program.status;
        err = program.err;
    }
    if (status == LL_OK) {
        status = write_output(&program, &err);
    }
    if (status == LL_OK && program.json.file) {
        status = ll_output_finish(&program.json, &err);
    }
    finish(&program);
    if (status != LL_OK) {
        ll_text_complain("agent", err.text);
        return program.is_usage_error ? 2 : 1;
    }
    return 0;
}
