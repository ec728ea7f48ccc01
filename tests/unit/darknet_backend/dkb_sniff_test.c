#include "darknet_backend/network/dkb_sniff.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/ll_test.h"

static void check(const char *bytes, size_t count, const char *part)
{
    const char *kind = dkb_sniff(bytes, count);
    if (!kind || !strstr(kind, part)) {
        fprintf(stderr, "%s instead of %s\n", kind ? kind : "nothing", part);
        CU_FAIL("another kind of file than expected");
    }
}

#define CHECK(text, part) check(text, sizeof(text) - 1, part)

static void test_kinds_are_known_by_their_first_bytes(void)
{
    CHECK("version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a Git LFS pointer");
    CHECK("<!DOCTYPE html>", "a web page");
    CHECK("\r\n \t<!doctype HTML>", "a web page");
    CHECK("<html lang=\"en\">", "a web page");
    CHECK("<?xml version=\"1.0\"?><Error>", "a web page");
    CHECK("\x1f\x8b\x08", "a gzip archive");
    CHECK("PK\x03\x04\x14", "a zip archive");
    CHECK("BZh91AY", "a bzip2 archive");
    CHECK("\xfd"
          "7zXZ",
          "an xz archive");
    CHECK("\x28\xb5\x2f\xfd", "a Zstandard archive");
    CHECK("7z\xbc\xaf\x27\x1c", "a 7z archive");
    CHECK("Rar!\x1a\x07", "a RAR archive");
    CHECK("\x80\x02\x8a\x0a", "a Python pickle");
    CHECK("\x93NUMPY\x01", "a NumPy file");
    CHECK("\x89HDF\r\n\x1a\n", "an HDF5 file");
    CHECK("GGUF\x03", "a GGUF file");
    CHECK("\x89PNG\r\n\x1a\n", "a PNG picture");
    CHECK("\xff\xd8\xff\xe0", "a JPEG picture");
    CHECK("%PDF-1.7", "a PDF document");
    CHECK("\xff\xfe[\0", "UTF-16");
    CHECK("\xfe\xff\0[", "UTF-16");
}

static void test_others_are_no_kind(void)
{
    static const char header[20] = {0, 0, 0, 0, 2};
    CU_ASSERT_PTR_NULL(dkb_sniff(NULL, 0));
    CU_ASSERT_PTR_NULL(dkb_sniff(header, sizeof(header)));
    CU_ASSERT_PTR_NULL(dkb_sniff("[net]\n", 6));
    CU_ASSERT_PTR_NULL(dkb_sniff("\xef\xbb\xbf[net]\n", 9));
    CU_ASSERT_PTR_NULL(dkb_sniff("  \n", 3));
    /* Shorter than what it begins like. */
    CU_ASSERT_PTR_NULL(dkb_sniff("<!DOCTYPE html>", 8));
    CU_ASSERT_PTR_NULL(dkb_sniff("PK\x03\x04", 3));
}

const char *const ll_test_suite = "dkb_sniff";
const struct ll_test ll_tests[] = {
    LL_TEST(test_kinds_are_known_by_their_first_bytes),
    LL_TEST(test_others_are_no_kind),
    {NULL, NULL},
};
