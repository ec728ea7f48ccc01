#include "engine/onednn/onednn_step.h"

#include <math.h>
#include <string.h>

#include "engine/onednn/onednn_layout.h"

const float *onednn_weights(const struct onednn_creation *creation, int index)
{
    const struct ll_layer *row = &creation->model->base.network->table.layers[index];
    return row->blob_bytes > 0 ? ll_buf_data(creation->blobs[index - creation->first]) : NULL;
}

static ll_status status_of(dnnl_status_t status)
{
    switch (status) {
    case dnnl_success:
        return LL_OK;
    case dnnl_out_of_memory:
        return LL_E_NO_MEMORY;
    default:
        return LL_E_UNSUPPORTED;
    }
}

static dnnl_status_t set_attributes(dnnl_primitive_attr_t attr,
                                    const struct onednn_attributes *attributes)
{
    dnnl_status_t status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && attributes->post_ops) {
        status = dnnl_primitive_attr_set_post_ops(attr, attributes->post_ops);
    }
    static const int arguments[] = {DNNL_ARG_SRC_0, DNNL_ARG_SRC_1};
    for (int i = 0; status == dnnl_success && i < 2; i++) {
        if (attributes->scales[i] != 1) {
            status =
                dnnl_primitive_attr_set_scales(attr, arguments[i], 1, 0, &attributes->scales[i]);
        }
    }
    return status;
}

/* oneDNN's reference implementations are slower than Darknet by far. */
static bool is_reference(dnnl_primitive_desc_t pd)
{
    const char *name = NULL;
    return dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name) !=
               dnnl_success ||
           strncmp(name, "ref", strlen("ref")) == 0;
}

ll_status onednn_choose(const struct onednn_engine *engine, const void *operation,
                        const struct onednn_attributes *attributes, dnnl_primitive_desc_t *out_pd)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(&attr);
    if (status == dnnl_success) {
        status = set_attributes(attr, attributes);
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_desc_create(&pd, operation, attr, engine->dnnl, NULL);
    }
    dnnl_primitive_attr_destroy(attr);
    if (status != dnnl_success) {
        return status_of(status);
    }
    if (is_reference(pd)) {
        dnnl_primitive_desc_destroy(pd);
        return LL_E_UNSUPPORTED;
    }
    *out_pd = pd;
    return LL_OK;
}

ll_status onednn_step_set(struct onednn_step *step, dnnl_primitive_desc_t pd)
{
    const dnnl_memory_desc_t *scratchpad =
        dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    if (!scratchpad) {
        return LL_E_UNSUPPORTED;
    }
    step->kind = ONEDNN_PRIMITIVE;
    step->scratchpad_md = *scratchpad;
    size_t bytes = dnnl_memory_desc_get_size(scratchpad);
    step->scratchpad_floats = (int64_t)((bytes + sizeof(float) - 1) / sizeof(float));
    return status_of(dnnl_primitive_create(&step->primitive, pd));
}

ll_status onednn_step_choose(struct onednn_creation *creation, int index, const void *operation,
                             const struct onednn_attributes *attributes)
{
    static const struct onednn_attributes none = {NULL, {1, 1}};
    dnnl_primitive_desc_t pd = NULL;
    ll_status status =
        onednn_choose(creation->model->engine, operation, attributes ? attributes : &none, &pd);
    if (status == LL_OK) {
        status = onednn_step_set(&creation->model->steps[index], pd);
        dnnl_primitive_desc_destroy(pd);
    }
    return status;
}

dnnl_memory_desc_t onednn_flat(dnnl_data_type_t type, int64_t rows, int64_t n)
{
    dnnl_dims_t dims = {rows, n};
    dnnl_memory_desc_t md;
    memset(&md, 0, sizeof(md));
    (void)dnnl_memory_desc_init_by_tag(&md, 2, dims, type, dnnl_ab);
    return md;
}

void onednn_step_reads(const struct onednn_model *model, struct onednn_step *step, int name,
                       int argument, enum onednn_form form)
{
    step->sources[step->source_count++] = (struct onednn_source){
        .name = name,
        .argument = argument,
        .form = form,
        .md = onednn_describe(model->engine, onednn_layout_of(model, name), form),
    };
}

void onednn_step_writes(const struct onednn_model *model, struct onednn_step *step, int index,
                        enum onednn_form form)
{
    step->out_form = form;
    step->out_md = onednn_describe(model->engine, onednn_layout_of(model, index), form);
}

/* oneDNN's objects have no const; arguments that a primitive reads are not written. */
static void *as_onednn_has_it(const float *data)
{
    return (void *)data;
}

ll_status onednn_step_borrow(struct onednn_creation *creation, struct onednn_step *step,
                             int argument, const dnnl_memory_desc_t *md, const float *data)
{
    struct onednn_constant *constant = &step->constants[step->constant_count];
    dnnl_status_t status = dnnl_memory_create(&constant->memory, md, creation->model->engine->dnnl,
                                              as_onednn_has_it(data));
    if (status != dnnl_success) {
        constant->memory = NULL;
        return status_of(status);
    }
    constant->argument = argument;
    step->constant_count++;
    return LL_OK;
}

