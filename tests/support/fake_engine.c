/* Every layer is out[j] = sum over the tensors it reads of in[j mod its floats] / (2 + its place),
 * plus the blob's byte j mod its size and a sum over all of its bytes, both scaled below one. Sums
 * are taken at creation, so that a layer that was never created cannot answer. */
#include "tests/support/fake_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "engine/ll_engine_backend.h"

enum { MAX_CREATIONS = 1024, PATIENCE_S = 30 };

struct gate {
    bool is_held;
    int passes;
    int waiting;
    int done;
    int stopped;
    int failures;
    ll_status failure;
};

struct fake_engine {
    struct ll_engine base;
    struct ll_mutex mutex;
    struct ll_cond changed;
    /* Guarded by mutex. */
    struct gate gates[FAKE_STEPS] LL_GUARDED_BY(mutex);
    int alive LL_GUARDED_BY(mutex);
    int creation_count LL_GUARDED_BY(mutex);
    int creations[MAX_CREATIONS][2] LL_GUARDED_BY(mutex);
};

struct fake_network {
    struct ll_network base;
    struct fake_engine *engine;
};

struct fake_layer {
    struct ll_buf *blob;
    float sum;
};

struct fake_engine_model {
    struct ll_engine_model base;
    int64_t *warm_ns;
    struct fake_layer *layers;
};

static struct fake_engine *of(struct ll_engine *engine)
{
    return (struct fake_engine *)engine;
}

/* Waits at the gate; gives the status that the step is to end with. */
static ll_status enter(struct fake_engine *fake, enum fake_step step, struct ll_error *err)
{
    struct gate *gate = &fake->gates[step];
    ll_mutex_lock(&fake->mutex);
    gate->waiting++;
    ll_cond_broadcast(&fake->changed);
    while (gate->is_held && gate->passes == 0) {
        ll_cond_wait(&fake->changed, &fake->mutex, LL_CLOCK_NEVER);
    }
    gate->waiting--;
    if (gate->is_held) {
        gate->passes--;
    }
    ll_status status = LL_OK;
    if (gate->failures > 0) {
        gate->failures--;
        status = gate->failure;
    }
    ll_mutex_unlock(&fake->mutex);
    return status == LL_OK ? LL_OK : ll_fail(err, status, "made to fail");
}

/* The same for what can be stopped: whoever was told to stop at the gate does nothing behind it. */
static ll_status enter_unless(struct fake_engine *fake, enum fake_step step,
                              const atomic_bool *stop, struct ll_error *err)
{
    ll_status status = enter(fake, step, err);
    if (status == LL_OK && ll_engine_is_stopped(stop)) {
        status = ll_fail(err, LL_E_CANCELLED, "stopped");
        ll_mutex_lock(&fake->mutex);
        fake->gates[step].stopped++;
        ll_mutex_unlock(&fake->mutex);
    }
    return status;
}

static void leave(struct fake_engine *fake, enum fake_step step, int born)
{
    ll_mutex_lock(&fake->mutex);
    fake->gates[step].done++;
    fake->alive += born;
    ll_cond_broadcast(&fake->changed);
    ll_mutex_unlock(&fake->mutex);
}

static void bury(struct fake_engine *fake)
{
    ll_mutex_lock(&fake->mutex);
    fake->alive--;
    ll_mutex_unlock(&fake->mutex);
}

static void network_destroy(struct ll_network *network)
{
    bury(((struct fake_network *)network)->engine);
    ll_table_finish(&network->table);
    free(network);
}

/* The words of a layer line behind its two numbers. */
static ll_status parse_words(struct ll_layer *layer, char *words, int line, struct ll_error *err)
{
    bool reads = false;
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *end = NULL;
        long name = strtol(word, &end, 10);
        if (strcmp(word, "reads") == 0) {
            reads = true;
            layer->read_count = 0;
        } else if (strcmp(word, "joined") == 0) {
            layer->ends_group = false;
        } else if (strcmp(word, "heavy") == 0) {
            layer->flops = FAKE_HEAVY_FLOPS;
        } else if (strncmp(word, "exact=", 6) == 0) {
            layer->exact_bytes = strtoll(word + 6, NULL, 10);
        } else if (strncmp(word, "tail=", 5) == 0) {
            layer->exact_tail_bytes = strtoll(word + 5, NULL, 10);
        } else if (strcmp(word, "output") == 0) {
            layer->is_output = true;
        } else if (reads && *end == '\0' && layer->read_count < 8) {
            layer->reads[layer->read_count++] = (int)name;
        } else {
            return ll_fail(err, LL_E_INVALID, "line %d: \"%s\"", line, word);
        }
    }
    return LL_OK;
}

