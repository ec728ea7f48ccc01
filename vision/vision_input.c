#include "vision/vision_input.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_buf.h"
#include "core/ll_limits.h"
#include "vision/vision_decode.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files hold little-endian floats");

static ll_status load_raw(const char *path, int64_t floats, float **out_data, struct ll_error *err)
{
    struct ll_buf *file = NULL;
    ll_status status = ll_buf_map_file(path, LL_LIMIT_TENSOR_BYTES, &file, err);
    if (status != LL_OK) {
        return status;
    }
    size_t expected = (size_t)floats * sizeof(float);
    float *data = NULL;
    if (ll_buf_bytes(file) != expected) {
        status = ll_fail(err, LL_E_INVALID,
                         "%s: %zu bytes, but the network's input has %zu (%lld floats)", path,
                         ll_buf_bytes(file), expected, (long long)floats);
    } else if (!(data = malloc(expected))) {
        status = ll_fail(err, LL_E_NO_MEMORY, "%s: no memory for the input", path);
    } else {
        memcpy(data, ll_buf_data(file), expected);
        *out_data = data;
    }
    ll_buf_unref(file);
    return status;
}

static ll_status load_picture(const char *path, const struct vision_fit_target *target,
                              struct vision_input *out_input, struct ll_error *err)
{
    ll_status status = vision_fit_check(target, err);
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", path);
        return status;
    }
    struct vision_input loaded = {0};
    status = vision_decode_file(path, &loaded.picture, err);
    if (status != LL_OK) {
        return status;
    }
    status = vision_fit_picture(&loaded.picture, target, &loaded.data, &loaded.placement, err);
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", path);
        vision_input_finish(&loaded);
        return status;
    }
    *out_input = loaded;
    return LL_OK;
}

ll_status vision_input_load(const struct vision_input_source *source, const struct ll_table *table,
                            struct vision_input *out_input, struct ll_error *err)
{
    if (!source->input_f32) {
        const struct vision_fit_target target = {table->in_c, table->in_h, table->in_w,
                                                 source->fit};
        return load_picture(source->image, &target, out_input, err);
    }
    struct vision_input raw = {.placement = vision_placement_whole(table->in_w, table->in_h)};
    ll_status status = load_raw(source->input_f32, table->in_floats, &raw.data, err);
    if (status == LL_OK) {
        *out_input = raw;
    }
    return status;
}

void vision_input_finish(struct vision_input *input)
{
    vision_picture_finish(&input->picture);
    free(input->data);
    *input = (struct vision_input){0};
}
