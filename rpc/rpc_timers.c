#include "rpc/rpc_timers.h"

#include <assert.h>
#include <stddef.h>

static bool is_earlier(const struct rpc_timer *a, const struct rpc_timer *b)
{
    return a->deadline_ns < b->deadline_ns ||
           (a->deadline_ns == b->deadline_ns && a->order < b->order);
}

/* Of two heaps one; either may be NULL. */
static struct rpc_timer *join(struct rpc_timer *a, struct rpc_timer *b)
{
    if (!a || !b) {
        return a ? a : b;
    }
    struct rpc_timer *top = is_earlier(a, b) ? a : b;
    struct rpc_timer *below = top == a ? b : a;
    below->next = top->child;
    below->prev = top;
    if (top->child) {
        top->child->prev = below;
    }
    top->child = below;
    return top;
}

static struct rpc_timer *cut(struct rpc_timer *timer)
{
    if (timer) {
        timer->next = NULL;
        timer->prev = NULL;
    }
    return timer;
}

/* Of the heaps beside `first` one: in pairs from the left, then all from the right, which is what
 * keeps the heap flat. */
static struct rpc_timer *join_all(struct rpc_timer *first)
{
    struct rpc_timer *pairs = NULL;
    while (first) {
        struct rpc_timer *a = first;
        struct rpc_timer *b = a->next;
        first = b ? b->next : NULL;
        struct rpc_timer *pair = join(cut(a), cut(b));
        pair->next = pairs;
        pairs = pair;
    }
    struct rpc_timer *all = NULL;
    while (pairs) {
        struct rpc_timer *next = pairs->next;
        all = join(all, cut(pairs));
        pairs = next;
    }
    return all;
}

void rpc_timers_add(struct rpc_timers *timers, struct rpc_timer *timer, int64_t deadline_ns)
{
    assert(!timer->is_set);
    timer->deadline_ns = deadline_ns;
    timer->order = timers->order++;
    timer->is_set = true;
    timer->child = NULL;
    timers->earliest = join(timers->earliest, cut(timer));
}

void rpc_timers_remove(struct rpc_timers *timers, struct rpc_timer *timer)
{
    assert(timer->is_set);
    struct rpc_timer *below = join_all(timer->child);
    if (timer == timers->earliest) {
        timers->earliest = below;
    } else {
        if (timer->prev->child == timer) {
            timer->prev->child = timer->next;
        } else {
            timer->prev->next = timer->next;
        }
        if (timer->next) {
            timer->next->prev = timer->prev;
        }
        timers->earliest = join(timers->earliest, below);
    }
    cut(timer)->child = NULL;
    timer->is_set = false;
}
