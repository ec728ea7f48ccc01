/* Deals alone, and uploads of several members in virtual time: each sends what is dealt to it at
 * its own rate, with a delay until it hears of a deal, and the same rules as devices have. */
#include "edge/upload/edge_upload_share.h"

#include <math.h>
#include <string.h>

#include "tests/support/ll_test.h"

enum { NOBODY = EDGE_UPLOAD_SHARE_NOBODY, MOST = 64, MEMBERS = 8 };

static struct edge_upload_share_blob blobs[MOST];
static struct edge_upload_share_member members[MEMBERS];

static void set_blob(int i, int64_t bytes, int owner, int dealt)
{
    blobs[i] = (struct edge_upload_share_blob){
        .left_bytes = bytes, .dealt_left_bytes = bytes, .owner = owner, .dealt = dealt};
}

static void set_member(int i, double bytes_per_s)
{
    members[i] = (struct edge_upload_share_member){.bytes_per_s = bytes_per_s};
}

static int64_t dealt_bytes(int member, int blob_count)
{
    int64_t sum = 0;
    for (int i = 0; i < blob_count; i++) {
        sum += blobs[i].dealt == member ? blobs[i].left_bytes : 0;
    }
    return sum;
}

static void test_one_has_everything(void)
{
    set_blob(0, 1000, NOBODY, NOBODY);
    set_blob(1, 2000, 0, NOBODY);
    set_member(0, 0);
    edge_upload_share_deal(blobs, 2, members, 1);
    CU_ASSERT_EQUAL(blobs[0].dealt, 0);
    CU_ASSERT_EQUAL(blobs[1].dealt, 0);
}

static void test_equals_get_equal_parts(void)
{
    for (int i = 0; i < 40; i++) {
        set_blob(i, INT64_C(100000) * (1 + i % 5), NOBODY, NOBODY);
    }
    for (int i = 0; i < 4; i++) {
        set_member(i, 0);
    }
    edge_upload_share_deal(blobs, 40, members, 4);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(dealt_bytes(i, 40), 3000000);
    }
}

static void test_parts_go_by_rates(void)
{
    for (int i = 0; i < 40; i++) {
        set_blob(i, 100000, NOBODY, NOBODY);
    }
    set_member(0, 3e6);
    set_member(1, 1e6);
    edge_upload_share_deal(blobs, 40, members, 2);
    CU_ASSERT_EQUAL(dealt_bytes(0, 40), 3000000);
    CU_ASSERT_EQUAL(dealt_bytes(1, 40), 1000000);
}

static void test_the_largest_blob_leaves_the_others_to_others(void)
{
    set_blob(0, 100000, NOBODY, NOBODY);
    set_blob(1, 200000, NOBODY, NOBODY);
    set_blob(2, 5000000, NOBODY, NOBODY);
    set_member(0, 0);
    set_member(1, 0);
    edge_upload_share_deal(blobs, 3, members, 2);
    CU_ASSERT_EQUAL(blobs[0].dealt, blobs[1].dealt);
    CU_ASSERT_NOT_EQUAL(blobs[0].dealt, blobs[2].dealt);
}

static void test_a_second_deal_changes_nothing(void)
{
    for (int i = 0; i < 30; i++) {
        set_blob(i, INT64_C(50000) * (1 + i % 7), NOBODY, NOBODY);
    }
    for (int i = 0; i < 3; i++) {
        set_member(i, 1e6 + 1e5 * i);
    }
    edge_upload_share_deal(blobs, 30, members, 3);
    struct edge_upload_share_blob before[30];
    memcpy(before, blobs, sizeof(before));
    /* Rates as they are measured the next time. */
    set_member(1, 1.13e6);
    edge_upload_share_deal(blobs, 30, members, 3);
    for (int i = 0; i < 30; i++) {
        CU_ASSERT_EQUAL(blobs[i].dealt, before[i].dealt);
    }
}

