/* libjpeg reports errors by calling back, and goes on where the callback returns. Ours jumps back
 * into work_guarded, whose state all lives in `struct decoder`, so that nothing is lost on the
 * way. */
#include "vision/vision_jpeg.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
/* After stdio.h, which it needs. */
#include <jerror.h>
#include <jpeglib.h>

#include "vision/vision_exif.h"

/* A progressive picture's scans each go through all of its pixels, however few bytes they have: a
 * small file could ask for hours. libjpeg-turbo's own number for its own tools; and how many
 * samples all scans may go through, about a second's: 11 scans, and encoders make 10, of 64
 * megapixels with a quarter of the colours. */
enum { JPEG_SCANS_MOST = 500 };
static const int64_t scanned_samples_most = (int64_t)1 << 30;

struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    struct vision_picture *picture;
    struct ll_error *err;
    ll_status status;
    /* The file's bytes ended before its end marker. */
    bool is_end_missing;
    int64_t coefficient_bytes;
    int most_scans;
    /* One row in four colours. */
    uint8_t *row;
};

/* ---- Called by libjpeg ---- */

_Noreturn static void give_up(struct decoder *decoder, ll_status status)
{
    decoder->status = status;
    longjmp(decoder->jump, 1);
}

_Noreturn static void on_error(j_common_ptr jpeg)
{
    struct decoder *decoder = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    bool is_memory = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
    give_up(decoder, ll_fail(decoder->err, is_memory ? LL_E_NO_MEMORY : LL_E_INVALID,
                             "damaged JPEG picture: %s", text));
}

static void on_message(j_common_ptr jpeg, int level)
{
    struct decoder *decoder = jpeg->client_data;
    if (level >= 0) {
        return;
    }
    switch (jpeg->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL:
        return;
    case JWRN_JPEG_EOF:
        decoder->is_end_missing = true;
        return;
    default:
        on_error(jpeg);
    }
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void on_progress(j_common_ptr jpeg)
{
    struct decoder *decoder = jpeg->client_data;
    if (decoder->jpeg.input_scan_number > decoder->most_scans) {
        give_up(decoder, ll_fail(decoder->err, LL_E_EXHAUSTED,
                                 "a JPEG picture of more than %d scans of %u x %u pixels",
                                 decoder->most_scans, decoder->jpeg.image_width,
                                 decoder->jpeg.image_height));
    }
}

/* The marker where a restart marker must stand is not the one that is due. Any restart marker will
 * do: encoders count wrongly, and if it were an interval that is missing, the data would end early,
 * which is noticed. Anything else stays, and the data has ended. */
static boolean on_restart(j_decompress_ptr jpeg, int desired)
{
    (void)desired;
    if (jpeg->unread_marker >= JPEG_RST0 && jpeg->unread_marker <= JPEG_RST0 + 7) {
        jpeg->unread_marker = 0;
    }
    return TRUE;
}

/* ---- Pixels ---- */

static uint8_t times(int a, int b)
{
    return (uint8_t)((a * b + 127) / 255);
}

/* The row's cyan, magenta, yellow and black, which Adobe's programs store inverted. */
static void from_cmyk(const struct decoder *decoder, uint8_t *rgb)
{
    int flip = decoder->jpeg.saw_Adobe_marker ? 0 : 255;
    const uint8_t *cmyk = decoder->row;
    for (int x = 0; x < decoder->picture->w; x++) {
        for (int c = 0; c < 3; c++) {
            rgb[3 * x + c] = times(flip ^ cmyk[4 * x + c], flip ^ cmyk[4 * x + 3]);
        }
    }
}

static void choose_colours(struct decoder *decoder)
{
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    switch (jpeg->jpeg_color_space) {
    case JCS_GRAYSCALE:
    case JCS_RGB:
    case JCS_YCbCr:
        jpeg->out_color_space = JCS_RGB;
        return;
    case JCS_CMYK:
    case JCS_YCCK:
        jpeg->out_color_space = JCS_CMYK;
        decoder->row = malloc((size_t)decoder->picture->w * 4);
        if (!decoder->row) {
            give_up(decoder,
                    ll_fail(decoder->err, LL_E_NO_MEMORY, "no memory for the JPEG decoder"));
        }
        return;
    default:
        give_up(decoder, ll_fail(decoder->err, LL_E_UNSUPPORTED,
                                 "a JPEG picture of %d components, which are no known colours",
                                 jpeg->num_components));
    }
}

static void read_rows(struct decoder *decoder)
{
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *rgb = decoder->picture->pixels +
                       (size_t)jpeg->output_scanline * (size_t)decoder->picture->w * 3;
        JSAMPROW row = decoder->row ? decoder->row : rgb;
        if (jpeg_read_scanlines(jpeg, &row, 1) == 1 && decoder->row) {
            from_cmyk(decoder, rgb);
        }
    }
}

