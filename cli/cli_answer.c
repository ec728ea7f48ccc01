#include "cli/cli_answer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What a line has beside its label, at the most. */
enum { ANSWER_NUMBERS_BYTES = 100 };

ll_status cli_answer_room_init(struct cli_answer_room *room, int most,
                               const struct vision_labels *labels)
{
    size_t places = (size_t)most + 1;
    struct cli_answer_room made = {.labels = labels, .most = most};
    made.best = calloc(places, sizeof(*made.best));
    made.top = calloc(places, sizeof(*made.top));
    made.numbers = calloc(places, sizeof(*made.numbers));
    if (!made.best || !made.top || !made.numbers) {
        cli_answer_room_finish(&made);
        return LL_E_NO_MEMORY;
    }
    *room = made;
    return LL_OK;
}

void cli_answer_room_finish(struct cli_answer_room *room)
{
    free(room->best);
    free(room->top);
    free(room->numbers);
    *room = (struct cli_answer_room){0};
}

void cli_answer_look(struct cli_answer_room *room, struct vision_boxes *boxes, const float *outputs,
                     int64_t floats, int64_t ranked, struct cli_answer *out_answer)
{
    struct cli_answer answer = {
        .top = room->top,
        .top_count = vision_top_k(outputs + (floats - ranked), ranked, room->most, room->best),
        .has_boxes = boxes != NULL,
        .not_finite = vision_count_not_finite(outputs, floats),
    };
    for (int i = 0; i < answer.top_count; i++) {
        room->top[i] = (struct cli_top){
            .label = vision_label(room->labels, ranked, room->best[i].index, room->numbers[i]),
            .value = room->best[i].value,
        };
    }
    if (boxes) {
        answer.box_count = vision_boxes_find(boxes, outputs, &answer.boxes);
    }
    *out_answer = answer;
}

/* ---- JSON ---- */

static struct json_object *new_pair(const struct cli_top *top)
{
    struct json_object *pair = json_object_new_array();
    if (!ll_json_append(pair, ll_json_string(top->label)) ||
        !ll_json_append_number(pair, (double)top->value)) {
        json_object_put(pair);
        return NULL;
    }
    return pair;
}

void cli_answer_add_top(const struct cli_answer *answer, struct ll_json_line *line)
{
    struct json_object *list = json_object_new_array();
    for (int i = 0; list && i < answer->top_count; i++) {
        if (!ll_json_append(list, new_pair(&answer->top[i]))) {
            json_object_put(list);
            list = NULL;
        }
    }
    ll_json_line_add(line, "top", list);
}

static struct json_object *new_box(const struct vision_box *box)
{
    struct ll_json_line line = ll_json_line_begin();
    ll_json_line_text(&line, "label", box->label);
    ll_json_line_number(&line, "p", (double)box->p);
    ll_json_line_number(&line, "left", (double)box->left);
    ll_json_line_number(&line, "top", (double)box->top);
    ll_json_line_number(&line, "right", (double)box->right);
    ll_json_line_number(&line, "bottom", (double)box->bottom);
    return ll_json_line_take(&line);
}

void cli_answer_add_boxes(const struct cli_answer *answer, struct ll_json_line *line)
{
    if (answer->has_boxes) {
        struct json_object *list = json_object_new_array();
        for (int i = 0; list && i < answer->box_count; i++) {
            if (!ll_json_append(list, new_box(&answer->boxes[i]))) {
                json_object_put(list);
                list = NULL;
            }
        }
        ll_json_line_add(line, "boxes", list);
    }
    if (answer->not_finite > 0) {
        ll_json_line_int(line, "not_finite", answer->not_finite);
    }
}

/* ---- Text ---- */

int cli_answer_lines(const struct cli_answer *answer)
{
    return answer->has_boxes ? answer->box_count : answer->top_count;
}

void cli_answer_line(const struct cli_answer *answer, int index, char *text, size_t bytes)
{
    int room = bytes > ANSWER_NUMBERS_BYTES ? (int)(bytes - ANSWER_NUMBERS_BYTES) : 0;
    if (answer->has_boxes) {
        const struct vision_box *box = &answer->boxes[index];
        snprintf(text, bytes, "%5.1f%%  %.*s  left %.0f, top %.0f, right %.0f, bottom %.0f",
                 100 * (double)box->p, room, box->label, (double)box->left, (double)box->top,
                 (double)box->right, (double)box->bottom);
    } else {
        const struct cli_top *top = &answer->top[index];
        /* A NaN's sign means nothing. */
        snprintf(text, bytes, "%9.6f  %.*s", isnan(top->value) ? (double)NAN : (double)top->value,
                 room, top->label);
    }
}
