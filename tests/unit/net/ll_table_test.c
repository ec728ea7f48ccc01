#include "net/ll_table.h"

#include <stdlib.h>
#include <string.h>

#include "net/plan/ll_plan.h"
#include "tests/support/ll_test.h"

/* 0 conv, 1 conv (group with 2), 2 shortcut of 1 and 0, 3 dropout, 4 yolo, 5 route of 0 and 2 */
static struct ll_table make_table(void)
{
    struct ll_table table;
    CU_ASSERT_EQUAL_FATAL(ll_table_init(&table, 6), LL_OK);
    table.in_c = 1;
    table.in_h = 2;
    table.in_w = 2;
    table.in_floats = 4;
    static const int reads[6][2] = {{-1, -2}, {0, -2}, {1, 0}, {-2, -2}, {2, -2}, {0, 2}};
    for (int i = 0; i < 6; i++) {
        struct ll_layer *layer = &table.layers[i];
        layer->type = "test";
        layer->out_floats = i + 1;
        layer->makes = i == 3 ? 2 : i;
        layer->ends_group = i != 1;
        layer->is_output = i >= 4;
        layer->blob_bytes = i < 2 ? 100 : 0;
        layer->reads = calloc(2, sizeof(int));
        for (int r = 0; r < 2 && reads[i][r] != -2; r++) {
            layer->reads[layer->read_count++] = reads[i][r];
        }
    }
    struct ll_error err;
    CU_ASSERT_EQUAL_FATAL(ll_table_seal(&table, &err), LL_OK);
    return table;
}

static bool names_are(const struct ll_names *names, int count, int a, int b)
{
    return names->count == count && (count < 1 || names->names[0] == a) &&
           (count < 2 || names->names[1] == b);
}

static void test_cut_tensors_are_those_read_across(void)
{
    struct ll_table table = make_table();
    struct ll_names names;
    CU_ASSERT_EQUAL_FATAL(ll_table_inputs(&table, 0, 6, &names), LL_OK);
    CU_ASSERT(names_are(&names, 1, -1, 0));
    ll_names_finish(&names);
    CU_ASSERT_EQUAL_FATAL(ll_table_outputs(&table, 0, 3, &names), LL_OK);
    CU_ASSERT(names_are(&names, 2, 0, 2));
    CU_ASSERT_EQUAL(ll_names_bytes(&table, &names), 16);
    ll_names_finish(&names);
    CU_ASSERT_EQUAL_FATAL(ll_table_inputs(&table, 4, 6, &names), LL_OK);
    CU_ASSERT(names_are(&names, 2, 0, 2));
    ll_names_finish(&names);
    CU_ASSERT_EQUAL_FATAL(ll_table_outputs(&table, 3, 4, &names), LL_OK);
    CU_ASSERT_EQUAL(names.count, 0);
    ll_names_finish(&names);
    CU_ASSERT_EQUAL_FATAL(ll_table_network_outputs(&table, &names), LL_OK);
    CU_ASSERT(names_are(&names, 2, 4, 5));
    ll_names_finish(&names);
    ll_table_finish(&table);
}

static void test_outputs_early_output_is_kept_for_the_end(void)
{
    struct ll_table table = make_table();
    struct ll_names names;
    CU_ASSERT_EQUAL_FATAL(ll_table_outputs(&table, 4, 5, &names), LL_OK);
    CU_ASSERT(names_are(&names, 1, 4, 0));
    ll_names_finish(&names);
    ll_table_finish(&table);
}

static void test_legal_cuts_are_group_borders(void)
{
    struct ll_table table = make_table();
    CU_ASSERT(ll_table_is_legal_cut(&table, 0));
    CU_ASSERT(ll_table_is_legal_cut(&table, 1));
    CU_ASSERT(!ll_table_is_legal_cut(&table, 2));
    CU_ASSERT(ll_table_is_legal_cut(&table, 6));
    CU_ASSERT(!ll_table_is_legal_cut(&table, 7));
    CU_ASSERT(!ll_table_is_legal_cut(&table, -1));
    CU_ASSERT_EQUAL(ll_table_legal_cut_at_most(&table, 2), 1);
    CU_ASSERT_EQUAL(ll_table_legal_cut_at_most(&table, 99), 6);
    ll_table_finish(&table);
}

