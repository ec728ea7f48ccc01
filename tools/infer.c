/* Runs a model on its inputs, one after the other, and prints the best classes of each, or the
 * boxes of what it saw. */
#include <argp.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli_boxes.h"
#include "cli/cli_model_options.h"
#include "core/ll_clock.h"
#include "core/ll_json.h"
#include "core/ll_log.h"
#include "core/ll_option_table.h"
#include "core/ll_options.h"
#include "core/ll_output.h"
#include "core/ll_sync.h"
#include "core/ll_text.h"
#include "core/ll_version.h"
#include "darknet_backend/dkb_engine.h"
#include "darknet_backend/network/dkb_model_file.h"
#include "engine/ll_engine.h"
#include "vision/vision_input.h"
#include "vision/vision_pictures.h"

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

/* Everything that one inference holds; finish takes it half-built. */
struct inference {
    const struct options *options;
    struct dkb_model_file file;
    struct vision_labels labels;
    /* Empty for raw input. */
    struct vision_pictures pictures;
    struct ll_engine *engine;
    struct ll_engine_model *model;
    struct ll_engine_context *context;
    /* Where results go, or none. */
    struct ll_output json;
    struct ll_output raw;
    /* The one that is being worked on, what it is called where it is not the only one, and what
     * came out. */
    struct vision_image input;
    const char *name;
    /* The network's outputs, one behind the other. */
    struct ll_names names;
    struct ll_tensor_out *outputs;
    float *values;
    int64_t floats;
    struct vision_top *top;
    int top_count;
    struct cli_boxes detect;
    const struct vision_box *boxes;
    int box_count;
    int64_t not_finite;
    int64_t create_ns;
    int64_t create_cpu_ns;
    int64_t *run_ns;
    /* Of all runs; 0 before the first one. */
    int64_t best_ns;
    int unread;
    bool has_checked_names;
};

static void inference_finish(struct inference *inference)
{
    ll_engine_context_destroy(inference->context);
    ll_engine_model_destroy(inference->model);
    ll_engine_destroy(inference->engine);
    ll_output_drop(&inference->json);
    ll_output_drop(&inference->raw);
    vision_pictures_finish(&inference->pictures);
    ll_names_finish(&inference->names);
    cli_detect_finish(&inference->detect);
    vision_labels_finish(&inference->labels);
    dkb_model_file_finish(&inference->file);
    vision_image_finish(&inference->input);
    free(inference->outputs);
    free(inference->values);
    free(inference->top);
    free(inference->run_ns);
}

static ll_status list_pictures(struct inference *inference, struct ll_error *err)
{
    const struct cli_model_options *options = &inference->options->model;
    ll_status status = LL_OK;
    for (int i = 0; i < options->image_count && status == LL_OK; i++) {
        status = vision_pictures_add(&inference->pictures, options->images[i], err);
    }
    if (status == LL_OK && inference->pictures.count > 1 && options->draw) {
        status = ll_fail(err, LL_E_INVALID, "--draw: one file for %d pictures; give one picture",
                         inference->pictures.count);
    }
    return status;
}

static ll_status load(struct inference *inference, struct ll_error *err)
{
    const struct cli_model_options *options = &inference->options->model;
    ll_status status = dkb_model_file_load(options->cfg, options->weights, &inference->file, err);
    if (status == LL_OK && options->names) {
        status = vision_labels_load(options->names, &inference->labels, err);
    }
    return status == LL_OK ? list_pictures(inference, err) : status;
}

static ll_status load_input(struct inference *inference, const struct vision_input_source *source,
                            struct ll_error *err)
{
    const struct cli_model_options *options = &inference->options->model;
    ll_status status =
        vision_input_load(source, &inference->file.network->table, &inference->input, err);
    if (status == LL_OK) {
        status = cli_detect_init(&inference->detect, options, inference->file.network,
                                 &inference->input, &inference->labels, err);
    }
    vision_picture_finish(&inference->input.picture);
    return status;
}

static void drop_input(struct inference *inference)
{
    cli_detect_finish(&inference->detect);
    vision_image_finish(&inference->input);
}

/* Processor time of all threads. */
static int64_t cpu_now_ns(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * LL_NS_PER_S + now.tv_nsec;
}

