/* Lets the n-th allocation of the code under test fail.
 *
 * A test that uses it links statically with LL_FAIL_ALLOC_LINKOPTS (tests/unit/defs.bzl), so that
 * malloc, calloc, realloc, reallocarray and aligned_alloc of everything in the program, but not of
 * the shared libraries, come here.
 *
 * Threads: counts the calls of every thread; set up by one. */
#ifndef LL_FAIL_ALLOC_H
#define LL_FAIL_ALLOC_H

#include <stdbool.h>

/* The allocation after `count` good ones fails, once. */
void ll_fail_alloc_after(int count);

/* Stops failing; whether an allocation has failed since ll_fail_alloc_after. */
bool ll_fail_alloc_finish(void);

#endif