static int most_scans(const struct jpeg_decompress_struct *jpeg)
{
    int64_t samples = 0;
    for (int c = 0; c < jpeg->num_components; c++) {
        const jpeg_component_info *part = &jpeg->comp_info[c];
        samples += (int64_t)part->width_in_blocks * part->height_in_blocks * DCTSIZE2;
    }
    return samples > scanned_samples_most / JPEG_SCANS_MOST ? (int)(scanned_samples_most / samples)
                                                            : JPEG_SCANS_MOST;
}

/* Reads up to the first scan. */
static void open_file(struct decoder *decoder, const uint8_t *bytes, size_t count)
{
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg->progress = &decoder->progress;
    jpeg_mem_src(jpeg, bytes, count);
    jpeg->src->resync_to_restart = on_restart;
    jpeg_read_header(jpeg, TRUE);
}

static void decode_all(struct decoder *decoder, const uint8_t *bytes, size_t count)
{
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    open_file(decoder, bytes, count);
    ll_status status = vision_picture_allocate(decoder->picture, jpeg->image_width,
                                               jpeg->image_height, decoder->err);
    if (status != LL_OK) {
        give_up(decoder, status);
    }
    choose_colours(decoder);
    decoder->most_scans = most_scans(jpeg);
    jpeg_start_decompress(jpeg);
    read_rows(decoder);
    bool has_scans = jpeg_has_multiple_scans(jpeg);
    jpeg_finish_decompress(jpeg);
    /* With one scan, missing data would have been missed; of several, whole ones may be missing. */
    if (decoder->is_end_missing && has_scans) {
        give_up(decoder, ll_fail(decoder->err, LL_E_INVALID,
                                 "damaged JPEG picture: the file ends before the picture does"));
    }
}

/* The size goes to the picture, which gets no pixels. */
static void measure_all(struct decoder *decoder, const uint8_t *bytes, size_t count)
{
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    open_file(decoder, bytes, count);
    ll_status status =
        vision_picture_check_size(jpeg->image_width, jpeg->image_height, decoder->err);
    if (status != LL_OK) {
        give_up(decoder, status);
    }
    decoder->picture->w = (int)jpeg->image_width;
    decoder->picture->h = (int)jpeg->image_height;
    for (int c = 0; jpeg_has_multiple_scans(jpeg) && c < jpeg->num_components; c++) {
        const jpeg_component_info *part = &jpeg->comp_info[c];
        /* Rows and columns of blocks are filled up to whole units of sampling. */
        decoder->coefficient_bytes += ((int64_t)part->width_in_blocks + part->h_samp_factor) *
                                      ((int64_t)part->height_in_blocks + part->v_samp_factor) *
                                      (int64_t)sizeof(JBLOCK);
    }
}

typedef void (*decoder_work)(struct decoder *decoder, const uint8_t *bytes, size_t count);

static ll_status work_guarded(struct decoder *decoder, decoder_work work, const uint8_t *bytes,
                              size_t count)
{
    if (setjmp(decoder->jump) == 0) {
        work(decoder, bytes, count);
    }
    return decoder->status;
}

/* Does the work with a decoder that is freed then; `*out_bytes`: see vision_jpeg_measure. */
static ll_status decode_by(decoder_work work, const uint8_t *bytes, size_t count,
                           struct vision_picture *picture, int64_t *out_bytes, struct ll_error *err)
{
    struct decoder *decoder = calloc(1, sizeof(*decoder));
    if (!decoder) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for the JPEG decoder");
    }
    decoder->picture = picture;
    decoder->err = err;
    decoder->progress.progress_monitor = on_progress;
    decoder->jpeg.err = jpeg_std_error(&decoder->errors);
    decoder->errors.error_exit = on_error;
    decoder->errors.emit_message = on_message;
    decoder->errors.output_message = on_output;
    decoder->jpeg.client_data = decoder;
    ll_status status = work_guarded(decoder, work, bytes, count);
    *out_bytes = decoder->coefficient_bytes;
    jpeg_destroy_decompress(&decoder->jpeg);
    free(decoder->row);
    free(decoder);
    return status;
}

ll_status vision_jpeg_decode(const uint8_t *bytes, size_t count, struct vision_picture *picture,
                             int *out_orientation, struct ll_error *err)
{
    int64_t unused = 0;
    ll_status status = decode_by(decode_all, bytes, count, picture, &unused, err);
    if (status == LL_OK) {
        *out_orientation = vision_exif_of_jpeg(bytes, count);
    }
    return status;
}

ll_status vision_jpeg_measure(const uint8_t *bytes, size_t count, int *out_w, int *out_h,
                              int64_t *out_bytes, struct ll_error *err)
{
    struct vision_picture sizes = {0};
    int64_t coefficient_bytes = 0;
    ll_status status = decode_by(measure_all, bytes, count, &sizes, &coefficient_bytes, err);
    if (status == LL_OK) {
        *out_w = sizes.w;
        *out_h = sizes.h;
        *out_bytes = coefficient_bytes;
    }
    return status;
}