static ll_status parse_layer(struct ll_table *table, char *text, int line, struct ll_error *err)
{
    struct ll_layer *layer = &table->layers[table->layer_count];
    static const char head[] = "layer ";
    char *floats_end = text;
    char *words = text;
    long long floats = 0;
    long long bytes = 0;
    if (strncmp(text, head, sizeof(head) - 1) == 0) {
        floats = strtoll(text + sizeof(head) - 1, &floats_end, 10);
        bytes = strtoll(floats_end, &words, 10);
    }
    if (floats < 1 || words == floats_end) {
        return ll_fail(err, LL_E_INVALID, "line %d: \"%s\"", line, text);
    }
    *layer = (struct ll_layer){.type = "fake",
                               .line = line,
                               .out_floats = floats,
                               .blob_bytes = bytes,
                               .flops = floats,
                               .makes = table->layer_count,
                               .read_count = 1,
                               .ends_group = true};
    layer->reads = calloc(8, sizeof(int));
    if (!layer->reads) {
        return LL_E_NO_MEMORY;
    }
    layer->reads[0] = table->layer_count - 1;
    table->layer_count++;
    return parse_words(layer, words, line, err);
}

enum { MOST_SIZE = 1 << 20 };

/* The size at `*text`, which goes behind it and the space there; 0: none from 1 to MOST_SIZE. */
static int take_size(const char **text)
{
    char *end = NULL;
    long size = strtol(*text, &end, 10);
    bool is_size = size >= 1 && size <= MOST_SIZE && (*end == ' ' || *end == '\0');
    *text = *end == ' ' ? end + 1 : end;
    return is_size ? (int)size : 0;
}

/* "input C", "input C H" or "input C H W". */
static ll_status parse_input(struct ll_table *table, const char *text, struct ll_error *err)
{
    static const char head[] = "input ";
    bool is_input = strncmp(text, head, sizeof(head) - 1) == 0;
    const char *sizes = is_input ? text + sizeof(head) - 1 : "";
    table->in_c = take_size(&sizes);
    table->in_h = *sizes != '\0' ? take_size(&sizes) : 1;
    table->in_w = *sizes != '\0' ? take_size(&sizes) : 1;
    table->in_floats = (int64_t)table->in_c * table->in_h * table->in_w;
    if (table->in_floats < 1 || *sizes != '\0') {
        return ll_fail(err, LL_E_INVALID, "line 2: \"%s\"", text);
    }
    return LL_OK;
}

static ll_status parse_lines(struct ll_table *table, char *text, struct ll_error *err)
{
    int number = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        number++;
        if (number == 1) {
            if (strcmp(line, "fake") != 0) {
                return ll_fail(err, LL_E_INVALID, "line 1: not a fake network");
            }
        } else if (number == 2) {
            ll_status status = parse_input(table, line, err);
            if (status != LL_OK) {
                return status;
            }
        } else if (strcmp(line, "unsupported") == 0) {
            return ll_fail(err, LL_E_UNSUPPORTED, "line %d: unsupported", number);
        } else {
            ll_status status = parse_layer(table, line, number, err);
            if (status != LL_OK) {
                return status;
            }
        }
    }
    if (table->layer_count < 1) {
        return ll_fail(err, LL_E_INVALID, "no layers");
    }
    table->layers[table->layer_count - 1].is_output = true;
    return ll_table_seal(table, err);
}

