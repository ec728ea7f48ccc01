#include "darknet_backend/dkb_detect.h"

#include "core/ll_log.h"
#include "darknet_backend/draw/dkb_draw.h"

ll_status dkb_detect_init(struct dkb_detect *detect, const struct dkb_options *options,
                          struct ll_network *network, struct dkb_image *image,
                          const struct dkb_labels *labels, struct ll_error *err)
{
    const struct dkb_boxes_config config = {
        .thresh = options->thresh,
        .nms = options->nms,
        .frame = image->frame,
        .labels = labels,
    };
    struct dkb_detect made = {.path = options->draw};
    ll_status status = dkb_boxes_create(network, &config, &made.boxes, err);
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
        made.picture = image->picture;
        image->picture = (struct dkb_picture){0};
    }
    *detect = made;
    return LL_OK;
}

void dkb_detect_finish(struct dkb_detect *detect)
{
    dkb_boxes_destroy(detect->boxes);
    dkb_picture_finish(&detect->picture);
    *detect = (struct dkb_detect){0};
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

void dkb_detect_check_names(const struct dkb_detect *detect, const struct ll_table *table,
                            const struct dkb_labels *labels, const char *name)
{
    int64_t classes = detect->boxes ? dkb_boxes_classes(detect->boxes) : count_values(table);
    if (labels->count < classes) {
        ll_log(LL_LOG_WARN, "names", "%s: %lld name%s for %lld classes, so numbers are shown", name,
               (long long)labels->count, labels->count == 1 ? "" : "s", (long long)classes);
    }
}

int dkb_detect_find(struct dkb_detect *detect, const float *outputs,
                    const struct dkb_box **out_found)
{
    *out_found = NULL;
    return detect->boxes ? dkb_boxes_find(detect->boxes, outputs, out_found) : 0;
}

ll_status dkb_detect_draw(struct dkb_detect *detect, const float *outputs, struct ll_error *err)
{
    if (!detect->path) {
        return LL_OK;
    }
    const struct dkb_box *found = NULL;
    int count = dkb_detect_find(detect, outputs, &found);
    ll_status status = dkb_draw_boxes(&detect->picture, found, count);
    if (status != LL_OK) {
        return ll_fail(err, status, "%s: no memory to draw", detect->path);
    }
    return dkb_picture_write(&detect->picture, detect->path, err);
}
