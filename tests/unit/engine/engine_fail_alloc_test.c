/* Every allocation of the parser, the slicer and the loader may fail: they say so, give back what
 * they have (AddressSanitizer looks), and work once there is memory. */
#include <stdio.h>
#include <string.h>

#include "darknet_backend/network/dkb_model_file.h"
#include "darknet_backend/network/dkb_network.h"
#include "tests/support/ll_fail_alloc.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "engine_fail_alloc";

/* Every kind of list that a layer owns. */
static const char cfg_text[] =
    "[net]\nwidth=2\nheight=2\nchannels=14\n[conv]\nfilters=14\nflipped=1\n"
    "[yolo]\nclasses=2\nnum=3\nmask=0,1\nanchors=1,2\n[region]\nclasses=2\nnum=2\n"
    "[yolo]\nclasses=2\nnum=2\n[route]\nlayers=0,-1\n[conn]\noutput=1\n";
enum { MODEL_FLOATS = 14 + 196 + 1 + 112, MOST_ALLOCATIONS = 200 };

static ll_status parse(struct ll_network **out_network)
{
    struct ll_error err = {.text = ""};
    ll_status status = dkb_network_parse(cfg_text, sizeof(cfg_text) - 1, out_network, &err);
    CU_ASSERT_EQUAL(err.text[0] == '\0', status == LL_OK);
    return status;
}

static void test_parse_survives_lack_of_memory(void)
{
    for (int count = 0; count < MOST_ALLOCATIONS; count++) {
        struct ll_network *network = NULL;
        ll_fail_alloc_after(count);
        ll_status status = parse(&network);
        if (!ll_fail_alloc_finish()) {
            CU_ASSERT_EQUAL(status, LL_OK);
            CU_ASSERT(count > 20);
            ll_network_unref(network);
            return;
        }
        CU_ASSERT_EQUAL(status, LL_E_NO_MEMORY);
        CU_ASSERT_PTR_NULL(network);
    }
    CU_FAIL("more allocations than expected");
}

static void test_load_survives_lack_of_memory(void)
{
    static const float weights[5 + MODEL_FLOATS];
    char cfg[4096];
    char path[4096];
    const char *folder = ll_test_folder();
    snprintf(cfg, sizeof(cfg), "%s/m.cfg", folder);
    snprintf(path, sizeof(path), "%s/m.weights", folder);
    ll_test_write_file(cfg, cfg_text, sizeof(cfg_text) - 1);
    /* Version 0.0: a header of 16 bytes. */
    ll_test_write_file(path, weights, sizeof(weights) - sizeof(float));
    for (int count = 0; count < MOST_ALLOCATIONS; count++) {
        struct dkb_model_file model = {0};
        struct ll_error err = {.text = ""};
        ll_fail_alloc_after(count);
        ll_status status = dkb_model_file_load(cfg, path, &model, &err);
        if (!ll_fail_alloc_finish()) {
            CU_ASSERT_EQUAL(status, LL_OK);
            CU_ASSERT(count > 30);
            dkb_model_file_finish(&model);
            return;
        }
        CU_ASSERT_EQUAL(status, LL_E_NO_MEMORY);
        CU_ASSERT_PTR_NULL(model.network);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "out of memory"));
    }
    CU_FAIL("more allocations than expected");
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_parse_survives_lack_of_memory),
    LL_TEST(test_load_survives_lack_of_memory),
    {NULL, NULL},
};
