/* The forms in which the network's input can leave the device: as floats, as bytes where these say
 * the same, as the picture's file that it was made of, as pixels in lossless WebP, or in coded
 * planes. All of them become the same floats on the edge.
 *
 * What they take in bytes and in time is known for a file and for what was coded before; of others
 * it is guessed from earlier inputs. What was made of the last input is kept: an application may
 * ask about the same picture again.
 *
 * Threads: one at a time. */
#ifndef DEVICE_INPUT_FORMS_H
#define DEVICE_INPUT_FORMS_H

#include <stdbool.h>
#include <stdint.h>

#include "coding/ll_planes.h"
#include "core/ll_buf.h"
#include "core/ll_digest.h"
#include "core/ll_status.h"
#include "device/choose/device_chooser.h"
#include "device/edge_link/device_edge_state.h"
#include "device/query/device_query_input.h"
#include "net/ll_table.h"
#include "proto/wire/wire_form.h"

typedef enum {
    /* Floats, or what cut tensors are where that is wished for. */
    DEVICE_FORM_PLAIN,
    DEVICE_FORM_BYTES,
    DEVICE_FORM_FILE,
    DEVICE_FORM_WEBP,
    /* Of bytes where these say the same, else of floats. */
    DEVICE_FORM_PLANES,
    DEVICE_FORMS,
} device_form;

/* What coding an input so has cost, by its plain bytes. */
struct device_form_cost {
    double ratio;
    double here_ns;
    double there_ns;
};

/* Zeroed before device_input_forms_init. */
struct device_input_forms {
    /* Private: the network; the last input and what was made of it, NULL: not yet, or not to be
     * had. */
    const struct ll_table *table;
    struct device_query_input input;
    struct ll_buf *bytes;
    struct ll_buf *webp;
    struct ll_buf *planes;
    struct wire_form planes_form;
    struct ll_digest digest;
    bool has_digest;
    bool are_bytes_tried;
    struct device_form_cost costs[DEVICE_FORMS];
    /* What the edge of this connection does with files: it has made another input of such, a bit
     * for each format; it does not take the last input's. */
    uint64_t connection;
    unsigned refused;
    bool is_file_refused;
};

/* The table outlives it. */
void device_input_forms_init(struct device_input_forms *forms, const struct ll_table *table);
void device_input_forms_finish(struct device_input_forms *forms);

/* Takes the input, which the other functions are about then: references to what it has. */
void device_input_forms_set(struct device_input_forms *forms,
                            const struct device_query_input *input);

/* The input as bytes, borrowed; NULL where it does not consist of values that bytes hold, or where
 * there is no memory. */
struct ll_buf *device_input_forms_bytes(struct device_input_forms *forms);

/* What can be offered of an input: its form, and for the chooser what that takes. */
struct device_form_offers {
    int count;
    device_form forms[DEVICE_FORMS];
    struct device_offer offers[DEVICE_FORMS];
};

/* What this edge takes of it, and is wished for; at least one. Where the form that is wished for
 * cannot be had, it is as if nothing was wished for. */
void device_input_forms_offer(struct device_input_forms *forms, const struct device_wish *wish,
                              const struct device_edge_view *edge,
                              struct device_form_offers *out_offers);

/* Makes it in a form that was offered; `dtype` is that of cut tensors, for DEVICE_FORM_PLAIN,
 * `planes` for DEVICE_FORM_PLANES. `*out_buf` is a reference that the caller drops.
 *
 * Where it does not shrink by coding, it goes as it is: `*out_form` says so. Errors:
 * LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_input_forms_make(struct device_input_forms *forms, device_form form,
                                              ll_dtype dtype, struct ll_planes *planes,
                                              struct ll_buf **out_buf, struct wire_form *out_form);

/* The edge took `coding_ns` to decode it. */
void device_input_forms_learn(struct device_input_forms *forms, device_form form,
                              int64_t coding_ns);

/* The edge of this connection makes other inputs of files like the input's; or it does not take
 * this one, which may be too large for it. */
void device_input_forms_refuse(struct device_input_forms *forms, uint64_t connection);
void device_input_forms_refuse_file(struct device_input_forms *forms, uint64_t connection);

/* "f32", "u8", "f16", "u8_channel", "jpeg", "png", "bmp", "webp" or "planes". */
const char *device_input_form_name(const struct wire_form *form);

#endif
