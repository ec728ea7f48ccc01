/* The agent's command line.
 *
 * Threads: the main thread. */
#ifndef DEVICE_OPTIONS_H
#define DEVICE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/cli_model_options.h"
#include "core/ll_option_table.h"
#include "device/device_agent.h"
#include "net/ll_dtype.h"

enum { DEVICE_OPTIONS_EDGES = 64 };

typedef enum {
    DEVICE_WEIGHTS_FRAMES,
    /* As they are. */
    DEVICE_WEIGHTS_RAW,
} device_weight_encoding;

/* The least that an answer may have. */
typedef enum {
    DEVICE_PRECISION_EXACT,
    DEVICE_PRECISION_DRAFT,
} device_precision;

typedef enum {
    DEVICE_DRAFT_BF16,
    DEVICE_DRAFT_M4,
} device_draft_kind;

struct device_options {
    struct cli_model_options model;
    const char *edges[DEVICE_OPTIONS_EDGES];
    int edge_count;
    /* Something was said about the run's end. */
    bool has_until;
    device_until until;
    int64_t count;
    int64_t duration_ns;
    /* How long to wait for an edge where nothing is said about the run's end; 0: for ever. */
    int64_t patience_ns;
    int64_t interval_ns;
    int64_t deadline_ns;
    int64_t wait_edge_ns;
    /* One answer in so many is computed here as well; 0: none. */
    int64_t verify_every;
    /* 0: no limit. */
    int64_t most_upload_bytes;
    /* `cut_end` -1: not given. */
    int cut_first;
    int cut_end;
    device_choose choose;
    /* DEVICE_WANT_U8: made exact first. */
    device_input_want input_encoding;
    /* Of the JPEG that the network's input becomes; 0: none. */
    int64_t input_quality;
    ll_dtype cut_dtype;
    device_weight_encoding weight_encoding;
    device_precision precision;
    device_draft_kind draft;
    /* Weights of an earlier model, or NULL. */
    const char *delta_from;
    /* Layer times are read and kept. */
    bool keeps_profile;
    const char *partitioner;
    struct device_terms terms;
};

/* The agent's own options; fields are of struct device_options. */
extern const struct ll_option_table device_option_table;

/* Ends the program with status 2 and a sentence on stderr where the command line is wrong. */
void device_options_parse(int argc, char **argv, struct device_options *out_options);

#endif
