/* The bar is the terminal's last line: everything else is written above it, by wiping it, writing
 * and drawing it again. */
#include "device/device_report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "core/ll_text.h"

enum {
    REPORT_BAR_CELLS = 24,
    REPORT_LINE_BYTES = 1024,
    REPORT_READY_BYTES = 96,
    REPORT_TOP = 64,
    /* Boxes that a query's line names. */
    REPORT_NAMED = 3,
    REPORT_SHOWN_BYTES = 256,
    /* Plain lines come at every tenth of the upload. */
    REPORT_STEPS = 10,
};
/* The bar is drawn this often at most. */
#define REPORT_DRAW_NS (100 * LL_NS_PER_MS)
#define REPORT_RATE_NS LL_NS_PER_S

/* Queries wait while more than this waits to be written. */
enum { REPORT_ROOM_BYTES = 256 << 10 };

struct device_report {
    struct device_report_config config;
    struct device_writer *text;
    /* NULL: no JSON. */
    struct device_writer *lines;
    /* Guards everything below. */
    struct ll_mutex lock;
    struct device_json json LL_GUARDED_BY(lock);
    ll_status json_status LL_GUARDED_BY(lock);
    bool is_ended LL_GUARDED_BY(lock);
    struct device_progress progress LL_GUARDED_BY(lock);
    bool has_bar LL_GUARDED_BY(lock);
    int64_t drawn_ns LL_GUARDED_BY(lock);
    int step LL_GUARDED_BY(lock);
    /* Rate over the last second. */
    int64_t rate_from_ns LL_GUARDED_BY(lock);
    int64_t rate_from_bytes LL_GUARDED_BY(lock);
    double mbps LL_GUARDED_BY(lock);
    bool has_rate LL_GUARDED_BY(lock);
    int64_t queries LL_GUARDED_BY(lock), lost LL_GUARDED_BY(lock), fallbacks LL_GUARDED_BY(lock);
    int64_t first_latency_ns LL_GUARDED_BY(lock), last_latency_ns LL_GUARDED_BY(lock);
    /* Of the last query, to be shown at the end: boxes, or best values. */
    bool has_boxes LL_GUARDED_BY(lock);
    int shown_count LL_GUARDED_BY(lock);
    int left_out LL_GUARDED_BY(lock);
    char shown[REPORT_TOP][REPORT_SHOWN_BYTES] LL_GUARDED_BY(lock);
};

LL_NO_ANALYSIS ll_status device_report_create(const struct device_report_config *config,
                                              struct device_report **out_report)
{
    struct device_report *report = calloc(1, sizeof(*report));
    if (!report) {
        return LL_E_NO_MEMORY;
    }
    report->config = *config;
    ll_mutex_init(&report->lock);
    ll_status status = device_writer_create(config->text, REPORT_ROOM_BYTES, &report->text);
    if (status == LL_OK && config->json) {
        status = device_writer_create(config->json, REPORT_ROOM_BYTES, &report->lines);
    }
    if (status != LL_OK) {
        device_report_destroy(report);
        return status;
    }
    report->json = (struct device_json){
        .writer = report->lines,
        .origin_ns = ll_clock_now_ns(),
        .layer_count = config->layer_count,
        .terms = config->terms,
    };
    *out_report = report;
    return LL_OK;
}

void device_report_destroy(struct device_report *report)
{
    if (report) {
        device_writer_destroy(report->lines);
        device_writer_destroy(report->text);
        ll_mutex_finish(&report->lock);
        free(report);
    }
}

/* ---- The terminal ---- */

/* Text for people is lost where there is no memory for it. */
static void put_text(struct device_report *report, const char *text)
{
    (void)!device_writer_put(report->text, text, strlen(text));
}

static void wipe_bar_locked(struct device_report *report) LL_REQUIRES(report->lock)
{
    if (report->config.is_terminal && report->has_bar) {
        put_text(report, "\r\033[K");
    }
}

