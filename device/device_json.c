#include "device/device_json.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_json.h"

/* An object that is being filled; once memory runs out, it stays invalid. */
struct json_line {
    struct json_object *object;
    bool is_ok;
};

static void line_begin(struct json_line *line, const char *event)
{
    line->object = json_object_new_object();
    line->is_ok = line->object != NULL;
    if (line->is_ok) {
        struct json_object *name = json_object_new_string(event);
        line->is_ok = name && json_object_object_add(line->object, "event", name) == 0;
    }
}

static void line_add(struct json_line *line, const char *key, struct json_object *value)
{
    if (!line->is_ok || !value || json_object_object_add(line->object, key, value) != 0) {
        json_object_put(value);
        line->is_ok = false;
    }
}

/* Infinities and NaN, which JSON does not have, become null. */
static void line_number(struct json_line *line, const char *key, double value)
{
    if (isfinite(value)) {
        line_add(line, key, ll_json_number(value));
    } else if (line->is_ok) {
        line->is_ok = json_object_object_add(line->object, key, NULL) == 0;
    }
}

static void line_ms(struct json_line *line, const char *key, int64_t ns)
{
    line_add(line, key, ll_json_ms(ns));
}

static void line_int(struct json_line *line, const char *key, int64_t value)
{
    line_add(line, key, json_object_new_int64(value));
}

static void line_terms(struct json_line *line, const struct device_terms *terms)
{
    if (terms->slowdown > 1) {
        line_number(line, "slowdown", terms->slowdown);
    }
    if (terms->limit_mbps > 0) {
        line_number(line, "limit_mbps", terms->limit_mbps);
    }
}

static ll_status put_line(struct device_writer *writer, const char *text)
{
    size_t bytes = strlen(text);
    char *line = malloc(bytes + 1);
    if (!line) {
        return LL_E_NO_MEMORY;
    }
    memcpy(line, text, bytes + 1);
    line[bytes] = '\n';
    ll_status status = device_writer_put(writer, line, bytes + 1);
    free(line);
    return status;
}

