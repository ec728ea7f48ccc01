#include "core/ll_option_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "core/ll_option_words.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_option_table";

typedef enum { RED, GREEN, BLUE } colour;

struct values {
    bool is_kept;
    bool is_inline;
    colour colour;
    int count;
    int64_t seed;
    int64_t store_bytes;
    float share;
    double rate_mbps;
    int64_t pause_ns;
    int64_t span_ns;
    const char *name;
    int own;
};

static ll_status take_own(const char *text, void *field, struct ll_error *err)
{
    if (strcmp(text, "right") != 0) {
        return ll_fail(err, LL_E_INVALID, "'%s' is wrong", text);
    }
    *(int *)field = 7;
    return LL_OK;
}

#define FIELD(member) LL_OPTION_FIELD(struct values, member)

static const struct ll_option_row rows[] = {
    {.name = "no-keep", .kind = LL_OPTION_FLAG, .preset = true, FIELD(is_kept), .help = "Drop it"},
    {.name = "how",
     .kind = LL_OPTION_CHOICE,
     .choices = "apart|inline",
     FIELD(is_inline),
     .help = "Work apart or inline"},
    {.name = "colour",
     .kind = LL_OPTION_CHOICE,
     .arg = "C",
     .choices = "red|green|blue",
     .preset = GREEN,
     FIELD(colour),
     .help = "One of red, green, blue"},
    {.name = "count",
     .letter = 'c',
     .limit = "count",
     .kind = LL_OPTION_INT,
     .min = 1,
     .max = 9,
     .preset = 2,
     FIELD(count),
     .help = "How many"},
    {.name = "seed",
     .kind = LL_OPTION_INT,
     .max = INT64_MAX,
     .shown = "drawn",
     FIELD(seed),
     .help = "Seed"},
    {.name = "store-size",
     .limit = "store_bytes",
     .kind = LL_OPTION_SIZE,
     .min = 2500,
     .max = 100000,
     .preset = 8192,
     FIELD(store_bytes),
     .old_name = "store-kb",
     .old_unit = 1000,
     .help = "What may be stored"},
    {.name = "share",
     .kind = LL_OPTION_NUMBER,
     .most = 1,
     .preset_number = 0.25,
     FIELD(share),
     .help = "Share"},
    {.name = "rate",
     .kind = LL_OPTION_NUMBER,
     .unit = "10^6 bit/s",
     .least = 0.5,
     .most = 1e6,
     .shown = "no limit",
     FIELD(rate_mbps),
     .help = "Rate"},
    {.name = "pause",
     .kind = LL_OPTION_TIME,
     .unit = "ms",
     .most = 1000,
     .preset_number = 1.5,
     FIELD(pause_ns),
     .help = "Pause"},
    {.name = "span",
     .kind = LL_OPTION_TIME,
     .unit = "s",
     .most = 60,
     FIELD(span_ns),
     .help = "Span"},
    {.name = "name", .kind = LL_OPTION_TEXT, .preset_text = "nobody", FIELD(name), .help = "Name"},
    {.name = "own", .kind = LL_OPTION_OWN, .take = take_own, FIELD(own), .help = "Own"},
    {.limit = "layers", .kind = LL_OPTION_FIXED, .preset = 4096, .help = "Of a model"},
    {.limit = "blob_bytes",
     .kind = LL_OPTION_FIXED,
     .unit = "bytes",
     .preset = 1 << 20,
     .help = "Of a blob"},
};

static const struct ll_option_table table = LL_OPTION_TABLE(rows, 0x100);

