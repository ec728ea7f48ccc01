#include <stdlib.h>
#include <string.h>

#include "core/ll_container.h"
#include "core/ll_utf8.h"
#include "proto/grpc/reflection/v1/reflection.pb-c.h"
#include "rpc/rpc_server.h"
#include "rpc/rpc_server_state.h"
#include "rpc/services/rpc_descriptors.h"

/* grpc.reflection.v1 and v1alpha: the same messages, so one handler. A request that cannot be
 * answered gets an ErrorResponse and the stream goes on; only bytes that are no request end it. */

typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;

/* More than so many unread answers, and no further request is read. */
enum { UNREAD_ANSWERS = 4 };

struct reflection {
    struct rpc_service base;
    struct rpc_server *server;
    struct rpc_descriptors *descriptors;
    struct reflection_stream *streams;
    bool is_stopping;
};

/* Linked so that stopping ends it. */
struct reflection_stream {
    struct reflection *reflection;
    struct rpc_stream *stream;
    struct reflection_stream *next;
};

/* Packs and sends. */
static ll_status send_response(struct rpc_stream *stream, const reflection_response *response)
{
    size_t bytes = grpc__reflection__v1__server_reflection_response__get_packed_size(response);
    uint8_t *packed = malloc(bytes);
    if (!packed) {
        return LL_E_NO_MEMORY;
    }
    grpc__reflection__v1__server_reflection_response__pack(response, packed);
    ll_status status = rpc_stream_send(stream, packed, bytes, NULL);
    free(packed);
    return status;
}

static ll_status answer_error(struct rpc_stream *stream, reflection_response *response,
                              ll_status status, const char *text)
{
    Grpc__Reflection__V1__ErrorResponse error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
    error.error_code = ll_status_to_grpc(status);
    error.error_message = (char *)text;
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    response->error_response = &error;
    ll_status sent = send_response(stream, response);
    response->error_response = NULL;
    return sent;
}

static ll_status answer_files(const struct reflection *reflection, struct rpc_stream *stream,
                              reflection_response *response, size_t file)
{
    size_t room = rpc_descriptors_files(reflection->descriptors);
    size_t *list = calloc(room, sizeof(*list));
    ProtobufCBinaryData *files = calloc(room, sizeof(*files));
    ll_status status = LL_E_NO_MEMORY;
    if (list && files) {
        size_t count = rpc_descriptors_closure(reflection->descriptors, file, list);
        for (size_t i = 0; i < count; i++) {
            /* Packing only reads. */
            files[i].data =
                (uint8_t *)rpc_descriptors_file(reflection->descriptors, list[i], &files[i].len);
        }
        Grpc__Reflection__V1__FileDescriptorResponse found =
            GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
        found.n_file_descriptor_proto = count;
        found.file_descriptor_proto = files;
        response->message_response_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
        response->file_descriptor_response = &found;
        status = send_response(stream, response);
        response->file_descriptor_response = NULL;
    }
    free(list);
    free(files);
    return status;
}

/* The next service of the set that has a method here; NULL behind the last. */
static const char *next_service(const struct reflection *reflection, size_t *index)
{
    const char *name = NULL;
    while ((name = rpc_descriptors_service(reflection->descriptors, (*index)++)) &&
           !rpc_server_has_service(reflection->server, name, strlen(name))) {
    }
    return name;
}

static ll_status answer_services(const struct reflection *reflection, struct rpc_stream *stream,
                                 reflection_response *response)
{
    size_t count = 0;
    for (size_t index = 0; next_service(reflection, &index);) {
        count++;
    }
    Grpc__Reflection__V1__ServiceResponse *services = calloc(count + 1, sizeof(*services));
    Grpc__Reflection__V1__ServiceResponse **pointers =
        calloc(count + 1, sizeof(Grpc__Reflection__V1__ServiceResponse *));
    ll_status status = LL_E_NO_MEMORY;
    if (services && pointers) {
        size_t index = 0;
        for (size_t i = 0; i < count; i++) {
            grpc__reflection__v1__service_response__init(&services[i]);
            services[i].name = (char *)next_service(reflection, &index);
            pointers[i] = &services[i];
        }
        Grpc__Reflection__V1__ListServiceResponse list =
            GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
        list.n_service = count;
        list.service = pointers;
        response->message_response_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
        response->list_services_response = &list;
        status = send_response(stream, response);
        response->list_services_response = NULL;
    }
    free(services);
    free(pointers);
    return status;
}

/* How much of a peer's name an answer repeats: whole characters, or the answer is no protobuf. */
static int quoted(const char *name)
{
    return (int)ll_utf8_cut(name, 200);
}

