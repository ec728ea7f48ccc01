#include "device/edge_link/device_requests.h"

#include <string.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "proto/wire/wire_head.h"
#include "rpc/rpc_details.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_requests";

static const char cfg[] = "fake\n"
                          "input 100\n"
                          "layer 20 8\n"
                          "layer 30 8\n";

static struct fake_model fake;
static struct device_model model;
static struct device_requests *requests;
static struct device_tensors tensors;
static int kicks;

static void count_kick(void *owner)
{
    (void)owner;
    kicks++;
}

static void begin(void)
{
    fake_model_init(&fake, cfg, 5);
    model = (struct device_model){.table = &fake.network->table};
    memcpy(model.id, fake.id_text, sizeof(model.id));
    kicks = 0;
    CU_ASSERT_EQUAL_FATAL(device_requests_create(&model, count_kick, NULL, &requests), LL_OK);
    CU_ASSERT_EQUAL_FATAL(device_tensors_init(&tensors, model.table), LL_OK);
    struct ll_buf *input = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(100 * sizeof(float), &input), LL_OK);
    memset(ll_buf_writable(input), 3, 100 * sizeof(float));
    device_tensors_put(&tensors, LL_TENSOR_INPUT, input);
    ll_buf_unref(input);
    device_requests_open(requests, 2);
}

static void end(void)
{
    device_tensors_finish(&tensors);
    device_requests_destroy(requests);
    fake_model_finish(&fake);
}

static void post(struct device_remote *remote)
{
    *remote = (struct device_remote){.end = 2, .tensors = &tensors};
    CU_ASSERT_EQUAL_FATAL(device_requests_post(requests, remote), LL_OK);
}

/* Takes the query back without waiting. */
static void withdraw(struct device_remote *remote)
{
    struct device_patience patience = {.allowance_ns = LL_CLOCK_NEVER};
    device_requests_withdraw(requests, remote, &patience);
}

