#include "tests/unit/net/chain_fixture.h"

#include <stdio.h>

#include "tests/support/ll_test.h"

enum { NS_PER_MS = 1000000, BYTES_PER_MS = 1000 };

const struct ll_link chain_fixture_link = {.bytes_per_s = 1e6};

void chain_fixture_make(const struct chain_fixture_row *rows, int count, struct ll_chain *out_chain)
{
    CU_ASSERT_EQUAL_FATAL(ll_chain_init(out_chain, count), LL_OK);
    for (int i = 0; i < count; i++) {
        struct ll_chain_element *element = &out_chain->elements[i];
        *element = (struct ll_chain_element){
            .first = i,
            .end = i + 1,
            .input_bytes = (int64_t)rows[i].input * BYTES_PER_MS,
            .output_bytes = (int64_t)rows[i].output * BYTES_PER_MS,
            .weight_bytes = (int64_t)rows[i].weights * BYTES_PER_MS,
            .device_ns = (int64_t)rows[i].device * NS_PER_MS,
            .edge_ns = (int64_t)rows[i].edge * NS_PER_MS,
            .create_ns = (int64_t)rows[i].create * NS_PER_MS,
        };
        snprintf(element->name, sizeof(element->name), "%d", i);
    }
    CU_ASSERT_EQUAL_FATAL(ll_chain_check(out_chain, NULL), LL_OK);
}

int chain_fixture_random(uint64_t *state, int bound)
{
    /* Knuth's MMIX generator; the low bits are poor. */
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return (int)((*state >> 33) % (uint64_t)bound);
}

void chain_fixture_random_chain(uint64_t *state, int count, struct ll_chain *out_chain)
{
    struct chain_fixture_row rows[64];
    CU_ASSERT_FATAL(count <= 64);
    int crossing = chain_fixture_random(state, 8);
    for (int i = 0; i < count; i++) {
        rows[i].input = crossing;
        crossing = chain_fixture_random(state, 8);
        rows[i].output = crossing;
        int weights = chain_fixture_random(state, 6);
        rows[i].weights = weights * weights;
        rows[i].device = chain_fixture_random(state, 12);
        rows[i].edge = chain_fixture_random(state, 3);
        rows[i].create = chain_fixture_random(state, 2);
    }
    chain_fixture_make(rows, count, out_chain);
    for (int i = 0; i < count; i++) {
        if (chain_fixture_random(state, 8) == 0) {
            out_chain->elements[i].early_bytes =
                (int64_t)chain_fixture_random(state, 4) * BYTES_PER_MS;
        }
    }
}
