#include "tests/support/picture_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After stdio.h, which it needs. */
#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

enum { BMP_HEADER_BYTES = 54, CHUNK_HEAD_BYTES = 8 };

static void *need(void *memory)
{
    if (!memory) {
        fprintf(stderr, "no memory for a test's picture\n");
        __builtin_trap();
    }
    return memory;
}

void picture_file_finish(struct picture_file *file)
{
    free(file->data);
    *file = (struct picture_file){0};
}

void picture_file_insert(struct picture_file *file, size_t at, const void *bytes, size_t count)
{
    file->data = need(realloc(file->data, file->count + count));
    memmove(file->data + at + count, file->data + at, file->count - at);
    memcpy(file->data + at, bytes, count);
    file->count += count;
}

uint8_t picture_sample(unsigned seed, int x, int y, int c)
{
    unsigned mixed = seed * 2654435761U + (unsigned)x * 73856093U + (unsigned)y * 19349663U +
                     (unsigned)c * 83492791U;
    mixed ^= mixed >> 13;
    mixed *= 1274126177U;
    int noise = (int)(mixed >> 28) - 8;
    int soft = (x * (3 + c) + y * (5 - c) + (int)(seed % 97)) / 4 % 160;
    int edge = (x / 24 + y / 16 + c) % 3 * 40;
    int value = soft + edge + noise;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void fill_row(unsigned seed, int y, int w, int channels, uint8_t *row)
{
    for (int x = 0; x < w; x++) {
        for (int c = 0; c < channels; c++) {
            row[x * channels + c] = picture_sample(seed, x, y, c);
        }
    }
}

/* ---- JPEG ---- */

struct picture_file picture_file_jpeg(const struct picture_jpeg *kind, unsigned seed)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *data = NULL;
    unsigned long count = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &data, &count);
    jpeg.image_width = (JDIMENSION)kind->w;
    jpeg.image_height = (JDIMENSION)kind->h;
    jpeg.input_components = kind->is_grey ? 1 : 3;
    jpeg.in_color_space = kind->is_grey ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, kind->quality, TRUE);
    jpeg.comp_info[0].h_samp_factor = kind->across;
    jpeg.comp_info[0].v_samp_factor = kind->down;
    if (kind->is_progressive) {
        jpeg_simple_progression(&jpeg);
    }
    jpeg_start_compress(&jpeg, TRUE);
    uint8_t *row = need(malloc((size_t)kind->w * 3));
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW rows = row;
        fill_row(seed, (int)jpeg.next_scanline, kind->w, jpeg.input_components, row);
        jpeg_write_scanlines(&jpeg, &rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    free(row);
    return (struct picture_file){data, count};
}

/* ---- PNG ---- */

static void append(png_structp png, png_bytep data, size_t count)
{
    struct picture_file *file = png_get_io_ptr(png);
    picture_file_insert(file, file->count, data, count);
}

struct picture_file picture_file_png(int w, int h, bool is_interlaced, unsigned seed)
{
    struct picture_file file = {0};
    png_structp png = need(png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL));
    png_infop info = need(png_create_info_struct(png));
    png_text text = {.compression = PNG_TEXT_COMPRESSION_NONE, .key = "Comment", .text = "at home"};
    uint8_t *pixels = need(malloc((size_t)w * (size_t)h * 3));
    png_bytep *rows = need(calloc((size_t)h, sizeof(*rows)));
    for (int y = 0; y < h; y++) {
        rows[y] = pixels + (size_t)y * (size_t)w * 3;
        fill_row(seed, y, w, 3, rows[y]);
    }
    png_set_write_fn(png, &file, append, NULL);
    png_set_IHDR(png, info, (png_uint_32)w, (png_uint_32)h, 8, PNG_COLOR_TYPE_RGB,
                 is_interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_text(png, info, &text, 1);
    png_set_gAMA_fixed(png, info, 45455);
    png_set_rows(png, info, rows);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
    free(rows);
    free(pixels);
    return file;
}

/* ---- BMP ---- */

static void put_number(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
}

struct picture_file picture_file_bmp(int w, int h, unsigned seed)
{
    size_t row_bytes = ((size_t)w * 3 + 3) / 4 * 4;
    struct picture_file file = {.count = BMP_HEADER_BYTES + row_bytes * (size_t)h};
    file.data = need(calloc(1, file.count));
    memcpy(file.data, "BM", 2);
    put_number(file.data + 2, (uint32_t)file.count);
    put_number(file.data + 10, BMP_HEADER_BYTES);
    put_number(file.data + 14, 40);
    put_number(file.data + 18, (uint32_t)w);
    put_number(file.data + 22, (uint32_t)h);
    file.data[26] = 1;
    file.data[28] = 24;
    for (int y = 0; y < h; y++) {
        uint8_t *row = file.data + BMP_HEADER_BYTES + row_bytes * (size_t)(h - 1 - y);
        for (int x = 0; x < w; x++) {
            for (int c = 0; c < 3; c++) {
                row[3 * x + 2 - c] = picture_sample(seed, x, y, c);
            }
        }
    }
    return file;
}

/* ---- EXIF ---- */

/* TIFF of two entries: the orientation, and where the position stands. */
static const uint8_t tiff[] = {'M', 'M', 0, 42, 0, 0, 0, 8,  0, 2,    0x01, 0x12, 0,
                               3,   0,   0, 0,  1, 0, 1, 0,  0, 0x88, 0x25, 0,    4,
                               0,   0,   0, 1,  0, 0, 0, 38, 0, 0,    0,    0};
enum { TIFF_ORIENTATION_AT = 19 };

static struct picture_file make_tiff(int orientation)
{
    struct picture_file file = {0};
    picture_file_insert(&file, 0, tiff, sizeof(tiff));
    file.data[TIFF_ORIENTATION_AT] = (uint8_t)orientation;
    picture_file_insert(&file, file.count, PICTURE_GPS, sizeof(PICTURE_GPS));
    return file;
}

struct picture_file picture_exif_segment(int orientation)
{
    struct picture_file file = make_tiff(orientation);
    size_t length = file.count + 8;
    const uint8_t head[] = {0xff, 0xe1, (uint8_t)(length >> 8), (uint8_t)length, 'E', 'x', 'i', 'f',
                            0,    0};
    picture_file_insert(&file, 0, head, sizeof(head));
    return file;
}

struct picture_file picture_exif_chunk(int orientation)
{
    struct picture_file file = make_tiff(orientation);
    const uint8_t head[CHUNK_HEAD_BYTES] = {0, 0, 0, (uint8_t)file.count, 'e', 'X', 'I', 'f'};
    picture_file_insert(&file, 0, head, sizeof(head));
    uint32_t sum = (uint32_t)crc32(0, file.data + 4, (uInt)(file.count - 4));
    const uint8_t tail[] = {(uint8_t)(sum >> 24), (uint8_t)(sum >> 16), (uint8_t)(sum >> 8),
                            (uint8_t)sum};
    picture_file_insert(&file, file.count, tail, sizeof(tail));
    return file;
}
