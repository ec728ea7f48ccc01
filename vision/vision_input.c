#include "vision/vision_input.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "vision/vision_jpeg_write.h"
#include "vision/vision_strip.h"

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

/* Decodes and fits. */
static ll_status make(struct ll_buf *bytes, const struct vision_fit_target *target,
                      int *orientation, struct vision_input *made, struct ll_error *err)
{
    ll_status status = vision_decode_held(ll_buf_data(bytes), ll_buf_bytes(bytes), orientation,
                                          &made->picture, err);
    return status == LL_OK
               ? vision_fit_picture(&made->picture, target, &made->data, &made->placement, err)
               : status;
}

/* Takes what can be taken of the file; a file that cannot be stripped is none to give away. */
static ll_status keep_file(struct ll_buf *bytes, struct vision_file *file, struct ll_error *err)
{
    struct ll_error unused = {.text = ""};
    ll_status status =
        vision_format_of(ll_buf_data(bytes), ll_buf_bytes(bytes), &file->format, err);
    if (status == LL_OK) {
        status = vision_strip(ll_buf_data(bytes), ll_buf_bytes(bytes), &file->bytes, &unused);
    }
    if (status == LL_E_NO_MEMORY) {
        *err = unused;
        return status;
    }
    return LL_OK;
}

static ll_status load_picture(const struct vision_input_source *source,
                              const struct vision_fit_target *target,
                              struct vision_input *out_input, struct ll_error *err)
{
    const char *path = source->image;
    ll_status status = vision_fit_check(target, err);
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", path);
        return status;
    }
    struct ll_buf *bytes = NULL;
    status = vision_read_file(path, &bytes, err);
    if (status != LL_OK) {
        return status;
    }
    struct vision_input loaded = {.file.fit = target->fit};
    int64_t from_ns = ll_clock_thread_cpu_ns();
    status = make(bytes, target, &loaded.file.orientation, &loaded, err);
    loaded.made_ns = ll_clock_thread_cpu_ns() - from_ns;
    if (status == LL_OK && source->keeps_file) {
        status = keep_file(bytes, &loaded.file, err);
    }
    ll_buf_unref(bytes);
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", strcmp(path, "-") == 0 ? "standard input" : path);
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
        return load_picture(source, &target, out_input, err);
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
    ll_buf_unref(input->file.bytes);
    free(input->data);
    *input = (struct vision_input){0};
}

/* ---- Files of others ---- */

static ll_status check_format(const struct vision_file *file, struct ll_error *err)
{
    static const char *const names[] = {
        [VISION_JPEG] = "JPEG", [VISION_PNG] = "PNG", [VISION_BMP] = "BMP"};
    vision_format format = VISION_BMP;
    ll_status status =
        vision_format_of(ll_buf_data(file->bytes), ll_buf_bytes(file->bytes), &format, err);
    if (status == LL_OK && format != file->format) {
        status = ll_fail(err, LL_E_INVALID, "a %s picture, not the %s that it is said to be",
                         names[format], names[file->format]);
    }
    return status;
}

ll_status vision_input_measure(const struct vision_file *file, const struct ll_table *table,
                               int64_t *out_bytes, struct ll_error *err)
{
    const struct vision_fit_target target = {table->in_c, table->in_h, table->in_w, file->fit};
    struct vision_measure measure;
    int64_t fit_bytes = 0;
    ll_status status = check_format(file, err);
    if (status == LL_OK) {
        status = vision_fit_check(&target, err);
    }
    if (status == LL_OK) {
        status = vision_measure(ll_buf_data(file->bytes), ll_buf_bytes(file->bytes), &measure, err);
    }
    if (status == LL_OK) {
        bool is_turned = file->orientation > 4;
        status = vision_fit_measure(is_turned ? measure.h : measure.w,
                                    is_turned ? measure.w : measure.h, &target, &fit_bytes, err);
    }
    if (status == LL_OK) {
        *out_bytes = measure.bytes + fit_bytes;
    }
    return status;
}

ll_status vision_input_of_file(const struct vision_file *file, const struct ll_table *table,
                               float **out_data, struct ll_error *err)
{
    const struct vision_fit_target target = {table->in_c, table->in_h, table->in_w, file->fit};
    struct vision_input made = {0};
    int orientation = file->orientation;
    ll_status status = check_format(file, err);
    if (status == LL_OK) {
        status = vision_fit_check(&target, err);
    }
    if (status == LL_OK) {
        status = make(file->bytes, &target, &orientation, &made, err);
    }
    if (status == LL_OK) {
        *out_data = made.data;
        made.data = NULL;
    }
    vision_input_finish(&made);
    return status;
}

/* ---- Files of inputs ---- */

/* The input's values as bytes, pixel by pixel. Those that no picture has become the nearest. */
static void round_pixels(const float *data, struct vision_picture *picture)
{
    size_t plane = (size_t)picture->w * (size_t)picture->h;
    uint8_t *out = picture->pixels;
    for (size_t i = 0; i < plane; i++) {
        for (size_t c = 0; c < (size_t)picture->channels; c++) {
            float value = data[c * plane + i] * 255.0F + 0.5F;
            *out++ = (uint8_t)(value >= 255.0F ? 255 : value > 0 ? (int)value : 0);
        }
    }
}

ll_status vision_input_squeeze(struct vision_input *input, const struct ll_table *table,
                               int quality, struct ll_error *err)
{
    const struct vision_fit_target target = {table->in_c, table->in_h, table->in_w,
                                             VISION_FIT_STRETCH};
    /* Of the network's size, so that stretching leaves it as it is. */
    struct vision_file file = {.format = VISION_JPEG, .orientation = 1, .fit = VISION_FIT_STRETCH};
    struct vision_picture picture = {0};
    float *data = NULL;
    ll_status status = vision_fit_check(&target, err);
    if (status == LL_OK) {
        status = vision_picture_allocate(&picture, table->in_w, table->in_h, err);
    }
    if (status == LL_OK) {
        picture.channels = table->in_c;
        round_pixels(input->data, &picture);
        status = vision_jpeg_write(&picture, quality, &file.bytes, err);
    }
    int64_t from_ns = ll_clock_thread_cpu_ns();
    if (status == LL_OK) {
        status = vision_input_of_file(&file, table, &data, err);
    }
    vision_picture_finish(&picture);
    if (status != LL_OK) {
        ll_buf_unref(file.bytes);
        return status;
    }
    ll_buf_unref(input->file.bytes);
    free(input->data);
    input->file = file;
    input->data = data;
    input->made_ns = ll_clock_thread_cpu_ns() - from_ns;
    return LL_OK;
}
