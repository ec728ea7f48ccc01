/* Runs a model on its inputs, one after the other, and prints the best classes of each, or the
 * boxes of what it saw. */
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_answer.h"
#include "cli/cli_boxes.h"
#include "cli/cli_model_options.h"
#include "cli/cli_program.h"
#include "core/ll_clock.h"
#include "core/ll_option_table.h"
#include "core/ll_options.h"
#include "core/ll_output.h"
#include "core/ll_sync.h"
#include "core/ll_text.h"
#include "core/ll_version.h"
#include "tools/infer_model.h"
#include "tools/infer_report.h"
#include "vision/vision_input.h"
#include "vision/vision_labels.h"
#include "vision/vision_paths.h"

const char *argp_program_version = "infer (layerlift) " LL_VERSION;

struct options {
    struct cli_model_options model;
    int repeat;
};

static const struct ll_option_row rows[] = {{
    .name = "repeat",
    .kind = LL_OPTION_INT,
    .arg = "K",
    .min = 1,
    .max = 1000000,
    .preset = 1,
    LL_OPTION_FIELD(struct options, repeat),
    .help = "Run K times on each input",
}};

static const struct ll_option_table option_table = LL_OPTION_TABLE(rows, 0x100);

static const char doc[] =
    "Runs a Darknet model on its inputs and prints the best of its output values with their "
    "classes' names; for a network with yolo, region or detection layers, the boxes that it finds, "
    "in pixels of the picture."
    "\vThe --json object is {\"event\":\"infer\",\"create_ms\":,\"create_cpu_ms\":,\"ms\":[K run "
    "times],\"top\":[[label,value],...]}: creation without reading files, as elapsed and as "
    "processor time. Where the network finds boxes, \"boxes\":[{\"label\":,\"p\":,\"left\":,"
    "\"top\":,\"right\":,\"bottom\":},...] follows. A network with several outputs counts its "
    "values through all of them, in layer order; where there are more values than names, numbers "
    "stand for the names. \"not_finite\" counts the values that are NaN or infinite, where there "
    "are "
    "any. Of several pictures each has such an object, on a line of its own, with "
    "\"image\":its path; one that cannot be read has \"error\":why instead of results. "
    "--output-f32 "
    "has the outputs of all pictures one behind the other then.\n\n"
    "Exit status: 0 success, 1 failure, 2 wrong options.";

static char *help(int key, const char *text, void *input)
{
    (void)input;
    return ll_option_help(&option_table, key, text);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = &options->model;
        ll_option_set_defaults(&option_table, options);
        return 0;
    }
    return ll_option_parse(&option_table, key, arg, state, options);
}

/* Everything that one run of the program holds; finish takes it half-built. */
struct inference {
    const struct options *options;
    struct infer_model model;
    struct vision_labels labels;
    /* Empty for raw input. */
    struct vision_paths pictures;
    struct cli_answer_room room;
    /* Where results go, or none. */
    struct ll_output json;
    struct ll_output raw;
    /* The one that is being worked on, and what it is called where it is not the only one. */
    struct vision_input input;
    const char *name;
    struct cli_boxes detect;
    int64_t *run_ns;
    /* Of all runs; 0 before the first one. */
    int64_t best_ns;
    int unread;
    bool has_checked_names;
};

static void inference_finish(struct inference *inference)
{
    ll_output_drop(&inference->json);
    ll_output_drop(&inference->raw);
    vision_paths_finish(&inference->pictures);
    cli_boxes_finish(&inference->detect);
    cli_answer_room_finish(&inference->room);
    vision_labels_finish(&inference->labels);
    vision_input_finish(&inference->input);
    infer_model_finish(&inference->model);
    free(inference->run_ns);
}

static ll_status list_pictures(struct inference *inference, struct ll_error *err)
{
    const struct cli_model_options *options = &inference->options->model;
    ll_status status = LL_OK;
    for (int i = 0; i < options->image_count && status == LL_OK; i++) {
        status = vision_paths_add(&inference->pictures, options->images[i], err);
    }
    if (status == LL_OK && inference->pictures.count > 1 && options->draw) {
        status = ll_fail(err, LL_E_INVALID, "--draw: one file for %d pictures; give one picture",
                         inference->pictures.count);
    }
    return status;
}

