/* Queries while a draft is here and its model is on the way. The right answers are those of one
 * model with the exact weights up to a border and the draft's behind it. */
#include <string.h>

#include "edge/offload/edge_offload.h"
#include "tests/support/edge_fixture.h"
#include "tests/support/edge_frames.h"
#include "tests/support/ll_test.h"

/* Drafts round layers 0, 1, 2 and 4. What is read crosses every border; layer 1 is an output. */
static const char cfg[] = "fake\n"
                          "input 8\n"
                          "layer 16 70000\n"
                          "layer 16 80000 output reads 0 -1\n"
                          "layer 12 66000 joined reads 1 0\n"
                          "layer 8 0\n"
                          "layer 6 90000 reads 3 0 -1\n"
                          "layer 4 100 reads 4 1\n";
enum { LAYERS = 6, BITS = 4, SEED = 5 };

static const Layerlift__V1__Encoding encodings[] = {
    LAYERLIFT__V1__ENCODING__ENCODING_FRAME,
    LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME,
    LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME,
};

/* A server, a device that uploads a model with a draft, and asks. */
struct scene {
    struct edge_fixture fixture;
    struct fake_model model;
    struct fake_model draft;
    struct edge_call *upload;
    struct edge_call *offload;
};

static void set_up(struct scene *scene)
{
    edge_fixture_set_up(&scene->fixture);
    fake_model_init_weights(&scene->model, cfg, 1);
    edge_frames_init_draft(&scene->draft, &scene->model, BITS);
    const struct edge_open open = {
        .encoding_count = 3, .encodings = encodings, .draft = &scene->draft, .mantissa_bits = BITS};
    scene->upload = edge_client_open(scene->fixture.client, &scene->model, &open);
    CU_ASSERT_FATAL(edge_call_has_event(scene->upload, EVENT_ACCEPTED));
    scene->offload = edge_call_open(scene->fixture.client, "Offload");
}

static void tear_down(struct scene *scene)
{
    edge_call_close(scene->offload);
    edge_call_close(scene->upload);
    fake_model_finish(&scene->draft);
    fake_model_finish(&scene->model);
    edge_fixture_tear_down(&scene->fixture);
}

/* Sends layers [first, end) of the draft, or what is left of them. */
static void send(struct scene *scene, int first, int end, bool is_rest)
{
    for (int i = first; i < end; i++) {
        edge_frames_send_draft_layer(scene->upload, &scene->model, i, BITS, is_rest);
    }
}

static void await_draft(struct scene *scene, uint32_t prefix)
{
    uint32_t ready = 0;
    while (ready < prefix) {
        Layerlift__V1__UploadEvent *event = edge_call_await(scene->upload, EVENT_DRAFT_READY);
        CU_ASSERT_PTR_NOT_NULL_FATAL(event);
        ready = event->draft_ready->prefix;
        layerlift__v1__upload_event__free_unpacked(event, NULL);
    }
}

static struct edge_ask ask_of(const struct scene *scene, uint64_t id)
{
    return (struct edge_ask){.id = id,
                             .end = LAYERS,
                             .precision = LAYERLIFT__V1__PRECISION__PRECISION_DRAFT,
                             .draft_id = scene->draft.id_text};
}

/* Whether the answer is that of the model up to `border` and the draft behind it. */
static bool is_right(const struct scene *scene, const struct edge_answer *answer, int first,
                     int border)
{
    struct fake_model mixed;
    edge_frames_init_draft(&mixed, &scene->model, BITS);
    for (int i = 0; i < border; i++) {
        if (mixed.blobs[i]) {
            memcpy(ll_buf_writable(mixed.blobs[i]), ll_buf_data(scene->model.blobs[i]),
                   ll_buf_bytes(mixed.blobs[i]));
        }
    }
    bool is_right = edge_answer_is_right(answer, &mixed, SEED, first);
    fake_model_finish(&mixed);
    return is_right;
}

