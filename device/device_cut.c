#include "device/device_cut.h"

#include <stdio.h>

/* Legal cuts around `cut`, as text. */
static void nearby_cuts(const struct ll_table *table, int cut, char *text, size_t bytes)
{
    enum { NEARBY_BEFORE = 3, NEARBY_AFTER = 3 };
    int at = ll_table_legal_cut_at_most(table, cut < 0 ? 0 : cut);
    for (int i = 0; i < NEARBY_BEFORE && at > 0; i++) {
        at = ll_table_legal_cut_at_most(table, at - 1);
    }
    size_t used = 0;
    for (int i = 0; i <= NEARBY_BEFORE + NEARBY_AFTER && at <= table->layer_count; i++) {
        int more = snprintf(text + used, bytes - used, "%s%d", i > 0 ? ", " : "", at);
        used += more > 0 && (size_t)more < bytes - used ? (size_t)more : 0;
        do {
            at++;
        } while (at < table->layer_count && !ll_table_is_legal_cut(table, at));
    }
}

ll_status device_cut_check(const struct ll_table *table, int first, int end, struct ll_error *err)
{
    if (first > end) {
        return ll_fail(err, LL_E_INVALID, "--cut %d:%d: the first layer is behind the end", first,
                       end);
    }
    int cuts[] = {first, end};
    for (int i = 0; i < 2; i++) {
        if (!ll_table_is_legal_cut(table, cuts[i])) {
            char nearby[128] = "";
            nearby_cuts(table, cuts[i], nearby, sizeof(nearby));
            return ll_fail(err, LL_E_INVALID,
                           "--cut %d:%d: %d is not a legal cut of this model (%d layers); near it "
                           "are %s",
                           first, end, cuts[i], table->layer_count, nearby);
        }
    }
    return LL_OK;
}