static ll_status allocate(struct inference *inference, struct ll_error *err)
{
    const struct options *options = inference->options;
    ll_status status =
        cli_answer_room_init(&inference->room, options->model.top, &inference->labels);
    inference->run_ns = calloc((size_t)options->repeat, sizeof(*inference->run_ns));
    return status == LL_OK && inference->run_ns ? LL_OK
                                                : ll_fail(err, LL_E_NO_MEMORY, "out of memory");
}

static ll_status load(struct inference *inference, struct ll_error *err)
{
    const struct cli_model_options *options = &inference->options->model;
    ll_status status = infer_model_load(&inference->model, options->cfg, options->weights, err);
    if (status == LL_OK && options->names) {
        status = vision_labels_load(options->names, &inference->labels, err);
    }
    if (status == LL_OK) {
        status = list_pictures(inference, err);
    }
    return status == LL_OK ? allocate(inference, err) : status;
}

static ll_status load_input(struct inference *inference, const struct vision_input_source *source,
                            struct ll_error *err)
{
    const struct cli_model_options *options = &inference->options->model;
    ll_status status =
        vision_input_load(source, &inference->model.file.network->table, &inference->input, err);
    if (status == LL_OK) {
        status = cli_boxes_init(&inference->detect, options, inference->model.file.network,
                                &inference->input, &inference->labels, err);
    }
    vision_picture_finish(&inference->input.picture);
    return status;
}

static void drop_input(struct inference *inference)
{
    cli_boxes_finish(&inference->detect);
    vision_input_finish(&inference->input);
}

static ll_status run(struct inference *inference, struct ll_error *err)
{
    for (int i = 0; i < inference->options->repeat; i++) {
        int64_t start_ns = ll_clock_now_ns();
        ll_status status = infer_model_run(&inference->model, inference->input.data, err);
        int64_t took_ns = ll_clock_now_ns() - start_ns;
        inference->run_ns[i] = took_ns;
        if (inference->best_ns == 0 || took_ns < inference->best_ns) {
            inference->best_ns = took_ns;
        }
        if (status != LL_OK) {
            return status;
        }
    }
    return LL_OK;
}

static bool prints_text(const struct inference *inference)
{
    const char *json = inference->options->model.json;
    return !json || strcmp(json, "-") != 0;
}

static ll_status report(struct inference *inference, struct ll_error *err)
{
    const struct infer_model *model = &inference->model;
    struct cli_answer answer;
    cli_answer_look(&inference->room, inference->detect.boxes, model->values, model->floats,
                    model->floats, &answer);
    const struct infer_report told = {
        .name = inference->name,
        .answer = &answer,
        .floats = model->floats,
        .thresh = inference->options->model.thresh,
        .create_ns = model->create_ns,
        .create_cpu_ns = model->create_cpu_ns,
        .run_ns = inference->run_ns,
        .runs = inference->options->repeat,
    };
    ll_status status = LL_OK;
    infer_report_warn(&told);
    if (prints_text(inference)) {
        infer_report_print(&told);
    }
    if (inference->json.file) {
        status = infer_report_json(&told, &inference->json, err);
    }
    if (inference->raw.file) {
        ll_output_write(&inference->raw, model->values, (size_t)model->floats * sizeof(float));
    }
    return status == LL_OK ? cli_boxes_draw(&inference->detect, model->values, err) : status;
}

static void print_times(const struct inference *inference)
{
    const struct ll_engine *engine = inference->model.engine;
    int threads = ll_engine_threads(engine);
    int layers = inference->model.file.network->table.layer_count;
    printf("engine %s (%s, %d thread%s): %d layer%s created in %.1f ms, ran in %.1f ms%s\n",
           ll_engine_name(engine), ll_engine_instruction_set(engine), threads,
           threads == 1 ? "" : "s", layers, layers == 1 ? "" : "s",
           ll_clock_ms(inference->model.create_ns), ll_clock_ms(inference->best_ns),
           inference->options->repeat > 1 || inference->pictures.count > 1 ? " at best" : "");
}

