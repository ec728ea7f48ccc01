#include "device/query/device_input_forms.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "net/ll_dtype.h"
#include "tests/support/ll_test.h"
#include "tests/support/picture_files.h"
#include "vision/vision_webp.h"

const char *const ll_test_suite = "device_input_forms";

enum { H = 40, W = 30, FLOATS = 3 * H * W };
#define FLOATS_BYTES (FLOATS * sizeof(float))

static const struct ll_table table = {.in_c = 3, .in_h = H, .in_w = W, .in_floats = FLOATS};

/* An edge that takes everything. */
static const struct device_edge_view all = {
    .takes_u8 = true,
    .takes_f16 = true,
    .takes_planes = true,
    .takes_webp = true,
    .picture_formats = 1U << LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_JPEG |
                       1U << LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_BMP,
    .connection = 1,
};

static struct device_input_forms forms;
static struct device_query_input input;
static struct ll_planes *planes;

static struct device_form_offers offer(device_input_want want, const struct device_edge_view *edge)
{
    const struct device_wish wish = {.input = want, .cut_dtype = LL_F32};
    struct device_form_offers offers;
    device_input_forms_offer(&forms, &wish, edge, &offers);
    return offers;
}

/* An input that bytes hold, or not quite, and a file that is said to make it. */
static void begin(bool is_exact)
{
    struct ll_buf *floats = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_planes_create(&planes), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(FLOATS_BYTES, &floats), LL_OK);
    float *values = ll_buf_writable(floats);
    for (int i = 0; i < FLOATS; i++) {
        values[i] = (float)picture_sample(3, i % W, i / W % H, i / (W * H)) / 255.0F;
    }
    values[7] = is_exact ? values[7] : 0.3F;
    input = (struct device_query_input){
        .floats = floats,
        .file = {.format = VISION_JPEG, .orientation = 6, .fit = VISION_FIT_CROP},
        .made_ns = 5000,
    };
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy("a file", 6, &input.file.bytes), LL_OK);
    device_input_forms_init(&forms, &table);
    device_input_forms_set(&forms, &input);
    (void)offer(DEVICE_WANT_ANY, &all);
}

static void end(void)
{
    device_input_forms_finish(&forms);
    ll_buf_unref(input.floats);
    ll_buf_unref(input.file.bytes);
    ll_planes_destroy(planes);
}

/* The offer of a form; NULL: it is not offered. */
static const struct device_offer *find(const struct device_form_offers *offers, device_form form)
{
    for (int i = 0; i < offers->count; i++) {
        if (offers->forms[i] == form) {
            return &offers->offers[i];
        }
    }
    return NULL;
}

static struct wire_form make(device_form form, struct ll_buf **out_buf)
{
    struct wire_form made;
    ll_status status = device_input_forms_make(&forms, form, LL_F32, planes, out_buf, &made);
    CU_ASSERT_EQUAL_FATAL(status, LL_OK);
    CU_ASSERT_EQUAL(made.bytes, (int64_t)ll_buf_bytes(*out_buf));
    return made;
}

