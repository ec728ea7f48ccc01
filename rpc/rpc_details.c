#include "rpc/rpc_details.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/google/rpc/status.pb-c.h"

#define DETAILS_DOMAIN "layerlift"
#define DETAILS_REASON "LIMIT_"
#define DETAILS_TYPE "type.googleapis.com/"
#define DETAILS_LIMIT "limit"
#define DETAILS_VALUE "value"
#define DETAILS_NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789_"

enum {
    MS_PER_S = 1000,
    NS_PER_MS = 1000 * 1000,
    /* Memory for the parts of one google.rpc.Status, whatever its bytes say. */
    UNPACKED_BYTES = 64 << 10,
};

/* ---- Ours ---- */

/* "upload_sessions" -> "LIMIT_UPLOAD_SESSIONS". */
static void format_reason(const char *limit, char out_reason[RPC_DETAILS_TEXT_BYTES])
{
    snprintf(out_reason, RPC_DETAILS_TEXT_BYTES, DETAILS_REASON "%s", limit);
    for (char *at = out_reason; *at; at++) {
        *at = (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
    }
}

static void fill_entry(struct rpc_details *details, int index, char *key, char *value)
{
    google__rpc__error_info__metadata_entry__init(&details->entries[index]);
    details->entries[index].key = key;
    details->entries[index].value = value;
    details->metadata[index] = &details->entries[index];
}

void rpc_details_fill(struct rpc_details *details, const struct ll_error *err)
{
    *details = (struct rpc_details){.error_info = NULL};
    if (err->limit[0]) {
        google__rpc__error_info__init(&details->info);
        format_reason(err->limit, details->reason);
        snprintf(details->value, sizeof(details->value), "%" PRId64, err->limit_value);
        fill_entry(details, 0, DETAILS_LIMIT, (char *)err->limit);
        fill_entry(details, 1, DETAILS_VALUE, details->value);
        details->info.reason = details->reason;
        details->info.domain = DETAILS_DOMAIN;
        details->info.metadata = details->metadata;
        details->info.n_metadata = 2;
        details->error_info = &details->info;
    }
    if (err->retry_ms > 0) {
        int64_t ms = err->retry_ms < RPC_DETAILS_RETRY_MS ? err->retry_ms : RPC_DETAILS_RETRY_MS;
        google__rpc__retry_info__init(&details->retry);
        google__protobuf__duration__init(&details->delay);
        details->delay.seconds = ms / MS_PER_S;
        details->delay.nanos = (int32_t)(ms % MS_PER_S * NS_PER_MS);
        details->retry.retry_delay = &details->delay;
        details->retry_info = &details->retry;
    }
}

/* Other runtimes refuse a text that is not UTF-8, and a sentence may quote anything. */
static void clean(const char *text, char *out_text, size_t bytes)
{
    snprintf(out_text, bytes, "%s", text);
    for (char *at = out_text; *at; at++) {
        *at = (char)(*at >= ' ' && *at <= '~' ? *at : '?');
    }
}

/* One detail: packed into memory of its own. False without memory. */
static bool pack_any(Google__Protobuf__Any *any, char *type_url, const ProtobufCMessage *message)
{
    google__protobuf__any__init(any);
    any->type_url = type_url;
    any->value.len = protobuf_c_message_get_packed_size(message);
    any->value.data = malloc(any->value.len + 1);
    if (any->value.data) {
        protobuf_c_message_pack(message, any->value.data);
    }
    return any->value.data != NULL;
}

ll_status rpc_details_pack(int code, const struct ll_error *err, uint8_t **out_data,
                           size_t *out_bytes)
{
    struct rpc_details details;
    rpc_details_fill(&details, err);
    *out_data = NULL;
    *out_bytes = 0;
    if (!details.error_info && !details.retry_info) {
        return LL_OK;
    }
    Google__Protobuf__Any any[2] = {GOOGLE__PROTOBUF__ANY__INIT, GOOGLE__PROTOBUF__ANY__INIT};
    Google__Protobuf__Any *list[2];
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    status.code = code;
    char text[sizeof(err->text)];
    clean(err->text, text, sizeof(text));
    status.message = text;
    status.details = list;
    bool has_memory = true;
    if (details.error_info) {
        has_memory = pack_any(&any[0], DETAILS_TYPE "google.rpc.ErrorInfo", &details.info.base);
        list[status.n_details++] = &any[0];
    }
    if (details.retry_info && has_memory) {
        has_memory = pack_any(&any[1], DETAILS_TYPE "google.rpc.RetryInfo", &details.retry.base);
        list[status.n_details++] = &any[1];
    }
    uint8_t *data = has_memory ? malloc(google__rpc__status__get_packed_size(&status) + 1) : NULL;
    if (data) {
        *out_bytes = google__rpc__status__pack(&status, data);
        *out_data = data;
    }
    free(any[0].value.data);
    free(any[1].value.data);
    return data ? LL_OK : LL_E_NO_MEMORY;
}

/* ---- A peer's ---- */

static const char *find_entry(const Google__Rpc__ErrorInfo *info, const char *key)
{
    for (size_t i = 0; i < info->n_metadata; i++) {
        if (strcmp(info->metadata[i]->key, key) == 0) {
            return info->metadata[i]->value;
        }
    }
    return "";
}

/* Digits alone, within an int64. */
static bool parse_value(const char *text, int64_t *out_value)
{
    size_t digits = strspn(text, "0123456789");
    if (digits < 1 || digits > 18 || text[digits]) {
        return false;
    }
    *out_value = strtoll(text, NULL, 10);
    return true;
}

static ll_status take_info(const Google__Rpc__ErrorInfo *info, struct ll_error *err)
{
    if (strcmp(info->domain, DETAILS_DOMAIN) != 0 ||
        strncmp(info->reason, DETAILS_REASON, strlen(DETAILS_REASON)) != 0) {
        return LL_OK;
    }
    const char *limit = find_entry(info, DETAILS_LIMIT);
    size_t bytes = strspn(limit, DETAILS_NAME_CHARACTERS);
    char reason[RPC_DETAILS_TEXT_BYTES];
    int64_t value = 0;
    if (bytes < 1 || limit[bytes] || bytes >= sizeof(err->limit) ||
        !parse_value(find_entry(info, DETAILS_VALUE), &value)) {
        return LL_E_INVALID;
    }
    format_reason(limit, reason);
    if (strcmp(reason, info->reason) != 0) {
        return LL_E_INVALID;
    }
    memcpy(err->limit, limit, bytes + 1);
    err->limit_value = value;
    return LL_OK;
}

static ll_status take_retry(const Google__Rpc__RetryInfo *retry, struct ll_error *err)
{
    const Google__Protobuf__Duration *delay = retry->retry_delay;
    if (!delay || delay->seconds < 0 || delay->nanos < 0 || delay->nanos >= MS_PER_S * NS_PER_MS) {
        return LL_E_INVALID;
    }
    int64_t ms = RPC_DETAILS_RETRY_MS;
    if (delay->seconds < RPC_DETAILS_RETRY_MS / MS_PER_S) {
        ms = delay->seconds * MS_PER_S + (delay->nanos + NS_PER_MS - 1) / NS_PER_MS;
    }
    /* "At once" is a time, too. */
    err->retry_ms = ms > 0 ? ms : 1;
    return LL_OK;
}

static void forget(struct ll_error *err)
{
    err->limit[0] = '\0';
    err->limit_value = 0;
    err->retry_ms = 0;
}

ll_status rpc_details_take(const Google__Rpc__ErrorInfo *error_info,
                           const Google__Rpc__RetryInfo *retry_info, struct ll_error *err)
{
    forget(err);
    ll_status status = error_info ? take_info(error_info, err) : LL_OK;
    if (status == LL_OK && retry_info) {
        status = take_retry(retry_info, err);
    }
    if (status != LL_OK) {
        forget(err);
    }
    return status;
}

static void *allot(void *arg, size_t bytes)
{
    size_t *left_bytes = arg;
    if (bytes > *left_bytes) {
        return NULL;
    }
    *left_bytes -= bytes;
    return malloc(bytes);
}

static void give_back(void *arg, void *part)
{
    (void)arg;
    free(part);
}

static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *descriptor,
                                ProtobufCAllocator *allocator, size_t bytes, const uint8_t *data)
{
    return protobuf_c_message_unpack(descriptor, allocator, bytes, data);
}

