#include "device/edge_link/device_send_scheduler.h"

#include <stddef.h>

#include "core/ll_clock.h"
#include "core/ll_container.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_send_scheduler";

enum { MESSAGE_BYTES = 10000, BURST_BYTES = 10 * MESSAGE_BYTES, QUERIES = 1000 };

/* A source that has so many messages now, and waits for the link or not. */
struct fake_source {
    int left;
    int sent;
    bool waits;
};

static int64_t fake_next(void *owner)
{
    const struct fake_source *source = owner;
    return source->left > 0 ? MESSAGE_BYTES : 0;
}

static void fake_send(void *owner)
{
    struct fake_source *source = owner;
    source->left--;
    source->sent++;
}

static bool fake_waits(void *owner)
{
    const struct fake_source *source = owner;
    return source->waits;
}

/* One scheduler without a stated rate, on its loop's thread. */
struct scene {
    struct rpc_task task;
    struct device_send_scheduler *scheduler;
    struct fake_source queries;
    struct fake_source upload;
    void (*play)(struct scene *scene);
};

static void add(struct scene *scene, enum device_send_scheduler_class class_of,
                struct fake_source *source)
{
    const struct device_send_scheduler_source config = {
        .next = fake_next, .send = fake_send, .waits = fake_waits, .owner = source};
    device_send_scheduler_set_source(scene->scheduler, class_of, &config);
}

/* The window learns a link of 10^7 bytes a second. */
static void teach_rate(struct scene *scene)
{
    struct ll_window *window = device_send_scheduler_window(scene->scheduler);
    int64_t at_ns = ll_clock_now_ns();
    uint64_t acked = 0;
    for (int i = 0; i < 100; i++) {
        ll_window_send(window, BURST_BYTES, at_ns);
        acked += BURST_BYTES;
        at_ns += 10 * LL_NS_PER_MS;
        ll_window_ack(window, acked, (uint64_t)at_ns, at_ns);
    }
    double rate = ll_window_bytes_per_s(window);
    CU_ASSERT_TRUE(rate > 0.9e7 && rate < 1.1e7);
}

static void run_scene(struct rpc_task *task)
{
    struct scene *scene = LL_CONTAINER_OF(task, struct scene, task);
    teach_rate(scene);
    add(scene, DEVICE_SEND_SCHEDULER_QUERIES, &scene->queries);
    add(scene, DEVICE_SEND_SCHEDULER_UPLOAD, &scene->upload);
    scene->play(scene);
    device_send_scheduler_close(scene->scheduler);
}

static void play(void (*what)(struct scene *scene))
{
    struct rpc_loop *loop = NULL;
    struct scene scene = {.task.run = run_scene, .play = what};
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&loop), LL_OK);
    CU_ASSERT_EQUAL_FATAL(device_send_scheduler_create(loop, 0, NULL, &scene.scheduler), LL_OK);
    rpc_loop_post(loop, &scene.task);
    rpc_loop_destroy(loop);
    device_send_scheduler_destroy(scene.scheduler);
}

/* What the upload has under way fills the link: queries get a tenth of a second's bytes, and then
 * wait for their turn although the upload has no message now. */
static void hold_queries(struct scene *scene)
{
    scene->queries.left = QUERIES;
    scene->upload.waits = true;
    device_send_scheduler_pump(scene->scheduler);
    CU_ASSERT_TRUE(scene->queries.sent >= 90 && scene->queries.sent <= 111);
    int sent = scene->queries.sent;
    scene->upload.left = 10;
    device_send_scheduler_pump(scene->scheduler);
    CU_ASSERT_EQUAL(scene->upload.sent, 10);
    CU_ASSERT_TRUE(scene->queries.sent > sent && scene->queries.sent <= sent + 3);
}

static void test_queries_wait_where_the_upload_waits_for_the_link(void)
{
    play(hold_queries);
}

/* Whatever else an upload waits for (credit, its edge) holds up nobody. */
static void let_queries(struct scene *scene)
{
    scene->queries.left = QUERIES;
    device_send_scheduler_pump(scene->scheduler);
    CU_ASSERT_EQUAL(scene->queries.sent, QUERIES);
    CU_ASSERT_EQUAL(scene->upload.sent, 0);
}

static void test_queries_go_where_the_upload_has_nothing(void)
{
    play(let_queries);
}

/* Both have something: nobody is left behind. */
static void take_turns(struct scene *scene)
{
    scene->queries.left = QUERIES;
    scene->upload.left = QUERIES;
    device_send_scheduler_pump(scene->scheduler);
    CU_ASSERT_EQUAL(scene->queries.sent, QUERIES);
    CU_ASSERT_EQUAL(scene->upload.sent, QUERIES);
}

static void test_all_leaves_in_the_end(void)
{
    play(take_turns);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_queries_wait_where_the_upload_waits_for_the_link),
    LL_TEST(test_queries_go_where_the_upload_has_nothing),
    LL_TEST(test_all_leaves_in_the_end),
    {NULL, NULL},
};
