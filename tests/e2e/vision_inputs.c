/* Makes networks' inputs of pictures' files: for comparing what different processors, instruction
 * sets and compilers make of the same files.
 *
 * usage: vision_inputs --pictures FOLDER     writes pictures of every kind
 *        vision_inputs FOLDER FILE...        writes FOLDER/FILE.FIT.CHANNELS.f32 of each
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/picture_files.h"
#include "vision/vision_input.h"

enum { PATH_BYTES = 4096 };

static int write_file(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    bool is_written = file && fwrite(data, 1, bytes, file) == bytes;
    if (!file || fclose(file) != 0 || !is_written) {
        fprintf(stderr, "%s: cannot be written\n", path);
        return 1;
    }
    return 0;
}

/* ---- Pictures ---- */

static int write_picture(const char *folder, const char *name, struct picture_file picture)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int status = write_file(path, picture.data, picture.count);
    picture_file_finish(&picture);
    return status;
}

static int write_pictures(const char *folder)
{
    static const struct {
        const char *name;
        struct picture_jpeg kind;
    } jpegs[] = {
        {"420.jpg", {131, 97, 2, 2, false, false, 85}},
        {"422.jpg", {97, 131, 2, 1, false, false, 75}},
        {"440.jpg", {131, 97, 1, 2, false, false, 90}},
        {"444.jpg", {131, 97, 1, 1, false, false, 95}},
        {"grey.jpg", {97, 131, 1, 1, true, false, 85}},
        {"progressive.jpg", {131, 97, 2, 2, false, true, 85}},
        {"progressive444.jpg", {97, 131, 1, 1, false, true, 60}},
        {"camera.jpg", {640, 480, 2, 2, false, false, 85}},
        {"small.jpg", {17, 9, 2, 2, false, false, 85}},
    };
    int status = 0;
    for (size_t i = 0; i < sizeof(jpegs) / sizeof(jpegs[0]); i++) {
        status |=
            write_picture(folder, jpegs[i].name, picture_file_jpeg(&jpegs[i].kind, (unsigned)i));
    }
    status |= write_picture(folder, "plain.png", picture_file_png(131, 97, false, 20));
    status |= write_picture(folder, "interlaced.png", picture_file_png(97, 131, true, 21));
    status |= write_picture(folder, "plain.bmp", picture_file_bmp(131, 97, 22));
    return status;
}

/* ---- Inputs ---- */

static int make_input(const char *folder, const char *path, vision_fit fit, int channels)
{
    static const char *const names[] = {[VISION_FIT_LETTERBOX] = "letterbox",
                                        [VISION_FIT_CROP] = "crop",
                                        [VISION_FIT_STRETCH] = "stretch"};
    const struct ll_table table = {
        .in_c = channels, .in_h = 104, .in_w = 120, .in_floats = (int64_t)channels * 104 * 120};
    const struct vision_input_source source = {.image = path, .fit = fit};
    struct vision_input input = {0};
    struct ll_error err = {.text = ""};
    const char *name = strrchr(path, '/');
    char out[PATH_BYTES];
    snprintf(out, sizeof(out), "%s/%s.%s.%d.f32", folder, name ? name + 1 : path, names[fit],
             channels);
    if (vision_input_load(&source, &table, &input, &err) != LL_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int status = write_file(out, input.data, (size_t)table.in_floats * sizeof(float));
    vision_input_finish(&input);
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--pictures") == 0) {
        return write_pictures(argv[2]);
    }
    if (argc < 3) {
        fprintf(stderr, "usage: vision_inputs --pictures FOLDER | FOLDER FILE...\n");
        return 2;
    }
    int status = 0;
    for (int i = 2; i < argc; i++) {
        for (int f = 0; f < 3; f++) {
            status |= make_input(argv[1], argv[i], (vision_fit)f, 3);
            status |= make_input(argv[1], argv[i], (vision_fit)f, 1);
        }
    }
    return status;
}