static void test_what_is_sent_or_comes_next_is_not_taken_away(void)
{
    set_blob(0, 500000, 0, 0);
    set_blob(1, 10000, NOBODY, 0);
    set_blob(2, 10000, NOBODY, 0);
    set_blob(3, 500000, NOBODY, 0);
    blobs[0].left_bytes = blobs[0].dealt_left_bytes = 50000;
    set_member(0, 1e6);
    set_member(1, 1e6);
    edge_upload_share_deal(blobs, 4, members, 2);
    CU_ASSERT_EQUAL(blobs[0].dealt, 0);
    CU_ASSERT_EQUAL(blobs[1].dealt, 0);
    CU_ASSERT_EQUAL(blobs[2].dealt, 0);
    CU_ASSERT_EQUAL(blobs[3].dealt, 0);
    /* One more behind that goes. */
    set_blob(4, 400000, NOBODY, 0);
    edge_upload_share_deal(blobs, 5, members, 2);
    CU_ASSERT_EQUAL(blobs[0].dealt, 0);
    CU_ASSERT_EQUAL(blobs[1].dealt, 0);
    CU_ASSERT_EQUAL(blobs[2].dealt, 0);
    CU_ASSERT_NOT_EQUAL(blobs[3].dealt, blobs[4].dealt);
}

static void test_what_a_crawler_has_begun_goes_to_another(void)
{
    set_blob(0, 1000000, 0, 0);
    set_member(0, 1e5);
    set_member(1, 2e6);
    edge_upload_share_deal(blobs, 1, members, 2);
    CU_ASSERT_EQUAL(blobs[0].dealt, 1);
    /* It stays so, unless the crawler would be earlier after all. */
    edge_upload_share_deal(blobs, 1, members, 2);
    CU_ASSERT_EQUAL(blobs[0].dealt, 1);
    blobs[0].left_bytes = 1000;
    blobs[0].dealt_left_bytes = 900000;
    edge_upload_share_deal(blobs, 1, members, 2);
    CU_ASSERT_EQUAL(blobs[0].dealt, 0);
}

static void test_slower_is_not_crawling(void)
{
    set_blob(0, 1000000, 0, 0);
    set_member(0, 7e5);
    set_member(1, 2e6);
    edge_upload_share_deal(blobs, 1, members, 2);
    CU_ASSERT_EQUAL(blobs[0].dealt, 0);
}

static void test_who_has_stalled_has_nothing_while_others_go_on(void)
{
    set_blob(0, 100000, 0, 0);
    set_blob(1, 100000, NOBODY, 0);
    set_blob(2, 100000, NOBODY, NOBODY);
    set_member(0, 1e6);
    members[0].is_stalled = true;
    set_member(1, 1e6);
    edge_upload_share_deal(blobs, 3, members, 2);
    CU_ASSERT_EQUAL(dealt_bytes(1, 3), 300000);
    /* When all have, blobs stay where they are. */
    members[1].is_stalled = true;
    edge_upload_share_deal(blobs, 3, members, 2);
    CU_ASSERT_EQUAL(dealt_bytes(1, 3), 300000);
}

static void test_who_sends_something_else_keeps_nothing_from_who_waits(void)
{
    set_blob(0, 100000, NOBODY, 0);
    set_member(0, 1e6);
    set_member(1, 1e6);
    edge_upload_share_deal(blobs, 1, members, 2);
    CU_ASSERT_EQUAL(blobs[0].dealt, 0);
    members[0].is_elsewhere = true;
    edge_upload_share_deal(blobs, 1, members, 2);
    CU_ASSERT_EQUAL(blobs[0].dealt, 1);
}

static void test_a_stranger_is_tried_with_little(void)
{
    for (int i = 0; i < 30; i++) {
        set_blob(i, 100000, NOBODY, 0);
    }
    set_member(0, 1e6);
    set_member(1, 0);
    edge_upload_share_deal(blobs, 30, members, 2);
    CU_ASSERT(dealt_bytes(1, 30) > 0);
    CU_ASSERT(dealt_bytes(1, 30) <= 500000);
    /* What it is dealt is the end of what the other one has. */
    for (int i = 0; i < 25; i++) {
        CU_ASSERT_EQUAL(blobs[i].dealt, 0);
    }
    set_member(1, 1e6);
    edge_upload_share_deal(blobs, 30, members, 2);
    CU_ASSERT(dealt_bytes(1, 30) >= 1300000);
}

