#include "tools/infer_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_json_line.h"
#include "core/ll_log.h"
#include "core/ll_text.h"

/* A label may be as long as this, less its numbers. */
enum { INFER_LINE_BYTES = 4096 };

void infer_report_warn(const struct infer_report *report)
{
    if (report->answer->not_finite > 0) {
        ll_log(LL_LOG_WARN, "infer", "%s%s%lld of %lld output values are NaN or infinite",
               report->name ? report->name : "", report->name ? ": " : "",
               (long long)report->answer->not_finite, (long long)report->floats);
    }
}

void infer_report_print(const struct infer_report *report)
{
    if (report->name) {
        ll_text_print(stdout, report->name);
        printf(":\n");
    }
    int lines = cli_answer_lines(report->answer);
    for (int i = 0; i < lines; i++) {
        char line[INFER_LINE_BYTES];
        cli_answer_line(report->answer, i, line, sizeof(line));
        ll_text_print(stdout, line);
        putchar('\n');
    }
    if (report->answer->has_boxes && lines == 0) {
        printf("no box is more probable than %g%%\n", 100 * (double)report->thresh);
    }
}

static struct ll_json_line line_begin(const char *name)
{
    struct ll_json_line line = ll_json_line_begin();
    ll_json_line_text(&line, "event", "infer");
    if (name) {
        ll_json_line_text(&line, "image", name);
    }
    return line;
}

static ll_status line_end(struct ll_json_line *line, struct ll_output *output, struct ll_error *err)
{
    char *text = NULL;
    if (ll_json_line_end(line, &text) != LL_OK) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    ll_output_write(output, text, strlen(text));
    free(text);
    return LL_OK;
}

ll_status infer_report_json(const struct infer_report *report, struct ll_output *output,
                            struct ll_error *err)
{
    struct ll_json_line line = line_begin(report->name);
    ll_json_line_ms(&line, "create_ms", report->create_ns);
    ll_json_line_ms(&line, "create_cpu_ms", report->create_cpu_ns);
    struct json_object *times = json_object_new_array();
    for (int i = 0; times && i < report->runs; i++) {
        if (!ll_json_append(times, ll_json_ms(report->run_ns[i]))) {
            json_object_put(times);
            times = NULL;
        }
    }
    ll_json_line_add(&line, "ms", times);
    cli_answer_add_top(report->answer, &line);
    cli_answer_add_boxes(report->answer, &line);
    return line_end(&line, output, err);
}

ll_status infer_report_unread(const char *name, struct ll_error *err, struct ll_output *output)
{
    struct ll_json_line line = line_begin(name);
    ll_json_line_text(&line, "error", err->text);
    return line_end(&line, output, err);
}
