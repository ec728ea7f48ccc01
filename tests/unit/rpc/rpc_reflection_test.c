#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "proto/grpc/reflection/v1/reflection.pb-c.h"
#include "rpc/rpc_server.h"
#include "tests/support/ll_test.h"
#include "tests/unit/rpc/protos/rpc_test_descriptors.h"
#include "tests/unit/rpc/rpc_test_peer.h"

const char *const ll_test_suite = "rpc_reflection";

typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;

#define REQUEST(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##kind
#define RESPONSE(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##kind

static const char *const paths[] = {
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
};

static void do_nothing(void *arg, struct rpc_stream *stream)
{
    (void)arg;
    rpc_stream_finish(stream, LL_OK, NULL);
}

static void add_reflection(struct rpc_server *server, void *arg)
{
    (void)arg;
    CU_ASSERT_EQUAL(rpc_server_add_reflection(server, (const uint8_t *)"\x0a", 1), LL_E_INVALID);
    CU_ASSERT_EQUAL(rpc_server_add(server, "/test.Tester/Test", do_nothing, NULL), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_add(server, "/Hermit/Hide", do_nothing, NULL), LL_OK);
    CU_ASSERT_EQUAL(
        rpc_server_add_reflection(server, rpc_test_descriptors, rpc_test_descriptors_bytes), LL_OK);
}

/* Sends one request on an open stream and returns the answer to it. */
static reflection_response *ask(struct rpc_peer *client, reflection_request *request)
{
    int before = client->messages;
    request->host = "somewhere";
    size_t bytes = grpc__reflection__v1__server_reflection_request__get_packed_size(request);
    uint8_t *packed = malloc(bytes + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(packed);
    grpc__reflection__v1__server_reflection_request__pack(request, packed);
    CU_ASSERT_EQUAL(rpc_stream_send(client->stream, packed, bytes, NULL), LL_OK);
    rpc_peer_wait_messages(client, before + 1);
    reflection_response *response = grpc__reflection__v1__server_reflection_response__unpack(
        NULL, client->last_bytes, client->last);
    CU_ASSERT_PTR_NOT_NULL_FATAL(response);
    CU_ASSERT_STRING_EQUAL(response->valid_host, "somewhere");
    CU_ASSERT_PTR_NOT_NULL_FATAL(response->original_request);
    CU_ASSERT_EQUAL(response->original_request->message_request_case,
                    request->message_request_case);
    free(packed);
    return response;
}

static void release(reflection_response *response)
{
    grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
}

static void check_error(struct rpc_peer *client, reflection_request *request, int code)
{
    reflection_response *response = ask(client, request);
    CU_ASSERT_EQUAL_FATAL(response->message_response_case, RESPONSE(ERROR_RESPONSE));
    CU_ASSERT_EQUAL(response->error_response->error_code, code);
    CU_ASSERT(strlen(response->error_response->error_message) > 0);
    release(response);
}

/* The files' names, in the order of the answer. */
static void check_files(struct rpc_peer *client, reflection_request *request,
                        const char *const *names, size_t count)
{
    reflection_response *response = ask(client, request);
    CU_ASSERT_EQUAL_FATAL(response->message_response_case, RESPONSE(FILE_DESCRIPTOR_RESPONSE));
    const Grpc__Reflection__V1__FileDescriptorResponse *files = response->file_descriptor_response;
    CU_ASSERT_EQUAL_FATAL(files->n_file_descriptor_proto, count);
    for (size_t i = 0; i < count; i++) {
        size_t bytes = strlen(names[i]);
        ProtobufCBinaryData file = files->file_descriptor_proto[i];
        CU_ASSERT_FATAL(file.len > bytes + 2);
        CU_ASSERT_EQUAL(file.data[0], 0x0a);
        CU_ASSERT_EQUAL(file.data[1], bytes);
        CU_ASSERT_EQUAL(memcmp(file.data + 2, names[i], bytes), 0);
    }
    release(response);
}

static void check_services(struct rpc_peer *client)
{
    reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    request.message_request_case = REQUEST(LIST_SERVICES);
    request.list_services = "*";
    reflection_response *response = ask(client, &request);
    CU_ASSERT_EQUAL_FATAL(response->message_response_case, RESPONSE(LIST_SERVICES_RESPONSE));
    CU_ASSERT_EQUAL_FATAL(response->list_services_response->n_service, 2);
    CU_ASSERT_STRING_EQUAL(response->list_services_response->service[0]->name, "Hermit");
    CU_ASSERT_STRING_EQUAL(response->list_services_response->service[1]->name, "test.Tester");
    release(response);
}

/* Every kind of request, good and bad, on one stream. */
static void ask_everything(struct rpc_pair *pair, const char *path)
{
    static const char *const top[] = {"top.proto", "base.proto", "middle.proto"};
    static const char *const lonely[] = {"lonely.proto"};
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(pair, path, LL_CLOCK_NEVER, &client);
    check_services(&client);

    reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    request.message_request_case = REQUEST(FILE_CONTAINING_SYMBOL);
    request.file_containing_symbol = "test.Tester.Watch";
    check_files(&client, &request, top, 3);
    request.file_containing_symbol = ".test.Outer.Inner.Deep";
    check_files(&client, &request, top, 3);
    request.file_containing_symbol = "Lonely";
    check_files(&client, &request, lonely, 1);
    request.file_containing_symbol = "test.None";
    check_error(&client, &request, 5);
    request.file_containing_symbol = "";
    check_error(&client, &request, 5);

    request.message_request_case = REQUEST(FILE_BY_FILENAME);
    request.file_by_filename = "top.proto";
    check_files(&client, &request, top, 3);
    request.file_by_filename = "../top.proto";
    check_error(&client, &request, 5);

    Grpc__Reflection__V1__ExtensionRequest extension =
        GRPC__REFLECTION__V1__EXTENSION_REQUEST__INIT;
    extension.containing_type = "test.Outer";
    extension.extension_number = 100;
    request.message_request_case = REQUEST(FILE_CONTAINING_EXTENSION);
    request.file_containing_extension = &extension;
    check_error(&client, &request, 5);
    request.message_request_case = REQUEST(ALL_EXTENSION_NUMBERS_OF_TYPE);
    request.all_extension_numbers_of_type = "test.Outer";
    check_error(&client, &request, 5);
    request.message_request_case = REQUEST(_NOT_SET);
    check_error(&client, &request, 12);

    /* After all those errors the stream goes on. */
    check_services(&client);
    rpc_stream_finish(client.stream, LL_OK, NULL);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_OK);
    rpc_peer_finish(&client);
}

