#include "device/query/device_local.h"

#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"

struct device_local {
    struct ll_engine_model *model;
    struct ll_engine_context *context;
    double slowdown;
    /* There is one compute thread: the processor time of a run's thread is the run's. */
    bool counts_cpu;
    /* May be NULL; `layer_ns` has room for all layers then. */
    struct device_layer_times *times;
    int64_t *layer_ns;
    /* Guards what is below. */
    struct ll_mutex lock;
    struct ll_cond interrupted;
    bool is_interrupted LL_GUARDED_BY(lock);
};

ll_status device_local_create(const struct device_local_config *config,
                              struct device_local **out_local, struct ll_error *err)
{
    struct device_local *local = calloc(1, sizeof(*local));
    if (!local) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    local->slowdown = config->slowdown;
    local->counts_cpu = ll_engine_threads(config->engine) == 1;
    local->times = config->times;
    ll_mutex_init(&local->lock);
    ll_cond_init(&local->interrupted);
    ll_status status = LL_OK;
    if (local->times) {
        size_t layers = (size_t)config->network->table.layer_count;
        local->layer_ns = calloc(layers, sizeof(*local->layer_ns));
        status = local->layer_ns ? LL_OK : ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    if (status == LL_OK) {
        status = ll_engine_model_create(config->engine, config->network, &local->model, err);
    }
    if (status == LL_OK) {
        status = ll_engine_model_extend(local->model, config->network->table.layer_count,
                                        config->blobs, err);
    }
    if (status == LL_OK) {
        status = ll_engine_context_create(local->model, &local->context, err);
    }
    if (status == LL_OK && local->times && ll_engine_model_warm_ns(local->model)) {
        device_layer_times_warm(local->times, ll_engine_model_warm_ns(local->model));
    }
    if (status != LL_OK) {
        device_local_destroy(local);
        return status;
    }
    *out_local = local;
    return LL_OK;
}

void device_local_destroy(struct device_local *local)
{
    if (!local) {
        return;
    }
    ll_engine_context_destroy(local->context);
    ll_engine_model_destroy(local->model);
    ll_cond_finish(&local->interrupted);
    ll_mutex_finish(&local->lock);
    free(local->layer_ns);
    free(local);
}

/* The run's two lists, from the set and from fresh memory. */
struct local_lists {
    struct ll_names in_names;
    struct ll_names out_names;
    struct ll_tensor_in *inputs;
    struct ll_tensor_out *outputs;
    struct ll_buf **out_bufs;
};

static void lists_finish(struct local_lists *lists)
{
    for (int i = 0; lists->out_bufs && i < lists->out_names.count; i++) {
        ll_buf_unref(lists->out_bufs[i]);
    }
    free(lists->inputs);
    free(lists->outputs);
    free(lists->out_bufs);
    ll_names_finish(&lists->in_names);
    ll_names_finish(&lists->out_names);
}

static ll_status lists_inputs(struct local_lists *lists, const struct device_tensors *tensors,
                              struct ll_error *err)
{
    for (int i = 0; i < lists->in_names.count; i++) {
        int name = lists->in_names.names[i];
        struct ll_buf *buf = device_tensors_get(tensors, name);
        if (!buf) {
            return ll_fail(err, LL_E_INVALID, "tensor %d is not held", name);
        }
        lists->inputs[i] = (struct ll_tensor_in){
            .name = name,
            .floats = (int64_t)(ll_buf_bytes(buf) / sizeof(float)),
            .data = ll_buf_data(buf),
        };
    }
    return LL_OK;
}

static ll_status lists_outputs(struct local_lists *lists, const struct ll_table *table,
                               struct ll_error *err)
{
    for (int i = 0; i < lists->out_names.count; i++) {
        int name = lists->out_names.names[i];
        int64_t floats = ll_table_tensor_floats(table, name);
        ll_status status = ll_buf_create((size_t)floats * sizeof(float), &lists->out_bufs[i]);
        if (status != LL_OK) {
            return ll_fail(err, status, "out of memory for tensor %d", name);
        }
        lists->outputs[i] = (struct ll_tensor_out){
            .name = name, .floats = floats, .data = ll_buf_writable(lists->out_bufs[i])};
    }
    return LL_OK;
}

static ll_status lists_init(struct local_lists *lists, int first, int end,
                            const struct device_tensors *tensors, struct ll_error *err)
{
    ll_status status = ll_table_inputs(tensors->table, first, end, &lists->in_names);
    if (status == LL_OK) {
        status = ll_table_outputs(tensors->table, first, end, &lists->out_names);
    }
    if (status == LL_OK) {
        lists->inputs = calloc((size_t)lists->in_names.count + 1, sizeof(*lists->inputs));
        lists->outputs = calloc((size_t)lists->out_names.count + 1, sizeof(*lists->outputs));
        lists->out_bufs = calloc((size_t)lists->out_names.count + 1, sizeof(struct ll_buf *));
        if (!lists->inputs || !lists->outputs || !lists->out_bufs) {
            status = LL_E_NO_MEMORY;
        }
    }
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    status = lists_inputs(lists, tensors, err);
    return status == LL_OK ? lists_outputs(lists, tensors->table, err) : status;
}

/* A moment, on the clock and in processor time of the thread. */
struct local_moment {
    int64_t at_ns;
    int64_t cpu_ns;
};

static struct local_moment moment_now(void)
{
    return (struct local_moment){.at_ns = ll_clock_now_ns(), .cpu_ns = ll_clock_thread_cpu_ns()};
}

ll_status device_local_run(struct device_local *local, int first, int end,
                           struct device_tensors *tensors, int64_t *time_ns, struct ll_error *err)
{
    if (first == end) {
        return LL_OK;
    }
    struct local_moment start = moment_now();
    struct local_lists lists = {0};
    ll_status status = lists_init(&lists, first, end, tensors, err);
    if (status == LL_OK) {
        ll_thread_flush_denormals();
        struct ll_run run = {
            .first = first,
            .end = end,
            .inputs = lists.inputs,
            .input_count = lists.in_names.count,
            .outputs = lists.outputs,
            .output_count = lists.out_names.count,
            .layer_ns = local->layer_ns,
        };
        status = ll_engine_run(local->context, &run, err);
    }
    if (status == LL_OK) {
        if (local->times) {
            device_layer_times_add(local->times, first, end, local->layer_ns);
        }
        for (int i = 0; i < lists.out_names.count; i++) {
            device_tensors_put(tensors, lists.out_names.names[i], lists.out_bufs[i]);
        }
        if (local->slowdown > 1) {
            /* Where processor time counts, it is what is made longer: an edge on the same machine
             * takes processors from this thread now and then, and such a pause is not the device's.
             */
            struct local_moment now = moment_now();
            int64_t own_ns =
                local->counts_cpu ? now.cpu_ns - start.cpu_ns : now.at_ns - start.at_ns;
            double slowed_ns = (double)start.at_ns + (double)own_ns * local->slowdown;
            int64_t until_ns = slowed_ns < (double)INT64_MAX ? (int64_t)slowed_ns : LL_CLOCK_NEVER;
            ll_mutex_lock(&local->lock);
            while (!local->is_interrupted && ll_clock_now_ns() < until_ns) {
                ll_cond_wait(&local->interrupted, &local->lock, until_ns);
            }
            ll_mutex_unlock(&local->lock);
        }
        *time_ns += ll_clock_now_ns() - start.at_ns;
    }
    lists_finish(&lists);
    return status;
}

void device_local_interrupt(struct device_local *local)
{
    ll_mutex_lock(&local->lock);
    local->is_interrupted = true;
    ll_cond_broadcast(&local->interrupted);
    ll_mutex_unlock(&local->lock);
}
