#include "vision/draw/vision_text.h"

#include <freetype/freetype.h>
#include <ft2build.h>
#include <stdbool.h>
#include <stdlib.h>

#include "vision/draw/vision_font.h"

struct vision_text {
    FT_Library library;
    FT_Face face;
};

/* A font's lines are higher than the size that it is said to have. */
static bool set_height(FT_Face face, int height)
{
    int units = face->ascender - face->descender;
    int size = units > 0 ? height * face->units_per_EM / units : height;
    return FT_Set_Pixel_Sizes(face, 0, size > 0 ? (FT_UInt)size : 1) == 0;
}

ll_status vision_text_create(int height, struct vision_text **out_text)
{
    struct vision_text *text = calloc(1, sizeof(*text));
    if (!text) {
        return LL_E_NO_MEMORY;
    }
    if (FT_Init_FreeType(&text->library) != 0 ||
        FT_New_Memory_Face(text->library, vision_font, (FT_Long)vision_font_bytes, 0,
                           &text->face) != 0 ||
        !set_height(text->face, height)) {
        vision_text_destroy(text);
        return LL_E_NO_MEMORY;
    }
    *out_text = text;
    return LL_OK;
}

void vision_text_destroy(struct vision_text *text)
{
    if (!text) {
        return;
    }
    FT_Done_Face(text->face);
    FT_Done_FreeType(text->library);
    free(text);
}

/* FreeType's lengths are 64ths of a pixel. */
static int to_pixels(FT_Pos length)
{
    return (int)((length + 32) / 64);
}

static int ascender(const struct vision_text *text)
{
    return to_pixels(text->face->size->metrics.ascender);
}

int vision_text_height(const struct vision_text *text)
{
    return ascender(text) - to_pixels(text->face->size->metrics.descender);
}

/* Takes a character off the line; U+FFFD for a byte that begins none. 0 at the end. */
static FT_ULong next_character(const char **line)
{
    static const struct {
        uint8_t mask, mark;
        FT_ULong least;
    } kinds[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    const uint8_t *bytes = (const uint8_t *)*line;
    for (int more = 0; more < 4; more++) {
        if ((bytes[0] & kinds[more].mask) != kinds[more].mark) {
            continue;
        }
        FT_ULong character = (FT_ULong)(bytes[0] & ~kinds[more].mask);
        int i = 1;
        while (i <= more && (bytes[i] & 0xc0) == 0x80) {
            character = character << 6 | (bytes[i++] & 0x3fU);
        }
        if (i <= more || character < kinds[more].least) {
            break;
        }
        *line += character == 0 ? 0 : i;
        return character;
    }
    ++*line;
    return 0xfffd;
}

/* Loads the next character's glyph; false at the line's end. One that cannot be loaded is skipped.
 */
static bool next_glyph(struct vision_text *text, const char **line, FT_Int32 flags)
{
    FT_ULong character = next_character(line);
    while (character != 0 && FT_Load_Char(text->face, character, flags) != 0) {
        character = next_character(line);
    }
    return character != 0;
}

int vision_text_width(struct vision_text *text, const char *line, int most)
{
    int width = 0;
    while (width < most && next_glyph(text, &line, FT_LOAD_DEFAULT)) {
        width += to_pixels(text->face->glyph->advance.x);
    }
    return width < most ? width : most;
}

static uint8_t mix(uint8_t below, uint8_t above, int cover)
{
    return (uint8_t)((below * (255 - cover) + above * cover) / 255);
}

/* Puts a glyph's coverage, 0 to 255, at (left, top) of the picture. */
static void put(struct vision_picture *picture, const FT_Bitmap *bitmap, int left, int top,
                struct vision_colour colour)
{
    if (bitmap->pixel_mode != FT_PIXEL_MODE_GRAY) {
        return;
    }
    for (int row = 0; row < (int)bitmap->rows; row++) {
        int y = top + row;
        const uint8_t *cover = bitmap->buffer + (ptrdiff_t)row * bitmap->pitch;
        for (int col = 0; y >= 0 && y < picture->h && col < (int)bitmap->width; col++) {
            int x = left + col;
            if (x >= 0 && x < picture->w) {
                uint8_t *pixel = picture->pixels + 3 * ((ptrdiff_t)y * picture->w + x);
                pixel[0] = mix(pixel[0], colour.r, cover[col]);
                pixel[1] = mix(pixel[1], colour.g, cover[col]);
                pixel[2] = mix(pixel[2], colour.b, cover[col]);
            }
        }
    }
}

void vision_text_write(struct vision_text *text, struct vision_picture *picture, int x, int y,
                       const char *line, struct vision_colour colour)
{
    int base = y + ascender(text);
    while (x < picture->w && next_glyph(text, &line, FT_LOAD_RENDER)) {
        const FT_GlyphSlot glyph = text->face->glyph;
        put(picture, &glyph->bitmap, x + glyph->bitmap_left, base - glyph->bitmap_top, colour);
        x += to_pixels(glyph->advance.x);
    }
}