/* ---- Uploads in virtual time ---- */

/* Each deal reaches devices so much later; the same for bytes on their way. */
static const double step_s = 0.05;
/* Between two measurements, in steps. */
enum { LOOK = 2, STALL = 10 };

struct device {
    /* Bytes a second, from and until these times. */
    double rate;
    double from_s;
    double until_s;
    /* Whether it is gone after that, or silent. */
    bool leaves;
    /* Measured, and how long it has sent nothing. */
    double known;
    double bin;
    int quiet;
    double sent;
    /* The blob that it sends, and up to where. */
    int latest;
    bool is_here;
};

struct blob {
    double bytes;
    double got[MEMBERS];
    int dealt;
    int told;
    bool is_done;
};

static struct device devices[MEMBERS];
static struct blob model[MOST];
static int device_count;
static int blob_count;

static void make_model(int count, int64_t largest)
{
    blob_count = count;
    for (int i = 0; i < count; i++) {
        model[i] =
            (struct blob){.bytes = 20000.0 * (1 + i * 7 % 13), .dealt = NOBODY, .told = NOBODY};
    }
    model[count - 1].bytes = (double)largest;
}

static double model_bytes(void)
{
    double sum = 0;
    for (int i = 0; i < blob_count; i++) {
        sum += model[i].bytes;
    }
    return sum;
}

static void make_devices(int count, double rate)
{
    device_count = count;
    for (int i = 0; i < count; i++) {
        devices[i] = (struct device){.rate = rate, .until_s = INFINITY, .latest = NOBODY};
    }
}

/* The most that anybody who is here has of a blob, or had when he left. */
static double frontier(const struct blob *blob)
{
    double most = 0;
    for (int i = 0; i < device_count; i++) {
        most = fmax(most, blob->got[i]);
    }
    return most;
}

static bool is_open(const struct blob *blob)
{
    return !blob->is_done;
}

static void deal(void)
{
    int at = 0;
    int place[MEMBERS];
    int count = 0;
    for (int i = 0; i < MEMBERS; i++) {
        place[i] = NOBODY;
    }
    for (int i = 0; i < device_count; i++) {
        if (devices[i].is_here) {
            place[i] = count;
            set_member(count, devices[i].known);
            members[count++].is_stalled = devices[i].quiet >= STALL;
        }
    }
    for (int i = 0; i < blob_count && count > 0; i++) {
        if (is_open(&model[i])) {
            int dealt = model[i].dealt == NOBODY ? NOBODY : place[model[i].dealt];
            set_blob(at, (int64_t)(model[i].bytes - frontier(&model[i])), NOBODY, dealt);
            if (dealt != NOBODY) {
                double got = model[i].got[model[i].dealt];
                blobs[at].dealt_left_bytes =
                    got > 0 ? (int64_t)(model[i].bytes - got) : blobs[at].left_bytes;
            }
            for (int d = 0; d < device_count; d++) {
                bool owns = place[d] != NOBODY && devices[d].latest == i && model[i].got[d] > 0;
                blobs[at].owner = owns && blobs[at].owner == NOBODY ? place[d] : blobs[at].owner;
            }
            at++;
        }
    }
    edge_upload_share_deal(blobs, at, members, count);
    at = 0;
    for (int i = 0; i < blob_count && count > 0; i++) {
        if (is_open(&model[i])) {
            for (int d = 0; d < device_count; d++) {
                model[i].dealt = place[d] == blobs[at].dealt ? d : model[i].dealt;
            }
            CU_ASSERT(blobs[at].dealt >= 0 && blobs[at].dealt < count);
            at++;
        }
    }
}

/* A device sends for one step what it was told a step ago. */
static void send(int d)
{
    double left = devices[d].rate * step_s;
    for (int i = 0; i < blob_count && left > 0; i++) {
        struct blob *blob = &model[i];
        if (!is_open(blob) || blob->told != d) {
            continue;
        }
        if (blob->got[d] <= 0) {
            /* It goes on where others are, or were. */
            blob->got[d] = frontier(blob);
        }
        double part = fmin(left, blob->bytes - blob->got[d]);
        blob->got[d] += part;
        devices[d].latest = i;
        devices[d].sent += part;
        devices[d].bin += part;
        left -= part;
        blob->is_done = blob->got[d] >= blob->bytes;
    }
}