static ll_status parse_network(struct fake_engine *fake, const char *cfg, size_t cfg_bytes,
                               struct ll_network **out_network, struct ll_error *err)
{
    int lines = 1;
    for (size_t i = 0; i < cfg_bytes; i++) {
        lines += cfg[i] == '\n';
    }
    if (memchr(cfg, '\0', cfg_bytes)) {
        return ll_fail(err, LL_E_INVALID, "a NUL byte");
    }
    char *text = strndup(cfg, cfg_bytes);
    struct fake_network *network = calloc(1, sizeof(*network));
    ll_status status =
        text && network ? ll_table_init(&network->base.table, lines + 1) : LL_E_NO_MEMORY;
    if (status == LL_OK) {
        network->base.table.layer_count = 0;
        status = parse_lines(&network->base.table, text, err);
        if (status != LL_OK) {
            ll_table_finish(&network->base.table);
        }
    }
    free(text);
    if (status != LL_OK) {
        free(network);
        return status;
    }
    atomic_init(&network->base.refs, 1);
    network->base.destroy = network_destroy;
    network->engine = fake;
    *out_network = &network->base;
    return LL_OK;
}

static ll_status engine_parse(struct ll_engine *engine, const char *cfg, size_t cfg_bytes,
                              struct ll_network **out_network, struct ll_error *err)
{
    ll_status status = enter(of(engine), FAKE_PARSE, err);
    if (status == LL_OK) {
        status = parse_network(of(engine), cfg, cfg_bytes, out_network, err);
    }
    leave(of(engine), FAKE_PARSE, status == LL_OK ? 1 : 0);
    return status;
}

static ll_status model_create(struct ll_engine *engine, struct ll_network *network,
                              struct ll_engine_model **out_model, struct ll_error *err)
{
    ll_status status = enter(of(engine), FAKE_MODEL, err);
    struct fake_engine_model *model = NULL;
    if (status == LL_OK) {
        model = calloc(1, sizeof(*model));
        struct fake_layer *layers =
            calloc((size_t)network->table.layer_count, sizeof(struct fake_layer));
        int64_t *warm_ns = calloc((size_t)network->table.layer_count, sizeof(*warm_ns));
        if (model && layers && warm_ns) {
            model->base.engine = engine;
            model->base.network = ll_network_ref(network);
            model->base.warm_ns = warm_ns;
            model->warm_ns = warm_ns;
            model->layers = layers;
            *out_model = &model->base;
        } else {
            free(model);
            free(layers);
            free(warm_ns);
            status = LL_E_NO_MEMORY;
        }
    }
    leave(of(engine), FAKE_MODEL, status == LL_OK ? 1 : 0);
    return status;
}

static void extend(struct fake_engine_model *model, int end, struct ll_buf *const *blobs)
{
    struct fake_engine *fake = of(model->base.engine);
    int first = model->base.prefix;
    const struct ll_table *table = &model->base.network->table;
    for (int i = first; i < end; i++) {
        struct ll_buf *blob = blobs[i - first];
        model->warm_ns[i] = table->layers[i].ends_group ? FAKE_WARM_NS * (i + 1) : 0;
        if (!blob) {
            continue;
        }
        const unsigned char *bytes = ll_buf_data(blob);
        unsigned sum = 0;
        for (size_t b = 0; b < ll_buf_bytes(blob); b++) {
            sum = sum * 31 + bytes[b];
        }
        model->layers[i].blob = ll_buf_ref(blob);
        model->layers[i].sum = (float)(sum % 1024) / 1024.0F;
    }
    ll_mutex_lock(&fake->mutex);
    model->base.prefix = end;
    if (fake->creation_count < MAX_CREATIONS) {
        fake->creations[fake->creation_count][0] = first;
        fake->creations[fake->creation_count][1] = end;
        fake->creation_count++;
    }
    ll_mutex_unlock(&fake->mutex);
}

static ll_status model_extend(struct ll_engine_model *base, int end, struct ll_buf *const *blobs,
                              struct ll_error *err)
{
    struct fake_engine *fake = of(base->engine);
    ll_status status = enter_unless(fake, FAKE_CREATION, base->stop, err);
    const struct ll_table *table = &base->network->table;
    int64_t bytes = 0;
    for (int i = base->prefix; i < end; i++) {
        bytes += table->layers[i].blob_bytes;
    }
    if (status == LL_OK) {
        status = ll_engine_model_take(base, bytes, err);
    }
    if (status == LL_OK) {
        extend((struct fake_engine_model *)base, end, blobs);
    }
    leave(fake, FAKE_CREATION, 0);
    return status;
}

