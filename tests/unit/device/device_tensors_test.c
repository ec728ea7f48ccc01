#include "device/query/device_tensors.h"

#include <stdlib.h>

#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

/* Two outputs, of which the first one is no tensor at the end. */
static const char cfg[] = "fake\n"
                          "input 4\n"
                          "layer 3 0\n"
                          "layer 2 0 output\n"
                          "layer 5 0 reads 0\n";
enum { LAYERS = 3, INPUT = -1 };

static struct fake_model model;
static struct device_tensors tensors;

static void begin(void)
{
    fake_model_init(&model, cfg, 1);
    CU_ASSERT_EQUAL_FATAL(device_tensors_init(&tensors, &model.network->table), LL_OK);
}

static void end(void)
{
    device_tensors_finish(&tensors);
    /* Zeroed by now, or never anything else. */
    tensors = (struct device_tensors){0};
    device_tensors_finish(&tensors);
    fake_model_finish(&model);
}

/* The tensor's values count up from `first`. */
static struct ll_buf *make(float first, int floats)
{
    float values[8];
    struct ll_buf *buf = NULL;
    for (int i = 0; i < floats; i++) {
        values[i] = first + (float)i;
    }
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy(values, (size_t)floats * sizeof(float), &buf), LL_OK);
    return buf;
}

static void put(int name, float first, int floats)
{
    struct ll_buf *buf = make(first, floats);
    device_tensors_put(&tensors, name, buf);
    /* The set has a reference of its own. */
    ll_buf_unref(buf);
}

static void test_what_is_put_is_held_until_it_is_replaced(void)
{
    begin();
    for (int name = INPUT; name < LAYERS; name++) {
        CU_ASSERT_PTR_NULL(device_tensors_get(&tensors, name));
    }
    put(INPUT, 10, 4);
    put(0, 20, 3);
    put(0, 30, 3);
    struct ll_buf *input = device_tensors_get(&tensors, INPUT);
    struct ll_buf *first = device_tensors_get(&tensors, 0);
    CU_ASSERT_FATAL(input && first);
    CU_ASSERT_EQUAL(((const float *)ll_buf_data(input))[3], 13);
    CU_ASSERT_EQUAL(((const float *)ll_buf_data(first))[0], 30);
    CU_ASSERT_PTR_NULL(device_tensors_get(&tensors, 1));
    /* Itself in its own place. */
    device_tensors_put(&tensors, 0, first);
    CU_ASSERT_EQUAL(((const float *)ll_buf_data(device_tensors_get(&tensors, 0)))[2], 32);
    end();
}

static void test_outputs_stand_in_layer_order(void)
{
    static const float expected[] = {50, 51, 70, 71, 72, 73, 74};
    float *data = NULL;
    int64_t floats = 0;
    int64_t last_floats = 0;
    begin();
    put(2, 70, 5);
    put(0, 20, 3);
    put(1, 50, 2);
    CU_ASSERT_EQUAL_FATAL(device_tensors_outputs(&tensors, &data, &floats, &last_floats), LL_OK);
    CU_ASSERT_EQUAL_FATAL(floats, 7);
    CU_ASSERT_EQUAL(last_floats, 5);
    for (int i = 0; i < 7; i++) {
        CU_ASSERT_EQUAL(data[i], expected[i]);
    }
    free(data);
    end();
}

static void test_a_missing_output_is_an_error(void)
{
    float *data = NULL;
    int64_t floats = 0;
    int64_t last_floats = 0;
    begin();
    CU_ASSERT_EQUAL(device_tensors_outputs(&tensors, &data, &floats, &last_floats), LL_E_INVALID);
    put(2, 70, 5);
    CU_ASSERT_EQUAL(device_tensors_outputs(&tensors, &data, &floats, &last_floats), LL_E_INVALID);
    CU_ASSERT_PTR_NULL(data);
    end();
}

const char *const ll_test_suite = "device_tensors";
const struct ll_test ll_tests[] = {
    LL_TEST(test_what_is_put_is_held_until_it_is_replaced),
    LL_TEST(test_outputs_stand_in_layer_order),
    LL_TEST(test_a_missing_output_is_an_error),
    {NULL, NULL},
};
