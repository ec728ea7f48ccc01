/* What tests ask, and the answers, put together. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/wire_tensor.h"
#include "rpc/rpc_details.h"
#include "tests/support/edge_client.h"
#include "tests/support/edge_client_state.h"
#include "tests/support/ll_test.h"

void edge_call_send_query(struct edge_call *offload, const struct fake_model *model,
                          const struct edge_ask *ask)
{
    const struct ll_table *table = &model->network->table;
    struct ll_names names;
    CU_ASSERT_EQUAL_FATAL(ll_table_inputs(table, ask->first, ask->end, &names), LL_OK);
    struct wire_tensors tensors;
    CU_ASSERT_EQUAL_FATAL(wire_tensors_init(&tensors, table, &names, ask->forms), LL_OK);
    for (size_t i = 0; ask->dtype != 0 && i < tensors.count; i++) {
        tensors.list[i]->dtype = ask->dtype;
    }
    for (size_t i = 0; ask->coding != 0 && i < tensors.count; i++) {
        tensors.list[i]->coding = ask->coding;
        tensors.list[i]->coded_bytes = ask->coded_bytes;
    }
    Layerlift__V1__Query query = LAYERLIFT__V1__QUERY__INIT;
    query.id = ask->id;
    query.model_id = (char *)model->id_text;
    query.first = (uint32_t)ask->first;
    query.end = (uint32_t)ask->end;
    query.least_prefix = (uint32_t)ask->least_prefix;
    query.deadline_ms = (uint32_t)ask->deadline_ms;
    query.answer_dtype = ask->answer_dtype;
    Layerlift__V1__TensorCoding codings[WIRE_CODINGS];
    query.n_answer_codings = ask->may_code_answer ? wire_codings(codings) : 0;
    query.answer_codings = codings;
    query.sends_receipts = ask->sends_receipts;
    query.precision = ask->precision;
    query.draft_id = (char *)(ask->draft_id ? ask->draft_id : "");
    query.tensors = tensors.list;
    query.n_tensors = tensors.count;
    Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_QUERY;
    request.query = &query;
    edge_call_send(offload, &request.base);
    ll_names_finish(&names);
    wire_tensors_finish(&tensors);
}

void edge_call_send_tensor_chunk(struct edge_call *offload, uint64_t id, int name, size_t offset,
                                 const void *data, size_t bytes)
{
    Layerlift__V1__TensorChunk chunk = LAYERLIFT__V1__TENSOR_CHUNK__INIT;
    chunk.id = id;
    chunk.name = name;
    chunk.offset = offset;
    chunk.data.data = (uint8_t *)data;
    chunk.data.len = bytes;
    Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_CHUNK;
    request.chunk = &chunk;
    edge_call_send(offload, &request.base);
}

void edge_call_send_tensors(struct edge_call *offload, const struct fake_model *model,
                            const struct edge_ask *ask, unsigned input_seed, size_t chunk_bytes)
{
    struct fake_tensors tensors;
    fake_model_inputs(model, input_seed, ask->first, ask->end, &tensors);
    const char *data = (const char *)tensors.data;
    for (int i = 0; i < tensors.names.count; i++) {
        int name = tensors.names.names[i];
        size_t bytes = (size_t)ll_table_tensor_floats(&model->network->table, name) * 4;
        for (size_t at = 0; at < bytes; at += chunk_bytes) {
            size_t part = bytes - at < chunk_bytes ? bytes - at : chunk_bytes;
            edge_call_send_tensor_chunk(offload, ask->id, name, at, data + at, part);
        }
        data += bytes;
    }
    fake_tensors_finish(&tensors);
}

void edge_call_ask(struct edge_call *offload, const struct fake_model *model,
                   const struct edge_ask *ask, unsigned input_seed)
{
    edge_call_send_query(offload, model, ask);
    edge_call_send_tensors(offload, model, ask, input_seed, 64 << 10);
}

void edge_call_send_cancel(struct edge_call *offload, uint64_t id)
{
    Layerlift__V1__Cancel cancel = LAYERLIFT__V1__CANCEL__INIT;
    cancel.id = id;
    Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_CANCEL;
    request.cancel = &cancel;
    edge_call_send(offload, &request.base);
}

void edge_call_send_receipt(struct edge_call *offload, uint64_t received_bytes)
{
    Layerlift__V1__Receipt receipt = LAYERLIFT__V1__RECEIPT__INIT;
    receipt.received_bytes = received_bytes;
    Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_RECEIPT;
    request.receipt = &receipt;
    edge_call_send(offload, &request.base);
}

static struct edge_assembly *assembly_of(struct edge_call *call, uint64_t id, bool is_new)
{
    for (int i = 0; i < EDGE_CALL_ANSWERS; i++) {
        struct edge_assembly *assembly = &call->assemblies[i];
        if (is_new ? !assembly->is_open : assembly->is_open && assembly->answer.id == id) {
            return assembly;
        }
    }
    return NULL;
}

static struct edge_assembly *begin_answer(struct edge_call *call,
                                          const Layerlift__V1__Answer *message)
{
    struct edge_assembly *assembly = assembly_of(call, message->id, true);
    CU_ASSERT_PTR_NOT_NULL_FATAL(assembly);
    *assembly = (struct edge_assembly){.is_open = true};
    struct edge_answer *answer = &assembly->answer;
    answer->id = message->id;
    answer->status = ll_status_from_grpc((int)message->status);
    snprintf(answer->message, sizeof(answer->message), "%s", message->message);
    CU_ASSERT_EQUAL(rpc_details_take(message->error_info, message->retry_info, &answer->refusal),
                    LL_OK);
    answer->reached = (int)message->reached;
    answer->prefix = (int)message->prefix;
    answer->precision = message->precision;
    answer->exact_reached = (int)message->exact_reached;
    answer->computed_ns = (int64_t)message->computed_ns;
    answer->coding_ns = (int64_t)message->coding_ns;
    answer->tensors = (int)message->n_tensors;
    for (size_t i = 0; i < message->n_tensors; i++) {
        int64_t floats = 1;
        for (size_t d = 0; d < message->tensors[i]->n_shape; d++) {
            floats *= message->tensors[i]->shape[d];
        }
        struct wire_form form = {0};
        CU_ASSERT_EQUAL(wire_tensor_check(message->tensors[i], floats, &form, NULL), LL_OK);
        if (i < EDGE_ANSWER_DTYPES) {
            answer->dtypes[i] = message->tensors[i]->dtype;
            answer->codings[i] = form.coding;
            answer->tensor_bytes[i] = form.bytes;
        }
        answer->floats += floats;
        answer->bytes += form.bytes;
    }
    assembly->room_bytes = answer->bytes;
    answer->data = calloc((size_t)answer->floats + 1, sizeof(float));
    return assembly;
}

static struct edge_assembly *add_chunk(struct edge_call *call,
                                       const Layerlift__V1__TensorChunk *chunk)
{
    struct edge_assembly *assembly = assembly_of(call, chunk->id, false);
    CU_ASSERT_PTR_NOT_NULL_FATAL(assembly);
    CU_ASSERT_FATAL((int64_t)chunk->data.len <= assembly->room_bytes - assembly->filled_bytes);
    memcpy((char *)assembly->answer.data + assembly->filled_bytes, chunk->data.data,
           chunk->data.len);
    assembly->filled_bytes += (int64_t)chunk->data.len;
    return assembly;
}

bool edge_call_answer(struct edge_call *offload, struct edge_answer *out_answer)
{
    for (;;) {
        Layerlift__V1__OffloadResponse *response = (Layerlift__V1__OffloadResponse *)edge_call_next(
            offload, &layerlift__v1__offload_response__descriptor);
        if (!response) {
            return false;
        }
        bool is_head = response->kind_case == LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_ANSWER;
        struct edge_assembly *assembly =
            is_head ? begin_answer(offload, response->answer) : add_chunk(offload, response->chunk);
        layerlift__v1__offload_response__free_unpacked(response, NULL);
        if (assembly->filled_bytes == assembly->room_bytes) {
            *out_answer = assembly->answer;
            *assembly = (struct edge_assembly){0};
            return true;
        }
    }
}

void edge_answer_finish(struct edge_answer *answer)
{
    free(answer->data);
    answer->data = NULL;
}

bool edge_answer_is_right(const struct edge_answer *answer, const struct fake_model *model,
                          unsigned input_seed, int first)
{
    struct fake_tensors expected;
    fake_model_outputs(model, input_seed, first, answer->reached, &expected);
    bool is_right = answer->status == LL_OK && answer->tensors == expected.names.count &&
                    answer->floats == expected.floats &&
                    fake_floats_equal(answer->data, expected.data, expected.floats);
    fake_tensors_finish(&expected);
    return is_right;
}

void edge_call_check_error(struct edge_call *offload, uint64_t id, ll_status status,
                           const char *reason)
{
    struct edge_answer answer;
    bool has_come = edge_call_answer(offload, &answer);
    CU_ASSERT_FATAL(has_come);
    CU_ASSERT_EQUAL(answer.id, id);
    CU_ASSERT_EQUAL(answer.status, status);
    bool has_reason = strstr(answer.message, reason) != NULL;
    CU_ASSERT(has_reason);
    if (!has_reason || answer.status != status) {
        fprintf(stderr, "expected \"%s\", the answer says %s \"%s\"\n", reason,
                ll_status_text(answer.status), answer.message);
    }
    CU_ASSERT_EQUAL(answer.tensors, 0);
    edge_answer_finish(&answer);
}

void edge_call_check_right(struct edge_call *offload, const struct fake_model *model, uint64_t id,
                           unsigned input_seed, int first, int reached)
{
    struct edge_answer answer;
    bool has_come = edge_call_answer(offload, &answer);
    CU_ASSERT_FATAL(has_come);
    CU_ASSERT_EQUAL(answer.id, id);
    CU_ASSERT_EQUAL(answer.status, LL_OK);
    CU_ASSERT_EQUAL(answer.reached, reached);
    CU_ASSERT(edge_answer_is_right(&answer, model, input_seed, first));
    edge_answer_finish(&answer);
}
