#include "proto/wire/wire_picture.h"

#include <string.h>

#include "core/ll_limits.h"
#include "net/ll_table.h"
#include "proto/wire/wire_tensor.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "wire_picture";

/* A head that is right, to be made wrong. */
struct head {
    uint8_t digest[LL_DIGEST_BYTES];
    uint32_t shape[3];
    Layerlift__V1__Preprocess preprocess;
    Layerlift__V1__Picture picture;
    Layerlift__V1__Tensor tensor;
};

enum { FLOATS = 3 * 4 * 5 };

static void head_init(struct head *head)
{
    memset(head->digest, 7, sizeof(head->digest));
    memcpy(head->shape, (uint32_t[]){3, 4, 5}, sizeof(head->shape));
    layerlift__v1__preprocess__init(&head->preprocess);
    layerlift__v1__picture__init(&head->picture);
    layerlift__v1__tensor__init(&head->tensor);
    head->preprocess.fit = LAYERLIFT__V1__PREPROCESS__FIT__FIT_CROP;
    head->picture.format = LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_PNG;
    head->picture.preprocess = &head->preprocess;
    head->picture.orientation = 6;
    head->picture.input_sha256.data = head->digest;
    head->picture.input_sha256.len = sizeof(head->digest);
    head->tensor.name = LL_TENSOR_INPUT;
    head->tensor.shape = head->shape;
    head->tensor.n_shape = 3;
    head->tensor.coded_bytes = 1000;
    head->tensor.picture = &head->picture;
}

static void test_what_is_filled_in_is_what_is_read(void)
{
    struct head head;
    struct wire_form form;
    struct ll_error err = {.text = ""};
    head_init(&head);
    CU_ASSERT_EQUAL_FATAL(wire_tensor_check(&head.tensor, FLOATS, &form, &err), LL_OK);
    CU_ASSERT(form.is_picture && form.bytes == 1000);
    struct wire_picture_message message;
    struct wire_picture again;
    wire_picture_fill(&form.picture, &message);
    CU_ASSERT_EQUAL_FATAL(wire_picture_parse(&message.message, &again, &err), LL_OK);
    CU_ASSERT_EQUAL(again.format, LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_PNG);
    CU_ASSERT_EQUAL(again.fit, LAYERLIFT__V1__PREPROCESS__FIT__FIT_CROP);
    CU_ASSERT_EQUAL(again.orientation, 6);
    CU_ASSERT_EQUAL(memcmp(again.input.bytes, head.digest, sizeof(head.digest)), 0);
    /* Who does not say how it was held says upright. */
    head.picture.orientation = 0;
    CU_ASSERT_EQUAL_FATAL(wire_picture_parse(&head.picture, &again, &err), LL_OK);
    CU_ASSERT_EQUAL(again.orientation, 1);
}

static void check_refused(const struct head *head, ll_status status, const char *words)
{
    struct wire_form form;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(wire_tensor_check(&head->tensor, FLOATS, &form, &err), status);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, words));
}

static void test_what_is_not_known_is_refused(void)
{
    struct head head;
    head_init(&head);
    head.tensor.name = 4;
    check_refused(&head, LL_E_INVALID, "tensor 4: only the network's input may be a picture");
    head_init(&head);
    head.tensor.coded_bytes = 0;
    check_refused(&head, LL_E_INVALID, "a picture's file of 0 bytes");
    head.tensor.coded_bytes = (uint64_t)LL_LIMIT_IMAGE_FILE_BYTES + 1;
    check_refused(&head, LL_E_INVALID, "a picture's file of 67108865 bytes");
    head_init(&head);
    head.shape[0] = 4;
    check_refused(&head, LL_E_INVALID, "its shape does not make");
    head_init(&head);
    head.picture.format = (Layerlift__V1__PictureFormat)4;
    check_refused(&head, LL_E_INVALID, "format 4 is not known");
    head.picture.format = LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_UNSPECIFIED;
    check_refused(&head, LL_E_INVALID, "format 0 is not known");
    head_init(&head);
    head.picture.orientation = 9;
    check_refused(&head, LL_E_INVALID, "orientation 9");
    head_init(&head);
    head.picture.input_sha256.len = 31;
    check_refused(&head, LL_E_INVALID, "input_sha256 of 31 bytes");
    head_init(&head);
    head.picture.preprocess = NULL;
    check_refused(&head, LL_E_INVALID, "no preprocess");
    head_init(&head);
    head.preprocess.fit = LAYERLIFT__V1__PREPROCESS__FIT__FIT_UNSPECIFIED;
    check_refused(&head, LL_E_INVALID, "fit 0 is not known");
    head.preprocess.fit = (Layerlift__V1__Preprocess__Fit)4;
    check_refused(&head, LL_E_INVALID, "fit 4 is not known");
}

/* The wire has more ways to make an input than there are here. */
static void test_what_is_not_done_here_is_said(void)
{
    float values[3] = {0.5F, 0.5F, 0.5F};
    struct head head;
    head_init(&head);
    head.preprocess.mean = values;
    head.preprocess.n_mean = 3;
    check_refused(&head, LL_E_UNSUPPORTED, "without mean, scale");
    head_init(&head);
    head.preprocess.scale = values;
    head.preprocess.n_scale = 3;
    check_refused(&head, LL_E_UNSUPPORTED, "without mean, scale");
    head_init(&head);
    head.preprocess.order = LAYERLIFT__V1__PREPROCESS__ORDER__ORDER_BGR;
    check_refused(&head, LL_E_UNSUPPORTED, "another order");
    head_init(&head);
    head.preprocess.layout = LAYERLIFT__V1__PREPROCESS__LAYOUT__LAYOUT_HWC;
    check_refused(&head, LL_E_UNSUPPORTED, "another order");
}

static void test_webp_is_for_bytes_of_three_channels(void)
{
    struct head head;
    struct wire_form form;
    struct ll_error err = {.text = ""};
    head_init(&head);
    head.tensor.picture = NULL;
    head.tensor.coding = LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_WEBP;
    head.tensor.dtype = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8;
    head.tensor.coded_bytes = FLOATS - 1;
    CU_ASSERT_EQUAL(wire_tensor_check(&head.tensor, FLOATS, &form, &err), LL_OK);
    CU_ASSERT_EQUAL(form.bytes, FLOATS - 1);
    head.tensor.coded_bytes = FLOATS;
    check_refused(&head, LL_E_INVALID, "coded bytes, of 60 that it has plain");
    head.tensor.coded_bytes = 10;
    head.tensor.dtype = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F32;
    check_refused(&head, LL_E_INVALID, "WebP is for U8 of 3 channels");
    head.tensor.dtype = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8;
    memcpy(head.shape, (uint32_t[]){5, 4, 3}, sizeof(head.shape));
    check_refused(&head, LL_E_INVALID, "WebP is for U8 of 3 channels");
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_what_is_filled_in_is_what_is_read),
    LL_TEST(test_what_is_not_known_is_refused),
    LL_TEST(test_what_is_not_done_here_is_said),
    LL_TEST(test_webp_is_for_bytes_of_three_channels),
    {NULL, NULL},
};