static ll_status open_outputs(struct inference *inference, struct ll_error *err)
{
    const struct cli_model_options *options = &inference->options->model;
    /* Of many results, those that there are already are worth having. */
    ll_output_mode mode = inference->pictures.count > 1 ? LL_OUTPUT_DIRECT : LL_OUTPUT_WHOLE;
    ll_status status = LL_OK;
    if (options->json) {
        status = ll_output_open(options->json, mode, &inference->json, err);
    }
    if (status == LL_OK && options->output_f32) {
        status = ll_output_open(options->output_f32, mode, &inference->raw, err);
    }
    return status;
}

static ll_status finish_outputs(struct inference *inference, struct ll_error *err)
{
    ll_status status = LL_OK;
    if (inference->json.file) {
        status = ll_output_finish(&inference->json, err);
    }
    if (status == LL_OK && inference->raw.file) {
        status = ll_output_finish(&inference->raw, err);
    }
    return status;
}

/* The model's answer to one input. */
static ll_status answer(struct inference *inference, struct ll_error *err)
{
    const struct cli_model_options *options = &inference->options->model;
    if (options->names && !inference->has_checked_names) {
        inference->has_checked_names = true;
        cli_boxes_check_names(&inference->detect, &inference->model.file.network->table,
                              &inference->labels, options->names);
    }
    ll_status status = run(inference, err);
    return status == LL_OK ? report(inference, err) : status;
}

/* Of several pictures, one that cannot be read does not keep the others from being answered. */
static ll_status note_unread(struct inference *inference, struct ll_error *err)
{
    inference->unread++;
    ll_text_complain("infer", err->text);
    return inference->json.file ? infer_report_unread(inference->name, err, &inference->json)
                                : LL_OK;
}

static ll_status answer_one(struct inference *inference, const struct vision_input_source *source,
                            struct ll_error *err)
{
    ll_status status = load_input(inference, source, err);
    if (status == LL_OK) {
        status = answer(inference, err);
    } else if (inference->name && status != LL_E_NO_MEMORY) {
        status = note_unread(inference, err);
    }
    drop_input(inference);
    return status;
}

static ll_status answer_all(struct inference *inference, struct ll_error *err)
{
    struct vision_input_source source = inference->options->model.input;
    if (source.input_f32) {
        return answer_one(inference, &source, err);
    }
    int count = inference->pictures.count;
    ll_status status = LL_OK;
    for (int i = 0; i < count && status == LL_OK; i++) {
        source.image = inference->pictures.list[i].path;
        inference->name = count > 1 ? source.image : NULL;
        status = answer_one(inference, &source, err);
    }
    return status;
}

static ll_status infer(struct inference *inference, struct ll_error *err)
{
    ll_status status = load(inference, err);
    if (status == LL_OK) {
        status = infer_model_create(&inference->model, &inference->options->model.engine, err);
    }
    if (status == LL_OK) {
        status = open_outputs(inference, err);
    }
    if (status == LL_OK) {
        status = answer_all(inference, err);
    }
    if (status == LL_OK && prints_text(inference) && inference->best_ns > 0) {
        print_times(inference);
    }
    if (status == LL_OK) {
        status = finish_outputs(inference, err);
    }
    if (status == LL_OK && inference->unread > 0) {
        status = ll_fail(err, LL_E_INVALID, "%d of %d pictures could not be read",
                         inference->unread, inference->pictures.count);
    }
    return status;
}

int main(int argc, char **argv)
{
    cli_program_begin("infer");
    struct argp_option entries[LL_OPTION_ENTRIES(sizeof(rows) / sizeof(rows[0]))];
    ll_option_list(&option_table, entries);
    const struct argp_child children[] = {{cli_options_argp(), 0, NULL, 0}, {0}};
    const struct argp argp = {entries, parse_option, NULL, doc, children, help, NULL};
    struct options options = {.repeat = 0};
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    ll_options_enter_caller_folder();
    ll_thread_flush_denormals();

    struct inference inference = {.options = &options};
    struct ll_error err = {.text = ""};
    ll_status status = infer(&inference, &err);
    inference_finish(&inference);
    if (status != LL_OK) {
        ll_text_complain("infer", err.text[0] ? err.text : ll_status_text(status));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
