#include "rpc/services/rpc_descriptors.h"

#include <stdlib.h>
#include <string.h>

#include "proto/descriptors.h"
#include "tests/support/ll_test.h"
#include "tests/unit/rpc/protos/rpc_test_descriptors.h"

const char *const ll_test_suite = "rpc_descriptors";

static struct rpc_descriptors *create_test_set(void)
{
    struct rpc_descriptors *descriptors = NULL;
    CU_ASSERT_EQUAL_FATAL(
        rpc_descriptors_create(rpc_test_descriptors, rpc_test_descriptors_bytes, &descriptors),
        LL_OK);
    return descriptors;
}

static void test_symbols_of_every_kind_are_found(void)
{
    static const char *const names[][2] = {
        {"test.Outer", "top.proto"},
        {"test.Outer.Inner", "top.proto"},
        {"test.Outer.Inner.Kind", "top.proto"},
        {"test.Outer.Inner.KIND_SOME", "top.proto"},
        {"test.Outer.Inner.Deep", "top.proto"},
        {"test.Outer.Inner.Deep.kind", "top.proto"},
        {"test.Outer.choice", "top.proto"},
        {"test.Outer.middle", "top.proto"},
        {"test.Outer.CountsEntry.value", "top.proto"},
        {"test.Tester", "top.proto"},
        {"test.Tester.Watch", "top.proto"},
        {"test.Middle", "middle.proto"},
        {"test.base.Base.text", "base.proto"},
        {"test.base.Colour", "base.proto"},
        {"test.base.COLOUR_RED", "base.proto"},
        {"Lonely", "lonely.proto"},
        {"Hermit.Hide", "lonely.proto"},
    };
    struct rpc_descriptors *descriptors = create_test_set();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t by_symbol = 99;
        size_t by_name = 98;
        CU_ASSERT_EQUAL(rpc_descriptors_find_symbol(descriptors, names[i][0], &by_symbol), LL_OK);
        CU_ASSERT_EQUAL(rpc_descriptors_find_file(descriptors, names[i][1], &by_name), LL_OK);
        CU_ASSERT_EQUAL(by_symbol, by_name);
    }
    rpc_descriptors_destroy(descriptors);
}

static void test_names_that_do_not_exist(void)
{
    static const char *const names[] = {
        "",
        "test",
        "test.",
        "test.Oute",
        "test.Outer.",
        "Outer",
        ".test.Outer",
        "test.base.Colour.COLOUR_RED",
        "Test.Outer",
        "test.Outer.Kind",
    };
    struct rpc_descriptors *descriptors = create_test_set();
    size_t file = 99;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CU_ASSERT_EQUAL(rpc_descriptors_find_symbol(descriptors, names[i], &file), LL_E_NOT_FOUND);
        CU_ASSERT_EQUAL(rpc_descriptors_find_file(descriptors, names[i], &file), LL_E_NOT_FOUND);
    }
    CU_ASSERT_EQUAL(file, 99);
    rpc_descriptors_destroy(descriptors);
}

static void test_closure_starts_with_the_file(void)
{
    struct rpc_descriptors *descriptors = create_test_set();
    CU_ASSERT_EQUAL_FATAL(rpc_descriptors_files(descriptors), 4);
    size_t top = 0;
    size_t base = 0;
    size_t list[4] = {0};
    CU_ASSERT_EQUAL(rpc_descriptors_find_file(descriptors, "top.proto", &top), LL_OK);
    CU_ASSERT_EQUAL(rpc_descriptors_find_file(descriptors, "base.proto", &base), LL_OK);
    CU_ASSERT_EQUAL(rpc_descriptors_closure(descriptors, top, list), 3);
    CU_ASSERT_EQUAL(list[0], top);
    CU_ASSERT_EQUAL(list[1], base);
    CU_ASSERT_EQUAL(rpc_descriptors_closure(descriptors, base, list), 1);
    CU_ASSERT_EQUAL(list[0], base);
    /* Field 1, the file's name. */
    size_t bytes = 0;
    const uint8_t *data = rpc_descriptors_file(descriptors, base, &bytes);
    CU_ASSERT_FATAL(bytes > 12);
    CU_ASSERT_EQUAL(memcmp(data,
                           "\x0a\x0a"
                           "base.proto",
                           12),
                    0);
    rpc_descriptors_destroy(descriptors);
}

static void test_services_come_in_order(void)
{
    struct rpc_descriptors *descriptors = create_test_set();
    CU_ASSERT_STRING_EQUAL(rpc_descriptors_service(descriptors, 0), "Hermit");
    CU_ASSERT_STRING_EQUAL(rpc_descriptors_service(descriptors, 1), "test.Tester");
    CU_ASSERT_STRING_EQUAL(rpc_descriptors_service(descriptors, 2), "test.Unserved");
    CU_ASSERT_PTR_NULL(rpc_descriptors_service(descriptors, 3));
    rpc_descriptors_destroy(descriptors);
}

static void test_own_descriptors_are_complete(void)
{
    static const char *const services[] = {
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "layerlift.v1.EdgeOffload",
    };
    struct rpc_descriptors *descriptors = NULL;
    CU_ASSERT_EQUAL_FATAL(
        rpc_descriptors_create(proto_descriptors, proto_descriptors_bytes, &descriptors), LL_OK);
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_STRING_EQUAL(rpc_descriptors_service(descriptors, i), services[i]);
    }
    rpc_descriptors_destroy(descriptors);
    rpc_descriptors_destroy(NULL);
}

