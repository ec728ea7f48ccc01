/* Chains for the planner's tests: written down, or random with many ties. */
#ifndef CHAIN_FIXTURE_H
#define CHAIN_FIXTURE_H

#include <stdint.h>

#include "net/plan/ll_chain.h"
#include "net/plan/ll_predict.h"

/* 1 byte/us: 1000 bytes take 1 ms. */
extern const struct ll_link chain_fixture_link;

/* One element: thousands of bytes, milliseconds. */
struct chain_fixture_row {
    int input;
    int output;
    int weights;
    int device;
    int edge;
    int create;
};

/* A chain of these elements, each one layer long. */
void chain_fixture_make(const struct chain_fixture_row *rows, int count,
                        struct ll_chain *out_chain);

/* The next of a sequence of random numbers, from 0 to `bound` - 1. */
int chain_fixture_random(uint64_t *state, int bound);

/* A chain of `count` elements of random sizes and times out of few, so that equal costs are common.
 * Some elements have no weights, some early outputs. */
void chain_fixture_random_chain(uint64_t *state, int count, struct ll_chain *out_chain);

#endif
