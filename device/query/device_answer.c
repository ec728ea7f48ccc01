#include "device/query/device_answer.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/wire/wire_tensor.h"

void device_answer_init(struct device_answer *answer, const struct ll_table *table, int first,
                        int end, int least, ll_dtype dtype)
{
    *answer = (struct device_answer){
        .table = table, .first = first, .end = end, .least = least, .dtype = dtype};
}

void device_answer_finish(struct device_answer *answer)
{
    for (int i = 0; answer->bufs && i < answer->names.count; i++) {
        ll_buf_unref(answer->bufs[i]);
    }
    free(answer->bufs);
    free(answer->forms);
    free(answer->received);
    ll_names_finish(&answer->names);
    answer->bufs = NULL;
    answer->forms = NULL;
    answer->received = NULL;
}

static int index_of(const struct device_answer *answer, int name)
{
    for (int i = 0; i < answer->names.count; i++) {
        if (answer->names.names[i] == name) {
            return i;
        }
    }
    return -1;
}

static ll_status check_range(const struct device_answer *answer,
                             const Layerlift__V1__Answer *message, struct ll_error *err)
{
    uint32_t layers = (uint32_t)answer->table->layer_count;
    if (message->reached < (uint32_t)answer->first || message->reached > (uint32_t)answer->end) {
        return ll_fail(err, LL_E_INVALID, "reached layer %u, asked for [%d, %d)", message->reached,
                       answer->first, answer->end);
    }
    if (message->reached < (uint32_t)answer->least) {
        return ll_fail(err, LL_E_INVALID, "reached layer %u, asked for %d at least",
                       message->reached, answer->least);
    }
    if (!ll_table_is_legal_cut(answer->table, (int)message->reached)) {
        return ll_fail(err, LL_E_INVALID, "reached layer %u, which is not a legal cut",
                       message->reached);
    }
    if (message->prefix > layers) {
        return ll_fail(err, LL_E_INVALID, "prefix %u of %u layers", message->prefix, layers);
    }
    return LL_OK;
}

/* What is no draft's has the model's own weights, whatever `exact_reached` is. */
static ll_status take_precision(struct device_answer *answer, const Layerlift__V1__Answer *message,
                                struct ll_error *err)
{
    answer->is_draft = message->precision == LAYERLIFT__V1__PRECISION__PRECISION_DRAFT;
    answer->exact_reached = (int)message->reached;
    if (!answer->is_draft && message->precision != LAYERLIFT__V1__PRECISION__PRECISION_EXACT) {
        return ll_fail(err, LL_E_INVALID, "precision %d is not known", (int)message->precision);
    }
    if (!answer->is_draft) {
        return LL_OK;
    }
    if (!answer->takes_draft) {
        return ll_fail(err, LL_E_INVALID, "a draft's answer was not asked for");
    }
    if (message->exact_reached < (uint32_t)answer->first ||
        message->exact_reached >= message->reached ||
        !ll_table_is_legal_cut(answer->table, (int)message->exact_reached)) {
        return ll_fail(err, LL_E_INVALID, "from layer %d exact up to %u, and a draft's up to %u",
                       answer->first, message->exact_reached, message->reached);
    }
    answer->exact_reached = (int)message->exact_reached;
    return LL_OK;
}

/* Floats, or what was asked for, but not for the network's outputs. */
static bool may_be(const struct device_answer *answer, int name, ll_dtype dtype)
{
    return dtype == LL_F32 || (dtype == answer->dtype && !answer->table->layers[name].is_output);
}

static bool is_plain(const struct wire_form *form)
{
    return form->coding == LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLAIN;
}

/* One head: its tensor is one of the expected ones, of the right size, and comes the first time. */
static ll_status take_tensor(struct device_answer *answer, const Layerlift__V1__Tensor *tensor,
                             struct ll_error *err)
{
    int index = index_of(answer, tensor->name);
    if (index < 0 || answer->bufs[index]) {
        return ll_fail(err, LL_E_INVALID, "tensor %d %s", tensor->name,
                       index < 0 ? "was not asked for" : "comes twice");
    }
    int64_t floats = ll_table_tensor_floats(answer->table, tensor->name);
    struct wire_form *form = &answer->forms[index];
    ll_status status = wire_tensor_check(tensor, floats, form, err);
    if (status != LL_OK) {
        return status;
    }
    if (!may_be(answer, tensor->name, form->dtype)) {
        return ll_fail(err, LL_E_INVALID, "tensor %d: dtype %d was not asked for", tensor->name,
                       (int)tensor->dtype);
    }
    if (!is_plain(form) && !answer->may_be_coded) {
        return ll_fail(err, LL_E_INVALID, "tensor %d: coding %d was not asked for", tensor->name,
                       (int)tensor->coding);
    }
    status = ll_buf_create((size_t)wire_form_room(form, floats), &answer->bufs[index]);
    return status == LL_OK ? LL_OK : ll_fail(err, status, "out of memory");
}

