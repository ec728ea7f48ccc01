#include "edge/offload/edge_coders.h"

#include <stddef.h>

LL_NO_ANALYSIS void edge_coders_init(struct edge_coders *coders)
{
    ll_mutex_init(&coders->lock);
    coders->count = 0;
}

LL_NO_ANALYSIS void edge_coders_finish(struct edge_coders *coders)
{
    for (int i = 0; i < coders->count; i++) {
        ll_planes_destroy(coders->kept[i]);
    }
    ll_mutex_finish(&coders->lock);
}

ll_status edge_coders_take(struct edge_coders *coders, struct ll_planes **out_planes)
{
    struct ll_planes *planes = NULL;
    ll_mutex_lock(&coders->lock);
    if (coders->count > 0) {
        planes = coders->kept[--coders->count];
    }
    ll_mutex_unlock(&coders->lock);
    if (!planes) {
        return ll_planes_create(out_planes);
    }
    *out_planes = planes;
    return LL_OK;
}

void edge_coders_put(struct edge_coders *coders, struct ll_planes *planes)
{
    ll_mutex_lock(&coders->lock);
    if (planes && coders->count < EDGE_CODERS_KEPT) {
        coders->kept[coders->count++] = planes;
        planes = NULL;
    }
    ll_mutex_unlock(&coders->lock);
    ll_planes_destroy(planes);
}