static ll_status create(struct inference *inference, struct ll_error *err)
{
    struct ll_network *network = inference->file.network;
    ll_status status =
        dkb_engine_create(&inference->options->model.engine, &inference->engine, err);
    int64_t start_ns = ll_clock_now_ns();
    int64_t start_cpu_ns = cpu_now_ns();
    if (status == LL_OK) {
        status = ll_engine_model_create(inference->engine, network, &inference->model, err);
    }
    if (status == LL_OK) {
        status = ll_engine_model_extend(inference->model, network->table.layer_count,
                                        inference->file.blobs, err);
    }
    inference->create_ns = ll_clock_now_ns() - start_ns;
    inference->create_cpu_ns = cpu_now_ns() - start_cpu_ns;
    if (status == LL_OK) {
        status = ll_engine_context_create(inference->model, &inference->context, err);
    }
    return status;
}

static ll_status allocate(struct inference *inference, struct ll_error *err)
{
    const struct ll_table *table = &inference->file.network->table;
    ll_status status = ll_table_network_outputs(table, &inference->names);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    int count = inference->names.count;
    inference->floats = ll_names_bytes(table, &inference->names) / (int64_t)sizeof(float);
    inference->values = calloc((size_t)inference->floats, sizeof(float));
    inference->outputs = calloc((size_t)count, sizeof(*inference->outputs));
    inference->top = calloc((size_t)inference->options->model.top + 1, sizeof(*inference->top));
    inference->run_ns = calloc((size_t)inference->options->repeat, sizeof(*inference->run_ns));
    if (!inference->values || !inference->outputs || !inference->top || !inference->run_ns) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    float *data = inference->values;
    for (int i = 0; i < count; i++) {
        int name = inference->names.names[i];
        int64_t floats = ll_table_tensor_floats(table, name);
        inference->outputs[i] = (struct ll_tensor_out){name, floats, data};
        data += floats;
    }
    return LL_OK;
}

static ll_status run(struct inference *inference, struct ll_error *err)
{
    const struct ll_table *table = &inference->file.network->table;
    const struct ll_tensor_in input = {LL_TENSOR_INPUT, table->in_floats, inference->input.data};
    const struct ll_run run = {
        .end = table->layer_count,
        .inputs = &input,
        .input_count = 1,
        .outputs = inference->outputs,
        .output_count = inference->names.count,
    };
    for (int i = 0; i < inference->options->repeat; i++) {
        int64_t start_ns = ll_clock_now_ns();
        ll_status status = ll_engine_run(inference->context, &run, err);
        int64_t took_ns = ll_clock_now_ns() - start_ns;
        inference->run_ns[i] = took_ns;
        if (inference->best_ns == 0 || took_ns < inference->best_ns) {
            inference->best_ns = took_ns;
        }
        if (status != LL_OK) {
            return status;
        }
    }
    inference->not_finite = vision_count_not_finite(inference->values, inference->floats);
    inference->top_count = vision_top_k(inference->values, inference->floats,
                                        inference->options->model.top, inference->top);
    inference->box_count =
        cli_detect_find(&inference->detect, inference->values, &inference->boxes);
    return LL_OK;
}

static const char *label(const struct inference *inference, int place, char *scratch)
{
    return vision_label(&inference->labels, inference->floats, inference->top[place].index,
                        scratch);
}

static void print_top(const struct inference *inference)
{
    for (int i = 0; i < inference->top_count; i++) {
        char scratch[VISION_LABEL_SCRATCH_BYTES];
        /* A NaN's sign means nothing. */
        float value = inference->top[i].value;
        printf("%9.6f  ", isnan(value) ? (double)NAN : (double)value);
        ll_text_print(stdout, label(inference, i, scratch));
        putchar('\n');
    }
}

static void print_boxes(const struct inference *inference)
{
    for (int i = 0; i < inference->box_count; i++) {
        const struct vision_box *box = &inference->boxes[i];
        printf("%5.1f%%  ", 100 * (double)box->p);
        ll_text_print(stdout, box->label);
        printf("  left %.0f, top %.0f, right %.0f, bottom %.0f\n", (double)box->left,
               (double)box->top, (double)box->right, (double)box->bottom);
    }
    if (inference->box_count == 0) {
        printf("no box is more probable than %g%%\n",
               100 * (double)inference->options->model.thresh);
    }
}

static void print_times(const struct inference *inference)
{
    int layers = inference->file.network->table.layer_count;
    printf("engine %s (%s, %d thread%s): %d layer%s created in %.1f ms, ran in %.1f ms%s\n",
           inference->engine->name, inference->engine->instruction_set, inference->engine->threads,
           inference->engine->threads == 1 ? "" : "s", layers, layers == 1 ? "" : "s",
           ll_clock_ms(inference->create_ns), ll_clock_ms(inference->best_ns),
           inference->options->repeat > 1 || inference->pictures.count > 1 ? " at best" : "");
}

