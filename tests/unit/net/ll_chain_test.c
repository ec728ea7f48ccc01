#include "net/plan/ll_chain.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "tests/support/ll_test.h"
#include "tests/unit/net/chain_fixture.h"

enum { RANDOM_TABLES = 500, MOST_LAYERS = 24, MOST_READS = 3, NONE = -2 };

struct row {
    const char *type;
    int reads[MOST_READS];
    int floats;
    int bytes;
    bool is_output;
    bool inside_group;
};

static void make_table(const struct row *rows, int count, struct ll_table *out_table)
{
    CU_ASSERT_EQUAL_FATAL(ll_table_init(out_table, count), LL_OK);
    out_table->in_floats = 100;
    for (int i = 0; i < count; i++) {
        struct ll_layer *layer = &out_table->layers[i];
        bool is_dropout = strcmp(rows[i].type, "dropout") == 0;
        *layer = (struct ll_layer){
            .type = rows[i].type,
            .out_floats = rows[i].floats,
            .blob_bytes = rows[i].bytes,
            .makes = is_dropout ? out_table->layers[i - 1].makes : i,
            .is_output = rows[i].is_output,
            .ends_group = !rows[i].inside_group,
            .reads = calloc(MOST_READS, sizeof(int)),
        };
        for (int r = 0; r < MOST_READS && rows[i].reads[r] != NONE; r++) {
            layer->reads[layer->read_count++] = rows[i].reads[r];
        }
    }
    struct ll_error err;
    CU_ASSERT_EQUAL_FATAL(ll_table_seal(out_table, &err), LL_OK);
}

static int64_t inputs_bytes(const struct ll_table *table, int first, int end)
{
    struct ll_names names;
    CU_ASSERT_EQUAL_FATAL(ll_table_inputs(table, first, end, &names), LL_OK);
    int64_t bytes = ll_names_bytes(table, &names);
    ll_names_finish(&names);
    return bytes;
}

static int64_t outputs_bytes(const struct ll_table *table, int first, int end)
{
    struct ll_names names;
    CU_ASSERT_EQUAL_FATAL(ll_table_outputs(table, first, end, &names), LL_OK);
    int64_t bytes = ll_names_bytes(table, &names);
    ll_names_finish(&names);
    return bytes;
}

/* What a chain promises for every range of its elements. */
static void check_promise(const struct ll_table *table, const struct ll_chain *chain)
{
    CU_ASSERT_EQUAL(ll_chain_check(chain, NULL), LL_OK);
    CU_ASSERT_EQUAL(chain->elements[chain->count - 1].end, table->layer_count);
    for (int first = 0; first < chain->count; first++) {
        const struct ll_chain_element *begin = &chain->elements[first];
        CU_ASSERT(ll_table_is_legal_cut(table, begin->first));
        int64_t early_bytes = 0;
        for (int last = first; last < chain->count; last++) {
            const struct ll_chain_element *end = &chain->elements[last];
            early_bytes += end->early_bytes;
            CU_ASSERT_EQUAL(inputs_bytes(table, begin->first, end->end), begin->input_bytes);
            CU_ASSERT_EQUAL(outputs_bytes(table, begin->first, end->end),
                            end->output_bytes + early_bytes);
        }
    }
}

/* How many tensors cross a legal cut alone, as the only one that is read behind it. */
static int count_lone_tensors(const struct ll_table *table)
{
    int count = 0;
    int before = LL_TENSOR_INPUT;
    for (int cut = 1; cut < table->layer_count; cut++) {
        struct ll_names names;
        CU_ASSERT_EQUAL_FATAL(ll_table_inputs(table, cut, table->layer_count, &names), LL_OK);
        if (ll_table_is_legal_cut(table, cut) && names.count == 1 && names.names[0] != before) {
            before = names.names[0];
            count++;
        }
        ll_names_finish(&names);
    }
    return count;
}