static ll_status line_end(struct json_line *line, struct device_writer *writer)
{
    ll_status status = line->is_ok ? LL_OK : LL_E_NO_MEMORY;
    if (status == LL_OK) {
        const char *text = json_object_to_json_string_ext(
            line->object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        status = text ? put_line(writer, text) : LL_E_NO_MEMORY;
    }
    json_object_put(line->object);
    return status;
}

/* [[label, p], ...] */
static struct json_object *new_top(const struct device_top *top, int count)
{
    struct json_object *list = json_object_new_array();
    for (int i = 0; list && i < count; i++) {
        struct json_object *pair = json_object_new_array();
        struct json_object *label = ll_json_string(top[i].label);
        struct json_object *value = ll_json_number((double)top[i].value);
        /* A half-built pair is lost where memory runs out; the run ends then. */
        if (!pair || !label || json_object_array_add(pair, label) != 0 ||
            json_object_array_add(pair, value) != 0 || json_object_array_add(list, pair) != 0) {
            json_object_put(list);
            return NULL;
        }
    }
    return list;
}

/* {"label":, "p":, "left":, "top":, "right":, "bottom":} */
static struct json_object *new_box(const struct device_box *box)
{
    struct json_line line = {.object = json_object_new_object()};
    line.is_ok = line.object != NULL;
    line_add(&line, "label", ll_json_string(box->label));
    line_number(&line, "p", (double)box->p);
    line_number(&line, "left", (double)box->left);
    line_number(&line, "top", (double)box->top);
    line_number(&line, "right", (double)box->right);
    line_number(&line, "bottom", (double)box->bottom);
    if (!line.is_ok) {
        json_object_put(line.object);
        return NULL;
    }
    return line.object;
}

static struct json_object *new_boxes(const struct device_box *boxes, int count)
{
    struct json_object *list = json_object_new_array();
    for (int i = 0; list && i < count; i++) {
        struct json_object *box = new_box(&boxes[i]);
        if (!box || json_object_array_add(list, box) != 0) {
            json_object_put(box);
            json_object_put(list);
            return NULL;
        }
    }
    return list;
}

ll_status device_json_query(const struct device_json *json, int64_t id,
                            const struct device_query_result *result,
                            const struct device_view *view)
{
    struct json_line line;
    line_begin(&line, "query");
    line_int(&line, "id", id);
    if (view->image) {
        line_add(&line, "image", ll_json_string(view->image));
    }
    line_ms(&line, "issued_ms", result->issued_ns - json->origin_ns);
    line_ms(&line, "latency_ms", result->latency_ns);
    line_ms(&line, "device_ms", result->device_ns);
    line_ms(&line, "edge_ms", result->edge_ns);
    line_ms(&line, "network_ms", result->network_ns);
    line_int(&line, "first", result->first);
    line_int(&line, "end", result->end);
    line_int(&line, "layers", json->layer_count);
    line_int(&line, "prefix", result->prefix);
    if (result->fallback.text[0]) {
        line_add(&line, "fallback", ll_json_string(result->fallback.text));
    } else if (line.is_ok) {
        line.is_ok = json_object_object_add(line.object, "fallback", NULL) == 0;
    }
    line_ms(&line, "predicted_ms", result->predicted_ns);
    line_int(&line, "up_bytes", result->up_bytes);
    line_int(&line, "down_bytes", result->down_bytes);
    line_add(&line, "top", new_top(view->top, view->top_count));
    if (result->is_rounded) {
        line_add(&line, "cut_encoding", json_object_new_string("f16"));
    }
    if (result->is_verified) {
        line_add(&line, "verified", json_object_new_boolean(!result->is_wrong));
        line_number(&line, "difference", result->difference);
    }
    if (result->tries != DEVICE_TRY_NOTHING) {
        line_add(&line, "try",
                 json_object_new_string(result->tries == DEVICE_TRY_EDGE ? "edge" : "device"));
    }
    if (view->has_boxes) {
        line_add(&line, "boxes", new_boxes(view->boxes, view->box_count));
    }
    if (view->not_finite > 0) {
        line_int(&line, "not_finite", view->not_finite);
    }
    if (result->is_interrupted) {
        line_add(&line, "interrupted", json_object_new_boolean(1));
    }
    line_terms(&line, &json->terms);
    return line_end(&line, json->writer);
}

ll_status device_json_ready(const struct device_json *json, int64_t at_ns,
                            const struct device_creation *creation)
{
    struct json_line line;
    line_begin(&line, "ready");
    line_ms(&line, "at_ms", at_ns - json->origin_ns);
    line_int(&line, "prefix", creation->prefix);
    line_ms(&line, "creation_ms", creation->creation_ns);
    line_int(&line, "partitions", creation->partitions);
    return line_end(&line, json->writer);
}

ll_status device_json_upload(const struct device_json *json, const struct device_uploaded *uploaded)
{
    struct json_line line;
    line_begin(&line, "upload");
    line_ms(&line, "start_ms", uploaded->start_ns - json->origin_ns);
    line_ms(&line, "acked_ms", uploaded->acked_ns - json->origin_ns);
    line_ms(&line, "ready_ms", uploaded->ready_ns - json->origin_ns);
    line_int(&line, "model_bytes", uploaded->model_bytes);
    line_int(&line, "sent_bytes", uploaded->sent_bytes);
    line_int(&line, "partitions", uploaded->partitions);
    line_int(&line, "creations", uploaded->creations);
    line_ms(&line, "creation_ms", uploaded->creation_ns);
    line_terms(&line, &json->terms);
    return line_end(&line, json->writer);
}

ll_status device_json_summary(const struct device_json *json, int64_t queries, int64_t lost,
                              int64_t fallbacks)
{
    struct json_line line;
    line_begin(&line, "summary");
    line_int(&line, "queries", queries);
    line_int(&line, "lost", lost);
    line_int(&line, "fallbacks", fallbacks);
    line_terms(&line, &json->terms);
    return line_end(&line, json->writer);
}