/* "12 of 78 layers ready", and how many the draft has. */
static const char *ready_text(const struct device_progress *progress, int layers, char *text,
                              size_t bytes)
{
    char draft[48] = "";
    if (progress->draft_prefix > progress->prefix) {
        snprintf(draft, sizeof(draft), ", %d with the draft", progress->draft_prefix);
    }
    snprintf(text, bytes, "%d of %d layers ready%s", progress->prefix, layers, draft);
    return text;
}

static void draw_bar_locked(struct device_report *report) LL_REQUIRES(report->lock)
{
    const struct device_progress *progress = &report->progress;
    if (!report->config.is_terminal || !report->has_bar) {
        return;
    }
    double part = progress->model_bytes > 0
                      ? (double)progress->acked_bytes / (double)progress->model_bytes
                      : 1;
    char bar[REPORT_BAR_CELLS + 1];
    for (int i = 0; i < REPORT_BAR_CELLS; i++) {
        bar[i] = (double)i < part * REPORT_BAR_CELLS ? '#' : '.';
    }
    bar[REPORT_BAR_CELLS] = '\0';
    char line[REPORT_LINE_BYTES];
    char ready[REPORT_READY_BYTES];
    snprintf(line, sizeof(line), "upload [%s] %.1f of %.1f MB  %.1f Mbit/s  %s", bar,
             (double)progress->acked_bytes * 1e-6, (double)progress->model_bytes * 1e-6,
             report->mbps, ready_text(progress, report->config.layer_count, ready, sizeof(ready)));
    put_text(report, line);
    report->drawn_ns = ll_clock_now_ns();
}

static void write_line_locked(struct device_report *report, char *line) LL_REQUIRES(report->lock)
{
    /* Part of it may be an edge's own words, or a file's: they must not steer the terminal. */
    ll_text_tame(line);
    wipe_bar_locked(report);
    put_text(report, line);
    put_text(report, "\n");
    draw_bar_locked(report);
}

static void print_locked(struct device_report *report, const char *format, ...)
    LL_REQUIRES(report->lock) LL_PRINTF(2, 3);