/* The first detail of a type, or NULL; false where it is there, but no such message. */
static bool find_detail(const Google__Rpc__Status *status, const char *type_url,
                        const ProtobufCMessageDescriptor *descriptor, ProtobufCAllocator *allocator,
                        ProtobufCMessage **out_message)
{
    *out_message = NULL;
    for (size_t i = 0; i < status->n_details; i++) {
        const Google__Protobuf__Any *any = status->details[i];
        if (strcmp(any->type_url, type_url) == 0) {
            *out_message = unpack(descriptor, allocator, any->value.len, any->value.data);
            return *out_message != NULL;
        }
    }
    return true;
}

ll_status rpc_details_unpack(int code, const uint8_t *data, size_t bytes, struct ll_error *err)
{
    size_t left_bytes = UNPACKED_BYTES;
    ProtobufCAllocator allocator = {
        .alloc = allot, .free = give_back, .allocator_data = &left_bytes};
    forget(err);
    Google__Rpc__Status *status = NULL;
    if (bytes <= RPC_DETAILS_BYTES) {
        status = (Google__Rpc__Status *)unpack(&google__rpc__status__descriptor, &allocator, bytes,
                                               data);
    }
    if (!status) {
        return LL_E_INVALID;
    }
    ProtobufCMessage *info = NULL;
    ProtobufCMessage *retry = NULL;
    bool is_valid = status->code == code &&
                    find_detail(status, DETAILS_TYPE "google.rpc.ErrorInfo",
                                &google__rpc__error_info__descriptor, &allocator, &info) &&
                    find_detail(status, DETAILS_TYPE "google.rpc.RetryInfo",
                                &google__rpc__retry_info__descriptor, &allocator, &retry);
    ll_status taken = is_valid ? rpc_details_take((Google__Rpc__ErrorInfo *)info,
                                                  (Google__Rpc__RetryInfo *)retry, err)
                               : LL_E_INVALID;
    if (info) {
        protobuf_c_message_free_unpacked(info, &allocator);
    }
    if (retry) {
        protobuf_c_message_free_unpacked(retry, &allocator);
    }
    google__rpc__status__free_unpacked(status, &allocator);
    return taken;
}
