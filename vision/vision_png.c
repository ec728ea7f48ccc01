/* libpng reports errors by calling back and must not be returned to. Ours jumps back into
 * decode_guarded, whose state all lives in `struct decoder`, so that nothing is lost on the way. */
#include "vision/vision_png.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/ll_limits.h"
#include "core/ll_output.h"
#include "vision/vision_exif.h"

enum {
    /* What libpng may allocate for one chunk, and chunks that it may keep; its own defaults. */
    PNG_CHUNK_BYTES = 8000000,
    PNG_CHUNKS = 1000,
};

struct decoder {
    png_structp png;
    png_infop info;
    /* What has not been read yet. */
    const uint8_t *bytes;
    size_t left;
    struct vision_picture *picture;
    int orientation;
    struct ll_error *err;
    ll_status status;
};

/* ---- Called by libpng ---- */

_Noreturn static void give_up(struct decoder *decoder, ll_status status)
{
    decoder->status = status;
    png_longjmp(decoder->png, 1);
}

_Noreturn static void on_error(png_structp png, png_const_charp text)
{
    struct decoder *decoder = png_get_error_ptr(png);
    /* libpng's own words. */
    bool is_memory = strcasecmp(text, "Out of memory") == 0;
    give_up(decoder, ll_fail(decoder->err, is_memory ? LL_E_NO_MEMORY : LL_E_INVALID,
                             "damaged PNG picture: %s", text));
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_read(png_structp png, png_bytep out, size_t count)
{
    struct decoder *decoder = png_get_io_ptr(png);
    if (count > decoder->left) {
        png_error(png, "the file ends before the picture does");
    }
    memcpy(out, decoder->bytes, count);
    decoder->bytes += count;
    decoder->left -= count;
}

/* ---- Pixels ---- */

static void set_limits(struct decoder *decoder)
{
    png_structp png = decoder->png;
    /* The picture's own limits are checked with its sizes at hand. */
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_malloc_max(png, PNG_CHUNK_BYTES);
    png_set_chunk_cache_max(png, PNG_CHUNKS);
    /* Of what pixels do not need, nothing but EXIF is even parsed. */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep) "eXIf", 1);
}

/* Whatever the file has becomes red, green and blue of 8 bits. */
static void set_transforms(struct decoder *decoder)
{
    png_structp png = decoder->png;
    png_set_palette_to_rgb(png);
    png_set_expand_gray_1_2_4_to_8(png);
    png_set_strip_16(png);
    png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
    png_read_update_info(png, decoder->info);
    if (png_get_rowbytes(png, decoder->info) != (size_t)decoder->picture->w * 3) {
        png_error(png, "its rows have another size than their pixels");
    }
}

static void decode_all(struct decoder *decoder)
{
    png_structp png = decoder->png;
    png_set_read_fn(png, decoder, on_read);
    set_limits(decoder);
    png_read_info(png, decoder->info);
    ll_status status =
        vision_picture_allocate(decoder->picture, png_get_image_width(png, decoder->info),
                                png_get_image_height(png, decoder->info), decoder->err);
    if (status != LL_OK) {
        give_up(decoder, status);
    }
    int passes = png_set_interlace_handling(png);
    set_transforms(decoder);
    size_t row_bytes = (size_t)decoder->picture->w * 3;
    for (int pass = 0; pass < passes; pass++) {
        for (int y = 0; y < decoder->picture->h; y++) {
            png_read_row(png, decoder->picture->pixels + (size_t)y * row_bytes, NULL);
        }
    }
    png_read_end(png, decoder->info);
    png_bytep exif = NULL;
    png_uint_32 exif_bytes = 0;
    if (png_get_eXIf_1(png, decoder->info, &exif_bytes, &exif) != 0) {
        decoder->orientation = vision_exif_orientation(exif, exif_bytes);
    }
}

static ll_status decode_guarded(struct decoder *decoder)
{
    if (setjmp(png_jmpbuf(decoder->png)) == 0) {
        decode_all(decoder);
    }
    return decoder->status;
}

ll_status vision_png_decode(const uint8_t *bytes, size_t count, struct vision_picture *picture,
                            int *out_orientation, struct ll_error *err)
{
    struct decoder decoder = {
        .bytes = bytes,
        .left = count,
        .picture = picture,
        .orientation = 1,
        .err = err,
    };
    decoder.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &decoder, on_error, on_warning);
    decoder.info = decoder.png ? png_create_info_struct(decoder.png) : NULL;
    ll_status status = decoder.info ? decode_guarded(&decoder)
                                    : ll_fail(err, LL_E_NO_MEMORY, "no memory for the PNG decoder");
    png_destroy_read_struct(&decoder.png, &decoder.info, NULL);
    if (status == LL_OK) {
        *out_orientation = decoder.orientation;
    }
    return status;
}

ll_status vision_png_measure(const uint8_t *bytes, size_t count, int *out_w, int *out_h,
                             struct ll_error *err)
{
    /* The signature, then IHDR's length and name; libpng takes no other chunk before it. */
    static const uint8_t begin[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n',
                                    0,    0,   0,   13,  'I',  'H',  'D',  'R'};
    if (count < sizeof(begin) + 8 || memcmp(bytes, begin, sizeof(begin)) != 0) {
        return ll_fail(err, LL_E_INVALID, "damaged PNG picture: no header");
    }
    int64_t w = png_get_uint_32(bytes + sizeof(begin));
    int64_t h = png_get_uint_32(bytes + sizeof(begin) + 4);
    ll_status status = vision_picture_check_size(w, h, err);
    if (status == LL_OK) {
        *out_w = (int)w;
        *out_h = (int)h;
    }
    return status;
}

static ll_status write_to(const struct vision_picture *picture, FILE *file, struct ll_error *err)
{
    png_image png = {
        .version = PNG_IMAGE_VERSION,
        .width = (png_uint_32)picture->w,
        .height = (png_uint_32)picture->h,
        .format = PNG_FORMAT_RGB,
    };
    if (!png_image_write_to_stdio(&png, file, 0, picture->pixels, 0, NULL)) {
        return ll_fail(err, LL_E_IO, "%s", png.message);
    }
    return LL_OK;
}

ll_status vision_png_write_file(const struct vision_picture *picture, const char *path,
                                struct ll_error *err)
{
    struct ll_output output;
    ll_status status = ll_output_open(path, LL_OUTPUT_WHOLE, &output, err);
    if (status != LL_OK) {
        return status;
    }
    status = write_to(picture, output.file, err);
    if (status != LL_OK && ferror(output.file) == 0) {
        ll_output_drop(&output);
        ll_error_prefix(err, "%s", path);
        return status;
    }
    output.error = status == LL_OK ? 0 : errno;
    return ll_output_finish(&output, err);
}
