#include "device/edge_link/device_wire.h"

#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_wire";

static void test_open_has_manifest_and_plan(void)
{
    struct fake_model fake;
    struct ll_plan plan;
    fake_model_init(&fake, "fake\ninput 4\nlayer 8 64\nlayer 4 0\n", 3);
    fake_model_plan(&fake, &plan);
    struct device_model model = {
        .table = &fake.network->table, .manifest = &fake.manifest, .plan = &plan};
    uint8_t *data = NULL;
    size_t bytes = 0;
    CU_ASSERT_EQUAL_FATAL(device_wire_open(&model, "me", &data, &bytes), LL_OK);
    Layerlift__V1__UploadRequest *request =
        layerlift__v1__upload_request__unpack(NULL, bytes, data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    const Layerlift__V1__UploadOpen *open = request->open;
    CU_ASSERT_EQUAL(open->manifest->cfg.len, fake.manifest.cfg_bytes);
    CU_ASSERT_EQUAL_FATAL(open->manifest->n_blobs, 2);
    CU_ASSERT_EQUAL(open->manifest->blobs[0]->size, 64);
    CU_ASSERT_EQUAL(strncmp(open->manifest->blobs[0]->digest, "sha256:", 7), 0);
    CU_ASSERT_EQUAL(open->manifest->blobs[1]->size, 0);
    CU_ASSERT_EQUAL_FATAL(open->n_plan, (size_t)plan.count);
    CU_ASSERT_EQUAL(open->plan[plan.count - 1]->end, 2);
    CU_ASSERT_STRING_EQUAL(open->device, "me");
    CU_ASSERT_EQUAL_FATAL(open->n_encodings, 1);
    CU_ASSERT_EQUAL(open->encodings[0], LAYERLIFT__V1__ENCODING__ENCODING_FRAME);
    CU_ASSERT_EQUAL(open->n_delta_bases, 0);
    layerlift__v1__upload_request__free_unpacked(request, NULL);
    free(data);
    ll_plan_finish(&plan);
    fake_model_finish(&fake);
}

static void test_open_of_raw_weights_names_no_encoding(void)
{
    struct fake_model fake;
    struct ll_plan plan;
    fake_model_init(&fake, "fake\ninput 4\nlayer 8 64\n", 3);
    fake_model_plan(&fake, &plan);
    struct device_model model = {
        .table = &fake.network->table, .manifest = &fake.manifest, .plan = &plan, .is_raw = true};
    uint8_t *data = NULL;
    size_t bytes = 0;
    CU_ASSERT_EQUAL_FATAL(device_wire_open(&model, "me", &data, &bytes), LL_OK);
    Layerlift__V1__UploadRequest *request =
        layerlift__v1__upload_request__unpack(NULL, bytes, data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    CU_ASSERT_EQUAL(request->open->n_encodings, 0);
    layerlift__v1__upload_request__free_unpacked(request, NULL);
    free(data);
    ll_plan_finish(&plan);
    fake_model_finish(&fake);
}

static void test_open_names_the_bases_of_differences(void)
{
    struct fake_model fake;
    struct fake_model base;
    struct ll_plan plan;
    fake_model_init(&fake, "fake\ninput 4\nlayer 4 0\nlayer 8 64\n", 3);
    fake_model_init(&base, "fake\ninput 4\nlayer 4 0\nlayer 8 64\n", 4);
    fake_model_plan(&fake, &plan);
    struct ll_digest digests[] = {base.manifest.blobs[0].digest, base.manifest.blobs[1].digest};
    struct device_model model = {.table = &fake.network->table,
                                 .manifest = &fake.manifest,
                                 .plan = &plan,
                                 .bases = base.blobs,
                                 .base_digests = digests};
    uint8_t *data = NULL;
    size_t bytes = 0;
    CU_ASSERT_EQUAL_FATAL(device_wire_open(&model, "me", &data, &bytes), LL_OK);
    Layerlift__V1__UploadRequest *request =
        layerlift__v1__upload_request__unpack(NULL, bytes, data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    const Layerlift__V1__UploadOpen *open = request->open;
    CU_ASSERT_EQUAL_FATAL(open->n_encodings, 2);
    CU_ASSERT_EQUAL(open->encodings[1], LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME);
    CU_ASSERT_EQUAL_FATAL(open->n_delta_bases, 1);
    CU_ASSERT_EQUAL(open->delta_bases[0]->layer, 1);
    char text[LL_DIGEST_TEXT_BYTES];
    ll_digest_format(&digests[1], text);
    CU_ASSERT_STRING_EQUAL(open->delta_bases[0]->digest, text);
    layerlift__v1__upload_request__free_unpacked(request, NULL);
    free(data);
    ll_plan_finish(&plan);
    fake_model_finish(&base);
    fake_model_finish(&fake);
}

static void test_open_names_the_draft(void)
{
    struct fake_model fake;
    struct device_draft draft;
    struct ll_plan plan;
    fake_model_init_weights(&fake, "fake\ninput 4\nlayer 4 64\nlayer 8 80000\n", 3);
    fake_model_plan(&fake, &plan);
    struct device_model model = {.table = &fake.network->table,
                                 .blobs = fake.blobs,
                                 .manifest = &fake.manifest,
                                 .plan = &plan,
                                 .draft = &draft};
    struct device_draft_source source = {
        .table = model.table, .blobs = model.blobs, .manifest = model.manifest};
    CU_ASSERT_EQUAL_FATAL(device_draft_init(&draft, &source, 4), LL_OK);
    uint8_t *data = NULL;
    size_t bytes = 0;
    CU_ASSERT_EQUAL_FATAL(device_wire_open(&model, "me", &data, &bytes), LL_OK);
    Layerlift__V1__UploadRequest *request =
        layerlift__v1__upload_request__unpack(NULL, bytes, data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    const Layerlift__V1__UploadOpen *open = request->open;
    CU_ASSERT_EQUAL_FATAL(open->n_encodings, 3);
    CU_ASSERT_EQUAL(open->encodings[1], LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME);
    CU_ASSERT_EQUAL(open->encodings[2], LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME);
    CU_ASSERT_PTR_NOT_NULL_FATAL(open->draft);
    CU_ASSERT_EQUAL(open->draft->mantissa_bits, 4);
    CU_ASSERT_EQUAL_FATAL(open->draft->n_digests, 2);
    CU_ASSERT_EQUAL(open->draft->digests[0].len, 0);
    CU_ASSERT_EQUAL_FATAL(open->draft->digests[1].len, LL_DIGEST_BYTES);
    CU_ASSERT_EQUAL(memcmp(open->draft->digests[1].data, draft.digests[1].bytes, LL_DIGEST_BYTES),
                    0);
    layerlift__v1__upload_request__free_unpacked(request, NULL);
    free(data);
    device_draft_finish(&draft);
    ll_plan_finish(&plan);
    fake_model_finish(&fake);
}

static void test_a_query_names_the_draft_that_will_do(void)
{
    struct fake_model fake;
    struct device_draft draft = {.mantissa_bits = 7, .id = "sha256:2"};
    fake_model_init(&fake, "fake\ninput 4\nlayer 8 64\n", 3);
    struct device_model model = {.table = &fake.network->table, .id = "sha256:1", .draft = &draft};
    int name_list[] = {-1};
    struct ll_names names = {1, name_list};
    const struct wire_form forms[] = {wire_form_plain(LL_F32, 1, 4)};
    for (int takes_draft = 0; takes_draft < 2; takes_draft++) {
        struct device_wire_query query = {
            .id = 5, .end = 1, .takes_draft = takes_draft == 1, .inputs = &names, .forms = forms};
        uint8_t *data = NULL;
        size_t bytes = 0;
        CU_ASSERT_EQUAL_FATAL(device_wire_query(&model, &query, &data, &bytes), LL_OK);
        Layerlift__V1__OffloadRequest *request =
            layerlift__v1__offload_request__unpack(NULL, bytes, data);
        CU_ASSERT_PTR_NOT_NULL_FATAL(request);
        CU_ASSERT_EQUAL(request->query->precision, takes_draft);
        CU_ASSERT_STRING_EQUAL(request->query->draft_id, takes_draft == 1 ? "sha256:2" : "");
        layerlift__v1__offload_request__free_unpacked(request, NULL);
        free(data);
    }
    fake_model_finish(&fake);
}

static void test_a_query_tells_how_its_tensors_are_written(void)
{
    struct fake_model fake;
    fake_model_init(&fake, "fake\ninput 4\nlayer 8 64\nlayer 4 0 reads 0 -1\n", 3);
    struct device_model model = {.table = &fake.network->table, .id = "sha256:1"};
    int name_list[] = {-1, 0};
    struct ll_names names = {2, name_list};
    struct wire_form forms[] = {
        {.dtype = LL_U8},
        {.dtype = LL_F16, .coding = LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES, .bytes = 7},
    };
    struct device_wire_query query = {.id = 5,
                                      .first = 1,
                                      .end = 2,
                                      .answer_dtype = LL_F16,
                                      .may_code_answer = true,
                                      .inputs = &names,
                                      .forms = forms};
    uint8_t *data = NULL;
    size_t bytes = 0;
    CU_ASSERT_EQUAL_FATAL(device_wire_query(&model, &query, &data, &bytes), LL_OK);
    Layerlift__V1__OffloadRequest *request =
        layerlift__v1__offload_request__unpack(NULL, bytes, data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    CU_ASSERT_EQUAL_FATAL(request->query->n_tensors, 2);
    CU_ASSERT_EQUAL(request->query->tensors[0]->dtype, LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8);
    CU_ASSERT_EQUAL(request->query->tensors[1]->dtype, LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16);
    CU_ASSERT_EQUAL(request->query->tensors[0]->coding,
                    LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLAIN);
    CU_ASSERT_EQUAL(request->query->tensors[0]->coded_bytes, 0);
    CU_ASSERT_EQUAL(request->query->tensors[1]->coding,
                    LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES);
    CU_ASSERT_EQUAL(request->query->tensors[1]->coded_bytes, 7);
    CU_ASSERT_EQUAL_FATAL(request->query->n_answer_codings, 1);
    CU_ASSERT_EQUAL(request->query->answer_codings[0],
                    LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES);
    CU_ASSERT_EQUAL(request->query->answer_dtype, LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16);
    layerlift__v1__offload_request__free_unpacked(request, NULL);
    free(data);
    fake_model_finish(&fake);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_open_has_manifest_and_plan),
    LL_TEST(test_open_of_raw_weights_names_no_encoding),
    LL_TEST(test_open_names_the_bases_of_differences),
    LL_TEST(test_open_names_the_draft),
    LL_TEST(test_a_query_names_the_draft_that_will_do),
    LL_TEST(test_a_query_tells_how_its_tensors_are_written),
    {NULL, NULL},
};
