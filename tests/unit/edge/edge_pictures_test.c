/* Queries whose input is a picture, through a real server and connection: the same answers as if it
 * had come as floats, and refusals that harm no other query. */
#include <stdlib.h>
#include <string.h>

#include "net/ll_dtype.h"
#include "proto/wire/wire_form.h"
#include "tests/support/edge_fixture.h"
#include "tests/support/ll_test.h"
#include "tests/support/picture_files.h"
#include "vision/vision_input.h"
#include "vision/vision_webp.h"

const char *const ll_test_suite = "edge_pictures";

static const char cfg[] = "fake\n"
                          "input 3 24 32\n"
                          "layer 700 1000\n"
                          "layer 5 300\n";
enum { LAYERS = 2, H = 24, W = 32, INPUTS = 3 * H * W };

static struct edge_fixture fixture;
static struct fake_model model;
static struct edge_call *call;
static uint64_t last_id;

static void begin_with(int64_t query_bytes)
{
    memset(&fixture, 0, sizeof(fixture));
    edge_fixture_init(&fixture);
    fixture.config.query_bytes = query_bytes > 0 ? query_bytes : fixture.config.query_bytes;
    edge_fixture_start(&fixture);
    fake_model_init(&model, cfg, 1);
    CU_ASSERT_EQUAL_FATAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    call = edge_call_open(fixture.client, "Offload");
}

static void begin(void)
{
    begin_with(0);
}

static void end(void)
{
    edge_call_close(call);
    fake_model_finish(&model);
    edge_fixture_tear_down(&fixture);
}

/* Asks for everything with the input's bytes in that form, in chunks of an odd size. */
static void ask(const struct wire_form *form, const void *bytes, size_t count,
                struct edge_answer *out_answer)
{
    enum { PART = 777 };
    const struct edge_ask query = {.id = ++last_id, .end = LAYERS, .forms = form};
    edge_call_send_query(call, &model, &query);
    for (size_t at = 0; at < count; at += PART) {
        size_t part = count - at < PART ? count - at : PART;
        edge_call_send_tensor_chunk(call, last_id, LL_TENSOR_INPUT, at, (const char *)bytes + at,
                                    part);
    }
    CU_ASSERT_FATAL(edge_call_answer(call, out_answer));
    CU_ASSERT_EQUAL(out_answer->id, last_id);
}

/* The input's bytes in this form give what its floats give. */
static void check_same(const struct wire_form *form, const void *bytes, size_t count,
                       const float *floats)
{
    const struct wire_form plain = wire_form_plain(LL_F32, 3, INPUTS);
    struct edge_answer answer;
    struct edge_answer expected;
    ask(form, bytes, count, &answer);
    CU_ASSERT_EQUAL_FATAL(answer.status, LL_OK);
    ask(&plain, floats, INPUTS * sizeof(float), &expected);
    CU_ASSERT_EQUAL_FATAL(expected.status, LL_OK);
    CU_ASSERT_EQUAL_FATAL(answer.bytes, expected.bytes);
    CU_ASSERT_EQUAL(memcmp(answer.data, expected.data, (size_t)expected.bytes), 0);
    edge_answer_finish(&answer);
    edge_answer_finish(&expected);
}

static const Layerlift__V1__PictureFormat formats[] = {
    [VISION_JPEG] = LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_JPEG,
    [VISION_PNG] = LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_PNG,
    [VISION_BMP] = LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_BMP,
};
static const Layerlift__V1__Preprocess__Fit fits[] = {
    [VISION_FIT_LETTERBOX] = LAYERLIFT__V1__PREPROCESS__FIT__FIT_LETTERBOX,
    [VISION_FIT_CROP] = LAYERLIFT__V1__PREPROCESS__FIT__FIT_CROP,
    [VISION_FIT_STRETCH] = LAYERLIFT__V1__PREPROCESS__FIT__FIT_STRETCH,
};

