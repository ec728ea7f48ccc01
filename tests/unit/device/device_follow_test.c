#include "device/edge_link/device_follow.h"

#include <stdio.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"
#include "tests/unit/device/device_fake_edge.h"

const char *const ll_test_suite = "device_follow";

static const char cfg[] = "fake\n"
                          "input 2000\n"
                          "layer 300 40000\n"
                          "layer 200 0 output\n"
                          "layer 10 4000\n";
enum { LAYERS = 3, MODEL_BYTES = 44000 };

/* What one stream told; `lock` guards all but the first two. */
struct follower {
    struct rpc_loop *loop;
    struct rpc_channel *channel;
    struct ll_mutex lock;
    struct ll_cond changed;
    int changes;
    struct device_followed last;
    bool is_closed;
    ll_status status;
    char message[128];
};

static void on_changed(void *owner, const struct device_followed *followed)
{
    struct follower *follower = owner;
    ll_mutex_lock(&follower->lock);
    follower->changes++;
    follower->last = *followed;
    ll_cond_broadcast(&follower->changed);
    ll_mutex_unlock(&follower->lock);
}

static void on_closed(void *owner, ll_status status, const char *message)
{
    struct follower *follower = owner;
    ll_mutex_lock(&follower->lock);
    follower->is_closed = true;
    follower->status = status;
    snprintf(follower->message, sizeof(follower->message), "%s", message);
    ll_cond_broadcast(&follower->changed);
    ll_mutex_unlock(&follower->lock);
}

/* Follows the model on an edge that does `watch`, until the first change or the end; then leaves.
 */
static void run(fake_watch watch, struct follower *follower)
{
    struct fake_model fake;
    fake_model_init(&fake, cfg, 5);
    struct fake_edge *edge = fake_edge_create(&fake);
    struct fake_edge_script script = {.available_layer = -1, .watch = watch};
    fake_edge_set_script(edge, &script);
    struct device_model model = {.table = &fake.network->table, .manifest = &fake.manifest};
    memcpy(model.id, fake.id_text, sizeof(model.id));
    *follower = (struct follower){.status = LL_OK};
    ll_mutex_init(&follower->lock);
    ll_cond_init(&follower->changed);
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&follower->loop), LL_OK);
    CU_ASSERT_EQUAL_FATAL(
        rpc_channel_create(follower->loop, fake_edge_address(edge), &follower->channel, NULL),
        LL_OK);
    struct device_follow *follow = NULL;
    struct device_follow_config config = {
        .model = &model,
        .channel = follower->channel,
        .changed = on_changed,
        .closed = on_closed,
        .owner = follower,
    };
    CU_ASSERT_EQUAL_FATAL(device_follow_create(&config, &follow), LL_OK);
    int64_t until_ns = ll_clock_now_ns() + 30 * LL_NS_PER_S;
    ll_mutex_lock(&follower->lock);
    while (follower->changes == 0 && !follower->is_closed &&
           ll_cond_wait(&follower->changed, &follower->lock, until_ns)) {
    }
    ll_mutex_unlock(&follower->lock);
    device_follow_cancel(follow);
    ll_mutex_lock(&follower->lock);
    while (!follower->is_closed && ll_cond_wait(&follower->changed, &follower->lock, until_ns)) {
    }
    CU_ASSERT_TRUE_FATAL(follower->is_closed);
    ll_mutex_unlock(&follower->lock);
    device_follow_destroy(follow);
    rpc_channel_destroy(follower->channel);
    rpc_loop_destroy(follower->loop);
    fake_edge_destroy(edge);
    fake_model_finish(&fake);
    ll_cond_finish(&follower->changed);
    ll_mutex_finish(&follower->lock);
}

static void test_a_model_that_is_there_is_told(void)
{
    struct follower follower;
    run(FAKE_WATCH_READY, &follower);
    CU_ASSERT_EQUAL(follower.changes, 1);
    CU_ASSERT_EQUAL(follower.last.prefix, LAYERS);
    /* The edge says that it has more bytes than there are. */
    CU_ASSERT_EQUAL(follower.last.received_bytes, MODEL_BYTES);
    CU_ASSERT_EQUAL(follower.status, LL_E_CANCELLED);
}

static void test_a_model_that_is_not_there_is_not_found(void)
{
    struct follower follower;
    run(FAKE_WATCH_UNKNOWN, &follower);
    CU_ASSERT_EQUAL(follower.changes, 0);
    CU_ASSERT_EQUAL(follower.status, LL_E_NOT_FOUND);
    CU_ASSERT_STRING_EQUAL(follower.message, "no such model");
}

static void test_lies_end_the_stream(void)
{
    static const struct {
        fake_watch watch;
        const char *sentence;
    } lies[] = {
        {FAKE_WATCH_OTHER_MODEL, "the edge told of another model"},
        {FAKE_WATCH_ILLEGAL_PREFIX, "the edge told of a prefix that cannot be"},
        {FAKE_WATCH_GARBAGE, "the edge sent a model's state that cannot be read"},
        {FAKE_WATCH_LONG, "the edge sent a model's state that cannot be read"},
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct follower follower;
        run(lies[i].watch, &follower);
        CU_ASSERT_EQUAL(follower.changes, 0);
        CU_ASSERT_EQUAL(follower.status, LL_E_INVALID);
        CU_ASSERT_STRING_EQUAL(follower.message, lies[i].sentence);
    }
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_a_model_that_is_there_is_told),
    LL_TEST(test_a_model_that_is_not_there_is_not_found),
    LL_TEST(test_lies_end_the_stream),
    {NULL, NULL},
};