/* The next answer: layers [first, exact) are the model's, [exact, reached) the draft's. */
static void check_answer(struct scene *scene, uint64_t id, int first, int exact, int reached)
{
    struct edge_answer answer;
    bool has_come = edge_call_answer(scene->offload, &answer);
    CU_ASSERT_FATAL(has_come);
    CU_ASSERT_EQUAL(answer.id, id);
    CU_ASSERT_EQUAL(answer.status, LL_OK);
    CU_ASSERT_EQUAL(answer.reached, reached);
    CU_ASSERT_EQUAL(answer.exact_reached, exact);
    CU_ASSERT_EQUAL(answer.precision, exact < reached ? LAYERLIFT__V1__PRECISION__PRECISION_DRAFT
                                                      : LAYERLIFT__V1__PRECISION__PRECISION_EXACT);
    CU_ASSERT(is_right(scene, &answer, first, exact));
    edge_answer_finish(&answer);
}

static void test_draft_answers_until_the_model_does(void)
{
    static const int borders[] = {1, 2, 4, 5, 6};
    struct scene scene;
    set_up(&scene);
    send(&scene, 0, LAYERS, false);
    await_draft(&scene, LAYERS);
    struct edge_ask ask = ask_of(&scene, 1);
    edge_call_ask(scene.offload, &scene.model, &ask, SEED);
    check_answer(&scene, 1, 0, 0, LAYERS);
    /* Who asks for exact answers, or names no draft, gets none of it. */
    ask.id = 2;
    ask.precision = LAYERLIFT__V1__PRECISION__PRECISION_EXACT;
    edge_call_ask(scene.offload, &scene.model, &ask, SEED);
    check_answer(&scene, 2, 0, 0, 0);
    ask = ask_of(&scene, 3);
    ask.draft_id = NULL;
    edge_call_ask(scene.offload, &scene.model, &ask, SEED);
    check_answer(&scene, 3, 0, 0, 0);
    /* The model takes over, border by border. */
    int first = 0;
    for (size_t i = 0; i < sizeof(borders) / sizeof(borders[0]); i++) {
        send(&scene, first, borders[i], true);
        first = borders[i];
        edge_fixture_await_prefix(&scene.fixture, &scene.model, first == 5 ? LAYERS : first);
        ask = ask_of(&scene, 10 + i);
        edge_call_ask(scene.offload, &scene.model, &ask, SEED);
        check_answer(&scene, 10 + i, 0, first == 5 ? LAYERS : first, LAYERS);
    }
    CU_ASSERT(edge_call_has_event(scene.upload, EVENT_COMPLETE));
    tear_down(&scene);
}

static void test_ranges_behind_the_prefix_are_the_drafts(void)
{
    struct scene scene;
    set_up(&scene);
    send(&scene, 0, LAYERS, false);
    await_draft(&scene, LAYERS);
    send(&scene, 0, 1, true);
    edge_fixture_await_prefix(&scene.fixture, &scene.model, 1);
    struct edge_ask ask = ask_of(&scene, 1);
    ask.first = 2;
    ask.end = 5;
    edge_call_ask(scene.offload, &scene.model, &ask, SEED);
    struct edge_answer answer;
    CU_ASSERT_FATAL(edge_call_answer(scene.offload, &answer));
    CU_ASSERT_EQUAL(answer.prefix, 1);
    CU_ASSERT_EQUAL(answer.reached, 5);
    CU_ASSERT_EQUAL(answer.exact_reached, 2);
    CU_ASSERT_EQUAL(answer.precision, LAYERLIFT__V1__PRECISION__PRECISION_DRAFT);
    /* The query's tensors were the model's own. */
    CU_ASSERT(is_right(&scene, &answer, 2, 2));
    edge_answer_finish(&answer);
    tear_down(&scene);
}

static void test_least_prefix_may_be_the_drafts(void)
{
    struct scene scene;
    set_up(&scene);
    struct edge_ask ask = ask_of(&scene, 1);
    ask.least_prefix = 4;
    edge_call_ask(scene.offload, &scene.model, &ask, SEED);
    send(&scene, 0, 4, false);
    check_answer(&scene, 1, 0, 0, 4);
    tear_down(&scene);
}

