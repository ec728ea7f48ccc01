/* The command line options that all programs share which run a model on one input: --cfg --weights
 * --engine --threads --names --top --json --image --input-f32 --output-f32 --fit --thresh --nms
 * --draw --log-level.
 *
 * A program has `cli_options_argp()` among its argp children and hands it the struct at
 * ARGP_KEY_INIT
 * (`state->child_inputs[n] = &options.model`). A bad value ends the program as argp_error does:
 * set argp_err_exit_status to 2.
 *
 * Threads: the main thread. */
#ifndef CLI_MODEL_OPTIONS_H
#define CLI_MODEL_OPTIONS_H

#include <argp.h>

#include "core/ll_option_table.h"
#include "darknet_backend/dkb_engine.h"
#include "vision/vision_input.h"

/* Names of pictures, folders and pipes on one command line. */
enum { CLI_OPTIONS_IMAGES = 1024 };

struct cli_model_options {
    /* Set, or the parser has refused. */
    const char *cfg;
    const char *weights;
    /* Exactly one input is set, or the parser has refused. */
    struct vision_input_source input;
    /* What --image names, for vision_paths_add; input.image is the first of them. */
    const char *images[CLI_OPTIONS_IMAGES];
    int image_count;
    struct ll_engine_config engine;
    /* NULL where not given; `json` may be "-". */
    const char *names;
    const char *json;
    const char *output_f32;
    /* Default 5. */
    int top;
    /* For networks that find boxes (vision_boxes.h), from 0 to 1; Darknet's defaults. */
    float thresh;
    float nms;
    /* A PNG file to draw boxes into, or NULL; there is an image then. */
    const char *draw;
};

/* Their rows; fields are of struct cli_model_options. */
extern const struct ll_option_table cli_option_table;

/* Its input is a struct cli_model_options, which it fills with the defaults first. --log-level acts
 * at once (ll_log_set_level). Static storage. */
const struct argp *cli_options_argp(void);

#endif