static bool owes(int d)
{
    bool is_owing = false;
    for (int i = 0; i < blob_count; i++) {
        is_owing = is_owing || (is_open(&model[i]) && model[i].told == d);
    }
    return is_owing;
}

static void look(int d)
{
    struct device *device = &devices[d];
    double rate = device->bin / (step_s * LOOK);
    if (device->bin > 4096 && rate > device->known / 16) {
        device->known = device->known > 0 ? (device->known + rate) / 2 : rate;
        device->quiet = 0;
    } else if (owes(d)) {
        device->quiet += LOOK;
    }
    device->bin = 0;
}

/* Runs the upload to its end; returns when that is. */
static double run(void)
{
    double now_s = 0;
    int open = blob_count;
    for (int step = 0; open > 0 && step < 100000; step++) {
        now_s = step * step_s;
        for (int d = 0; d < device_count; d++) {
            struct device *device = &devices[d];
            device->is_here =
                now_s >= device->from_s && !(device->leaves && now_s >= device->until_s);
            if (device->is_here && now_s < device->until_s) {
                send(d);
            }
            if (device->is_here && step % LOOK == 0) {
                look(d);
            }
        }
        open = 0;
        for (int i = 0; i < blob_count; i++) {
            open += is_open(&model[i]);
            model[i].told = model[i].dealt;
        }
        deal();
    }
    CU_ASSERT_EQUAL(open, 0);
    return now_s;
}

static double sent_bytes(void)
{
    double sum = 0;
    for (int d = 0; d < device_count; d++) {
        sum += devices[d].sent;
    }
    return sum;
}

/* All of the model came in about this time, and this part of it more than once. */
static void expect_run(double most_s, double most_part)
{
    double end_s = run();
    CU_ASSERT(end_s <= most_s);
    CU_ASSERT(sent_bytes() <= most_part * model_bytes());
}

static void test_eight_equals(void)
{
    make_model(60, 1000000);
    make_devices(8, 2.5e6);
    expect_run(1.1 * model_bytes() / (8 * 2.5e6) + 0.3, 1.0001);
}

static void test_a_large_blob_is_what_lasts(void)
{
    make_model(60, 6000000);
    make_devices(8, 2.5e6);
    expect_run(6e6 / 2.5e6 + 0.3, 1.0001);
}

static void test_rates_differ(void)
{
    make_model(60, 500000);
    make_devices(3, 1e6);
    devices[1].rate = 4e6;
    devices[2].rate = 2e5;
    expect_run(1.1 * model_bytes() / 5.2e6 + 0.8, 1.1);
}

static void test_one_comes_later(void)
{
    make_model(60, 500000);
    make_devices(2, 1e6);
    devices[1].from_s = 2;
    expect_run(2 + (model_bytes() - 2e6) / 2e6 + 0.5, 1.0001);
}

static void test_one_leaves_in_the_middle(void)
{
    make_model(60, 500000);
    make_devices(3, 1e6);
    devices[0].until_s = 1.52;
    devices[0].leaves = true;
    expect_run((model_bytes() - 1.5e6) / 2e6 + 0.5, 1.0001);
}

static void test_one_goes_silent_in_the_middle(void)
{
    make_model(60, 500000);
    make_devices(3, 1e6);
    devices[0].until_s = 1.52;
    expect_run((model_bytes() - 1.5e6) / 2e6 + 0.8, 1.1);
}

static void test_one_is_silent_from_the_start(void)
{
    make_model(60, 500000);
    make_devices(2, 1e6);
    devices[0].rate = 0;
    expect_run(model_bytes() / 1e6 + 0.8, 1.0001);
}

static void test_one_sends_a_byte_now_and_then(void)
{
    make_model(60, 500000);
    make_devices(2, 1e6);
    devices[0].rate = 1;
    expect_run(model_bytes() / 1e6 + 0.8, 1.1);
}