static void test_drafts_are_named_or_not_used(void)
{
    struct scene scene;
    set_up(&scene);
    send(&scene, 0, LAYERS, false);
    await_draft(&scene, LAYERS);
    /* One that is not here any more: as far as the model itself goes. */
    struct edge_ask ask = ask_of(&scene, 1);
    ask.draft_id = scene.model.id_text;
    edge_call_ask(scene.offload, &scene.model, &ask, SEED);
    check_answer(&scene, 1, 0, 0, 0);
    ask = ask_of(&scene, 2);
    ask.draft_id = "sha256:12";
    edge_call_ask(scene.offload, &scene.model, &ask, SEED);
    edge_call_check_error(scene.offload, 2, LL_E_INVALID, "query: draft_id is not \"sha256:\"");
    ask = ask_of(&scene, 3);
    ask.precision = (Layerlift__V1__Precision)9;
    edge_call_ask(scene.offload, &scene.model, &ask, SEED);
    edge_call_check_error(scene.offload, 3, LL_E_INVALID, "precision 9 is neither EXACT nor DRAFT");
    /* It is no model of its own. */
    edge_call_ask(scene.offload, &scene.draft, &(struct edge_ask){.id = 4, .end = LAYERS}, SEED);
    edge_call_check_error(scene.offload, 4, LL_E_NOT_FOUND, "no model");
    tear_down(&scene);
}

/* The model becomes ready while a query runs on the draft: that goes on, then the draft goes. */
static void test_draft_stays_while_it_answers(void)
{
    struct scene scene;
    set_up(&scene);
    send(&scene, 0, LAYERS, false);
    await_draft(&scene, LAYERS);
    fake_engine_hold(scene.fixture.engine, FAKE_RUN);
    struct edge_ask ask = ask_of(&scene, 1);
    edge_call_ask(scene.offload, &scene.model, &ask, SEED);
    CU_ASSERT(fake_engine_await_held(scene.fixture.engine, FAKE_RUN, 1));
    send(&scene, 0, LAYERS, true);
    CU_ASSERT(edge_call_has_event(scene.upload, EVENT_COMPLETE));
    /* Who comes now gets the model. */
    ask.id = 2;
    edge_call_ask(scene.offload, &scene.model, &ask, SEED);
    CU_ASSERT(fake_engine_await_held(scene.fixture.engine, FAKE_RUN, 2));
    fake_engine_release(scene.fixture.engine, FAKE_RUN);
    struct edge_answer answers[2];
    for (int i = 0; i < 2; i++) {
        struct edge_answer answer;
        CU_ASSERT_FATAL(edge_call_answer(scene.offload, &answer));
        answers[answer.id - 1] = answer;
    }
    CU_ASSERT_EQUAL(answers[0].exact_reached, 0);
    CU_ASSERT(is_right(&scene, &answers[0], 0, 0));
    CU_ASSERT_EQUAL(answers[1].exact_reached, LAYERS);
    CU_ASSERT(is_right(&scene, &answers[1], 0, LAYERS));
    edge_answer_finish(&answers[0]);
    edge_answer_finish(&answers[1]);
    Layerlift__V1__Model *told = edge_fixture_model(&scene.fixture, &scene.model);
    CU_ASSERT_PTR_NOT_NULL_FATAL(told);
    CU_ASSERT_EQUAL(told->n_drafts, 0);
    layerlift__v1__model__free_unpacked(told, NULL);
    tear_down(&scene);
}

/* The draft turns out to be a lie while a query waits for more of it: the query gets the model. */
static void test_query_outlives_a_lie(void)
{
    struct scene scene;
    struct fake_model lie;
    set_up(&scene);
    edge_frames_init_draft(&lie, &scene.model, BITS);
    ((uint32_t *)ll_buf_writable(lie.blobs[0]))[0] ^= 1U << 30;
    fake_model_rename(&lie);
    const struct edge_open open = {
        .encoding_count = 3, .encodings = encodings, .draft = &lie, .mantissa_bits = BITS};
    struct edge_call *liar = edge_client_open(scene.fixture.client, &scene.model, &open);
    CU_ASSERT_FATAL(edge_call_has_event(liar, EVENT_ACCEPTED));
    edge_frames_send_draft_layer(liar, &lie, 0, BITS, false);
    CU_ASSERT(edge_call_has_event(liar, EVENT_DRAFT_READY));
    struct edge_ask ask = ask_of(&scene, 1);
    ask.draft_id = lie.id_text;
    ask.least_prefix = LAYERS;
    edge_call_ask(scene.offload, &scene.model, &ask, SEED);
    edge_frames_send_layers(scene.upload, &scene.model, 0, LAYERS);
    edge_fixture_check_refused(&scene.fixture, liar, LL_E_INVALID, "layer 0: the draft's blob is");
    CU_ASSERT(edge_call_has_event(scene.upload, EVENT_COMPLETE));
    check_answer(&scene, 1, 0, LAYERS, LAYERS);
    fake_model_finish(&lie);
    tear_down(&scene);
}

