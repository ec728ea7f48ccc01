/* Every allocation of what a choice, a plan and a query's tensors are made of may fail: the device
 * says so and gives back what it has (AddressSanitizer looks). */
#include <stdlib.h>
#include <string.h>

#include "device/choose/device_chooser.h"
#include "device/choose/device_plan.h"
#include "device/edge_link/device_requests.h"
#include "device/times/device_layer_times_store.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_fail_alloc.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_memory";

enum { MOST_ALLOCATIONS = 200 };

static const char cfg[] = "fake\ninput 100\nlayer 50 40\nlayer 20 40\nlayer 10 24 reads 1 0 -1\n";

static struct fake_model model;
static struct device_layer_times *profile;
static struct device_model of_device;
static struct device_requests *requests;
static struct device_tensors tensors;

static void ignore_kick(void *owner)
{
    (void)owner;
}

static void begin(void)
{
    fake_model_init(&model, cfg, 1);
    const struct ll_table *table = &model.network->table;
    CU_ASSERT_EQUAL_FATAL(device_layer_times_create(table, 1, &profile), LL_OK);
    of_device = (struct device_model){.table = table, .manifest = &model.manifest};
    CU_ASSERT_EQUAL_FATAL(device_requests_create(&of_device, ignore_kick, NULL, &requests), LL_OK);
    device_requests_open(requests, table->layer_count);
    CU_ASSERT_EQUAL_FATAL(device_tensors_init(&tensors, table), LL_OK);
    for (int name = LL_TENSOR_INPUT; name < table->layer_count; name++) {
        size_t bytes = (size_t)ll_table_tensor_floats(table, name) * sizeof(float);
        struct ll_buf *buf = NULL;
        CU_ASSERT_EQUAL_FATAL(ll_buf_create(bytes, &buf), LL_OK);
        memset(ll_buf_writable(buf), 0, bytes);
        device_tensors_put(&tensors, name, buf);
        ll_buf_unref(buf);
    }
}

static void end(void)
{
    device_tensors_finish(&tensors);
    device_requests_destroy(requests);
    device_layer_times_destroy(profile);
    fake_model_finish(&model);
}

static ll_status create_profile(void)
{
    struct device_layer_times *other = NULL;
    ll_status status = device_layer_times_create(&model.network->table, 1, &other);
    device_layer_times_destroy(other);
    return status;
}

static ll_status create_store(void)
{
    struct device_layer_times_store *store = NULL;
    const struct device_layer_times_key key = {
        .model_id = "sha256:0", .engine = "fake", .instruction_set = "none", .threads = 1};
    ll_status status = device_layer_times_store_create(&key, "/dev/null/w", NULL, &store);
    device_layer_times_store_destroy(store);
    return status;
}

static ll_status choose(void)
{
    struct device_chooser *chooser = NULL;
    const struct device_chooser_config config = {.times = profile, .slowdown = 1};
    ll_status status = device_chooser_create(&config, &chooser);
    if (status == LL_OK) {
        struct device_prospect prospect = {.is_up = true, .prefix = 3};
        struct device_wish wish = {.cut_first = 1, .cut_end = 3};
        struct device_decision decision;
        status = device_chooser_choose(chooser, &wish, &prospect, 0, &decision);
    }
    device_chooser_destroy(chooser);
    return status;
}

static ll_status make_plan(void)
{
    struct ll_plan plan = {0};
    struct ll_error err;
    const struct device_plan_terms terms = {
        .partitioner = "efficiency", .slowdown = 1, .input_width = 1, .cut_width = 2};
    ll_status status = device_plan_make(profile, &terms, &plan, &err);
    ll_plan_finish(&plan);
    return status;
}

static ll_status post_query(void)
{
    struct device_remote remote = {.first = 2,
                                   .end = 3,
                                   .tensors = &tensors,
                                   .form = {.input_dtype = LL_F16, .cut_dtype = LL_F16}};
    ll_status status = device_requests_post(requests, &remote);
    if (status == LL_OK) {
        struct device_patience none = {0};
        device_requests_withdraw(requests, &remote, &none);
        device_remote_finish(&remote);
    }
    return status;
}

/* Runs `work` with its n-th allocation failing, for all n. */
static void survive(ll_status (*work)(void), int least_allocations)
{
    for (int count = 0; count < MOST_ALLOCATIONS; count++) {
        ll_fail_alloc_after(count);
        ll_status status = work();
        if (!ll_fail_alloc_finish()) {
            CU_ASSERT_EQUAL(status, LL_OK);
            CU_ASSERT_TRUE(count >= least_allocations);
            return;
        }
        CU_ASSERT_EQUAL(status, LL_E_NO_MEMORY);
    }
    CU_FAIL("more allocations than expected");
}

static void test_choices_survive_lack_of_memory(void)
{
    begin();
    survive(create_profile, 2);
    survive(choose, 10);
    end();
}

static void test_plans_survive_lack_of_memory(void)
{
    begin();
    survive(make_plan, 5);
    end();
}

static void test_a_query_survives_lack_of_memory(void)
{
    begin();
    survive(post_query, 6);
    end();
}

static void test_a_profile_that_cannot_be_kept_is_no_obstacle(void)
{
    begin();
    survive(create_store, 1);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_choices_survive_lack_of_memory),
    LL_TEST(test_plans_survive_lack_of_memory),
    LL_TEST(test_a_query_survives_lack_of_memory),
    LL_TEST(test_a_profile_that_cannot_be_kept_is_no_obstacle),
    {NULL, NULL},
};