/* A file, the form in which it goes, and the floats that it makes. */
struct sample {
    struct picture_file file;
    struct wire_form form;
    float *floats;
};

static void sample_init(struct sample *sample, struct picture_file picture, vision_format format,
                        vision_fit fit, int orientation)
{
    struct ll_error err = {.text = ""};
    struct vision_file file = {.format = format, .orientation = orientation, .fit = fit};
    *sample = (struct sample){.file = picture};
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy(picture.data, picture.count, &file.bytes), LL_OK);
    CU_ASSERT_EQUAL_FATAL(vision_input_of_file(&file, &model.network->table, &sample->floats, &err),
                          LL_OK);
    sample->form = (struct wire_form){
        .is_picture = true,
        .channels = 1,
        .bytes = (int64_t)picture.count,
        .picture = {.format = formats[format], .fit = fits[fit], .orientation = orientation},
    };
    CU_ASSERT_EQUAL_FATAL(
        ll_digest_of(sample->floats, INPUTS * sizeof(float), &sample->form.picture.input), LL_OK);
    ll_buf_unref(file.bytes);
}

static void sample_finish(struct sample *sample)
{
    picture_file_finish(&sample->file);
    free(sample->floats);
}

static struct picture_file jpeg(unsigned seed)
{
    const struct picture_jpeg kind = {70, 50, 2, 2, false, seed % 2 == 1, 85};
    return picture_file_jpeg(&kind, seed);
}

static void test_files_make_the_floats_that_are_meant(void)
{
    begin();
    for (int i = 0; i < 3 * 3 * 3; i++) {
        struct sample sample;
        vision_format format = (vision_format)(i % 3);
        unsigned seed = (unsigned)i;
        sample_init(&sample,
                    format == VISION_JPEG  ? jpeg(seed)
                    : format == VISION_PNG ? picture_file_png(40, 60, i % 2 == 0, seed)
                                           : picture_file_bmp(60, 40, seed),
                    format, (vision_fit)(i / 3 % 3), 1 + i % 8);
        check_same(&sample.form, sample.file.data, sample.file.count, sample.floats);
        sample_finish(&sample);
    }
    end();
}

static void test_webp_makes_the_bytes_that_it_was(void)
{
    begin();
    static uint8_t bytes[INPUTS];
    static float floats[INPUTS];
    struct ll_error err = {.text = ""};
    struct ll_buf *file = NULL;
    struct edge_answer answer;
    for (int i = 0; i < INPUTS; i++) {
        bytes[i] = picture_sample(5, i % W, i / W % H, i / (W * H));
        floats[i] = (float)bytes[i] / 255.0F;
    }
    CU_ASSERT_EQUAL_FATAL(vision_webp_encode(bytes, H, W, &file, &err), LL_OK);
    struct wire_form form = wire_form_plain(LL_U8, 3, INPUTS);
    form.coding = LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_WEBP;
    form.bytes = (int64_t)ll_buf_bytes(file);
    check_same(&form, ll_buf_data(file), ll_buf_bytes(file), floats);

    /* Of another size. */
    ll_buf_unref(file);
    CU_ASSERT_EQUAL_FATAL(vision_webp_encode(bytes, W, H, &file, &err), LL_OK);
    form.bytes = (int64_t)ll_buf_bytes(file);
    ask(&form, ll_buf_data(file), ll_buf_bytes(file), &answer);
    CU_ASSERT_EQUAL(answer.status, LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer.message, "tensor -1: a WebP picture of 24 x 32 pixels"));
    edge_answer_finish(&answer);
    ll_buf_unref(file);
    end();
}

/* The query fails alone: the stream goes on. */
static void check_refused(const struct sample *sample, ll_status status, const char *words)
{
    struct edge_answer answer;
    ask(&sample->form, sample->file.data, sample->file.count, &answer);
    CU_ASSERT_EQUAL(answer.status, status);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer.message, words));
    edge_answer_finish(&answer);
}