static void test_silent_ones_that_come_and_go(void)
{
    make_model(60, 500000);
    make_devices(8, 1e6);
    for (int d = 1; d < 8; d++) {
        devices[d].rate = 0;
        devices[d].from_s = 0.4 * d;
        devices[d].until_s = 0.4 * (d + 1);
        devices[d].leaves = true;
    }
    expect_run(model_bytes() / 1e6 + 0.3, 1.0001);
}

static void test_many_silent_ones_at_the_end(void)
{
    make_model(60, 500000);
    make_devices(8, 1e6);
    for (int d = 1; d < 8; d++) {
        devices[d].rate = 0;
        devices[d].from_s = 7;
    }
    expect_run(model_bytes() / 1e6 + 0.8, 1.0001);
}

/* How many of many blobs one deal gives to another member. */
static int deal_and_count(struct edge_upload_share_blob *many, int *dealt, int count,
                          struct edge_upload_share_member *both, int member_count)
{
    int changed = 0;
    edge_upload_share_deal(many, count, both, member_count);
    for (int i = 0; i < count; i++) {
        changed += many[i].dealt != dealt[i];
        dealt[i] = many[i].dealt;
    }
    return changed;
}

/* One deal does only so much, however many blobs there are; the next ones do the rest. */
static void test_a_deal_has_an_end(void)
{
    enum { MANY = 4096, STEP = 256 };
    static struct edge_upload_share_blob many[MANY];
    static int dealt[MANY];
    struct edge_upload_share_member both[2] = {{.bytes_per_s = 1e6}, {.bytes_per_s = 1e6}};
    for (int i = 0; i < MANY; i++) {
        many[i] = (struct edge_upload_share_blob){.left_bytes = 100000,
                                                  .owner = EDGE_UPLOAD_SHARE_NOBODY,
                                                  .dealt = EDGE_UPLOAD_SHARE_NOBODY};
        dealt[i] = EDGE_UPLOAD_SHARE_NOBODY;
    }
    CU_ASSERT_EQUAL(deal_and_count(many, dealt, MANY, both, 1), MANY);
    CU_ASSERT_EQUAL(deal_and_count(many, dealt, MANY, both, 2), STEP);
    int changed = STEP;
    int all = STEP;
    for (int i = 0; i < MANY && changed > 0; i++) {
        changed = deal_and_count(many, dealt, MANY, both, 2);
        CU_ASSERT(changed <= STEP);
        all += changed;
    }
    CU_ASSERT_EQUAL(changed, 0);
    CU_ASSERT(all > MANY * 2 / 5 && all < MANY * 3 / 5);
}

const char *const ll_test_suite = "edge_upload_share";
const struct ll_test ll_tests[] = {
    LL_TEST(test_one_has_everything),
    LL_TEST(test_equals_get_equal_parts),
    LL_TEST(test_parts_go_by_rates),
    LL_TEST(test_the_largest_blob_leaves_the_others_to_others),
    LL_TEST(test_a_second_deal_changes_nothing),
    LL_TEST(test_what_is_sent_or_comes_next_is_not_taken_away),
    LL_TEST(test_what_a_crawler_has_begun_goes_to_another),
    LL_TEST(test_slower_is_not_crawling),
    LL_TEST(test_who_has_stalled_has_nothing_while_others_go_on),
    LL_TEST(test_who_sends_something_else_keeps_nothing_from_who_waits),
    LL_TEST(test_a_stranger_is_tried_with_little),
    LL_TEST(test_eight_equals),
    LL_TEST(test_a_large_blob_is_what_lasts),
    LL_TEST(test_rates_differ),
    LL_TEST(test_one_comes_later),
    LL_TEST(test_one_leaves_in_the_middle),
    LL_TEST(test_one_goes_silent_in_the_middle),
    LL_TEST(test_one_is_silent_from_the_start),
    LL_TEST(test_one_sends_a_byte_now_and_then),
    LL_TEST(test_silent_ones_that_come_and_go),
    LL_TEST(test_many_silent_ones_at_the_end),
    LL_TEST(test_a_deal_has_an_end),
    {NULL, NULL},
};
