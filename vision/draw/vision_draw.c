#include "vision/draw/vision_draw.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vision/draw/vision_text.h"

/* Parts of the picture's shorter side: Darknet's for its height. */
#define DRAW_LINE_PART 0.006
#define DRAW_TEXT_PART 0.03
enum { DRAW_LINE_LEAST = 1, DRAW_TEXT_LEAST = 14, DRAW_LABEL_BYTES = 512 };

struct drawing {
    struct vision_picture *picture;
    struct vision_text *text;
    int line;
};

/* Pixels from (left, top) up to, without, (right, bottom). */
struct area {
    int left, top, right, bottom;
};

/* One of the hues around the colour wheel, each next class's far from those before (the golden
 * angle), as bright as it gets. */
static struct vision_colour class_colour(int class_index)
{
    double hue = fmod(class_index * 0.618033988749895 + 0.33, 1) * 6;
    double part = fmod(hue, 2) - 1;
    uint8_t high = 255;
    uint8_t middle = (uint8_t)(255 * (1 - fabs(part)));
    switch ((int)hue) {
    case 0:
        return (struct vision_colour){high, middle, 0};
    case 1:
        return (struct vision_colour){middle, high, 0};
    case 2:
        return (struct vision_colour){0, high, middle};
    case 3:
        return (struct vision_colour){0, middle, high};
    case 4:
        return (struct vision_colour){middle, 0, high};
    default:
        return (struct vision_colour){high, 0, middle};
    }
}

/* Black or white, whichever is further away in luminance. */
static struct vision_colour text_colour(struct vision_colour on)
{
    bool is_dark = 77 * on.r + 150 * on.g + 29 * on.b < 128 * 256;
    return is_dark ? (struct vision_colour){255, 255, 255} : (struct vision_colour){0, 0, 0};
}

static int clamp(int value, int least, int most)
{
    return value < least ? least : value > most ? most : value;
}

static void fill(struct vision_picture *picture, struct area area, struct vision_colour colour)
{
    int left = clamp(area.left, 0, picture->w);
    int right = clamp(area.right, 0, picture->w);
    int bottom = clamp(area.bottom, 0, picture->h);
    for (int y = clamp(area.top, 0, picture->h); y < bottom; y++) {
        uint8_t *pixel = picture->pixels + 3 * ((ptrdiff_t)y * picture->w + left);
        for (int x = left; x < right; x++) {
            *pixel++ = colour.r;
            *pixel++ = colour.g;
            *pixel++ = colour.b;
        }
    }
}

/* The lines lie within the box. */
static void draw_lines(const struct drawing *drawing, struct area box, struct vision_colour colour)
{
    int line = drawing->line;
    struct vision_picture *picture = drawing->picture;
    struct area top = box;
    struct area bottom = box;
    struct area left = box;
    struct area right = box;
    top.bottom = clamp(box.top + line, box.top, box.bottom);
    bottom.top = clamp(box.bottom - line, box.top, box.bottom);
    left.right = clamp(box.left + line, box.left, box.right);
    right.left = clamp(box.right - line, box.left, box.right);
    fill(picture, top, colour);
    fill(picture, bottom, colour);
    fill(picture, left, colour);
    fill(picture, right, colour);
}

/* On the box's upper edge, or inside where the picture ends above it. */
static void draw_label(const struct drawing *drawing, struct area box, const char *label,
                       struct vision_colour colour)
{
    int margin = drawing->line + 1;
    int room = drawing->picture->w - 2 * margin;
    int width = vision_text_width(drawing->text, label, room > 0 ? room : 0) + 2 * margin;
    int height = vision_text_height(drawing->text) + drawing->line;
    struct area plate = {
        .left = clamp(box.left, 0, clamp(drawing->picture->w - width, 0, drawing->picture->w)),
        .top = box.top >= height ? box.top - height : box.top,
    };
    plate.right = plate.left + width;
    plate.bottom = plate.top + height;
    fill(drawing->picture, plate, colour);
    vision_text_write(drawing->text, drawing->picture, plate.left + margin, plate.top, label,
                      text_colour(colour));
}

static bool is_same_place(const struct vision_box *a, const struct vision_box *b)
{
    return a->left == b->left && a->top == b->top && a->right == b->right && a->bottom == b->bottom;
}

/* "dog 82%", and the same of every later box at its place. */
static void write_label(const struct vision_box *boxes, int count, char label[DRAW_LABEL_BYTES])
{
    size_t used = 0;
    for (int i = 0; i < count; i++) {
        if (is_same_place(&boxes[0], &boxes[i]) && used < DRAW_LABEL_BYTES) {
            used += (size_t)snprintf(label + used, DRAW_LABEL_BYTES - used, "%s%s %.0f%%",
                                     i > 0 ? ", " : "", boxes[i].label, 100 * (double)boxes[i].p);
        }
    }
}

static bool has_earlier(const struct vision_box *boxes, int index)
{
    for (int i = 0; i < index; i++) {
        if (is_same_place(&boxes[i], &boxes[index])) {
            return true;
        }
    }
    return false;
}

static void draw_box(const struct drawing *drawing, const struct vision_box *boxes, int count)
{
    char label[DRAW_LABEL_BYTES];
    struct area area = {
        .left = (int)boxes[0].left,
        .top = (int)boxes[0].top,
        .right = (int)ceilf(boxes[0].right),
        .bottom = (int)ceilf(boxes[0].bottom),
    };
    struct vision_colour colour = class_colour(boxes[0].class_index);
    write_label(boxes, count, label);
    draw_lines(drawing, area, colour);
    draw_label(drawing, area, label, colour);
}

ll_status vision_draw_boxes(struct vision_picture *picture, const struct vision_box *boxes,
                            int count)
{
    int side = picture->w < picture->h ? picture->w : picture->h;
    int line = (int)(side * DRAW_LINE_PART);
    int height = (int)(side * DRAW_TEXT_PART);
    struct drawing drawing = {
        .picture = picture,
        .line = line > DRAW_LINE_LEAST ? line : DRAW_LINE_LEAST,
    };
    ll_status status =
        vision_text_create(height > DRAW_TEXT_LEAST ? height : DRAW_TEXT_LEAST, &drawing.text);
    if (status != LL_OK) {
        return status;
    }
    for (int i = count - 1; i >= 0; i--) {
        if (!has_earlier(boxes, i)) {
            draw_box(&drawing, boxes + i, count - i);
        }
    }
    vision_text_destroy(drawing.text);
    return LL_OK;
}