/* Any answer will do that is no crash; what is accepted must also be searchable. */
static void try_bytes(const uint8_t *data, size_t bytes)
{
    /* Exactly as long as it says, so that the sanitizer sees every step beyond. */
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    memcpy(copy, data, bytes);
    struct rpc_descriptors *descriptors = NULL;
    ll_status status = rpc_descriptors_create(copy, bytes, &descriptors);
    CU_ASSERT((status == LL_OK) == (descriptors != NULL));
    CU_ASSERT(status == LL_OK || status == LL_E_INVALID);
    if (descriptors) {
        size_t list[4];
        size_t file = 0;
        CU_ASSERT_FATAL(rpc_descriptors_files(descriptors) <= 4);
        for (size_t i = 0; i < rpc_descriptors_files(descriptors); i++) {
            CU_ASSERT(rpc_descriptors_closure(descriptors, i, list) >= 1);
        }
        ll_status found = rpc_descriptors_find_symbol(descriptors, "test.Outer", &file);
        CU_ASSERT(found == LL_OK || found == LL_E_NOT_FOUND);
    }
    rpc_descriptors_destroy(descriptors);
    free(copy);
}

static void test_truncated_sets_are_refused(void)
{
    struct rpc_descriptors *descriptors = NULL;
    CU_ASSERT_EQUAL(rpc_descriptors_create(NULL, 0, &descriptors), LL_E_INVALID);
    for (size_t bytes = 0; bytes < rpc_test_descriptors_bytes; bytes++) {
        try_bytes(rpc_test_descriptors, bytes);
    }
    /* The last file is never whole. */
    CU_ASSERT_EQUAL(
        rpc_descriptors_create(rpc_test_descriptors, rpc_test_descriptors_bytes - 1, &descriptors),
        LL_E_INVALID);
    CU_ASSERT_PTR_NULL(descriptors);
}

static void test_damaged_sets_do_no_harm(void)
{
    uint8_t *copy = malloc(rpc_test_descriptors_bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    uint32_t state = 7;
    for (int round = 0; round < 3000; round++) {
        memcpy(copy, rpc_test_descriptors, rpc_test_descriptors_bytes);
        for (int i = 0; i <= round % 4; i++) {
            state = state * 1664525u + 1013904223u;
            copy[(state >> 8) % rpc_test_descriptors_bytes] = (uint8_t)(state >> 24);
        }
        try_bytes(copy, rpc_test_descriptors_bytes);
    }
    free(copy);
}

/* Field `number` around `data`, in front of which there is room. */
static uint8_t *wrap(uint8_t *data, size_t *bytes, unsigned number)
{
    size_t length = *bytes;
    uint8_t varint[5];
    size_t used = 0;
    do {
        varint[used++] = (uint8_t)((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
        length >>= 7;
    } while (length > 0);
    data -= used;
    memcpy(data, varint, used);
    *--data = (uint8_t)(number << 3 | 2);
    *bytes += used + 1;
    return data;
}

/* A file "x" whose message "m" nests `depth` messages "m". */
static ll_status create_nested(int depth)
{
    static uint8_t room[4096];
    static const uint8_t name_m[] = {0x0a, 1, 'm'};
    static const uint8_t name_x[] = {0x0a, 1, 'x'};
    uint8_t *at = room + sizeof(room) - sizeof(name_m);
    size_t bytes = sizeof(name_m);
    memcpy(at, name_m, sizeof(name_m));
    for (int i = 0; i < depth; i++) {
        at = wrap(at, &bytes, 3);
        at -= sizeof(name_m);
        bytes += sizeof(name_m);
        memcpy(at, name_m, sizeof(name_m));
    }
    at = wrap(at, &bytes, 4);
    at -= sizeof(name_x);
    bytes += sizeof(name_x);
    memcpy(at, name_x, sizeof(name_x));
    at = wrap(at, &bytes, 1);
    struct rpc_descriptors *descriptors = NULL;
    ll_status status = rpc_descriptors_create(at, bytes, &descriptors);
    rpc_descriptors_destroy(descriptors);
    return status;
}

static void test_nesting_is_limited(void)
{
    CU_ASSERT_EQUAL(create_nested(0), LL_OK);
    CU_ASSERT_EQUAL(create_nested(31), LL_OK);
    CU_ASSERT_EQUAL(create_nested(32), LL_E_INVALID);
    CU_ASSERT_EQUAL(create_nested(500), LL_E_INVALID);
}

static void test_missing_import_is_refused(void)
{
    /* File "x" imports "y". */
    static const uint8_t set[] = {0x0a, 6, 0x0a, 1, 'x', 0x1a, 1, 'y'};
    static const uint8_t itself[] = {0x0a, 6, 0x0a, 1, 'x', 0x1a, 1, 'x'};
    struct rpc_descriptors *descriptors = NULL;
    CU_ASSERT_EQUAL(rpc_descriptors_create(set, sizeof(set), &descriptors), LL_E_INVALID);
    CU_ASSERT_EQUAL(rpc_descriptors_create(itself, sizeof(itself), &descriptors), LL_OK);
    size_t list[1];
    CU_ASSERT_EQUAL(rpc_descriptors_closure(descriptors, 0, list), 1);
    rpc_descriptors_destroy(descriptors);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_symbols_of_every_kind_are_found), LL_TEST(test_names_that_do_not_exist),
    LL_TEST(test_closure_starts_with_the_file),    LL_TEST(test_services_come_in_order),
    LL_TEST(test_own_descriptors_are_complete),    LL_TEST(test_truncated_sets_are_refused),
    LL_TEST(test_damaged_sets_do_no_harm),         LL_TEST(test_nesting_is_limited),
    LL_TEST(test_missing_import_is_refused),       {NULL, NULL},
};