static void test_both_versions_answer_everything(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, add_reflection, NULL);
    ask_everything(&pair, paths[0]);
    ask_everything(&pair, paths[1]);
    rpc_pair_finish(&pair);
}

static void test_long_names_are_answered(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, add_reflection, NULL);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, paths[0], LL_CLOCK_NEVER, &client);
    char *name = malloc(1000001);
    CU_ASSERT_PTR_NOT_NULL_FATAL(name);
    memset(name, 'x', 1000000);
    name[1000000] = '\0';
    reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    request.message_request_case = REQUEST(FILE_CONTAINING_SYMBOL);
    request.file_containing_symbol = name;
    check_error(&client, &request, 5);
    /* What an answer repeats of a name ends between two characters. */
    memcpy(name + 199, "\xe2\x82\xac", 4);
    reflection_response *response = ask(&client, &request);
    CU_ASSERT_EQUAL_FATAL(response->message_response_case, RESPONSE(ERROR_RESPONSE));
    CU_ASSERT_PTR_NULL(strchr(response->error_response->error_message, '\xe2'));
    CU_ASSERT_PTR_NOT_NULL(strstr(response->error_response->error_message, "xxx\""));
    release(response);
    free(name);
    rpc_stream_finish(client.stream, LL_OK, NULL);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_OK);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void test_garbage_is_answered_or_invalid(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, add_reflection, NULL);
    uint32_t state = 3;
    for (int round = 0; round < 200; round++) {
        uint8_t bytes[64];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            state = state * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(state >> 24);
        }
        struct rpc_peer client;
        ll_status status =
            rpc_pair_unary(&pair, paths[round % 2], bytes, (size_t)round % 64, &client);
        CU_ASSERT(status == LL_OK || status == LL_E_INVALID);
        CU_ASSERT_EQUAL(client.messages, status == LL_OK ? 1 : 0);
        rpc_peer_finish(&client);
    }
    rpc_pair_finish(&pair);
}

static void test_stop_ends_open_streams(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, add_reflection, NULL);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, paths[0], LL_CLOCK_NEVER, &client);
    check_services(&client);
    rpc_server_stop(pair.server, LL_CLOCK_NEVER);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_UNAVAILABLE);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_both_versions_answer_everything),
    LL_TEST(test_long_names_are_answered),
    LL_TEST(test_garbage_is_answered_or_invalid),
    LL_TEST(test_stop_ends_open_streams),
    {NULL, NULL},
};