static struct json_object *boxes_to_json(const struct inference *inference)
{
    struct json_object *list = json_object_new_array();
    for (int i = 0; i < inference->box_count; i++) {
        const struct vision_box *box = &inference->boxes[i];
        struct json_object *entry = json_object_new_object();
        json_object_object_add(entry, "label", ll_json_string(box->label));
        json_object_object_add(entry, "p", ll_json_number((double)box->p));
        json_object_object_add(entry, "left", ll_json_number((double)box->left));
        json_object_object_add(entry, "top", ll_json_number((double)box->top));
        json_object_object_add(entry, "right", ll_json_number((double)box->right));
        json_object_object_add(entry, "bottom", ll_json_number((double)box->bottom));
        json_object_array_add(list, entry);
    }
    return list;
}

static struct json_object *to_json(const struct inference *inference)
{
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "event", json_object_new_string("infer"));
    if (inference->name) {
        json_object_object_add(object, "image", ll_json_string(inference->name));
    }
    json_object_object_add(object, "create_ms", ll_json_ms(inference->create_ns));
    json_object_object_add(object, "create_cpu_ms", ll_json_ms(inference->create_cpu_ns));
    struct json_object *times = json_object_new_array();
    for (int i = 0; i < inference->options->repeat; i++) {
        json_object_array_add(times, ll_json_ms(inference->run_ns[i]));
    }
    json_object_object_add(object, "ms", times);
    struct json_object *top = json_object_new_array();
    for (int i = 0; i < inference->top_count; i++) {
        char scratch[VISION_LABEL_SCRATCH_BYTES];
        struct json_object *entry = json_object_new_array();
        json_object_array_add(entry, ll_json_string(label(inference, i, scratch)));
        json_object_array_add(entry, ll_json_number((double)inference->top[i].value));
        json_object_array_add(top, entry);
    }
    json_object_object_add(object, "top", top);
    if (inference->detect.boxes) {
        json_object_object_add(object, "boxes", boxes_to_json(inference));
    }
    if (inference->not_finite > 0) {
        json_object_object_add(object, "not_finite", json_object_new_int64(inference->not_finite));
    }
    return object;
}

/* Writes the object, which it takes, as a line. */
static ll_status write_json(struct inference *inference, struct json_object *object,
                            struct ll_error *err)
{
    int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
    const char *text = json_object_to_json_string_ext(object, flags);
    ll_status status = text ? LL_OK : ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    if (text) {
        ll_output_write(&inference->json, text, strlen(text));
        ll_output_write(&inference->json, "\n", 1);
    }
    json_object_put(object);
    return status;
}

/* A network that has not answered must not look as if it had. */
static void warn_not_finite(const struct inference *inference)
{
    if (inference->not_finite > 0) {
        ll_log(LL_LOG_WARN, "infer", "%s%s%lld of %lld output values are NaN or infinite",
               inference->name ? inference->name : "", inference->name ? ": " : "",
               (long long)inference->not_finite, (long long)inference->floats);
    }
}

static bool prints_text(const struct inference *inference)
{
    const char *json = inference->options->model.json;
    return !json || strcmp(json, "-") != 0;
}

static ll_status report(struct inference *inference, struct ll_error *err)
{
    ll_status status = LL_OK;
    warn_not_finite(inference);
    if (prints_text(inference)) {
        if (inference->name) {
            ll_text_print(stdout, inference->name);
            printf(":\n");
        }
        if (inference->detect.boxes) {
            print_boxes(inference);
        } else {
            print_top(inference);
        }
    }
    if (inference->json.file) {
        status = write_json(inference, to_json(inference), err);
    }
    if (inference->raw.file) {
        ll_output_write(&inference->raw, inference->values,
                        (size_t)inference->floats * sizeof(float));
    }
    return status == LL_OK ? cli_detect_draw(&inference->detect, inference->values, err) : status;
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
        cli_detect_check_names(&inference->detect, &inference->file.network->table,
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
    if (!inference->json.file) {
        return LL_OK;
    }
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "event", json_object_new_string("infer"));
    json_object_object_add(object, "image", ll_json_string(inference->name));
    json_object_object_add(object, "error", ll_json_string(err->text));
    return write_json(inference, object, err);
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
        status = allocate(inference, err);
    }
    if (status == LL_OK) {
        status = create(inference, err);
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

/* Also where --help ends the program. */
static void check_stdout(void)
{
    if (!ll_output_end_stdout("infer")) {
        _exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv)
{
    ll_output_keep_streams();
    atexit(check_stdout);
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
