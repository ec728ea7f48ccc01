#include "device/choose/device_coding.h"

#include <math.h>
#include <stdlib.h>

/* What a sample counts; and what plain tensors forget. */
#define CODING_LEARN 0.25
#define CODING_FORGET (1.0 / 64)
/* A byte's coding takes no less and no more than this, whatever is told. */
#define CODING_LEAST_NS 0.05
#define CODING_MOST_NS 1e5
/* What is saved must be worth its coding half again, and by this at all: a processor that others
 * use, too, takes longer than it was measured to. */
#define CODING_MARGIN 1.5
#define CODING_LEAST_GAIN_NS 200e3

ll_status device_coding_init(struct device_coding *coding, int layer_count)
{
    size_t cuts = (size_t)layer_count + 1;
    *coding = (struct device_coding){
        .layer_count = layer_count,
        .encode_ns = DEVICE_CODING_NS_PER_BYTE,
        .decode_ns = DEVICE_CODING_NS_PER_BYTE,
        .edge_ns = DEVICE_CODING_NS_PER_BYTE,
        .ratios = calloc(cuts, sizeof(double)),
        .up_factors = calloc(cuts, sizeof(double)),
        .down_factors = calloc(cuts, sizeof(double)),
    };
    if (!coding->ratios || !coding->up_factors || !coding->down_factors) {
        device_coding_finish(coding);
        return LL_E_NO_MEMORY;
    }
    return LL_OK;
}

void device_coding_finish(struct device_coding *coding)
{
    free(coding->ratios);
    free(coding->up_factors);
    free(coding->down_factors);
    *coding = (struct device_coding){0};
}

void device_coding_follow_edge(struct device_coding *coding, uint64_t connection)
{
    if (coding->connection != connection) {
        coding->connection = connection;
        coding->edge_ns = DEVICE_CODING_NS_PER_BYTE;
        coding->has_told = false;
    }
}

/* ---- Predicting ---- */

/* What a plain byte takes, in the link's times. */
static double factor(double ratio, double coding_ns, double link_ns)
{
    double left = ratio > 0 ? ratio : DEVICE_CODING_RATIO;
    double saved_ns = (1 - left) * link_ns;
    return saved_ns > CODING_MARGIN * coding_ns ? left + coding_ns / link_ns : 1;
}

void device_coding_look(struct device_coding *coding, bool may_code, ll_dtype dtype, double up_ns,
                        double down_ns)
{
    double coding_up_ns = coding->encode_ns + coding->edge_ns;
    double coding_down_ns = coding->edge_ns + coding->decode_ns;
    bool is_other = coding->dtype != dtype;
    coding->dtype = dtype;
    coding->up_ns = up_ns;
    coding->down_ns = down_ns;
    for (int cut = 0; cut <= coding->layer_count; cut++) {
        double *ratio = &coding->ratios[cut];
        *ratio = is_other ? 0 : *ratio;
        coding->up_factors[cut] = may_code ? factor(*ratio, coding_up_ns, up_ns) : 1;
        coding->down_factors[cut] = may_code ? factor(*ratio, coding_down_ns, down_ns) : 1;
    }
}

static bool pays(double by_factor, int64_t bytes, double link_ns)
{
    return (1 - by_factor) * (double)bytes * link_ns >= CODING_LEAST_GAIN_NS;
}

bool device_coding_pays_up(const struct device_coding *coding, int cut, int64_t bytes)
{
    return pays(coding->up_factors[cut], bytes, coding->up_ns);
}

bool device_coding_pays_down(const struct device_coding *coding, int cut, int64_t bytes)
{
    return pays(coding->down_factors[cut], bytes, coding->down_ns);
}

/* ---- Learning ---- */

static void learn(double *value, bool is_first, double sample)
{
    *value += (is_first ? 1 : CODING_LEARN) * (sample - *value);
}

static void learn_ns(double *value, bool *has_any, int64_t bytes, int64_t ns)
{
    if (bytes > 0 && ns > 0) {
        double sample = fmin(fmax((double)ns / (double)bytes, CODING_LEAST_NS), CODING_MOST_NS);
        learn(value, !*has_any, sample);
        *has_any = true;
    }
}

static void learn_ratio(struct device_coding *coding, int cut, const struct device_coded *coded)
{
    if (coded->plain_bytes > 0) {
        double *ratio = &coding->ratios[cut];
        learn(ratio, *ratio <= 0, (double)coded->bytes / (double)coded->plain_bytes);
    }
}

void device_coding_encoded(struct device_coding *coding, int cut, const struct device_coded *coded)
{
    learn_ratio(coding, cut, coded);
    learn_ns(&coding->encode_ns, &coding->has_encoded, coded->plain_bytes, coded->ns);
}

void device_coding_decoded(struct device_coding *coding, int cut, const struct device_coded *coded)
{
    learn_ratio(coding, cut, coded);
    /* What came plain tells nothing of decoding. */
    if (coded->bytes < coded->plain_bytes) {
        learn_ns(&coding->decode_ns, &coding->has_decoded, coded->plain_bytes, coded->ns);
    }
}

static void forget(double *value, double assumed)
{
    if (*value > assumed) {
        *value += CODING_FORGET * (assumed - *value);
    }
}

void device_coding_went_plain(struct device_coding *coding, int cut)
{
    forget(&coding->ratios[cut], DEVICE_CODING_RATIO);
    forget(&coding->encode_ns, DEVICE_CODING_NS_PER_BYTE);
    forget(&coding->decode_ns, DEVICE_CODING_NS_PER_BYTE);
    forget(&coding->edge_ns, DEVICE_CODING_NS_PER_BYTE);
}

void device_coding_told(struct device_coding *coding, int64_t plain_bytes, int64_t ns)
{
    learn_ns(&coding->edge_ns, &coding->has_told, plain_bytes, ns);
}