static void test_another_input_than_the_one_that_is_meant(void)
{
    begin();
    struct sample sample;
    sample_init(&sample, jpeg(2), VISION_JPEG, VISION_FIT_LETTERBOX, 1);
    sample.form.picture.input.bytes[31] ^= 1;
    check_refused(&sample, LL_E_PRECONDITION, "tensor -1: the picture makes another input here");
    sample.form.picture.input.bytes[31] ^= 1;
    sample.form.picture.orientation = 3;
    check_refused(&sample, LL_E_PRECONDITION, "the picture makes another input here");
    sample.form.picture.orientation = 1;
    sample.form.picture.fit = fits[VISION_FIT_STRETCH];
    check_refused(&sample, LL_E_PRECONDITION, "the picture makes another input here");
    sample.form.picture.fit = fits[VISION_FIT_LETTERBOX];
    check_same(&sample.form, sample.file.data, sample.file.count, sample.floats);
    sample_finish(&sample);
    end();
}

static void test_hostile_files_fail_their_query_alone(void)
{
    begin();
    struct sample sample;
    sample_init(&sample, jpeg(4), VISION_JPEG, VISION_FIT_CROP, 1);
    sample.form.picture.format = formats[VISION_PNG];
    check_refused(&sample, LL_E_INVALID, "a JPEG picture, not the PNG");
    sample.form.picture.format = formats[VISION_JPEG];
    sample.file.count /= 2;
    sample.form.bytes = (int64_t)sample.file.count;
    check_refused(&sample, LL_E_INVALID, "damaged JPEG picture");
    memset(sample.file.data, 'x', sample.file.count);
    check_refused(&sample, LL_E_INVALID, "neither a JPEG");
    sample_finish(&sample);

    /* A few bytes that announce a huge picture. */
    sample_init(&sample, picture_file_bmp(8, 8, 1), VISION_BMP, VISION_FIT_CROP, 1);
    memcpy(sample.file.data + 18, "\xff\xff\0\0\xff\xff\0\0", 8);
    check_refused(&sample, LL_E_EXHAUSTED, "65535 x 65535 pixels");
    sample_finish(&sample);
    end();
}

/* What the decoder would take is known before it takes it. */
static void test_a_decoder_takes_no_more_than_the_query_may(void)
{
    enum { QUERY_BYTES = 60000 };
    begin_with(QUERY_BYTES);
    struct sample sample;
    struct edge_answer answer;
    /* 50 x 40: 12,000 bytes of pixels, twice; 110 x 100: 66,000 in all. */
    sample_init(&sample, picture_file_bmp(50, 40, 1), VISION_BMP, VISION_FIT_STRETCH, 1);
    check_same(&sample.form, sample.file.data, sample.file.count, sample.floats);
    sample_finish(&sample);
    const struct picture_jpeg kind = {110, 100, 2, 2, false, false, 50};
    sample_init(&sample, picture_file_jpeg(&kind, 1), VISION_JPEG, VISION_FIT_STRETCH, 1);
    ask(&sample.form, sample.file.data, sample.file.count, &answer);
    CU_ASSERT_EQUAL(answer.status, LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer.message, "66000 to decode its picture"));
    CU_ASSERT_STRING_EQUAL(answer.refusal.limit, "query_bytes");
    CU_ASSERT_EQUAL(answer.refusal.limit_value, QUERY_BYTES);
    edge_answer_finish(&answer);
    sample_finish(&sample);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_files_make_the_floats_that_are_meant),
    LL_TEST(test_webp_makes_the_bytes_that_it_was),
    LL_TEST(test_another_input_than_the_one_that_is_meant),
    LL_TEST(test_hostile_files_fail_their_query_alone),
    LL_TEST(test_a_decoder_takes_no_more_than_the_query_may),
    {NULL, NULL},
};