static ll_status answer_file_by_name(const struct reflection *reflection, struct rpc_stream *stream,
                                     reflection_response *response, const char *name)
{
    size_t file = 0;
    if (rpc_descriptors_find_file(reflection->descriptors, name, &file) == LL_OK) {
        return answer_files(reflection, stream, response, file);
    }
    struct ll_error text;
    ll_status status = ll_fail(&text, LL_E_NOT_FOUND, "no file \"%.*s\"", quoted(name), name);
    return answer_error(stream, response, status, text.text);
}

static ll_status answer_symbol(const struct reflection *reflection, struct rpc_stream *stream,
                               reflection_response *response, const char *symbol)
{
    size_t file = 0;
    /* Full names may come with a dot in front, as in descriptors. */
    if (rpc_descriptors_find_symbol(reflection->descriptors, symbol + (*symbol == '.'), &file) ==
        LL_OK) {
        return answer_files(reflection, stream, response, file);
    }
    struct ll_error text;
    ll_status status = ll_fail(&text, LL_E_NOT_FOUND, "no symbol \"%.*s\"", quoted(symbol), symbol);
    return answer_error(stream, response, status, text.text);
}

static ll_status answer(const struct reflection *reflection, struct rpc_stream *stream,
                        reflection_request *request)
{
    reflection_response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    response.valid_host = request->host;
    response.original_request = request;
    switch (request->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        return answer_services(reflection, stream, &response);
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        return answer_file_by_name(reflection, stream, &response, request->file_by_filename);
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        return answer_symbol(reflection, stream, &response, request->file_containing_symbol);
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        return answer_error(stream, &response, LL_E_NOT_FOUND, "there are no extensions");
    default:
        return answer_error(stream, &response, LL_E_UNSUPPORTED, "not a request known here");
    }
}

static void on_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    const struct reflection_stream *self = owner;
    reflection_request *request =
        grpc__reflection__v1__server_reflection_request__unpack(NULL, bytes, data);
    if (!request) {
        rpc_stream_finish(stream, LL_E_INVALID, "not a ServerReflectionRequest");
        return;
    }
    ll_status status = answer(self->reflection, stream, request);
    grpc__reflection__v1__server_reflection_request__free_unpacked(request, NULL);
    if (status != LL_OK) {
        rpc_stream_finish(stream, status, NULL);
    }
}

static void on_half_close(void *owner, struct rpc_stream *stream)
{
    (void)owner;
    rpc_stream_finish(stream, LL_OK, NULL);
}

static void on_closed(void *owner, struct rpc_stream *stream, ll_status status, const char *message)
{
    struct reflection_stream *self = owner;
    (void)stream;
    (void)status;
    (void)message;
    struct reflection_stream **link = &self->reflection->streams;
    while (*link != self) {
        link = &(*link)->next;
    }
    *link = self->next;
    free(self);
}

static const struct rpc_stream_handler reflection_handler = {
    .on_message = on_message,
    .on_half_close = on_half_close,
    .on_closed = on_closed,
};

static void end_stream(struct rpc_stream *stream)
{
    rpc_stream_finish(stream, LL_E_UNAVAILABLE, "the server stops");
}

static void open_stream(void *arg, struct rpc_stream *stream)
{
    struct reflection *reflection = arg;
    struct reflection_stream *self = calloc(1, sizeof(*self));
    if (!self) {
        rpc_stream_finish(stream, LL_E_NO_MEMORY, NULL);
        return;
    }
    self->reflection = reflection;
    self->stream = stream;
    self->next = reflection->streams;
    reflection->streams = self;
    rpc_stream_bound_receive(stream, UNREAD_ANSWERS);
    rpc_server_accept(stream, &reflection_handler, self);
    if (reflection->is_stopping) {
        end_stream(stream);
    }
}

static void stop_reflection(struct rpc_service *service)
{
    struct reflection *reflection = LL_CONTAINER_OF(service, struct reflection, base);
    reflection->is_stopping = true;
    for (struct reflection_stream *self = reflection->streams; self; self = self->next) {
        end_stream(self->stream);
    }
}

static void destroy_reflection(struct rpc_service *service)
{
    struct reflection *reflection = LL_CONTAINER_OF(service, struct reflection, base);
    rpc_descriptors_destroy(reflection->descriptors);
    free(reflection);
}

ll_status rpc_server_add_reflection(struct rpc_server *server, const uint8_t *descriptors,
                                    size_t bytes)
{
    struct reflection *reflection = calloc(1, sizeof(*reflection));
    if (!reflection) {
        return LL_E_NO_MEMORY;
    }
    ll_status status = rpc_descriptors_create(descriptors, bytes, &reflection->descriptors);
    if (status != LL_OK) {
        free(reflection);
        return status;
    }
    reflection->base.stop = stop_reflection;
    reflection->base.destroy = destroy_reflection;
    reflection->server = server;
    /* From here on it lives and dies with the server. */
    rpc_server_attach(server, &reflection->base);
    status = rpc_server_add(server, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                            open_stream, reflection);
    if (status == LL_OK) {
        status =
            rpc_server_add(server, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                           open_stream, reflection);
    }
    return status;
}
