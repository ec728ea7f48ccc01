#include "device/query/device_local.h"

#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_local";

/* Two outputs; layer 4 reads across two cuts. */
static const char cfg[] = "fake\n"
                          "input 6\n"
                          "layer 8 40\n"
                          "layer 9 0 output\n"
                          "layer 10 24 joined\n"
                          "layer 11 8\n"
                          "layer 12 16 reads 3 0 -1\n";

static struct fake_model model;
static struct device_local *local;
static struct device_tensors tensors;
static struct ll_error err;

static void put_input(unsigned seed)
{
    struct fake_tensors input = {0};
    struct ll_buf *buf = NULL;
    fake_model_inputs(&model, seed, 0, 5, &input);
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy(input.data, (size_t)input.floats * sizeof(float), &buf),
                          LL_OK);
    device_tensors_put(&tensors, LL_TENSOR_INPUT, buf);
    ll_buf_unref(buf);
    fake_tensors_finish(&input);
}

static void begin(double slowdown)
{
    fake_model_init(&model, cfg, 5);
    struct device_local_config config = {.engine = model.engine,
                                         .network = model.network,
                                         .blobs = model.blobs,
                                         .slowdown = slowdown};
    CU_ASSERT_EQUAL_FATAL(device_local_create(&config, &local, &err), LL_OK);
    CU_ASSERT_EQUAL_FATAL(device_tensors_init(&tensors, &model.network->table), LL_OK);
}

static void end(void)
{
    device_tensors_finish(&tensors);
    device_local_destroy(local);
    CU_ASSERT_EQUAL(fake_engine_alive(model.engine), 1);
    fake_model_finish(&model);
}

static void check_outputs(unsigned seed)
{
    struct fake_tensors expected = {0};
    float *data = NULL;
    int64_t floats = 0;
    int64_t last = 0;
    fake_model_outputs(&model, seed, 0, 5, &expected);
    CU_ASSERT_EQUAL_FATAL(device_tensors_outputs(&tensors, &data, &floats, &last), LL_OK);
    CU_ASSERT_EQUAL_FATAL(floats, expected.floats);
    CU_ASSERT_EQUAL(floats, 21);
    CU_ASSERT_EQUAL(last, 12);
    CU_ASSERT_EQUAL(memcmp(data, expected.data, (size_t)floats * sizeof(float)), 0);
    free(data);
    fake_tensors_finish(&expected);
}

static void test_run_in_parts_equals_the_whole(void)
{
    const int cuts[][2] = {{0, 0}, {0, 1}, {1, 2}, {2, 4}, {1, 4}, {4, 5}, {5, 5}};
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        begin(1);
        put_input(9);
        int64_t time_ns = 0;
        CU_ASSERT_EQUAL(device_local_run(local, 0, cuts[i][0], &tensors, &time_ns, &err), LL_OK);
        CU_ASSERT_EQUAL(device_local_run(local, cuts[i][0], cuts[i][1], &tensors, &time_ns, &err),
                        LL_OK);
        CU_ASSERT_EQUAL(device_local_run(local, cuts[i][1], 5, &tensors, &time_ns, &err), LL_OK);
        CU_ASSERT_TRUE(time_ns > 0);
        check_outputs(9);
        end();
    }
}

static void test_run_without_its_input_fails(void)
{
    begin(1);
    put_input(9);
    int64_t time_ns = 0;
    CU_ASSERT_EQUAL(device_local_run(local, 1, 4, &tensors, &time_ns, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NULL(device_tensors_get(&tensors, 3));
    CU_ASSERT_EQUAL(time_ns, 0);
    float *data = NULL;
    int64_t floats = 0;
    CU_ASSERT_EQUAL(device_tensors_outputs(&tensors, &data, &floats, &floats), LL_E_INVALID);
    end();
}

static void test_run_of_a_failing_engine_fails(void)
{
    begin(1);
    put_input(9);
    int64_t time_ns = 0;
    fake_engine_fail(model.engine, FAKE_RUN, 1, LL_E_NO_MEMORY);
    CU_ASSERT_EQUAL(device_local_run(local, 0, 5, &tensors, &time_ns, &err), LL_E_NO_MEMORY);
    CU_ASSERT_EQUAL(device_local_run(local, 0, 5, &tensors, &time_ns, &err), LL_OK);
    check_outputs(9);
    end();
}

static void test_slowdown_makes_the_time_longer(void)
{
    begin(5000);
    put_input(9);
    int64_t start_ns = ll_clock_now_ns();
    int64_t time_ns = 0;
    CU_ASSERT_EQUAL(device_local_run(local, 0, 5, &tensors, &time_ns, &err), LL_OK);
    int64_t took_ns = ll_clock_now_ns() - start_ns;
    CU_ASSERT_TRUE(time_ns <= took_ns);
    int64_t cpu_ns = ll_clock_thread_cpu_ns();
    int64_t more_ns = 0;
    CU_ASSERT_EQUAL(device_local_run(local, 0, 5, &tensors, &more_ns, &err), LL_OK);
    cpu_ns = ll_clock_thread_cpu_ns() - cpu_ns;
    /* Nearly all of it is waiting. */
    CU_ASSERT_TRUE(more_ns >= 10 * cpu_ns);
    check_outputs(9);
    end();
}

static void interrupt(void *arg)
{
    device_local_interrupt(arg);
}

static void test_interrupt_ends_the_waiting(void)
{
    /* Without the interrupt this would take years. */
    begin(1e15);
    put_input(9);
    struct ll_thread thread = {0};
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&thread, "interrupt", interrupt, local), LL_OK);
    int64_t time_ns = 0;
    CU_ASSERT_EQUAL(device_local_run(local, 0, 5, &tensors, &time_ns, &err), LL_OK);
    ll_thread_join(&thread);
    CU_ASSERT_EQUAL(device_local_run(local, 0, 5, &tensors, &time_ns, &err), LL_OK);
    check_outputs(9);
    end();
}

static void test_create_of_a_failing_engine_leaves_nothing(void)
{
    const enum fake_step steps[] = {FAKE_MODEL, FAKE_CREATION, FAKE_CONTEXT};
    fake_model_init(&model, cfg, 5);
    for (int i = 0; i < 3; i++) {
        fake_engine_fail(model.engine, steps[i], 1, LL_E_NO_MEMORY);
        struct device_local_config config = {
            .engine = model.engine, .network = model.network, .blobs = model.blobs, .slowdown = 1};
        local = NULL;
        CU_ASSERT_EQUAL(device_local_create(&config, &local, &err), LL_E_NO_MEMORY);
        CU_ASSERT_PTR_NULL(local);
        CU_ASSERT_EQUAL(fake_engine_alive(model.engine), 1);
    }
    fake_model_finish(&model);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_run_in_parts_equals_the_whole),
    LL_TEST(test_run_without_its_input_fails),
    LL_TEST(test_run_of_a_failing_engine_fails),
    LL_TEST(test_slowdown_makes_the_time_longer),
    LL_TEST(test_interrupt_ends_the_waiting),
    LL_TEST(test_create_of_a_failing_engine_leaves_nothing),
    {NULL, NULL},
};