static void model_destroy(struct ll_engine_model *base)
{
    struct fake_engine_model *model = (struct fake_engine_model *)base;
    for (int i = 0; i < base->network->table.layer_count; i++) {
        ll_buf_unref(model->layers[i].blob);
    }
    free(model->layers);
    free(model->warm_ns);
    ll_engine_model_give(base, atomic_load(&base->bytes));
    bury(of(base->engine));
    ll_network_unref(base->network);
    free(model);
}

static ll_status context_create(struct ll_engine_model *model,
                                struct ll_engine_context **out_context, struct ll_error *err)
{
    struct fake_engine *fake = of(model->engine);
    ll_status status = enter(fake, FAKE_CONTEXT, err);
    if (status == LL_OK) {
        struct ll_engine_context *context = calloc(1, sizeof(*context));
        if (context) {
            context->model = model;
            *out_context = context;
        } else {
            status = LL_E_NO_MEMORY;
        }
    }
    leave(fake, FAKE_CONTEXT, status == LL_OK ? 1 : 0);
    return status;
}

static void context_destroy(struct ll_engine_context *context)
{
    ll_engine_context_give(context, context->bytes);
    bury(of(context->model->engine));
    free(context);
}

static ll_status run_layer(struct fake_engine_model *model, const struct ll_run *run, float **made,
                           int index)
{
    const struct ll_table *table = &model->base.network->table;
    const struct ll_layer *layer = &table->layers[index];
    const struct fake_layer *created = &model->layers[index];
    float *out = calloc((size_t)layer->out_floats, sizeof(float));
    if (!out) {
        return LL_E_NO_MEMORY;
    }
    made[index - run->first] = out;
    for (int r = 0; r < layer->read_count; r++) {
        int name = layer->reads[r];
        int64_t floats = ll_table_tensor_floats(table, name);
        const float *in =
            name < run->first ? ll_run_find_input(run, name)->data : made[name - run->first];
        for (int64_t j = 0; j < layer->out_floats; j++) {
            out[j] += in[j % floats] / (float)(2 + r);
        }
    }
    for (int64_t j = 0; created->blob && j < layer->out_floats; j++) {
        const unsigned char *bytes = ll_buf_data(created->blob);
        out[j] += created->sum + (float)bytes[(size_t)j % ll_buf_bytes(created->blob)] / 256.0F;
    }
    if (run->layer_ns) {
        run->layer_ns[index - run->first] = 1000 + index;
    }
    return LL_OK;
}

static ll_status run_range(struct fake_engine_model *model, const struct ll_run *run)
{
    float **made = calloc((size_t)(run->end - run->first), sizeof(*made));
    ll_status status = made ? LL_OK : LL_E_NO_MEMORY;
    for (int i = run->first; status == LL_OK && i < run->end; i++) {
        status = run_layer(model, run, made, i);
    }
    for (int i = 0; status == LL_OK && i < run->output_count; i++) {
        const struct ll_tensor_out *out = &run->outputs[i];
        memcpy(out->data, made[out->name - run->first], (size_t)out->floats * sizeof(float));
    }
    for (int i = 0; made && i < run->end - run->first; i++) {
        free(made[i]);
    }
    free(made);
    return status;
}

/* A context takes as much as the range that needs most makes. */
static ll_status grow(struct ll_engine_context *context, const struct ll_run *run,
                      struct ll_error *err)
{
    int64_t bytes = 0;
    for (int i = run->first; i < run->end; i++) {
        bytes += context->model->network->table.layers[i].out_floats * (int64_t)sizeof(float);
    }
    int64_t more_bytes = bytes - context->bytes;
    return more_bytes > 0 ? ll_engine_context_take(context, more_bytes, err) : LL_OK;
}

static ll_status context_run(struct ll_engine_context *context, const struct ll_run *run,
                             struct ll_error *err)
{
    struct fake_engine *fake = of(context->model->engine);
    ll_status status = enter_unless(fake, FAKE_RUN, run->stop, err);
    if (status == LL_OK) {
        status = grow(context, run, err);
    }
    if (status == LL_OK) {
        status = run_range((struct fake_engine_model *)context->model, run);
    }
    leave(fake, FAKE_RUN, 0);
    return status;
}

static void engine_destroy(struct ll_engine *engine)
{
    struct fake_engine *fake = of(engine);
    ll_mutex_finish(&fake->mutex);
    ll_cond_finish(&fake->changed);
    free(fake);
}