ll_status onednn_step_constant(struct onednn_creation *creation, struct onednn_step *step,
                               int argument, const dnnl_memory_desc_t *md, void **out_data)
{
    void *data = NULL;
    ll_status status = onednn_memory_take(&creation->model->memory, dnnl_memory_desc_get_size(md),
                                          &data, creation->err);
    if (status == LL_OK) {
        status = onednn_step_borrow(creation, step, argument, md, data);
    }
    if (status == LL_OK) {
        *out_data = data;
    }
    return status;
}

ll_status onednn_step_floats(struct onednn_creation *creation, struct onednn_step *step,
                             int argument, const dnnl_memory_desc_t *md, float **out_data)
{
    void *data = NULL;
    ll_status status = onednn_step_constant(creation, step, argument, md, &data);
    if (status == LL_OK) {
        *out_data = data;
    }
    return status;
}

void onednn_step_finish(struct onednn_step *step)
{
    dnnl_primitive_destroy(step->primitive);
    for (int i = 0; i < step->constant_count; i++) {
        dnnl_memory_destroy(step->constants[i].memory);
    }
    ll_buf_unref(step->blob);
    *step = (struct onednn_step){0};
}

bool onednn_activation(ll_activation activation,
                       struct onednn_eltwise out_functions[ONEDNN_ELTWISES], int *out_count)
{
    static const struct {
        ll_activation activation;
        int count;
        struct onednn_eltwise functions[ONEDNN_ELTWISES];
    } known[] = {
        {LL_ACTIVATION_LINEAR, 0, {{0}}},
        {LL_ACTIVATION_LOGISTIC, 1, {{dnnl_eltwise_logistic, 0, 0}}},
        {LL_ACTIVATION_LOGGY, 2, {{dnnl_eltwise_logistic, 0, 0}, {dnnl_eltwise_linear, 2, -1}}},
        {LL_ACTIVATION_RELU, 1, {{dnnl_eltwise_relu, 0, 0}}},
        {LL_ACTIVATION_ELU, 1, {{dnnl_eltwise_elu, 1, 0}}},
        {LL_ACTIVATION_SELU,
         2,
         {{dnnl_eltwise_elu, 1.6732F, 0}, {dnnl_eltwise_linear, 1.0507F, 0}}},
        {LL_ACTIVATION_RELIE, 1, {{dnnl_eltwise_relu, .01F, 0}}},
        {LL_ACTIVATION_RAMP,
         2,
         {{dnnl_eltwise_relu, .1F / 1.1F, 0}, {dnnl_eltwise_linear, 1.1F, 0}}},
        {LL_ACTIVATION_LEAKY, 1, {{dnnl_eltwise_relu, .1F, 0}}},
        {LL_ACTIVATION_TANH, 1, {{dnnl_eltwise_tanh, 0, 0}}},
        {LL_ACTIVATION_HARDTAN, 1, {{dnnl_eltwise_clip, -1, 1}}},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].activation == activation) {
            memcpy(out_functions, known[i].functions, sizeof(known[i].functions));
            *out_count = known[i].count;
            return true;
        }
    }
    return false;
}

ll_status onednn_fuse_activation(dnnl_post_ops_t post_ops, ll_activation activation)
{
    struct onednn_eltwise functions[ONEDNN_ELTWISES];
    int count = 0;
    if (!onednn_activation(activation, functions, &count)) {
        return LL_E_UNSUPPORTED;
    }
    for (int i = 0; i < count; i++) {
        dnnl_status_t status = dnnl_post_ops_append_eltwise(post_ops, 1, functions[i].kind,
                                                            functions[i].alpha, functions[i].beta);
        if (status != dnnl_success) {
            return status_of(status);
        }
    }
    return LL_OK;
}

void onednn_fold(const struct ll_layer_params *layer, const float *blob, int channels,
                 double *factor, double *shift)
{
    /* normalize_cpu divides by sqrt(variance) + .000001f, in double precision. */
    const double epsilon = .000001F;
    const float *scales = layer->nscales > 0 ? blob + layer->scales_at : NULL;
    const float *biases = layer->nbiases > 0 ? blob : NULL;
    bool normalizes = layer->batch_normalize || layer->kind == LL_KIND_BATCHNORM;
    for (int c = 0; c < channels; c++) {
        double scale = scales ? scales[c] : 1;
        double mean = scales ? scales[layer->nscales + (size_t)c] : 0;
        double variance = scales ? scales[2 * layer->nscales + (size_t)c] : 0;
        double bias = biases ? biases[c] : 0;
        factor[c] = normalizes ? scale / (sqrt(variance) + epsilon) : 1;
        shift[c] = normalizes ? bias - mean * factor[c] : bias;
    }
}
