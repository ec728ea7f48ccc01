/* Every allocation of collapsing, reading and planning may fail: they say so and give back what
 * they have (AddressSanitizer looks). */
#include <stdlib.h>
#include <string.h>

#include "net/plan/ll_chain_csv.h"
#include "net/plan/ll_plan.h"
#include "tests/support/ll_fail_alloc.h"
#include "tests/support/ll_test.h"

enum { LAYERS = 3, MOST_ALLOCATIONS = 100 };

static const char profile[] =
    "name,input_bytes,output_bytes,weight_bytes,device_ms,edge_ms,create_ms\n"
    "a,1,1,1,9,1,1\nb,1,1,1,9,1,1\n";

static struct ll_table table;

static void init_table(void)
{
    CU_ASSERT_EQUAL_FATAL(ll_table_init(&table, LAYERS), LL_OK);
    table.in_floats = 1;
    for (int i = 0; i < LAYERS; i++) {
        struct ll_layer *layer = &table.layers[i];
        *layer = (struct ll_layer){
            .type = "test", .out_floats = 1, .blob_bytes = 4, .makes = i, .ends_group = true};
        layer->reads = calloc(1, sizeof(int));
        CU_ASSERT_PTR_NOT_NULL_FATAL(layer->reads);
        layer->reads[layer->read_count++] = i - 1;
    }
    table.layers[LAYERS - 1].is_output = true;
    CU_ASSERT_EQUAL_FATAL(ll_table_seal(&table, NULL), LL_OK);
}

static ll_status make_chain(struct ll_error *err)
{
    struct ll_chain chain;
    const struct ll_layer_times none = {0};
    ll_status status = ll_chain_make(&table, &none, &chain, err);
    if (status == LL_OK) {
        ll_chain_finish(&chain);
    }
    return status;
}

static ll_status plan_profile(const char *partitioner, struct ll_error *err)
{
    struct ll_chain chain;
    ll_status status = ll_chain_csv_parse(profile, sizeof(profile) - 1, &chain, err);
    if (status != LL_OK) {
        return status;
    }
    const struct ll_plan_terms terms = {.link = {.bytes_per_s = 1e6}, .penalty = 0.8};
    struct ll_plan plan;
    bool was_sorted = false;
    status = ll_plan_from_chain(&chain, partitioner, &terms, &plan, &was_sorted, err);
    if (status == LL_OK) {
        ll_plan_finish(&plan);
    }
    ll_chain_finish(&chain);
    return status;
}

static ll_status plan_by_efficiency(struct ll_error *err)
{
    return plan_profile("efficiency", err);
}

static ll_status plan_by_ionn(struct ll_error *err)
{
    return plan_profile("ionn", err);
}

static ll_status plan_by_layer(struct ll_error *err)
{
    return plan_profile("layer", err);
}

static ll_status plan_table(struct ll_error *err)
{
    struct ll_plan plan;
    ll_status status = ll_plan_make(&table, "layer", &plan, err);
    if (status == LL_OK) {
        ll_plan_finish(&plan);
    }
    return status;
}

/* Runs `work` with its n-th allocation failing, for all n. */
static void survive(ll_status (*work)(struct ll_error *err), int least_allocations)
{
    for (int count = 0; count < MOST_ALLOCATIONS; count++) {
        struct ll_error err = {.text = ""};
        ll_fail_alloc_after(count);
        ll_status status = work(&err);
        if (!ll_fail_alloc_finish()) {
            CU_ASSERT_EQUAL(status, LL_OK);
            CU_ASSERT(count >= least_allocations);
            return;
        }
        CU_ASSERT_EQUAL(status, LL_E_NO_MEMORY);
        CU_ASSERT_STRING_EQUAL(err.text, "out of memory");
    }
    CU_FAIL("more allocations than expected");
}

static void test_chain_survives_lack_of_memory(void)
{
    init_table();
    survive(make_chain, 4);
    ll_table_finish(&table);
}

static void test_plans_survive_lack_of_memory(void)
{
    init_table();
    survive(plan_by_efficiency, 7);
    survive(plan_by_ionn, 30);
    survive(plan_by_layer, 3);
    survive(plan_table, 2);
    ll_table_finish(&table);
}

const char *const ll_test_suite = "ll_plan_memory";
const struct ll_test ll_tests[] = {
    LL_TEST(test_chain_survives_lack_of_memory),
    LL_TEST(test_plans_survive_lack_of_memory),
    {NULL, NULL},
};