/* A residual block, whose last two layers are one group, a dropout, and a cost at the end. */
static void test_make_blocks_are_elements(void)
{
    static const struct row rows[] = {
        {"conv", {-1, NONE}, 10, 1, false, false},
        {"conv", {0, NONE}, 20, 2, false, false},
        {"conv", {1, NONE}, 10, 4, false, true},
        {"shortcut", {2, 0, NONE}, 10, 0, false, false},
        {"connected", {3, NONE}, 7, 8, false, false},
        {"dropout", {NONE}, 7, 0, false, false},
        {"connected", {4, NONE}, 5, 16, false, false},
        {"softmax", {6, NONE}, 5, 0, true, false},
        {"cost", {NONE}, 5, 0, false, false},
    };
    static const int64_t device_ns[] = {1, 2, 0, 3, 4, 5, 6, 7, 8};
    static const int64_t create_ns[] = {10, 0, 0, 20, 0, 30, 0, 0, 40};
    static const struct ll_chain_element expected[] = {
        {"conv 0", 0, 1, 400, 40, 0, 1, 1, 0, 10},
        {"shortcut 3", 1, 4, 40, 40, 0, 6, 5, 0, 20},
        {"connected 4", 4, 6, 40, 28, 0, 8, 9, 0, 30},
        {"connected 6", 6, 7, 28, 20, 0, 16, 6, 0, 0},
        {"softmax 7", 7, 9, 20, 20, 0, 0, 15, 0, 40},
    };
    struct ll_table table;
    make_table(rows, 9, &table);
    struct ll_chain chain;
    const struct ll_layer_times times = {.device_ns = device_ns, .create_ns = create_ns};
    CU_ASSERT_EQUAL_FATAL(ll_chain_make(&table, &times, &chain, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(chain.count, 5);
    for (int i = 0; i < chain.count; i++) {
        const struct ll_chain_element *element = &chain.elements[i];
        CU_ASSERT_STRING_EQUAL(element->name, expected[i].name);
        CU_ASSERT_EQUAL(element->first, expected[i].first);
        CU_ASSERT_EQUAL(element->end, expected[i].end);
        CU_ASSERT_EQUAL(element->input_bytes, expected[i].input_bytes);
        CU_ASSERT_EQUAL(element->output_bytes, expected[i].output_bytes);
        CU_ASSERT_EQUAL(element->early_bytes, 0);
        CU_ASSERT_EQUAL(element->weight_bytes, expected[i].weight_bytes);
        CU_ASSERT_EQUAL(element->device_ns, expected[i].device_ns);
        CU_ASSERT_EQUAL(element->edge_ns, 0);
        CU_ASSERT_EQUAL(element->create_ns, expected[i].create_ns);
    }
    check_promise(&table, &chain);
    ll_chain_finish(&chain);
    ll_table_finish(&table);
}

/* Two heads, as in yolov3: the first one's output is read by nobody, the second one's is read again
 * by what follows. */
static void test_make_early_outputs_do_not_cross(void)
{
    static const struct row rows[] = {
        {"conv", {-1, NONE}, 10, 1, false, false}, {"conv", {0, NONE}, 3, 1, false, false},
        {"yolo", {1, NONE}, 3, 0, true, false},    {"route", {0, NONE}, 10, 0, false, false},
        {"yolo", {3, NONE}, 4, 0, true, false},    {"conv", {4, NONE}, 6, 1, false, false},
        {"yolo", {5, NONE}, 6, 0, true, false},
    };
    struct ll_table table;
    make_table(rows, 7, &table);
    struct ll_chain chain;
    const struct ll_layer_times none = {0};
    CU_ASSERT_EQUAL_FATAL(ll_chain_make(&table, &none, &chain, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(chain.count, 5);
    static const int ends[] = {3, 4, 5, 6, 7};
    static const int64_t outputs[] = {40, 40, 0, 24, 24};
    static const int64_t early[] = {12, 0, 16, 0, 0};
    for (int i = 0; i < chain.count; i++) {
        CU_ASSERT_EQUAL(chain.elements[i].end, ends[i]);
        CU_ASSERT_EQUAL(chain.elements[i].output_bytes, outputs[i]);
        CU_ASSERT_EQUAL(chain.elements[i].early_bytes, early[i]);
    }
    check_promise(&table, &chain);
    ll_chain_finish(&chain);
    ll_table_finish(&table);
}

static void make_random_table(uint64_t *seed, struct ll_table *out_table)
{
    struct row rows[MOST_LAYERS];
    int count = 1 + chain_fixture_random(seed, MOST_LAYERS);
    int last = 0;
    for (int i = 0; i < count; i++) {
        bool is_dropout = i > 0 && chain_fixture_random(seed, 8) == 0;
        rows[i] = (struct row){
            .type = is_dropout ? "dropout" : "layer",
            .reads = {NONE, NONE, NONE},
            .floats = 1 + chain_fixture_random(seed, 1000),
            .bytes = chain_fixture_random(seed, 3) * 100,
            .is_output = !is_dropout && chain_fixture_random(seed, 10) == 0,
            .inside_group = i < count - 1 && chain_fixture_random(seed, 5) == 0,
        };
        last = is_dropout ? last : i;
        int reads = is_dropout ? 0 : 1 + chain_fixture_random(seed, 4) / 3;
        for (int r = 0; r < reads; r++) {
            bool is_near = chain_fixture_random(seed, 4) > 0;
            int name = is_near ? i - 1 : chain_fixture_random(seed, i + 1) - 1;
            while (name >= 0 && strcmp(rows[name].type, "dropout") == 0) {
                name--;
            }
            bool is_known = r > 0 && rows[i].reads[0] == name;
            rows[i].reads[r] = is_known ? NONE : name;
        }
    }
    rows[last].is_output = true;
    make_table(rows, count, out_table);
}

static void test_make_random_tables_keep_the_promise(void)
{
    uint64_t seed = 7;
    int elements = 0;
    for (int i = 0; i < RANDOM_TABLES; i++) {
        struct ll_table table;
        make_random_table(&seed, &table);
        struct ll_chain chain;
        const struct ll_layer_times none = {0};
        CU_ASSERT_EQUAL_FATAL(ll_chain_make(&table, &none, &chain, NULL), LL_OK);
        check_promise(&table, &chain);
        CU_ASSERT_EQUAL(chain.count, 1 + count_lone_tensors(&table));
        elements += chain.count;
        ll_chain_finish(&chain);
        ll_table_finish(&table);
    }
    CU_ASSERT(elements > 2 * RANDOM_TABLES);
}

static void test_set_times_refuses_without_a_change(void)
{
    static const struct chain_fixture_row rows[] = {{1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1}};
    struct ll_chain chain;
    chain_fixture_make(rows, 2, &chain);
    const int64_t wrong[][2] = {
        {5, -1},
        {5, INT64_MIN},
        {INT64_MAX, INT64_MAX},
        {LL_LIMIT_CHAIN_NS, 1},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const struct ll_layer_times times = {.edge_ns = wrong[i]};
        struct ll_error err = {.text = ""};
        CU_ASSERT_NOT_EQUAL(ll_chain_set_times(&chain, &times, &err), LL_OK);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "edge ns"));
        CU_ASSERT_EQUAL(chain.elements[0].edge_ns, 1000000);
        CU_ASSERT_EQUAL(chain.elements[0].device_ns, 1000000);
    }
    const int64_t good[] = {LL_LIMIT_CHAIN_NS - 1, 1};
    const struct ll_layer_times times = {.edge_ns = good};
    CU_ASSERT_EQUAL(ll_chain_set_times(&chain, &times, NULL), LL_OK);
    CU_ASSERT_EQUAL(chain.elements[0].edge_ns, LL_LIMIT_CHAIN_NS - 1);
    CU_ASSERT_EQUAL(chain.elements[0].device_ns, 0);
    ll_chain_finish(&chain);
}

static void refuse(struct ll_chain_element element, ll_status status, const char *reason)
{
    struct ll_chain_element elements[] = {{.name = "good", .end = 1}, element};
    const struct ll_chain chain = {2, elements};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(ll_chain_check(&chain, &err), status);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "element 1 (bad): "));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, reason));
}

