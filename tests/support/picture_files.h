/* Pictures' files for tests, made by the libraries that everybody makes them with: pixels that
 * depend on a seed alone.
 *
 * Threads: any. */
#ifndef PICTURE_FILES_H
#define PICTURE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct picture_file {
    uint8_t *data;
    size_t count;
};

void picture_file_finish(struct picture_file *file);
/* Puts `count` bytes in front of byte `at`. */
void picture_file_insert(struct picture_file *file, size_t at, const void *bytes, size_t count);

/* The same sample wherever it is asked for: soft shapes, edges, and a camera's noise. */
uint8_t picture_sample(unsigned seed, int x, int y, int c);

/* What a JPEG is like: how many samples of luminance stand for one of colour, across and down. */
struct picture_jpeg {
    int w, h;
    int across, down;
    bool is_grey;
    bool is_progressive;
    int quality;
};
struct picture_file picture_file_jpeg(const struct picture_jpeg *kind, unsigned seed);

/* RGB of 8 bits; `is_interlaced`: Adam7. With a text and a gamma. */
struct picture_file picture_file_png(int w, int h, bool is_interlaced, unsigned seed);
/* 24 bits. */
struct picture_file picture_file_bmp(int w, int h, unsigned seed);

/* An APP1 segment of EXIF with this orientation, and with a GPS position that has the letters
 * PICTURE_GPS in it. */
#define PICTURE_GPS "N48-51-29"
struct picture_file picture_exif_segment(int orientation);
/* The same as a PNG's eXIf chunk. */
struct picture_file picture_exif_chunk(int orientation);

#endif