/* Takes the next message as the edge would read it; NULL where there is none. */
static Layerlift__V1__OffloadRequest *next(int64_t chunk_bytes, bool *out_is_last)
{
    struct device_outgoing message;
    CU_ASSERT_EQUAL(device_requests_next_bytes(requests, chunk_bytes) > 0, true);
    CU_ASSERT_EQUAL_FATAL(device_requests_next(requests, chunk_bytes, &message), LL_OK);
    size_t payload = message.payload ? ll_buf_bytes(message.payload) : 0;
    uint8_t bytes[1024];
    CU_ASSERT_FATAL(message.head_bytes + payload <= sizeof(bytes));
    CU_ASSERT_TRUE((int64_t)(message.head_bytes + payload) <=
                   chunk_bytes + (int64_t)WIRE_HEAD_BYTES * 4);
    memcpy(bytes, message.head, message.head_bytes);
    if (payload > 0) {
        memcpy(bytes + message.head_bytes, ll_buf_data(message.payload), payload);
    }
    Layerlift__V1__OffloadRequest *request =
        layerlift__v1__offload_request__unpack(NULL, message.head_bytes + payload, bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    *out_is_last = message.is_last;
    device_outgoing_finish(&message);
    return request;
}

/* Sends the next query's head alone; returns its id. */
static uint64_t send_head(void)
{
    bool is_last = false;
    Layerlift__V1__OffloadRequest *request = next(150, &is_last);
    CU_ASSERT_EQUAL_FATAL(request->kind_case, LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_QUERY);
    uint64_t id = request->query->id;
    CU_ASSERT_EQUAL_FATAL(request->query->n_tensors, 1);
    CU_ASSERT_EQUAL(request->query->tensors[0]->name, -1);
    layerlift__v1__offload_request__free_unpacked(request, NULL);
    return id;
}

/* Sends everything of the next query. */
static uint64_t send_query(void)
{
    bool is_last = false;
    uint64_t id = send_head();
    const size_t sizes[] = {150, 150, 100};
    for (int i = 0; i < 3; i++) {
        Layerlift__V1__OffloadRequest *request = next(150, &is_last);
        CU_ASSERT_EQUAL_FATAL(request->kind_case, LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_CHUNK);
        CU_ASSERT_EQUAL(request->chunk->id, id);
        CU_ASSERT_EQUAL(request->chunk->offset, (uint64_t)i * 150);
        CU_ASSERT_EQUAL(request->chunk->data.len, sizes[i]);
        CU_ASSERT_EQUAL(is_last, i == 2);
        layerlift__v1__offload_request__free_unpacked(request, NULL);
    }
    return id;
}

static ll_status give_head(uint64_t id, uint32_t reached, uint32_t floats, uint64_t *out_mark)
{
    Layerlift__V1__Tensor tensor = LAYERLIFT__V1__TENSOR__INIT;
    Layerlift__V1__Tensor *list = &tensor;
    Layerlift__V1__Answer answer = LAYERLIFT__V1__ANSWER__INIT;
    tensor.name = (int32_t)reached - 1;
    tensor.n_shape = 1;
    tensor.shape = &floats;
    answer.id = id;
    answer.reached = reached;
    answer.prefix = 2;
    answer.n_tensors = reached > 0 ? 1 : 0;
    answer.tensors = &list;
    Layerlift__V1__OffloadResponse response = LAYERLIFT__V1__OFFLOAD_RESPONSE__INIT;
    response.kind_case = LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_ANSWER;
    response.answer = &answer;
    return device_requests_take(requests, &response, out_mark);
}

static void give_tensor(uint64_t id, int name, size_t bytes, uint8_t value)
{
    uint8_t data[256];
    memset(data, value, sizeof(data));
    Layerlift__V1__TensorChunk chunk = LAYERLIFT__V1__TENSOR_CHUNK__INIT;
    chunk.id = id;
    chunk.name = name;
    chunk.data.data = data;
    chunk.data.len = bytes;
    Layerlift__V1__OffloadResponse response = LAYERLIFT__V1__OFFLOAD_RESPONSE__INIT;
    response.kind_case = LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_CHUNK;
    response.chunk = &chunk;
    uint64_t mark = 0;
    CU_ASSERT_EQUAL(device_requests_take(requests, &response, &mark), LL_OK);
    CU_ASSERT_EQUAL(mark, 0);
}

static void test_a_query_goes_out_in_chunks_and_its_answer_comes_back(void)
{
    begin();
    struct device_remote remote;
    post(&remote);
    CU_ASSERT_EQUAL(kicks, 1);
    uint64_t id = send_query();
    device_requests_set_mark(requests, id, 4711);
    CU_ASSERT_EQUAL(device_requests_next_bytes(requests, 150), 0);
    CU_ASSERT_EQUAL(device_requests_sent_bytes(requests), 400);
    uint64_t mark = 0;
    CU_ASSERT_EQUAL(give_head(id, 2, 30, &mark), LL_OK);
    CU_ASSERT_EQUAL(mark, 4711);
    give_tensor(id, 1, 120, 9);
    withdraw(&remote);
    CU_ASSERT_EQUAL(remote.status, LL_OK);
    CU_ASSERT_TRUE(device_answer_is_complete(&remote.answer));
    CU_ASSERT_EQUAL(device_requests_next_bytes(requests, 150), 0);
    device_remote_finish(&remote);
    end();
}

static void test_answers_may_come_in_any_order(void)
{
    begin();
    struct device_remote one;
    struct device_remote two;
    post(&one);
    post(&two);
    uint64_t first = send_query();
    uint64_t second = send_query();
    uint64_t mark = 0;
    CU_ASSERT_NOT_EQUAL(first, second);
    CU_ASSERT_EQUAL(give_head(second, 1, 20, &mark), LL_OK);
    CU_ASSERT_EQUAL(give_head(first, 2, 30, &mark), LL_OK);
    give_tensor(second, 0, 80, 1);
    give_tensor(first, 1, 120, 2);
    withdraw(&two);
    withdraw(&one);
    CU_ASSERT_EQUAL(one.status, LL_OK);
    CU_ASSERT_EQUAL(two.status, LL_OK);
    CU_ASSERT_EQUAL(two.answer.reached, 1);
    device_remote_finish(&one);
    device_remote_finish(&two);
    end();
}

static void test_an_answer_before_its_inputs_is_refused(void)
{
    begin();
    struct device_remote remote;
    post(&remote);
    uint64_t id = send_head();
    uint64_t mark = 0;
    CU_ASSERT_EQUAL(give_head(id, 2, 30, &mark), LL_OK);
    withdraw(&remote);
    CU_ASSERT_EQUAL(remote.status, LL_E_INVALID);
    CU_ASSERT_STRING_EQUAL(remote.error.text, "bad answer: it comes before its inputs");
    device_remote_finish(&remote);
    end();
}

static void test_an_edge_that_runs_nothing_may_say_so_at_once(void)
{
    begin();
    struct device_remote remote;
    post(&remote);
    uint64_t id = send_head();
    uint64_t mark = 0;
    CU_ASSERT_EQUAL(give_head(id, 0, 0, &mark), LL_OK);
    CU_ASSERT_EQUAL(device_requests_next_bytes(requests, 150), 0);
    withdraw(&remote);
    CU_ASSERT_EQUAL(remote.status, LL_OK);
    CU_ASSERT_EQUAL(remote.answer.reached, 0);
    device_remote_finish(&remote);
    end();
}

static void test_a_late_answer_is_dropped_and_the_query_cancelled(void)
{
    begin();
    struct device_remote remote;
    post(&remote);
    uint64_t id = send_query();
    withdraw(&remote);
    CU_ASSERT_EQUAL(remote.status, LL_E_DEADLINE);
    CU_ASSERT_STRING_EQUAL(remote.error.text, "deadline");
    device_remote_finish(&remote);
    memset(&remote, 0x55, sizeof(remote));
    uint64_t mark = 0;
    CU_ASSERT_EQUAL(give_head(id, 2, 30, &mark), LL_OK);
    CU_ASSERT_EQUAL(mark, 0);
    give_tensor(id, 1, 120, 9);
    CU_ASSERT_EQUAL(kicks, 2);
    bool is_last = false;
    Layerlift__V1__OffloadRequest *request = next(150, &is_last);
    CU_ASSERT_EQUAL_FATAL(request->kind_case, LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_CANCEL);
    CU_ASSERT_EQUAL(request->cancel->id, id);
    layerlift__v1__offload_request__free_unpacked(request, NULL);
    CU_ASSERT_EQUAL(device_requests_next_bytes(requests, 150), 0);
    end();
}

static void test_a_query_that_never_left_needs_no_cancel(void)
{
    begin();
    struct device_remote remote;
    post(&remote);
    withdraw(&remote);
    CU_ASSERT_EQUAL(remote.status, LL_E_DEADLINE);
    CU_ASSERT_EQUAL(device_requests_next_bytes(requests, 150), 0);
    device_remote_finish(&remote);
    end();
}

static void test_a_lost_edge_ends_all_queries(void)
{
    begin();
    struct device_remote one;
    struct device_remote two;
    post(&one);
    post(&two);
    send_query();
    device_requests_close(requests, LL_E_UNAVAILABLE, "edge lost: it was the cleaner");
    CU_ASSERT_EQUAL(device_requests_next_bytes(requests, 150), 0);
    withdraw(&one);
    withdraw(&two);
    CU_ASSERT_EQUAL(one.status, LL_E_UNAVAILABLE);
    CU_ASSERT_STRING_EQUAL(two.error.text, "edge lost: it was the cleaner");
    struct device_remote three = {.end = 2, .tensors = &tensors};
    CU_ASSERT_EQUAL(device_requests_post(requests, &three), LL_E_UNAVAILABLE);
    CU_ASSERT_EQUAL(three.status, LL_E_UNAVAILABLE);
    device_remote_finish(&three);
    /* Nobody is there to be told. */
    CU_ASSERT_EQUAL(device_requests_next_bytes(requests, 150), 0);
    device_remote_finish(&one);
    device_remote_finish(&two);
    end();
}

static void test_a_stopped_table_takes_no_queries(void)
{
    begin();
    struct device_remote one;
    post(&one);
    device_requests_stop(requests);
    struct device_patience patience = {.most_ns = LL_CLOCK_NEVER, .allowance_ns = LL_CLOCK_NEVER};
    device_requests_withdraw(requests, &one, &patience);
    CU_ASSERT_EQUAL(one.status, LL_E_STOPPED);
    device_remote_finish(&one);
    struct device_remote two = {.end = 2, .tensors = &tensors};
    CU_ASSERT_EQUAL(device_requests_post(requests, &two), LL_E_STOPPED);
    CU_ASSERT_EQUAL(two.status, LL_E_STOPPED);
    device_remote_finish(&two);
    end();
}

static void test_a_status_of_not_found_is_passed_on(void)
{
    begin();
    struct device_remote remote;
    post(&remote);
    uint64_t id = send_query();
    Layerlift__V1__Answer answer = LAYERLIFT__V1__ANSWER__INIT;
    answer.id = id;
    answer.status = 5;
    Layerlift__V1__OffloadResponse response = LAYERLIFT__V1__OFFLOAD_RESPONSE__INIT;
    response.kind_case = LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_ANSWER;
    response.answer = &answer;
    uint64_t mark = 0;
    CU_ASSERT_EQUAL(device_requests_take(requests, &response, &mark), LL_E_NOT_FOUND);
    withdraw(&remote);
    CU_ASSERT_STRING_EQUAL(remote.error.text, "edge: not found");
    device_remote_finish(&remote);
    /* A status that does not exist, and an empty response. */
    post(&remote);
    answer.id = send_query();
    answer.status = UINT32_MAX;
    CU_ASSERT_EQUAL(device_requests_take(requests, &response, &mark), LL_OK);
    withdraw(&remote);
    CU_ASSERT_STRING_EQUAL(remote.error.text, "edge: internal error");
    device_remote_finish(&remote);
    /* A limit, and one that lies about itself. */
    struct ll_error refusal;
    struct rpc_details details;
    (void)ll_fail_limit(&refusal, "queries", 32, 1000, "too many queries in flight");
    rpc_details_fill(&details, &refusal);
    answer.status = 8;
    answer.message = refusal.text;
    answer.error_info = details.error_info;
    answer.retry_info = details.retry_info;
    for (int i = 0; i < 2; i++) {
        post(&remote);
        answer.id = send_query();
        CU_ASSERT_EQUAL(device_requests_take(requests, &response, &mark), LL_OK);
        withdraw(&remote);
        CU_ASSERT_EQUAL(remote.status, LL_E_EXHAUSTED);
        CU_ASSERT_STRING_EQUAL(remote.error.text,
                               "edge: limit exceeded: too many queries in flight");
        CU_ASSERT_STRING_EQUAL(remote.error.limit, i == 0 ? "queries" : "");
        CU_ASSERT_EQUAL(remote.error.limit_value, i == 0 ? 32 : 0);
        CU_ASSERT_EQUAL(remote.error.retry_ms, i == 0 ? 1000 : 0);
        device_remote_finish(&remote);
        details.info.reason = "LIMIT_OTHERS";
    }
    Layerlift__V1__OffloadResponse empty = LAYERLIFT__V1__OFFLOAD_RESPONSE__INIT;
    CU_ASSERT_EQUAL(device_requests_take(requests, &empty, &mark), LL_OK);
    end();
}

static void test_what_the_edge_owes(void)
{
    begin();
    struct device_remote remote;
    struct device_requests_debt debt;
    device_requests_debt(requests, &debt);
    CU_ASSERT_EQUAL(debt.queries, 0);
    post(&remote);
    device_requests_debt(requests, &debt);
    CU_ASSERT_EQUAL(debt.queries, 1);
    CU_ASSERT_EQUAL(debt.sent_bytes, 0);
    (void)send_query();
    device_requests_debt(requests, &debt);
    CU_ASSERT_EQUAL(debt.sent_bytes, 400);
    device_requests_close(requests, LL_E_UNAVAILABLE, "gone");
    device_requests_debt(requests, &debt);
    CU_ASSERT_EQUAL(debt.queries, 0);
    CU_ASSERT_EQUAL(debt.sent_bytes, 0);
    withdraw(&remote);
    device_remote_finish(&remote);
    end();
}

static void test_a_table_is_closed_at_first_and_opens_again(void)
{
    struct device_remote remote = {.end = 2, .tensors = &tensors};
    begin();
    device_requests_close(requests, LL_E_UNAVAILABLE, "gone");
    CU_ASSERT_EQUAL(device_requests_post(requests, &remote), LL_E_UNAVAILABLE);
    device_requests_open(requests, 0);
    post(&remote);
    withdraw(&remote);
    device_remote_finish(&remote);
    struct device_requests *fresh = NULL;
    CU_ASSERT_EQUAL_FATAL(device_requests_create(&model, count_kick, NULL, &fresh), LL_OK);
    CU_ASSERT_EQUAL(device_requests_post(fresh, &remote), LL_E_UNAVAILABLE);
    device_requests_destroy(fresh);
    end();
}

/* What was chosen for one edge does not go to the next one. */
static void test_a_query_goes_to_the_edge_that_it_is_for(void)
{
    begin();
    struct device_remote remote = {.end = 2, .tensors = &tensors, .connection = 1};
    CU_ASSERT_EQUAL_FATAL(device_requests_post(requests, &remote), LL_OK);
    withdraw(&remote);
    device_remote_finish(&remote);
    /* Open as it was, it is the same one. */
    device_requests_open(requests, 2);
    CU_ASSERT_EQUAL_FATAL(device_requests_post(requests, &remote), LL_OK);
    withdraw(&remote);
    device_remote_finish(&remote);
    device_requests_close(requests, LL_E_UNAVAILABLE, "gone");
    device_requests_open(requests, 2);
    CU_ASSERT_EQUAL(device_requests_post(requests, &remote), LL_E_UNAVAILABLE);
    CU_ASSERT_EQUAL(remote.status, LL_E_UNAVAILABLE);
    CU_ASSERT_STRING_EQUAL(remote.error.text, "edge lost: the query was for another connection");
    device_remote_finish(&remote);
    remote.connection = 2;
    CU_ASSERT_EQUAL_FATAL(device_requests_post(requests, &remote), LL_OK);
    withdraw(&remote);
    device_remote_finish(&remote);
    end();
}

/* What is allowed counts from when the edge has the layers, not before. */
static void test_an_allowance_begins_with_the_prefix(void)
{
    begin();
    struct device_patience patience = {.most_ns = LL_NS_PER_MS};
    device_requests_close(requests, LL_E_UNAVAILABLE, "gone");
    device_requests_open(requests, 0);
    struct device_remote remote = {.end = 2, .least_prefix = 2, .tensors = &tensors};
    CU_ASSERT_EQUAL_FATAL(device_requests_post(requests, &remote), LL_OK);
    /* An allowance of nothing would end it at once: only the deadline does. */
    device_requests_withdraw(requests, &remote, &patience);
    CU_ASSERT_EQUAL(remote.status, LL_E_DEADLINE);
    CU_ASSERT_TRUE(ll_clock_now_ns() - remote.posted_ns >= LL_NS_PER_MS);
    device_remote_finish(&remote);
    device_requests_set_prefix(requests, 2);
    CU_ASSERT_EQUAL_FATAL(device_requests_post(requests, &remote), LL_OK);
    patience.most_ns = LL_CLOCK_NEVER;
    device_requests_withdraw(requests, &remote, &patience);
    CU_ASSERT_EQUAL(remote.status, LL_E_DEADLINE);
    device_remote_finish(&remote);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_a_query_goes_out_in_chunks_and_its_answer_comes_back),
    LL_TEST(test_answers_may_come_in_any_order),
    LL_TEST(test_an_answer_before_its_inputs_is_refused),
    LL_TEST(test_an_edge_that_runs_nothing_may_say_so_at_once),
    LL_TEST(test_a_late_answer_is_dropped_and_the_query_cancelled),
    LL_TEST(test_a_query_that_never_left_needs_no_cancel),
    LL_TEST(test_a_lost_edge_ends_all_queries),
    LL_TEST(test_a_stopped_table_takes_no_queries),
    LL_TEST(test_a_status_of_not_found_is_passed_on),
    LL_TEST(test_what_the_edge_owes),
    LL_TEST(test_a_table_is_closed_at_first_and_opens_again),
    LL_TEST(test_a_query_goes_to_the_edge_that_it_is_for),
    LL_TEST(test_an_allowance_begins_with_the_prefix),
    {NULL, NULL},
};
