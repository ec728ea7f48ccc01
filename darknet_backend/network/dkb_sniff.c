#include "darknet_backend/network/dkb_sniff.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Signatures at the file's begin. */
static const struct {
    const char *bytes;
    size_t length;
    const char *kind;
} signatures[] = {
#define SIGNATURE(text, kind)                                                                      \
    {                                                                                              \
        text, sizeof(text) - 1, kind                                                               \
    }
    SIGNATURE("version https://git-lfs",
              "a Git LFS pointer (\"git lfs pull\" gets the file itself)"),
    SIGNATURE("\x1f\x8b", "a gzip archive, which must be unpacked"),
    SIGNATURE("PK\x03\x04", "a zip archive, which must be unpacked, or a PyTorch file"),
    SIGNATURE("BZh", "a bzip2 archive, which must be unpacked"),
    SIGNATURE("\xfd"
              "7zXZ",
              "an xz archive, which must be unpacked"),
    SIGNATURE("\x28\xb5\x2f\xfd", "a Zstandard archive, which must be unpacked"),
    SIGNATURE("7z\xbc\xaf\x27\x1c", "a 7z archive, which must be unpacked"),
    SIGNATURE("Rar!\x1a", "a RAR archive, which must be unpacked"),
    SIGNATURE("\x80\x02", "a Python pickle, as PyTorch writes"),
    SIGNATURE("\x93NUMPY", "a NumPy file"),
    SIGNATURE("\x89HDF\r\n", "an HDF5 file, as Keras writes"),
    SIGNATURE("GGUF", "a GGUF file"),
    SIGNATURE("\x89PNG\r\n", "a PNG picture"),
    SIGNATURE("\xff\xd8\xff", "a JPEG picture"),
    SIGNATURE("%PDF-", "a PDF document"),
    SIGNATURE("\xff\xfe", "text in UTF-16, which must be saved as UTF-8"),
    SIGNATURE("\xfe\xff", "text in UTF-16, which must be saved as UTF-8"),
#undef SIGNATURE
};

/* Tags that web pages begin with, whatever their case. */
static const char *const page_tags[] = {"<!doctype", "<html", "<head", "<?xml", "<!--"};

static bool is_page(const char *text, size_t bytes)
{
    while (bytes > 0 && (*text == ' ' || (*text >= '\t' && *text <= '\r'))) {
        text++;
        bytes--;
    }
    for (size_t i = 0; i < sizeof(page_tags) / sizeof(page_tags[0]); i++) {
        size_t length = strlen(page_tags[i]);
        if (bytes >= length && strncasecmp(text, page_tags[i], length) == 0) {
            return true;
        }
    }
    return false;
}

const char *dkb_sniff(const void *data, size_t bytes)
{
    if (bytes == 0) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
        if (bytes >= signatures[i].length &&
            memcmp(data, signatures[i].bytes, signatures[i].length) == 0) {
            return signatures[i].kind;
        }
    }
    return is_page(data, bytes) ? "a web page" : NULL;
}
