#include "device/query/device_remote_inputs.h"

#include <string.h>

#include <CUnit/CUnit.h>

#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_remote_inputs";

/* [1, 2) reads layer 0 and the network's input. */
static const char cfg[] = "fake\n"
                          "input 4\n"
                          "layer 2 8\n"
                          "layer 3 8 reads 0 -1\n";

static struct fake_model fake;
static const struct ll_table *table;
static struct device_tensors tensors;

static struct ll_buf *put(int name, float value, size_t floats)
{
    float values[4];
    struct ll_buf *buf = NULL;
    for (size_t i = 0; i < floats; i++) {
        values[i] = value;
    }
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy(values, floats * sizeof(float), &buf), LL_OK);
    device_tensors_put(&tensors, name, buf);
    ll_buf_unref(buf);
    return buf;
}

static void begin(float cut_value)
{
    fake_model_init(&fake, cfg, 5);
    table = &fake.network->table;
    CU_ASSERT_EQUAL_FATAL(device_tensors_init(&tensors, table), LL_OK);
    put(LL_TENSOR_INPUT, 3, 4);
    put(0, cut_value, 2);
}

static void end(void)
{
    device_tensors_finish(&tensors);
    fake_model_finish(&fake);
}

/* Where a tensor stands among the inputs. */
static int find(const struct device_remote_inputs *inputs, int name)
{
    for (int i = 0; i < inputs->names.count; i++) {
        if (inputs->names.names[i] == name) {
            return i;
        }
    }
    CU_FAIL_FATAL("no such input");
    return -1;
}

static void test_floats_go_as_they_are(void)
{
    struct device_remote_inputs inputs;
    struct device_remote_form form = {0};
    begin(0.1F);
    CU_ASSERT_EQUAL_FATAL(device_remote_inputs_init(&inputs, table, 1, 2, &tensors, &form), LL_OK);
    CU_ASSERT_EQUAL(inputs.names.count, 2);
    CU_ASSERT_FALSE(inputs.is_rounded);
    for (int i = 0; i < 2; i++) {
        const struct ll_buf *held = device_tensors_get(&tensors, inputs.names.names[i]);
        CU_ASSERT_EQUAL(inputs.forms[i].dtype, LL_F32);
        CU_ASSERT_EQUAL_FATAL(ll_buf_bytes(inputs.bufs[i]), ll_buf_bytes(held));
        CU_ASSERT_EQUAL(memcmp(ll_buf_data(inputs.bufs[i]), ll_buf_data(held), ll_buf_bytes(held)),
                        0);
    }
    device_remote_inputs_finish(&inputs);
    end();
}

static void test_bytes_stand_for_the_input_alone(void)
{
    struct device_remote_inputs inputs;
    struct ll_buf *bytes = NULL;
    begin(0.1F);
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy("\3\3\3\3", 4, &bytes), LL_OK);
    struct device_remote_form form = {
        .input_dtype = LL_U8, .input_bytes = bytes, .cut_dtype = LL_F16};
    CU_ASSERT_EQUAL_FATAL(device_remote_inputs_init(&inputs, table, 1, 2, &tensors, &form), LL_OK);
    int input = find(&inputs, LL_TENSOR_INPUT);
    int cut = find(&inputs, 0);
    CU_ASSERT_EQUAL(inputs.forms[input].dtype, LL_U8);
    CU_ASSERT_PTR_EQUAL(inputs.bufs[input], bytes);
    CU_ASSERT_EQUAL(inputs.forms[cut].dtype, LL_F16);
    CU_ASSERT_EQUAL(ll_buf_bytes(inputs.bufs[cut]), 4);
    CU_ASSERT_TRUE(inputs.is_rounded);
    device_remote_inputs_finish(&inputs);
    device_remote_inputs_finish(&inputs);
    ll_buf_unref(bytes);
    end();
}

static void test_what_halves_do_not_hold_goes_as_floats(void)
{
    struct device_remote_inputs inputs;
    struct device_remote_form form = {.input_dtype = LL_F16, .cut_dtype = LL_F16};
    begin(1e30F);
    CU_ASSERT_EQUAL_FATAL(device_remote_inputs_init(&inputs, table, 1, 2, &tensors, &form), LL_OK);
    CU_ASSERT_EQUAL(inputs.forms[find(&inputs, 0)].dtype, LL_F32);
    CU_ASSERT_EQUAL(inputs.forms[find(&inputs, LL_TENSOR_INPUT)].dtype, LL_F16);
    device_remote_inputs_finish(&inputs);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_floats_go_as_they_are),
    LL_TEST(test_bytes_stand_for_the_input_alone),
    LL_TEST(test_what_halves_do_not_hold_goes_as_floats),
    {NULL, NULL},
};