static int64_t clamp_ns(uint64_t ns)
{
    return ns > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)ns;
}

ll_status device_answer_head(struct device_answer *answer, const Layerlift__V1__Answer *message,
                             struct ll_error *err)
{
    if (answer->has_head) {
        return ll_fail(err, LL_E_INVALID, "a second answer");
    }
    ll_status status = check_range(answer, message, err);
    if (status == LL_OK) {
        status = take_precision(answer, message, err);
    }
    if (status != LL_OK) {
        return status;
    }
    int reached = (int)message->reached;
    if (ll_table_outputs(answer->table, answer->first, reached, &answer->names) != LL_OK) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    answer->bufs = calloc((size_t)answer->names.count + 1, sizeof(struct ll_buf *));
    answer->forms = calloc((size_t)answer->names.count + 1, sizeof(*answer->forms));
    answer->received = calloc((size_t)answer->names.count + 1, sizeof(*answer->received));
    if (!answer->bufs || !answer->forms || !answer->received) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    if (message->n_tensors != (size_t)answer->names.count) {
        return ll_fail(err, LL_E_INVALID, "%zu tensors for layers [%d, %d), expected %d",
                       message->n_tensors, answer->first, reached, answer->names.count);
    }
    for (size_t i = 0; i < message->n_tensors; i++) {
        status = take_tensor(answer, message->tensors[i], err);
        if (status != LL_OK) {
            return status;
        }
    }
    answer->reached = reached;
    answer->prefix = (int)message->prefix;
    answer->queued_ns = clamp_ns(message->queued_ns);
    answer->waited_ns = clamp_ns(message->waited_ns);
    answer->computed_ns = clamp_ns(message->computed_ns);
    answer->coding_ns = clamp_ns(message->coding_ns);
    answer->coding_ns =
        answer->coding_ns < answer->computed_ns ? answer->coding_ns : answer->computed_ns;
    answer->has_head = true;
    return LL_OK;
}

ll_status device_answer_chunk(struct device_answer *answer, const Layerlift__V1__TensorChunk *chunk,
                              struct ll_error *err)
{
    int index = answer->has_head ? index_of(answer, chunk->name) : -1;
    if (index < 0) {
        return ll_fail(err, LL_E_INVALID, "a chunk of tensor %d, which %s", chunk->name,
                       answer->has_head ? "was not announced" : "comes before the answer");
    }
    int64_t whole = answer->forms[index].bytes;
    ll_status status = wire_tensor_check_chunk(chunk, answer->received[index], whole, err);
    if (status != LL_OK) {
        ll_error_prefix(err, "chunk of an answer");
        return status;
    }
    wire_tensor_place_chunk(chunk, whole, answer->bufs[index]);
    answer->received[index] += (int64_t)chunk->data.len;
    if (answer->received[index] == whole) {
        answer->complete_count++;
    }
    return LL_OK;
}

bool device_answer_is_complete(const struct device_answer *answer)
{
    return answer->has_head && answer->complete_count == answer->names.count;
}

ll_status device_answer_take(struct device_answer *answer, struct ll_planes *planes,
                             struct device_tensors *tensors, struct ll_error *err)
{
    assert(device_answer_is_complete(answer));
    for (int i = 0; i < answer->names.count; i++) {
        int name = answer->names.names[i];
        ll_status status =
            wire_form_expand(&answer->forms[i], ll_table_tensor_floats(answer->table, name), planes,
                             &answer->bufs[i], err);
        if (status != LL_OK) {
            ll_error_prefix(err, "tensor %d", name);
            return status;
        }
    }
    for (int i = 0; i < answer->names.count; i++) {
        device_tensors_put(tensors, answer->names.names[i], answer->bufs[i]);
    }
    return LL_OK;
}

bool device_answer_is_rounded(const struct device_answer *answer)
{
    for (int i = 0; answer->has_head && i < answer->names.count; i++) {
        if (ll_dtype_is_rounding(answer->forms[i].dtype)) {
            return true;
        }
    }
    return false;
}

int64_t device_answer_bytes(const struct device_answer *answer)
{
    int64_t bytes = 0;
    for (int i = 0; answer->has_head && i < answer->names.count; i++) {
        bytes += answer->forms[i].bytes;
    }
    return bytes;
}

int64_t device_answer_plain_bytes(const struct device_answer *answer)
{
    int64_t bytes = 0;
    for (int i = 0; answer->has_head && i < answer->names.count; i++) {
        const struct wire_form *form = &answer->forms[i];
        bytes += wire_plain_bytes(form->dtype, form->channels,
                                  ll_table_tensor_floats(answer->table, answer->names.names[i]));
    }
    return bytes;
}