static void test_seal_reading_a_later_tensor_is_refused(void)
{
    struct ll_table table = make_table();
    struct ll_error err;
    table.layers[1].reads[0] = 1;
    CU_ASSERT_EQUAL(ll_table_seal(&table, &err), LL_E_INVALID);
    /* The name of a dropout is no tensor. */
    table.layers[1].reads[0] = 0;
    table.layers[4].reads[0] = 3;
    CU_ASSERT_EQUAL(ll_table_seal(&table, &err), LL_E_INVALID);
    ll_table_finish(&table);
}

static void test_seal_exact_bytes_beyond_the_blob_are_refused(void)
{
    static const struct {
        int64_t head, tail;
        ll_status status;
    } cases[] = {
        {100, 0, LL_OK},        {60, 40, LL_OK},        {0, 104, LL_E_INVALID},
        {104, 0, LL_E_INVALID}, {60, 44, LL_E_INVALID}, {-4, 0, LL_E_INVALID},
        {0, -4, LL_E_INVALID},
    };
    struct ll_table table = make_table();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ll_error err = {.text = ""};
        table.layers[1].exact_bytes = cases[i].head;
        table.layers[1].exact_tail_bytes = cases[i].tail;
        CU_ASSERT_EQUAL(ll_table_seal(&table, &err), cases[i].status);
        CU_ASSERT_EQUAL(strstr(err.text, "layer 1") != NULL, cases[i].status != LL_OK);
    }
    ll_table_finish(&table);
}

static void test_plan_layer_cuts_at_groups_with_weights(void)
{
    struct ll_table table = make_table();
    struct ll_plan plan;
    CU_ASSERT_EQUAL_FATAL(ll_plan_make(&table, "layer", &plan, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(plan.count, 2);
    CU_ASSERT_EQUAL(plan.partitions[0].end, 1);
    CU_ASSERT_EQUAL(plan.partitions[1].end, 6);
    CU_ASSERT_EQUAL(ll_plan_check(&table, &plan, NULL), LL_OK);
    plan.partitions[1].first = 3;
    CU_ASSERT_EQUAL(ll_plan_check(&table, &plan, NULL), LL_E_INVALID);
    plan.partitions[1].first = 0;
    CU_ASSERT_EQUAL(ll_plan_check(&table, &plan, NULL), LL_E_INVALID);
    plan.partitions[0].end = plan.partitions[1].first = 2;
    CU_ASSERT_EQUAL(ll_plan_check(&table, &plan, NULL), LL_E_INVALID);
    ll_plan_finish(&plan);
    ll_table_finish(&table);
}

static void test_plan_names_are_checked(void)
{
    struct ll_table table = make_table();
    struct ll_plan plan;
    CU_ASSERT_EQUAL_FATAL(ll_plan_make(&table, "whole", &plan, NULL), LL_OK);
    CU_ASSERT_EQUAL(plan.count, 1);
    ll_plan_finish(&plan);
    CU_ASSERT_EQUAL_FATAL(ll_plan_make(&table, "mb:0.0001", &plan, NULL), LL_OK);
    CU_ASSERT_EQUAL(plan.count, 2);
    ll_plan_finish(&plan);
    static const char *const wrong[] = {"",     "mb:",   "mb:0",   "mb:-1",
                                        "mb:x", "mb:1x", "mb:inf", "Layer"};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CU_ASSERT_EQUAL(ll_plan_check_name(wrong[i], false, NULL), LL_E_INVALID);
    }
    ll_table_finish(&table);
}

const char *const ll_test_suite = "ll_table";
const struct ll_test ll_tests[] = {
    LL_TEST(test_cut_tensors_are_those_read_across),
    LL_TEST(test_outputs_early_output_is_kept_for_the_end),
    LL_TEST(test_legal_cuts_are_group_borders),
    LL_TEST(test_seal_reading_a_later_tensor_is_refused),
    LL_TEST(test_seal_exact_bytes_beyond_the_blob_are_refused),
    LL_TEST(test_plan_layer_cuts_at_groups_with_weights),
    LL_TEST(test_plan_names_are_checked),
    {NULL, NULL},
};