static void print_locked(struct device_report *report, const char *format, ...)
{
    char line[REPORT_LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    write_line_locked(report, line);
}

void device_report_line(struct device_report *report, const char *format, ...)
{
    char line[REPORT_LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    ll_mutex_lock(&report->lock);
    if (!report->is_ended) {
        write_line_locked(report, line);
    }
    ll_mutex_unlock(&report->lock);
}

/* " (device slowed down 10 times, link limited to 20 Mbit/s)", as far as it applies. */
static const char *terms_text(const struct device_terms *terms, bool is_device, bool is_link,
                              char *text, size_t bytes)
{
    bool has_slowdown = is_device && terms->slowdown > 1;
    bool has_limit = is_link && terms->limit_mbps > 0;
    text[0] = '\0';
    if (has_slowdown && has_limit) {
        snprintf(text, bytes, "  (device slowed down %g times, link limited to %g Mbit/s)",
                 terms->slowdown, terms->limit_mbps);
    } else if (has_slowdown) {
        snprintf(text, bytes, "  (device slowed down %g times)", terms->slowdown);
    } else if (has_limit) {
        snprintf(text, bytes, "  (link limited to %g Mbit/s)", terms->limit_mbps);
    }
    return text;
}

static void note_json_locked(struct device_report *report, ll_status status)
    LL_REQUIRES(report->lock)
{
    if (status != LL_OK && report->json_status == LL_OK) {
        report->json_status = status;
    }
}

/* ---- The upload ---- */

static void measure_locked(struct device_report *report, int64_t now_ns) LL_REQUIRES(report->lock)
{
    int64_t bytes = report->progress.payload_bytes;
    if (report->rate_from_ns == 0 || bytes < report->rate_from_bytes) {
        report->rate_from_ns = now_ns;
        report->rate_from_bytes = bytes;
        return;
    }
    int64_t took_ns = now_ns - report->rate_from_ns;
    /* In the first second the number follows every byte, then it is each whole second's. */
    if (took_ns > 0 && (!report->has_rate || took_ns >= REPORT_RATE_NS)) {
        report->mbps = (double)(bytes - report->rate_from_bytes) * 8e3 / (double)took_ns;
    }
    if (took_ns >= REPORT_RATE_NS) {
        report->has_rate = true;
        report->rate_from_ns = now_ns;
        report->rate_from_bytes = bytes;
    }
}

void device_report_progress(struct device_report *report, const struct device_progress *progress)
{
    ll_mutex_lock(&report->lock);
    if (report->is_ended) {
        ll_mutex_unlock(&report->lock);
        return;
    }
    int64_t now_ns = ll_clock_now_ns();
    bool is_changed = progress->prefix != report->progress.prefix ||
                      progress->draft_prefix != report->progress.draft_prefix;
    report->progress = *progress;
    measure_locked(report, now_ns);
    int64_t whole = progress->model_bytes > 0 ? progress->model_bytes : 1;
    int step = (int)((double)progress->acked_bytes / (double)whole * REPORT_STEPS);
    report->has_bar = report->config.is_terminal;
    if (report->config.is_terminal) {
        bool is_due = is_changed || now_ns - report->drawn_ns >= REPORT_DRAW_NS;
        /* A terminal that does not take what there is gets the bar later. */
        if (is_due && device_writer_is_idle(report->text)) {
            wipe_bar_locked(report);
            draw_bar_locked(report);
        }
    } else if (step > report->step) {
        char ready[REPORT_READY_BYTES];
        print_locked(report, "upload %.1f of %.1f MB, %.1f Mbit/s, %s",
                     (double)progress->acked_bytes * 1e-6, (double)progress->model_bytes * 1e-6,
                     report->mbps,
                     ready_text(progress, report->config.layer_count, ready, sizeof(ready)));
    }
    report->step = step;
    ll_mutex_unlock(&report->lock);
}

void device_report_ready(struct device_report *report, const struct device_creation *creation)
{
    ll_mutex_lock(&report->lock);
    if (report->lines && !report->is_ended) {
        note_json_locked(report, device_json_ready(&report->json, ll_clock_now_ns(), creation));
    }
    ll_mutex_unlock(&report->lock);
}

void device_report_draft(struct device_report *report, const struct device_drafted *drafted)
{
    ll_mutex_lock(&report->lock);
    if (!report->is_ended) {
        wipe_bar_locked(report);
        report->has_bar = false;
        print_locked(report,
                     "the edge has a draft of the whole model: %.1f MB sent, ready after %.2f s; "
                     "its answers are nearly the model's until that is there",
                     (double)drafted->sent_draft_bytes * 1e-6,
                     (double)(drafted->ready_ns - drafted->start_ns) * 1e-9);
    }
    ll_mutex_unlock(&report->lock);
}

void device_report_upload(struct device_report *report, const struct device_uploaded *uploaded)
{
    ll_mutex_lock(&report->lock);
    if (!report->is_ended) {
        char terms[128];
        wipe_bar_locked(report);
        report->has_bar = false;
        print_locked(report,
                     "the edge has the whole model: %.1f of %.1f MB sent in %.2f s, ready %.0f ms "
                     "later; %d partitions, %d creations of %.0f ms in all%s",
                     (double)uploaded->sent_weight_bytes * 1e-6,
                     (double)uploaded->model_bytes * 1e-6,
                     (double)(uploaded->acked_ns - uploaded->start_ns) * 1e-9,
                     ll_clock_ms(uploaded->ready_ns - uploaded->acked_ns), uploaded->partitions,
                     uploaded->creations, ll_clock_ms(uploaded->creation_ns),
                     terms_text(&report->config.terms, false, true, terms, sizeof(terms)));
        if (report->lines) {
            note_json_locked(report, device_json_upload(&report->json, uploaded));
        }
    }
    ll_mutex_unlock(&report->lock);
}

/* ---- Queries ---- */

static void keep_view_locked(struct device_report *report, const struct device_view *view)
    LL_REQUIRES(report->lock)
{
    int count = cli_answer_lines(&view->answer);
    report->has_boxes = view->answer.has_boxes;
    report->shown_count = count < REPORT_TOP ? count : REPORT_TOP;
    report->left_out = count - report->shown_count;
    for (int i = 0; i < report->shown_count; i++) {
        cli_answer_line(&view->answer, i, report->shown[i], REPORT_SHOWN_BYTES);
    }
}

/* "  3 boxes: dog 82%, bicycle 77%, truck 65%"; nothing where the network finds none at all. */
static const char *boxes_text(const struct cli_answer *answer, char *text, size_t bytes)
{
    text[0] = '\0';
    if (!answer->has_boxes) {
        return text;
    }
    int used =
        snprintf(text, bytes, "  %d box%s", answer->box_count, answer->box_count == 1 ? "" : "es");
    for (int i = 0; i < answer->box_count && i < REPORT_NAMED && (size_t)used < bytes; i++) {
        used += snprintf(text + used, bytes - (size_t)used, "%s%.40s %.0f%%", i == 0 ? ": " : ", ",
                         answer->boxes[i].label, 100 * (double)answer->boxes[i].p);
    }
    if (answer->box_count > REPORT_NAMED && (size_t)used < bytes) {
        snprintf(text + used, bytes - (size_t)used, ", ...");
    }
    return text;
}

/* "  (3 output values are NaN or infinite)"; nothing where none is. */
static const char *not_finite_text(const struct cli_answer *answer, char *text, size_t bytes)
{
    text[0] = '\0';
    if (answer->not_finite > 0) {
        snprintf(text, bytes, "  (%lld output values are NaN or infinite)",
                 (long long)answer->not_finite);
    }
    return text;
}

/* Which layers the device ran: all but [first, end). */
static void device_part(const struct device_query_result *result, int layers, char *text,
                        size_t bytes)
{
    bool has_front = result->first > 0 && result->end > result->first;
    bool has_back = result->end < layers;
    if (result->end == result->first) {
        snprintf(text, bytes, "device [0, %d)", layers);
    } else if (has_front && has_back) {
        snprintf(text, bytes, "device [0, %d) [%d, %d)", result->first, result->end, layers);
    } else if (has_front || has_back) {
        snprintf(text, bytes, "device [%d, %d)", has_front ? 0 : result->end,
                 has_front ? result->first : layers);
    } else {
        snprintf(text, bytes, "device -");
    }
}

static void await_room(struct device_report *report)
{
    device_writer_await_room(report->text);
    if (report->lines) {
        device_writer_await_room(report->lines);
    }
}

static const char *rounding_text(ll_dtype rounded_to)
{
    return rounded_to == LL_F16 ? " (in f16)" : rounded_to == LL_U8_CHANNEL ? " (in u8)" : "";
}

void device_report_hurry(struct device_report *report)
{
    device_writer_hurry(report->text);
    if (report->lines) {
        device_writer_hurry(report->lines);
    }
}

void device_report_query(struct device_report *report, int64_t id,
                         const struct device_query_result *result, const struct device_view *view)
{
    char device[96];
    char edge[96] = "";
    char boxes[256];
    char not_finite[64];
    char terms[128];
    int layers = report->config.layer_count;
    bool ran_remote = result->end > result->first;
    bool fell_back = result->fallback.text[0] != '\0';
    device_part(result, layers, device, sizeof(device));
    if (ran_remote) {
        snprintf(edge, sizeof(edge), "  edge [%d, %d) %.1f ms%s%s", result->first, result->end,
                 ll_clock_ms(result->edge_ns), result->is_draft ? " (draft)" : "",
                 rounding_text(result->rounded_to));
    }
    terms_text(&report->config.terms, !ran_remote || result->first > 0 || result->end < layers,
               ran_remote || fell_back, terms, sizeof(terms));
    await_room(report);

    ll_mutex_lock(&report->lock);
    if (!report->is_ended) {
        report->queries++;
        report->fallbacks += fell_back ? 1 : 0;
        if (report->queries == 1) {
            report->first_latency_ns = result->latency_ns;
        }
        report->last_latency_ns = result->latency_ns;
        keep_view_locked(report, view);
        const char *tries = result->tries == DEVICE_TRY_EDGE ? "  (the edge was asked as well)"
                            : result->tries == DEVICE_TRY_DEVICE
                                ? "  (to see how fast the device is)"
                                : "";
        bool has_name = report->config.names_images && view->image;
        print_locked(
            report, "query %-4lld %9.1f ms  %s%s%s %.1f ms%s  network %.1f ms%s%s%s%s%s%s%s",
            (long long)id, ll_clock_ms(result->latency_ns), has_name ? view->image : "",
            has_name ? "  " : "", device, ll_clock_ms(result->device_ns), edge,
            ll_clock_ms(result->network_ns), boxes_text(&view->answer, boxes, sizeof(boxes)),
            not_finite_text(&view->answer, not_finite, sizeof(not_finite)),
            fell_back ? "  on the device alone: " : "", result->fallback.text, tries,
            result->is_interrupted ? "  (interrupted)" : "", terms);
        if (report->lines) {
            note_json_locked(report, device_json_query(&report->json, id, result, view));
        }
    }
    ll_mutex_unlock(&report->lock);
}

void device_report_lost(struct device_report *report, int64_t id, const char *reason)
{
    ll_mutex_lock(&report->lock);
    if (!report->is_ended) {
        report->queries++;
        report->lost++;
        print_locked(report, "query %-4lld failed: %s", (long long)id, reason);
    }
    ll_mutex_unlock(&report->lock);
}

/* ---- The end ---- */

static void print_end_locked(struct device_report *report) LL_REQUIRES(report->lock)
{
    char terms[128];
    for (int i = 0; i < report->shown_count; i++) {
        print_locked(report, "%s", report->shown[i]);
    }
    if (report->has_boxes && report->left_out > 0) {
        print_locked(report, "and %d more", report->left_out);
    }
    terms_text(&report->config.terms, true, true, terms, sizeof(terms));
    if (report->queries == report->lost) {
        print_locked(report, "%lld queries, %lld lost%s", (long long)report->queries,
                     (long long)report->lost, terms);
        return;
    }
    print_locked(report,
                 "%lld queries, %lld lost, %lld fell back to the device; the first took %.1f ms, "
                 "the last %.1f ms%s",
                 (long long)report->queries, (long long)report->lost, (long long)report->fallbacks,
                 ll_clock_ms(report->first_latency_ns), ll_clock_ms(report->last_latency_ns),
                 terms);
}

ll_status device_report_end(struct device_report *report, int64_t deadline_ns)
{
    ll_mutex_lock(&report->lock);
    if (!report->is_ended) {
        wipe_bar_locked(report);
        report->has_bar = false;
        print_end_locked(report);
        if (report->lines) {
            note_json_locked(report, device_json_summary(&report->json, report->queries,
                                                         report->lost, report->fallbacks));
        }
        report->is_ended = true;
    }
    ll_status status = report->json_status;
    ll_mutex_unlock(&report->lock);
    ll_status written = report->lines ? device_writer_drain(report->lines, deadline_ns) : LL_OK;
    status = status == LL_OK ? written : status;
    /* That nobody reads what is for people is no failure. */
    written = device_writer_drain(report->text, deadline_ns);
    return status == LL_OK && written == LL_E_DEADLINE ? written : status;
}
