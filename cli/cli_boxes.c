#include "cli/cli_boxes.h"

#include "core/ll_log.h"
#include "vision/draw/vision_draw.h"
#include "vision/vision_png.h"

ll_status cli_boxes_init(struct cli_boxes *detect, const struct cli_model_options *options,
                         struct ll_network *network, struct vision_input *input,
                         const struct vision_labels *labels, struct ll_error *err)
{
    const struct vision_boxes_config config = {
        .thresh = options->thresh,
        .nms = options->nms,
        .placement = input->placement,
        .labels = labels,
    };
    struct cli_boxes made = {.path = options->draw};
    ll_status status = vision_boxes_create(network, &config, &made.boxes, err);
    if (status == LL_E_UNSUPPORTED && !options->draw) {
        status = LL_OK;
    }
    if (status != LL_OK) {
        if (options->draw) {
            ll_error_prefix(err, "--draw");
        }
        return status;
    }
    if (options->draw) {
        made.picture = input->picture;
        input->picture = (struct vision_picture){0};
    }
    *detect = made;
    return LL_OK;
}

void cli_boxes_finish(struct cli_boxes *detect)
{
    vision_boxes_destroy(detect->boxes);
    vision_picture_finish(&detect->picture);
    *detect = (struct cli_boxes){0};
}

/* Values of the network's last output, a classifier's only one; 0 without memory. */
static int64_t count_values(const struct ll_table *table)
{
    struct ll_names outputs = {0};
    int64_t floats = 0;
    if (ll_table_network_outputs(table, &outputs) == LL_OK && outputs.count > 0) {
        floats = ll_table_tensor_floats(table, outputs.names[outputs.count - 1]);
    }
    ll_names_finish(&outputs);
    return floats;
}

void cli_boxes_check_names(const struct cli_boxes *detect, const struct ll_table *table,
                           const struct vision_labels *labels, const char *name)
{
    int64_t classes = detect->boxes ? vision_boxes_classes(detect->boxes) : count_values(table);
    if (labels->count < classes) {
        ll_log(LL_LOG_WARN, "names", "%s: %lld name%s for %lld classes, so numbers are shown", name,
               (long long)labels->count, labels->count == 1 ? "" : "s", (long long)classes);
    }
}

ll_status cli_boxes_draw(struct cli_boxes *detect, const float *outputs, struct ll_error *err)
{
    if (!detect->path) {
        return LL_OK;
    }
    const struct vision_box *found = NULL;
    int count = vision_boxes_find(detect->boxes, outputs, &found);
    ll_status status = vision_draw_boxes(&detect->picture, found, count);
    if (status != LL_OK) {
        return ll_fail(err, status, "%s: no memory to draw", detect->path);
    }
    return vision_png_write_file(&detect->picture, detect->path, err);
}
