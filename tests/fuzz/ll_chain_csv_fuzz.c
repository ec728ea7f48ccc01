/* Any bytes as a profile. The oracle: reading refuses with a sentence that names the place, or
 * gives a chain within the limits; of one that is not too long, plans cover every element once and
 * queries never get slower along them. */
#include "net/plan/ll_chain_csv.h"

#include <stdlib.h>

#include "core/ll_limits.h"
#include "net/plan/ll_plan.h"
#include "tests/fuzz/ll_fuzz.h"

enum { LONGEST_PLANNED = 64 };

static void check_refusal(ll_status status, const struct ll_error *err)
{
    REQUIRE(status == LL_E_INVALID || status == LL_E_EXHAUSTED);
    REQUIRE(err->text[0] != '\0');
    for (const char *next = err->text; *next; next++) {
        REQUIRE(*next >= ' ' && *next <= '~');
    }
}

static void check_plan(const struct ll_chain *chain, const char *partitioner, double bytes_per_s)
{
    const struct ll_plan_terms terms = {.link = {.bytes_per_s = bytes_per_s}, .penalty = 0.8};
    struct ll_plan plan;
    bool was_sorted = false;
    REQUIRE(ll_plan_from_chain(chain, partitioner, &terms, &plan, &was_sorted, NULL) == LL_OK);
    int covered = 0;
    int64_t before_ns = ll_predict_best_cut(chain, &terms.link, 0).query_ns;
    REQUIRE(before_ns >= 0);
    for (int i = 0; i < plan.count; i++) {
        REQUIRE(plan.partitions[i].first == covered && plan.partitions[i].end > covered);
        covered = plan.partitions[i].end;
        struct ll_cut cut = ll_predict_best_cut(chain, &terms.link, covered);
        REQUIRE(cut.end <= covered && cut.query_ns >= 0 && cut.query_ns <= before_ns);
        before_ns = cut.query_ns;
    }
    REQUIRE(covered == chain->count);
    ll_plan_finish(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ll_chain chain = {0};
    struct ll_error err = {.text = ""};
    ll_status status = ll_chain_csv_parse((const char *)data, size, &chain, &err);
    if (status != LL_OK) {
        REQUIRE(chain.elements == NULL);
        check_refusal(status, &err);
        return 0;
    }
    REQUIRE(chain.count >= 1 && chain.count <= LL_LIMIT_LAYERS);
    REQUIRE(ll_chain_check(&chain, NULL) == LL_OK);
    if (chain.count <= LONGEST_PLANNED) {
        check_plan(&chain, "efficiency", 1e6);
        check_plan(&chain, "ionn", 1e6);
        check_plan(&chain, "efficiency", LL_LIMIT_LINK_BYTES_PER_S_MIN);
        check_plan(&chain, "ionn", LL_LIMIT_LINK_BYTES_PER_S_MAX);
    }
    ll_chain_finish(&chain);
    return 0;
}
