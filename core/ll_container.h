/* From a member's address to the struct that it lies in.
 *
 * Threads: pure. */
#ifndef LL_CONTAINER_H
#define LL_CONTAINER_H

#include <stddef.h>

/* The struct of `type` whose `member` is at `pointer`. */
#define LL_CONTAINER_OF(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
