/* What a program tells of a network's answer: its best values with their classes' names, the boxes
 * that it found, and how many values are none; the same fields, digits and words in every program.
 *
 * Threads: one at a time. */
#ifndef CLI_ANSWER_H
#define CLI_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ll_json_line.h"
#include "core/ll_status.h"
#include "vision/vision_boxes.h"
#include "vision/vision_labels.h"
#include "vision/vision_output.h"

/* One of the best values. */
struct cli_top {
    const char *label;
    float value;
};

struct cli_answer {
    const struct cli_top *top;
    int top_count;
    /* Whether the network finds boxes: people are shown them, and not the best values, then. */
    bool has_boxes;
    const struct vision_box *boxes;
    int box_count;
    /* Output values that are NaN or infinite, of all outputs. */
    int64_t not_finite;
};

/* Memory for answers with up to `most` best values. Zeroed: none. */
struct cli_answer_room {
    const struct vision_labels *labels;
    int most;
    struct vision_top *best;
    struct cli_top *top;
    char (*numbers)[VISION_LABEL_SCRATCH_BYTES];
};

/* `labels` outlives it. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status cli_answer_room_init(struct cli_answer_room *room, int most,
                                           const struct vision_labels *labels);
/* Takes zeroed ones too. */
void cli_answer_room_finish(struct cli_answer_room *room);

/* Looks at `floats` output values, of which the best of the last `ranked` are told; `boxes` is NULL
 * where the network finds none. What the answer points to lives until the next look, and until
 * `boxes` searches again. */
void cli_answer_look(struct cli_answer_room *room, struct vision_boxes *boxes, const float *outputs,
                     int64_t floats, int64_t ranked, struct cli_answer *out_answer);

/* Adds "top": [[label, value], ...]. */
void cli_answer_add_top(const struct cli_answer *answer, struct ll_json_line *line);
/* Adds, where the network finds boxes, "boxes": [{"label":, "p":, "left":, "top":, "right":,
 * "bottom":}, ...], in pixels of the picture; and, where there are any, "not_finite": how many. */
void cli_answer_add_boxes(const struct cli_answer *answer, struct ll_json_line *line);

/* How many lines the answer has for people: boxes, or best values. */
int cli_answer_lines(const struct cli_answer *answer);
/* The line `index` as text, cut to `bytes`, of which a label leaves the rest their place. Names are
 * as their list has them: what shows the line tames them (ll_text.h). */
void cli_answer_line(const struct cli_answer *answer, int index, char *text, size_t bytes);

#endif