/* ---- Inspection ---- */

static void test_drafts_are_told_of_beside_their_model(void)
{
    struct scene scene;
    set_up(&scene);
    send(&scene, 0, 2, false);
    await_draft(&scene, 2);
    Layerlift__V1__Model *told = edge_fixture_model(&scene.fixture, &scene.model);
    CU_ASSERT_PTR_NOT_NULL_FATAL(told);
    CU_ASSERT_EQUAL(told->prefix, 0);
    CU_ASSERT_EQUAL_FATAL(told->n_drafts, 1);
    CU_ASSERT_STRING_EQUAL(told->drafts[0]->draft_id, scene.draft.id_text);
    CU_ASSERT_EQUAL(told->drafts[0]->mantissa_bits, BITS);
    CU_ASSERT_EQUAL(told->drafts[0]->prefix, 2);
    CU_ASSERT_EQUAL(told->drafts[0]->received_bytes, 150000);
    layerlift__v1__model__free_unpacked(told, NULL);
    Layerlift__V1__ListModelsRequest request = LAYERLIFT__V1__LIST_MODELS_REQUEST__INIT;
    Layerlift__V1__ListModelsResponse *list = (Layerlift__V1__ListModelsResponse *)edge_client_ask(
        scene.fixture.client, "ListModels", &request.base,
        &layerlift__v1__list_models_response__descriptor, NULL, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(list);
    CU_ASSERT_EQUAL_FATAL(list->n_models, 1);
    CU_ASSERT_STRING_EQUAL(list->models[0]->model_id, scene.model.id_text);
    CU_ASSERT_EQUAL(list->models[0]->n_drafts, 1);
    layerlift__v1__list_models_response__free_unpacked(list, NULL);
    /* A watcher hears of longer ones. */
    Layerlift__V1__WatchModelRequest watched = LAYERLIFT__V1__WATCH_MODEL_REQUEST__INIT;
    watched.model_id = scene.model.id_text;
    struct edge_call *watch = edge_call_open(scene.fixture.client, "WatchModel");
    edge_call_send(watch, &watched.base);
    uint32_t longest = 2;
    send(&scene, 2, LAYERS, false);
    while (longest < LAYERS) {
        Layerlift__V1__ModelEvent *event = (Layerlift__V1__ModelEvent *)edge_call_next(
            watch, &layerlift__v1__model_event__descriptor);
        CU_ASSERT_PTR_NOT_NULL_FATAL(event);
        CU_ASSERT_EQUAL(event->prefix, 0);
        CU_ASSERT(event->draft_prefix >= longest);
        longest = event->draft_prefix;
        layerlift__v1__model_event__free_unpacked(event, NULL);
    }
    edge_call_close(watch);
    tear_down(&scene);
}

const char *const ll_test_suite = "edge_offload_draft";
const struct ll_test ll_tests[] = {
    LL_TEST(test_draft_answers_until_the_model_does),
    LL_TEST(test_ranges_behind_the_prefix_are_the_drafts),
    LL_TEST(test_least_prefix_may_be_the_drafts),
    LL_TEST(test_drafts_are_named_or_not_used),
    LL_TEST(test_draft_stays_while_it_answers),
    LL_TEST(test_query_outlives_a_lie),
    LL_TEST(test_drafts_are_told_of_beside_their_model),
    {NULL, NULL},
};
