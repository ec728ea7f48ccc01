#include "device/device_input_main.h"

#include <stdlib.h>

static void item_finish(struct device_input_item *item)
{
    cli_boxes_finish(&item->detect);
    ll_buf_unref(item->buf);
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

static ll_status load(struct device_input *input, const char *path, struct device_input_item *item,
                      struct ll_error *err)
{
    const struct ll_table *table = &input->network->table;
    struct vision_input_source source = input->options->model.input;
    struct vision_input image = {0};
    source.image = path;
    ll_status status = vision_input_load(&source, table, &image, err);
    if (status != LL_OK) {
        return status;
    }
    if (input->options->input_encoding == DEVICE_INPUT_U8) {
        /* Here as there. */
        ll_u8_quantise(image.data, table->in_floats);
    }
    status = ll_buf_wrap(image.data, (size_t)table->in_floats * sizeof(float), free_data, NULL,
                         &item->buf);
    if (status == LL_OK) {
        image.data = NULL;
        status = cli_boxes_init(&item->detect, &input->options->model, input->network, &image,
                                input->labels, err);
    } else {
        status = ll_fail(err, status, "out of memory");
    }
    vision_input_finish(&image);
    if (status != LL_OK) {
        item_finish(item);
    }
    return status;
}

ll_status device_input_pick(struct device_input *input, int64_t id, struct ll_buf **out_buf,
                            const char **out_name, struct ll_error *err)
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
    if (!item->buf) {
        ll_status status = load(input, picture ? picture->path : NULL, item, err);
        if (status != LL_OK) {
            return status;
        }
    }
    input->current = item;
    *out_buf = item->buf;
    *out_name = picture ? picture->path : NULL;
    return LL_OK;
}