struct ll_engine *fake_engine_create(void)
{
    static const struct ll_engine_ops ops = {
        .model_create = model_create,
        .model_extend = model_extend,
        .model_destroy = model_destroy,
        .context_create = context_create,
        .context_destroy = context_destroy,
        .run = context_run,
        .destroy = engine_destroy,
    };
    struct fake_engine *fake = calloc(1, sizeof(*fake));
    if (!fake) {
        return NULL;
    }
    fake->base = (struct ll_engine){.ops = &ops,
                                    .parse = engine_parse,
                                    .name = "fake",
                                    .instruction_set = "none",
                                    .threads = 1};
    ll_mutex_init(&fake->mutex);
    ll_cond_init(&fake->changed);
    return &fake->base;
}

void fake_engine_hold(struct ll_engine *engine, enum fake_step step)
{
    struct fake_engine *fake = of(engine);
    ll_mutex_lock(&fake->mutex);
    fake->gates[step].is_held = true;
    fake->gates[step].passes = 0;
    ll_mutex_unlock(&fake->mutex);
}

void fake_engine_pass(struct ll_engine *engine, enum fake_step step, int count)
{
    struct fake_engine *fake = of(engine);
    ll_mutex_lock(&fake->mutex);
    fake->gates[step].passes += count;
    ll_cond_broadcast(&fake->changed);
    ll_mutex_unlock(&fake->mutex);
}

void fake_engine_release(struct ll_engine *engine, enum fake_step step)
{
    struct fake_engine *fake = of(engine);
    ll_mutex_lock(&fake->mutex);
    fake->gates[step].is_held = false;
    ll_cond_broadcast(&fake->changed);
    ll_mutex_unlock(&fake->mutex);
}

static bool await(struct fake_engine *fake, const int *counter, int count)
{
    int64_t deadline_ns = ll_clock_deadline(ll_clock_now_ns(), PATIENCE_S * LL_NS_PER_S);
    ll_mutex_lock(&fake->mutex);
    bool in_time = true;
    while (*counter < count && in_time) {
        in_time = ll_cond_wait(&fake->changed, &fake->mutex, deadline_ns);
    }
    bool reached = *counter >= count;
    ll_mutex_unlock(&fake->mutex);
    return reached;
}

bool fake_engine_await_held(struct ll_engine *engine, enum fake_step step, int count)
{
    return await(of(engine), &of(engine)->gates[step].waiting, count);
}

bool fake_engine_await_done(struct ll_engine *engine, enum fake_step step, int count)
{
    return await(of(engine), &of(engine)->gates[step].done, count);
}

void fake_engine_fail(struct ll_engine *engine, enum fake_step step, int count, ll_status status)
{
    struct fake_engine *fake = of(engine);
    ll_mutex_lock(&fake->mutex);
    fake->gates[step].failures = count;
    fake->gates[step].failure = status;
    ll_mutex_unlock(&fake->mutex);
}

int fake_engine_done(struct ll_engine *engine, enum fake_step step)
{
    struct fake_engine *fake = of(engine);
    ll_mutex_lock(&fake->mutex);
    int done = fake->gates[step].done;
    ll_mutex_unlock(&fake->mutex);
    return done;
}

int fake_engine_stopped(struct ll_engine *engine, enum fake_step step)
{
    struct fake_engine *fake = of(engine);
    ll_mutex_lock(&fake->mutex);
    int stopped = fake->gates[step].stopped;
    ll_mutex_unlock(&fake->mutex);
    return stopped;
}

bool fake_engine_creation(struct ll_engine *engine, int n, int *out_first, int *out_end)
{
    struct fake_engine *fake = of(engine);
    ll_mutex_lock(&fake->mutex);
    bool exists = n >= 0 && n < fake->creation_count;
    if (exists) {
        *out_first = fake->creations[n][0];
        *out_end = fake->creations[n][1];
    }
    ll_mutex_unlock(&fake->mutex);
    return exists;
}

int fake_engine_alive(struct ll_engine *engine)
{
    struct fake_engine *fake = of(engine);
    ll_mutex_lock(&fake->mutex);
    int alive = fake->alive;
    ll_mutex_unlock(&fake->mutex);
    return alive;
}
