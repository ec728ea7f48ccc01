#include "device/device_input_main.h"

#include <stdlib.h>
#include <string.h>

static void item_finish(struct device_input_item *item)
{
    cli_boxes_finish(&item->detect);
    ll_buf_unref(item->query.floats);
    ll_buf_unref(item->query.file.bytes);
    *item = (struct device_input_item){0};
}

ll_status device_input_init(struct device_input *input, const struct device_options *options,
                            struct ll_network *network, const struct vision_labels *labels,
                            struct ll_error *err)
{
    struct device_input made = {.options = options, .network = network, .labels = labels};
    ll_status status = LL_OK;
    for (int i = 0; status == LL_OK && i < options->model.image_count; i++) {
        status = vision_paths_add(&made.pictures, options->model.images[i], err);
    }
    made.count = made.pictures.count > 0 ? made.pictures.count : 1;
    if (status == LL_OK) {
        made.kept = calloc((size_t)made.count, sizeof(*made.kept));
        status = made.kept ? LL_OK : ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    if (status != LL_OK) {
        device_input_finish(&made);
        return status;
    }
    *input = made;
    return LL_OK;
}

void device_input_finish(struct device_input *input)
{
    for (int i = 0; input->kept && i < input->count; i++) {
        item_finish(&input->kept[i]);
    }
    item_finish(&input->loaded);
    free(input->kept);
    vision_paths_finish(&input->pictures);
    *input = (struct device_input){0};
}

static void free_data(void *arg, void *data, size_t bytes)
{
    (void)arg;
    (void)bytes;
    free(data);
}

/* Makes every value the nearest one that bytes hold. Returns whether any was another one. */
static bool quantise(float *values, int64_t count)
{
    enum { PART = 1024 };
    float before[PART];
    bool is_changed = false;
    for (int64_t at = 0; at < count; at += PART) {
        int64_t part = count - at < PART ? count - at : PART;
        size_t bytes = (size_t)part * sizeof(float);
        memcpy(before, values + at, bytes);
        ll_u8_quantise(values + at, part);
        is_changed = is_changed || memcmp((void *)before, (void *)(values + at), bytes) != 0;
    }
    return is_changed;
}

/* Makes of the input what is sent, where options say that it is not what the picture has. Here as
 * there; `out_is_lossy`: it is another one now. */
static ll_status change(const struct device_options *options, const struct ll_table *table,
                        struct vision_input *image, bool *out_is_lossy, struct ll_error *err)
{
    if (options->input_quality > 0) {
        *out_is_lossy = true;
        return options->model.input.input_f32
                   ? ll_fail(err, LL_E_INVALID, "--input-quality: a raw input is no picture")
                   : vision_input_squeeze(image, table, (int)options->input_quality, err);
    }
    if (options->input_encoding == DEVICE_WANT_U8) {
        *out_is_lossy = quantise(image->data, table->in_floats);
        ll_buf_unref(image->file.bytes);
        image->file.bytes = NULL;
    }
    return LL_OK;
}

/* Takes the floats, and a reference to the file. */
static ll_status take(struct vision_input *image, const struct ll_table *table,
                      struct device_query_input *query, struct ll_error *err)
{
    ll_status status = ll_buf_wrap(image->data, (size_t)table->in_floats * sizeof(float), free_data,
                                   NULL, &query->floats);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    image->data = NULL;
    query->file = image->file;
    query->made_ns = image->made_ns;
    image->file.bytes = NULL;
    return LL_OK;
}

static ll_status load(struct device_input *input, const char *path, struct device_input_item *item,
                      struct ll_error *err)
{
    const struct device_options *options = input->options;
    const struct ll_table *table = &input->network->table;
    struct vision_input_source source = options->model.input;
    struct vision_input image = {0};
    source.image = path;
    source.keeps_file = options->edge_count > 0;
    ll_status status = vision_input_load(&source, table, &image, err);
    if (status == LL_OK) {
        status = change(options, table, &image, &item->query.is_lossy, err);
    }
    if (status == LL_OK) {
        status = take(&image, table, &item->query, err);
    }
    if (status == LL_OK) {
        status = cli_boxes_init(&item->detect, &options->model, input->network, &image,
                                input->labels, err);
    }
    vision_input_finish(&image);
    if (status != LL_OK) {
        item_finish(item);
    }
    return status;
}

ll_status device_input_pick(struct device_input *input, int64_t id,
                            struct device_query_input *out_query, const char **out_name,
                            struct ll_error *err)
{
    int at = (int)((id - 1) % input->count);
    const struct vision_path *picture =
        input->pictures.count > 0 ? &input->pictures.list[at] : NULL;
    bool is_kept = input->count == 1 || (picture && picture->is_stream);
    struct device_input_item *item = is_kept ? &input->kept[at] : &input->loaded;
    if (!is_kept) {
        input->current = NULL;
        item_finish(item);
    }
    if (!item->query.floats) {
        ll_status status = load(input, picture ? picture->path : NULL, item, err);
        if (status != LL_OK) {
            return status;
        }
    }
    input->current = item;
    *out_query = item->query;
    *out_name = picture ? picture->path : NULL;
    return LL_OK;
}