static void test_what_an_edge_takes_is_offered(void)
{
    begin(true);
    struct device_form_offers offers = offer(DEVICE_WANT_ANY, &all);
    CU_ASSERT_EQUAL(offers.count, 4);
    CU_ASSERT_PTR_NOT_NULL_FATAL(find(&offers, DEVICE_FORM_BYTES));
    CU_ASSERT_EQUAL(find(&offers, DEVICE_FORM_BYTES)->bytes, FLOATS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(find(&offers, DEVICE_FORM_FILE));
    CU_ASSERT_EQUAL(find(&offers, DEVICE_FORM_FILE)->bytes, 6);
    CU_ASSERT_EQUAL(find(&offers, DEVICE_FORM_FILE)->coding_ns, 5000);
    CU_ASSERT_PTR_NOT_NULL(find(&offers, DEVICE_FORM_WEBP));
    CU_ASSERT_PTR_NOT_NULL(find(&offers, DEVICE_FORM_PLANES));
    struct device_edge_view old = {.connection = 1};
    offers = offer(DEVICE_WANT_ANY, &old);
    CU_ASSERT_EQUAL(offers.count, 1);
    CU_ASSERT_EQUAL(offers.forms[0], DEVICE_FORM_PLAIN);
    CU_ASSERT_EQUAL(offers.offers[0].bytes, (int64_t)FLOATS_BYTES);
    /* A format that this edge does not know. */
    forms.input.file.format = VISION_PNG;
    offers = offer(DEVICE_WANT_ANY, &all);
    CU_ASSERT_PTR_NULL(find(&offers, DEVICE_FORM_FILE));
    end();

    begin(false);
    offers = offer(DEVICE_WANT_ANY, &all);
    CU_ASSERT_EQUAL(offers.count, 3);
    CU_ASSERT_PTR_NOT_NULL(find(&offers, DEVICE_FORM_PLAIN));
    CU_ASSERT_PTR_NULL(find(&offers, DEVICE_FORM_WEBP));
    end();
}

static void test_a_wish_is_fulfilled_where_it_can_be(void)
{
    static const struct {
        device_input_want want;
        device_form form;
    } wishes[] = {
        {DEVICE_WANT_F32, DEVICE_FORM_PLAIN},     {DEVICE_WANT_U8, DEVICE_FORM_BYTES},
        {DEVICE_WANT_FILE, DEVICE_FORM_FILE},     {DEVICE_WANT_WEBP, DEVICE_FORM_WEBP},
        {DEVICE_WANT_PLANES, DEVICE_FORM_PLANES},
    };
    begin(true);
    struct device_form_offers offers;
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        offers = offer(wishes[i].want, &all);
        CU_ASSERT_EQUAL(offers.count, 1);
        CU_ASSERT_EQUAL(offers.forms[0], wishes[i].form);
    }
    ll_buf_unref(input.file.bytes);
    input.file.bytes = NULL;
    device_input_forms_set(&forms, &input);
    offers = offer(DEVICE_WANT_FILE, &all);
    CU_ASSERT_EQUAL(offers.count, 3);
    end();
}

static void test_each_form_is_the_same_input(void)
{
    begin(true);
    struct ll_buf *buf = NULL;
    struct ll_error err = {.text = ""};
    static uint8_t bytes[FLOATS];
    struct ll_digest digest;
    struct wire_form form = make(DEVICE_FORM_PLAIN, &buf);
    CU_ASSERT_STRING_EQUAL(device_input_form_name(&form), "f32");
    CU_ASSERT_EQUAL(memcmp(ll_buf_data(buf), ll_buf_data(input.floats), FLOATS_BYTES), 0);
    ll_buf_unref(buf);

    CU_ASSERT_PTR_NOT_NULL_FATAL(device_input_forms_bytes(&forms));
    form = make(DEVICE_FORM_BYTES, &buf);
    CU_ASSERT_STRING_EQUAL(device_input_form_name(&form), "u8");
    ll_buf_unref(buf);

    form = make(DEVICE_FORM_WEBP, &buf);
    CU_ASSERT_STRING_EQUAL(device_input_form_name(&form), "webp");
    CU_ASSERT_EQUAL(vision_webp_decode(ll_buf_data(buf), ll_buf_bytes(buf), H, W, bytes, &err),
                    LL_OK);
    CU_ASSERT_EQUAL(memcmp(bytes, ll_buf_data(device_input_forms_bytes(&forms)), FLOATS), 0);
    ll_buf_unref(buf);

    form = make(DEVICE_FORM_PLANES, &buf);
    CU_ASSERT_STRING_EQUAL(device_input_form_name(&form), "planes");
    CU_ASSERT_EQUAL_FATAL(wire_form_expand(&form, FLOATS, planes, &buf, &err), LL_OK);
    CU_ASSERT_EQUAL(memcmp(ll_buf_data(buf), ll_buf_data(input.floats), FLOATS_BYTES), 0);
    ll_buf_unref(buf);

    form = make(DEVICE_FORM_FILE, &buf);
    CU_ASSERT_STRING_EQUAL(device_input_form_name(&form), "jpeg");
    CU_ASSERT(form.is_picture && form.picture.orientation == 6);
    CU_ASSERT_EQUAL(form.picture.fit, LAYERLIFT__V1__PREPROCESS__FIT__FIT_CROP);
    CU_ASSERT_EQUAL(ll_digest_of(ll_buf_data(input.floats), FLOATS_BYTES, &digest), LL_OK);
    CU_ASSERT(ll_digest_equal(&digest, &form.picture.input));
    CU_ASSERT_PTR_EQUAL(buf, input.file.bytes);
    ll_buf_unref(buf);
    end();
}

