#include "device/device_json.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_json_line.h"

static struct ll_json_line line_begin(const char *event)
{
    struct ll_json_line line = ll_json_line_begin();
    ll_json_line_text(&line, "event", event);
    return line;
}

static void line_terms(struct ll_json_line *line, const struct device_terms *terms)
{
    if (terms->slowdown > 1) {
        ll_json_line_number(line, "slowdown", terms->slowdown);
    }
    if (terms->limit_mbps > 0) {
        ll_json_line_number(line, "limit_mbps", terms->limit_mbps);
    }
}

static ll_status line_end(struct ll_json_line *line, struct device_writer *writer)
{
    char *text = NULL;
    ll_status status = ll_json_line_end(line, &text);
    if (status == LL_OK) {
        status = device_writer_put(writer, text, strlen(text));
        free(text);
    }
    return status;
}

ll_status device_json_query(const struct device_json *json, int64_t id,
                            const struct device_query_result *result,
                            const struct device_view *view)
{
    struct ll_json_line line = line_begin("query");
    ll_json_line_int(&line, "id", id);
    if (view->image) {
        ll_json_line_text(&line, "image", view->image);
    }
    ll_json_line_ms(&line, "issued_ms", result->issued_ns - json->origin_ns);
    ll_json_line_ms(&line, "latency_ms", result->latency_ns);
    ll_json_line_ms(&line, "device_ms", result->device_ns);
    ll_json_line_ms(&line, "edge_ms", result->edge_ns);
    ll_json_line_ms(&line, "network_ms", result->network_ns);
    ll_json_line_int(&line, "first", result->first);
    ll_json_line_int(&line, "end", result->end);
    ll_json_line_int(&line, "layers", json->layer_count);
    ll_json_line_int(&line, "prefix", result->prefix);
    if (result->fallback.text[0]) {
        ll_json_line_text(&line, "fallback", result->fallback.text);
    } else {
        ll_json_line_null(&line, "fallback");
    }
    ll_json_line_ms(&line, "predicted_ms", result->predicted_ns);
    ll_json_line_int(&line, "up_bytes", result->up_bytes);
    ll_json_line_int(&line, "down_bytes", result->down_bytes);
    if (result->input_encoding) {
        ll_json_line_text(&line, "input_encoding", result->input_encoding);
    } else {
        ll_json_line_null(&line, "input_encoding");
    }
    ll_json_line_text(&line, "precision", result->is_draft ? "draft" : "exact");
    ll_json_line_add(&line, "exact", json_object_new_boolean(result->is_exact));
    cli_answer_add_top(&view->answer, &line);
    if (result->is_rounded) {
        ll_json_line_text(&line, "cut_encoding",
                          result->rounded_to == LL_U8_CHANNEL ? "u8" : "f16");
    }
    if (result->is_verified) {
        ll_json_line_add(&line, "verified", json_object_new_boolean(!result->is_wrong));
        ll_json_line_number(&line, "difference", result->difference);
    }
    if (result->tries != DEVICE_TRY_NOTHING) {
        ll_json_line_text(&line, "try", result->tries == DEVICE_TRY_EDGE ? "edge" : "device");
    }
    cli_answer_add_boxes(&view->answer, &line);
    if (result->is_interrupted) {
        ll_json_line_add(&line, "interrupted", json_object_new_boolean(1));
    }
    line_terms(&line, &json->terms);
    return line_end(&line, json->writer);
}

ll_status device_json_ready(const struct device_json *json, int64_t at_ns,
                            const struct device_creation *creation)
{
    struct ll_json_line line = line_begin("ready");
    ll_json_line_ms(&line, "at_ms", at_ns - json->origin_ns);
    ll_json_line_int(&line, "prefix", creation->prefix);
    ll_json_line_ms(&line, "creation_ms", creation->creation_ns);
    ll_json_line_int(&line, "partitions", creation->partitions);
    return line_end(&line, json->writer);
}

ll_status device_json_upload(const struct device_json *json, const struct device_uploaded *uploaded)
{
    struct ll_json_line line = line_begin("upload");
    ll_json_line_ms(&line, "start_ms", uploaded->start_ns - json->origin_ns);
    ll_json_line_ms(&line, "acked_ms", uploaded->acked_ns - json->origin_ns);
    ll_json_line_ms(&line, "ready_ms", uploaded->ready_ns - json->origin_ns);
    ll_json_line_int(&line, "model_bytes", uploaded->model_bytes);
    ll_json_line_int(&line, "sent_bytes", uploaded->sent_bytes);
    ll_json_line_int(&line, "weight_bytes_sent", uploaded->sent_weight_bytes);
    ll_json_line_int(&line, "draft_bytes_sent", uploaded->sent_draft_bytes);
    if (uploaded->draft_ready_ns > 0) {
        ll_json_line_ms(&line, "draft_ready_ms", uploaded->draft_ready_ns - json->origin_ns);
    } else {
        ll_json_line_null(&line, "draft_ready_ms");
    }
    ll_json_line_int(&line, "partitions", uploaded->partitions);
    ll_json_line_int(&line, "creations", uploaded->creations);
    ll_json_line_ms(&line, "creation_ms", uploaded->creation_ns);
    line_terms(&line, &json->terms);
    return line_end(&line, json->writer);
}

ll_status device_json_summary(const struct device_json *json, int64_t queries, int64_t lost,
                              int64_t fallbacks)
{
    struct ll_json_line line = line_begin("summary");
    ll_json_line_int(&line, "queries", queries);
    ll_json_line_int(&line, "lost", lost);
    ll_json_line_int(&line, "fallbacks", fallbacks);
    line_terms(&line, &json->terms);
    return line_end(&line, json->writer);
}