static void test_check_refuses(void)
{
    const struct ll_chain_element sound = {.name = "bad", .first = 1, .end = 2};
    struct ll_chain_element element = sound;
    element.first = 0;
    refuse(element, LL_E_INVALID, "layers [0, 2) do not follow on layer 1");
    element = sound;
    element.end = 1;
    refuse(element, LL_E_INVALID, "layers [1, 1)");
    element = sound;
    element.weight_bytes = LL_LIMIT_MODEL_BYTES + 1;
    refuse(element, LL_E_EXHAUSTED, "weight bytes");
    element = sound;
    element.output_bytes = -1;
    refuse(element, LL_E_INVALID, "output bytes: -1 is negative");
    element = sound;
    element.create_ns = LL_LIMIT_CHAIN_NS + 1;
    refuse(element, LL_E_EXHAUSTED, "creation ns");
    const struct ll_chain empty = {0, NULL};
    CU_ASSERT_EQUAL(ll_chain_check(&empty, NULL), LL_E_EXHAUSTED);
}

const char *const ll_test_suite = "ll_chain";
const struct ll_test ll_tests[] = {
    LL_TEST(test_make_blocks_are_elements),
    LL_TEST(test_make_early_outputs_do_not_cross),
    LL_TEST(test_make_random_tables_keep_the_promise),
    LL_TEST(test_set_times_refuses_without_a_change),
    LL_TEST(test_check_refuses),
    {NULL, NULL},
};