/* What was coded is kept: its size is known then, and it costs nothing here any more. */
static void test_what_was_coded_is_known(void)
{
    begin(true);
    struct ll_buf *buf = NULL;
    struct ll_buf *again = NULL;
    struct device_form_offers offers = offer(DEVICE_WANT_WEBP, &all);
    int64_t guessed_ns = offers.offers[0].coding_ns;
    (void)make(DEVICE_FORM_WEBP, &buf);
    (void)make(DEVICE_FORM_WEBP, &again);
    CU_ASSERT_PTR_EQUAL(buf, again);
    offers = offer(DEVICE_WANT_WEBP, &all);
    CU_ASSERT_EQUAL(offers.offers[0].bytes, (int64_t)ll_buf_bytes(buf));
    CU_ASSERT(offers.offers[0].coding_ns < guessed_ns);
    ll_buf_unref(buf);
    ll_buf_unref(again);
    end();
}

static void test_what_the_edge_takes_for_decoding_is_learnt(void)
{
    begin(true);
    struct device_form_offers offers;
    for (int i = 0; i < 60; i++) {
        device_input_forms_learn(&forms, DEVICE_FORM_FILE, 900000);
    }
    offers = offer(DEVICE_WANT_FILE, &all);
    CU_ASSERT_DOUBLE_EQUAL((double)offers.offers[0].coding_ns, 900000, 1000);
    for (int i = 0; i < 60; i++) {
        device_input_forms_learn(&forms, DEVICE_FORM_PLANES, (int64_t)10 * FLOATS);
    }
    struct ll_buf *buf = NULL;
    (void)make(DEVICE_FORM_PLANES, &buf);
    offers = offer(DEVICE_WANT_PLANES, &all);
    CU_ASSERT_DOUBLE_EQUAL((double)offers.offers[0].coding_ns, 10.0 * FLOATS, FLOATS * 0.01);
    ll_buf_unref(buf);
    end();
}

/* One outlier must not keep a form away for ever. */
static void test_what_is_not_sent_is_believed_to_get_faster(void)
{
    begin(true);
    for (int i = 0; i < 20; i++) {
        device_input_forms_learn(&forms, DEVICE_FORM_FILE, 90000000);
    }
    struct device_form_offers offers = offer(DEVICE_WANT_FILE, &all);
    CU_ASSERT(offers.offers[0].coding_ns > 80000000);
    for (int i = 0; i < 2000; i++) {
        device_input_forms_learn(&forms, DEVICE_FORM_BYTES, 0);
    }
    offers = offer(DEVICE_WANT_FILE, &all);
    CU_ASSERT(offers.offers[0].coding_ns <= input.made_ns / 4);
    CU_ASSERT(offers.offers[0].coding_ns > input.made_ns / 5);
    end();
}

