/* As in vision_jpeg.c, libjpeg's errors jump back to where the encoder can be freed. */
#include "vision/vision_jpeg_write.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
/* After stdio.h, which it needs. */
#include <jerror.h>
#include <jpeglib.h>

struct encoder {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf jump;
    /* Where the file goes, and how much it is. */
    unsigned char *bytes;
    unsigned long count;
    struct ll_error *err;
    ll_status status;
};

/* ---- Called by libjpeg ---- */

_Noreturn static void on_error(j_common_ptr jpeg)
{
    struct encoder *encoder = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    bool is_memory = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
    bool is_size = jpeg->err->msg_code == JERR_IMAGE_TOO_BIG;
    encoder->status = ll_fail(encoder->err,
                              is_memory ? LL_E_NO_MEMORY
                              : is_size ? LL_E_EXHAUSTED
                                        : LL_E_INTERNAL,
                              "writing a JPEG picture: %s", text);
    longjmp(encoder->jump, 1);
}

static void on_message(j_common_ptr jpeg, int level)
{
    (void)jpeg;
    (void)level;
}

/* ---- Writing ---- */

static void write_all(struct encoder *encoder, const struct vision_picture *picture, int quality)
{
    struct jpeg_compress_struct *jpeg = &encoder->jpeg;
    jpeg_create_compress(jpeg);
    jpeg_mem_dest(jpeg, &encoder->bytes, &encoder->count);
    jpeg->image_width = (JDIMENSION)picture->w;
    jpeg->image_height = (JDIMENSION)picture->h;
    jpeg->input_components = picture->channels;
    jpeg->in_color_space = picture->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, quality, TRUE);
    /* As many samples of colour as of light; fast and accurate as the decoder has it. */
    jpeg->comp_info[0].h_samp_factor = jpeg->comp_info[0].v_samp_factor = 1;
    jpeg->dct_method = JDCT_ISLOW;
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = picture->pixels +
                       (size_t)jpeg->next_scanline * (size_t)picture->w * (size_t)picture->channels;
        (void)jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
}

static ll_status write_guarded(struct encoder *encoder, const struct vision_picture *picture,
                               int quality)
{
    if (setjmp(encoder->jump) == 0) {
        write_all(encoder, picture, quality);
    }
    return encoder->status;
}

/* More than any JPEG of that size has, so that libjpeg never changes buffers: after an error it
 * would not tell which one is left. */
static size_t room_bytes(const struct vision_picture *picture)
{
    size_t w = ((size_t)picture->w + 7) / 8 * 8;
    size_t h = ((size_t)picture->h + 7) / 8 * 8;
    return w * h * 6 + 4096;
}

ll_status vision_jpeg_write(const struct vision_picture *picture, int quality,
                            struct ll_buf **out_file, struct ll_error *err)
{
    struct encoder *encoder = calloc(1, sizeof(*encoder));
    unsigned char *room = malloc(room_bytes(picture));
    if (!encoder || !room) {
        free(encoder);
        free(room);
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for the JPEG encoder");
    }
    encoder->bytes = room;
    encoder->count = room_bytes(picture);
    encoder->err = err;
    encoder->jpeg.err = jpeg_std_error(&encoder->errors);
    encoder->errors.error_exit = on_error;
    encoder->errors.emit_message = on_message;
    encoder->jpeg.client_data = encoder;
    ll_status status = write_guarded(encoder, picture, quality);
    jpeg_destroy_compress(&encoder->jpeg);
    if (status == LL_OK) {
        status = ll_buf_copy(encoder->bytes, encoder->count, out_file);
    }
    free(room);
    free(encoder);
    return status;
}