static const struct ll_option_row *named(const char *name)
{
    for (int i = 0; i < table.count; i++) {
        if (rows[i].name && strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

static ll_status set(struct values *values, const char *name, const char *text,
                     struct ll_error *err)
{
    return ll_option_set(named(name), text, values, err);
}

static struct values defaults(void)
{
    struct values values;
    memset(&values, 0x55, sizeof(values));
    values.own = 3;
    ll_option_set_defaults(&table, &values);
    return values;
}

static void test_defaults(void)
{
    struct values values = defaults();
    CU_ASSERT_TRUE(values.is_kept);
    CU_ASSERT_FALSE(values.is_inline);
    CU_ASSERT_EQUAL(values.colour, GREEN);
    CU_ASSERT_EQUAL(values.count, 2);
    CU_ASSERT_EQUAL(values.seed, 0);
    CU_ASSERT_EQUAL(values.store_bytes, 8192);
    CU_ASSERT_EQUAL(values.share, 0.25F);
    CU_ASSERT_EQUAL(values.rate_mbps, 0.0);
    CU_ASSERT_EQUAL(values.pause_ns, 1500000);
    CU_ASSERT_EQUAL(values.span_ns, 0);
    CU_ASSERT_STRING_EQUAL(values.name, "nobody");
    CU_ASSERT_EQUAL(values.own, 3);
}

static void test_set(void)
{
    struct values values = defaults();
    CU_ASSERT_EQUAL(set(&values, "no-keep", NULL, NULL), LL_OK);
    CU_ASSERT_FALSE(values.is_kept);
    CU_ASSERT_EQUAL(set(&values, "how", "inline", NULL), LL_OK);
    CU_ASSERT_TRUE(values.is_inline);
    CU_ASSERT_EQUAL(set(&values, "colour", "blue", NULL), LL_OK);
    CU_ASSERT_EQUAL(values.colour, BLUE);
    CU_ASSERT_EQUAL(set(&values, "count", "9", NULL), LL_OK);
    CU_ASSERT_EQUAL(values.count, 9);
    CU_ASSERT_EQUAL(set(&values, "seed", "9223372036854775807", NULL), LL_OK);
    CU_ASSERT_EQUAL(values.seed, INT64_MAX);
    CU_ASSERT_EQUAL(set(&values, "store-size", "3Ki", NULL), LL_OK);
    CU_ASSERT_EQUAL(values.store_bytes, 3072);
    CU_ASSERT_EQUAL(set(&values, "share", "0.5", NULL), LL_OK);
    CU_ASSERT_EQUAL(values.share, 0.5F);
    CU_ASSERT_EQUAL(set(&values, "rate", "2e1", NULL), LL_OK);
    CU_ASSERT_EQUAL(values.rate_mbps, 20.0);
    CU_ASSERT_EQUAL(set(&values, "pause", "0.25", NULL), LL_OK);
    CU_ASSERT_EQUAL(values.pause_ns, 250000);
    CU_ASSERT_EQUAL(set(&values, "span", "60", NULL), LL_OK);
    CU_ASSERT_EQUAL(values.span_ns, 60 * LL_NS_PER_S);
    CU_ASSERT_EQUAL(set(&values, "name", "me", NULL), LL_OK);
    CU_ASSERT_STRING_EQUAL(values.name, "me");
    CU_ASSERT_EQUAL(set(&values, "own", "right", NULL), LL_OK);
    CU_ASSERT_EQUAL(values.own, 7);
}

static void test_set_refuses(void)
{
    static const struct {
        const char *name;
        const char *text;
        const char *sentence;
    } wrong[] = {
        {"how", "apar", "'apar' is not one of apart, inline"},
        {"colour", "", "'' is not one of red, green, blue"},
        {"colour", "red|green", "'red|green' is not one of red, green, blue"},
        {"count", "0", "'0' is not a whole number from 1 to 9"},
        {"count", "10", "'10' is not a whole number from 1 to 9"},
        {"count", "2K", "'2K' is not a whole number from 1 to 9"},
        {"store-size", "2499", "'2499' is not a size from 2500 to 100000 bytes"},
        {"store-size", "101K", "'101K' is not a size from 2500 to 100000 bytes"},
        {"share", "-0.1", "'-0.1' is not a number from 0 to 1"},
        {"pause", "1000.5", "'1000.5' is not a number from 0 to 1000"},
        {"own", "left", "'left' is wrong"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct values values = defaults();
        char before[sizeof(values)];
        memcpy(before, &values, sizeof(values));
        struct ll_error err = {.text = ""};
        CU_ASSERT_EQUAL(set(&values, wrong[i].name, wrong[i].text, &err), LL_E_INVALID);
        CU_ASSERT_PTR_EQUAL(strstr(err.text, wrong[i].sentence), err.text);
        CU_ASSERT_EQUAL(memcmp((const char *)&values, before, sizeof(values)), 0);
    }
}

static void test_old_name(void)
{
    struct values values = defaults();
    struct ll_error err = {.text = ""};
    const struct ll_option_row *row = named("store-size");
    CU_ASSERT_EQUAL(ll_option_set_old(row, "100", &values, NULL), LL_OK);
    CU_ASSERT_EQUAL(values.store_bytes, 100000);
    /* 2500 bytes at least are 3 of its units. */
    CU_ASSERT_EQUAL(ll_option_set_old(row, "2", &values, &err), LL_E_INVALID);
    CU_ASSERT_STRING_EQUAL(err.text, "'2' is not a whole number from 3 to 100");
    CU_ASSERT_EQUAL(ll_option_set_old(row, "101", &values, NULL), LL_E_INVALID);
    CU_ASSERT_EQUAL(values.store_bytes, 100000);
}

static void test_list(void)
{
    struct argp_option entries[LL_OPTION_ENTRIES(sizeof(rows) / sizeof(rows[0]))];
    struct argp_option *end = ll_option_list(&table, entries);
    /* 12 options and an old name; the limits of the format are none. */
    CU_ASSERT_EQUAL_FATAL(end - entries, 13);
    CU_ASSERT_PTR_NULL(end->name);
    CU_ASSERT_EQUAL(end->key, 0);
    for (const struct argp_option *entry = entries; entry < end; entry++) {
        const struct ll_option_row *row = ll_option_find(&table, entry->key);
        CU_ASSERT_PTR_NOT_NULL_FATAL(row);
        bool is_old = entry->flags & OPTION_HIDDEN;
        CU_ASSERT_STRING_EQUAL(entry->name, is_old ? row->old_name : row->name);
        CU_ASSERT_EQUAL(!entry->arg, row->kind == LL_OPTION_FLAG);
    }
    CU_ASSERT_PTR_EQUAL(ll_option_find(&table, 'c'), named("count"));
    CU_ASSERT_PTR_NULL(ll_option_find(&table, 'd'));
    CU_ASSERT_PTR_NULL(ll_option_find(&table, ARGP_KEY_INIT));
}

static void check_help(const char *name, const char *expected)
{
    const struct ll_option_row *row = named(name);
    int key = row->letter ? row->letter : table.first_key + 2 * (int)(row - rows);
    char *help = ll_option_help(&table, key, row->help);
    CU_ASSERT_STRING_EQUAL(help, expected);
    if (help != row->help) {
        free(help);
    }
}

static void test_help(void)
{
    check_help("no-keep", "Drop it");
    check_help("colour", "One of red, green, blue (default green)");
    check_help("count", "How many (1 to 9, default 2)");
    check_help("seed", "Seed (from 0, default drawn)");
    check_help("store-size", "What may be stored (bytes, 2500 to 100K, default 8Ki)");
    check_help("rate", "Rate (10^6 bit/s, 0.5 to 1000000, default no limit)");
    check_help("pause", "Pause (ms, 0 to 1000, default 1.5)");
    check_help("name", "Name (default nobody)");
    static const char other[] = "Another table's";
    CU_ASSERT_PTR_EQUAL(ll_option_help(&table, 0x2000, other), other);
}

static void test_value(void)
{
    struct values values = defaults();
    CU_ASSERT_EQUAL(ll_option_value(named("count"), &values), 2);
    CU_ASSERT_EQUAL(ll_option_value(named("store-size"), &values), 8192);
    const struct ll_option_row *fixed = &rows[sizeof(rows) / sizeof(rows[0]) - 1];
    CU_ASSERT_EQUAL(ll_option_value(fixed, &values), 1 << 20);
    char preset[LL_OPTION_WORDS_BYTES];
    ll_option_default(fixed, preset);
    CU_ASSERT_STRING_EQUAL(preset, "1Mi");
    ll_option_default(fixed - 1, preset);
    CU_ASSERT_STRING_EQUAL(preset, "4096");
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(ll_option_set(fixed, "1", &values, &err), LL_E_INVALID);
}

static void test_take_log_level(void)
{
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(ll_option_take_log_level("loud", NULL, &err), LL_E_INVALID);
    CU_ASSERT_STRING_EQUAL(err.text, "'loud' is not one of error, warn, info, debug");
    CU_ASSERT_EQUAL(ll_option_take_log_level("info", NULL, NULL), LL_OK);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_defaults),
    LL_TEST(test_set),
    LL_TEST(test_set_refuses),
    LL_TEST(test_old_name),
    LL_TEST(test_list),
    LL_TEST(test_help),
    LL_TEST(test_value),
    LL_TEST(test_take_log_level),
    {NULL, NULL},
};