static void test_a_time_that_cannot_be_is_bounded(void)
{
    begin(true);
    for (int i = 0; i < 200; i++) {
        device_input_forms_learn(&forms, DEVICE_FORM_FILE, INT64_MAX);
        device_input_forms_learn(&forms, DEVICE_FORM_PLANES, INT64_MAX);
    }
    struct device_form_offers offers = offer(DEVICE_WANT_ANY, &all);
    for (int i = 0; i < offers.count; i++) {
        CU_ASSERT(offers.offers[i].coding_ns >= 0);
        CU_ASSERT(offers.offers[i].coding_ns <= 601 * LL_NS_PER_S);
    }
    end();
}

static void test_a_refusal_lasts_as_long_as_the_connection(void)
{
    begin(true);
    device_input_forms_refuse(&forms, 1);
    struct device_form_offers offers = offer(DEVICE_WANT_ANY, &all);
    CU_ASSERT_PTR_NULL(find(&offers, DEVICE_FORM_FILE));
    forms.input.file.format = VISION_BMP;
    offers = offer(DEVICE_WANT_ANY, &all);
    CU_ASSERT_PTR_NOT_NULL(find(&offers, DEVICE_FORM_FILE));
    forms.input.file.format = VISION_JPEG;
    struct device_edge_view next = all;
    next.connection = 2;
    offers = offer(DEVICE_WANT_ANY, &next);
    CU_ASSERT_PTR_NOT_NULL(find(&offers, DEVICE_FORM_FILE));
    end();
}

static void test_a_file_that_is_refused_is_that_one_alone(void)
{
    begin(true);
    device_input_forms_refuse_file(&forms, 1);
    struct device_form_offers offers = offer(DEVICE_WANT_ANY, &all);
    CU_ASSERT_PTR_NULL(find(&offers, DEVICE_FORM_FILE));
    struct device_query_input other = input;
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy("a file", 6, &other.file.bytes), LL_OK);
    device_input_forms_set(&forms, &other);
    offers = offer(DEVICE_WANT_ANY, &all);
    CU_ASSERT_PTR_NOT_NULL(find(&offers, DEVICE_FORM_FILE));
    ll_buf_unref(other.file.bytes);
    device_input_forms_refuse_file(&forms, 1);
    struct device_edge_view next = all;
    next.connection = 2;
    offers = offer(DEVICE_WANT_ANY, &next);
    CU_ASSERT_PTR_NOT_NULL(find(&offers, DEVICE_FORM_FILE));
    end();
}

/* What one edge said of itself is not held against the next one. */
static void test_times_are_those_of_the_edge_that_is_there(void)
{
    begin(true);
    struct device_form_offers before = offer(DEVICE_WANT_ANY, &all);
    device_input_forms_learn(&forms, DEVICE_FORM_FILE, INT64_MAX);
    device_input_forms_learn(&forms, DEVICE_FORM_WEBP, INT64_MAX);
    device_input_forms_learn(&forms, DEVICE_FORM_PLANES, INT64_MAX);
    struct device_edge_view next = all;
    next.connection = 2;
    struct device_form_offers after = offer(DEVICE_WANT_ANY, &next);
    CU_ASSERT_EQUAL(after.count, before.count);
    for (int i = 0; i < before.count; i++) {
        CU_ASSERT_EQUAL(after.offers[i].coding_ns, before.offers[i].coding_ns);
    }
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_what_an_edge_takes_is_offered),
    LL_TEST(test_a_wish_is_fulfilled_where_it_can_be),
    LL_TEST(test_each_form_is_the_same_input),
    LL_TEST(test_what_was_coded_is_known),
    LL_TEST(test_what_the_edge_takes_for_decoding_is_learnt),
    LL_TEST(test_what_is_not_sent_is_believed_to_get_faster),
    LL_TEST(test_a_time_that_cannot_be_is_bounded),
    LL_TEST(test_a_refusal_lasts_as_long_as_the_connection),
    LL_TEST(test_a_file_that_is_refused_is_that_one_alone),
    LL_TEST(test_times_are_those_of_the_edge_that_is_there),
    {NULL, NULL},
};
