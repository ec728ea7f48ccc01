#include "device/edge_link/device_upload_rest.h"

#include <CUnit/CUnit.h>

#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_upload_rest";

static const char cfg[] = "fake\n"
                          "input 4\n"
                          "layer 8 100\n"
                          "layer 8 0\n"
                          "layer 8 30\n"
                          "layer 8 250\n";

static struct fake_model model;
static struct device_upload_rest cursor;

static void begin(void)
{
    fake_model_init(&model, cfg, 1);
    CU_ASSERT_EQUAL_FATAL(device_upload_rest_init(&cursor, &model.network->table), LL_OK);
}

static void end(void)
{
    device_upload_rest_finish(&cursor);
    fake_model_finish(&model);
}

/* Takes the next piece and checks it. */
static void expect(int64_t limit, int layer, int64_t offset, int64_t bytes)
{
    struct device_piece piece;
    CU_ASSERT_TRUE_FATAL(device_upload_rest_next(&cursor, limit, &piece));
    CU_ASSERT_EQUAL(piece.layer, layer);
    CU_ASSERT_EQUAL(piece.offset, offset);
    CU_ASSERT_EQUAL(piece.bytes, bytes);
    device_upload_rest_advance(&cursor, &piece);
}

static void expect_nothing(void)
{
    struct device_piece piece;
    CU_ASSERT_FALSE(device_upload_rest_next(&cursor, 64, &piece));
    CU_ASSERT_EQUAL(device_upload_rest_left(&cursor), 0);
}

static void test_cursor_goes_through_all_layers_in_order(void)
{
    begin();
    CU_ASSERT_EQUAL(device_upload_rest_left(&cursor), 380);
    expect(64, 0, 0, 64);
    expect(64, 0, 64, 36);
    expect(64, 2, 0, 30);
    expect(200, 3, 0, 200);
    CU_ASSERT_EQUAL(device_upload_rest_left(&cursor), 50);
    expect(200, 3, 200, 50);
    expect_nothing();
    end();
}

static void test_cursor_next_without_advance_stays(void)
{
    begin();
    struct device_piece piece;
    CU_ASSERT_TRUE(device_upload_rest_next(&cursor, 64, &piece));
    CU_ASSERT_TRUE(device_upload_rest_next(&cursor, 10, &piece));
    CU_ASSERT_EQUAL(piece.offset, 0);
    CU_ASSERT_EQUAL(piece.bytes, 10);
    end();
}

static void test_cursor_resumes_at_offsets_and_skips_what_is_there(void)
{
    begin();
    CU_ASSERT_EQUAL(device_upload_rest_seek(&cursor, 0, 99), LL_OK);
    CU_ASSERT_EQUAL(device_upload_rest_skip(&cursor, 2), LL_OK);
    CU_ASSERT_EQUAL(device_upload_rest_seek(&cursor, 3, 250), LL_OK);
    expect(64, 0, 99, 1);
    expect_nothing();
    end();
}

static void test_cursor_goes_back_for_a_rejected_layer(void)
{
    begin();
    expect(100, 0, 0, 100);
    expect(100, 2, 0, 30);
    expect(100, 3, 0, 100);
    CU_ASSERT_EQUAL(device_upload_rest_seek(&cursor, 0, 0), LL_OK);
    expect(1000, 0, 0, 100);
    expect(1000, 3, 100, 150);
    expect_nothing();
    CU_ASSERT_EQUAL(device_upload_rest_seek(&cursor, 2, 0), LL_OK);
    expect(1000, 2, 0, 30);
    expect_nothing();
    end();
}

static void test_cursor_refuses_what_does_not_exist(void)
{
    begin();
    CU_ASSERT_EQUAL(device_upload_rest_skip(&cursor, 4), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_upload_rest_skip(&cursor, UINT64_MAX), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_upload_rest_seek(&cursor, 4, 0), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_upload_rest_seek(&cursor, 0, 101), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_upload_rest_seek(&cursor, 1, 1), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_upload_rest_seek(&cursor, 0, UINT64_MAX), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_upload_rest_left(&cursor), 380);
    end();
}

static void leave_out(const uint32_t *layers, size_t count)
{
    CU_ASSERT_EQUAL(device_upload_rest_leave_out(&cursor, layers, count), LL_OK);
}

static void test_what_others_bring_is_left_out(void)
{
    struct device_piece piece;
    begin();
    expect(64, 0, 0, 64);
    leave_out((const uint32_t[]){0, 2}, 2);
    expect(1000, 3, 0, 250);
    CU_ASSERT_FALSE(device_upload_rest_next(&cursor, 64, &piece));
    CU_ASSERT_EQUAL(device_upload_rest_left(&cursor), 66);
    /* One has come, and the other is the device's after all. */
    CU_ASSERT_EQUAL(device_upload_rest_skip(&cursor, 0), LL_OK);
    leave_out(NULL, 0);
    expect(1000, 2, 0, 30);
    expect_nothing();
    end();
}

static void test_a_list_of_unknown_layers_leaves_nothing_out(void)
{
    begin();
    const uint32_t layers[] = {0, 4};
    CU_ASSERT_EQUAL(device_upload_rest_leave_out(&cursor, layers, 2), LL_E_INVALID);
    expect(1000, 0, 0, 100);
    end();
}

static void test_cursor_goes_on_where_others_were(void)
{
    begin();
    leave_out((const uint32_t[]){3}, 1);
    expect(1000, 0, 0, 100);
    expect(20, 2, 0, 20);
    leave_out(NULL, 0);
    CU_ASSERT_EQUAL(device_upload_rest_go_on(&cursor, 3, 200), LL_OK);
    /* This one has more of it itself. */
    CU_ASSERT_EQUAL(device_upload_rest_go_on(&cursor, 2, 10), LL_OK);
    CU_ASSERT_EQUAL(device_upload_rest_go_on(&cursor, 2, 31), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_upload_rest_go_on(&cursor, 4, 0), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_upload_rest_left(&cursor), 60);
    expect(1000, 2, 20, 10);
    expect(1000, 3, 200, 50);
    expect_nothing();
    end();
}

static void test_only_a_beginning_goes_again(void)
{
    struct device_piece piece;
    begin();
    CU_ASSERT_EQUAL(device_upload_rest_go_on(&cursor, 3, 200), LL_OK);
    expect(1000, 0, 0, 100);
    expect(1000, 2, 0, 30);
    expect(30, 3, 200, 30);
    CU_ASSERT_EQUAL(device_upload_rest_fill(&cursor, 3, 200), LL_OK);
    CU_ASSERT_EQUAL(device_upload_rest_left(&cursor), 220);
    expect(150, 3, 0, 150);
    CU_ASSERT_TRUE(device_upload_rest_next(&cursor, 1000, &piece));
    CU_ASSERT_EQUAL(piece.bytes, 50);
    device_upload_rest_advance(&cursor, &piece);
    CU_ASSERT_EQUAL(device_upload_rest_left(&cursor), 20);
    /* What was taken ahead goes back, and again. */
    device_upload_rest_take_back(&cursor, &piece);
    CU_ASSERT_EQUAL(device_upload_rest_left(&cursor), 70);
    expect(1000, 3, 150, 50);
    expect(1000, 3, 230, 20);
    expect_nothing();
    /* All of it is wrong. */
    CU_ASSERT_EQUAL(device_upload_rest_again(&cursor, 3, 0), LL_OK);
    expect(1000, 3, 0, 250);
    expect_nothing();
    CU_ASSERT_EQUAL(device_upload_rest_fill(&cursor, 3, 251), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_upload_rest_fill(&cursor, 4, 1), LL_E_INVALID);
    end();
}

/* ---- With a draft that rounds layers 0 and 3 ---- */

static void begin_draft(void)
{
    static const bool is_rounded[] = {true, false, false, true};
    begin();
    CU_ASSERT_EQUAL_FATAL(device_upload_rest_use_draft(&cursor, is_rounded, 16), LL_OK);
}

/* What is left falls by what the piece is worth. */
static void expect_piece(int layer, int64_t offset, int64_t bytes, bool is_draft, bool is_rest,
                         bool is_first_pass)
{
    struct device_piece piece;
    int64_t left = device_upload_rest_left(&cursor);
    CU_ASSERT_TRUE_FATAL(device_upload_rest_next(&cursor, 1000, &piece));
    CU_ASSERT_EQUAL(piece.layer, layer);
    CU_ASSERT_EQUAL(piece.offset, offset);
    CU_ASSERT_EQUAL(piece.bytes, bytes);
    CU_ASSERT_EQUAL(piece.is_draft, is_draft);
    CU_ASSERT_EQUAL(piece.is_rest, is_rest);
    CU_ASSERT_EQUAL(piece.is_first_pass, is_first_pass);
    device_upload_rest_advance(&cursor, &piece);
    CU_ASSERT_EQUAL(device_upload_rest_left(&cursor),
                    left - device_upload_rest_worth(&cursor, &piece));
}

static void test_a_draft_goes_first_then_what_is_left_of_it(void)
{
    begin_draft();
    CU_ASSERT_EQUAL(device_upload_rest_left(&cursor), 380);
    expect_piece(0, 0, 100, true, false, true);
    CU_ASSERT_EQUAL(device_upload_rest_left(&cursor), 330);
    expect_piece(2, 0, 30, false, false, true);
    expect_piece(3, 0, 250, true, false, true);
    expect_piece(0, 0, 100, false, true, false);
    expect_piece(3, 0, 250, false, true, false);
    expect_nothing();
    end();
}

static void test_a_draft_goes_on_where_both_of_its_parts_stopped(void)
{
    begin_draft();
    CU_ASSERT_EQUAL(device_upload_rest_skip_draft(&cursor, 0), LL_OK);
    CU_ASSERT_EQUAL(device_upload_rest_seek(&cursor, 0, 40), LL_OK);
    CU_ASSERT_EQUAL(device_upload_rest_seek_draft(&cursor, 3, 200), LL_OK);
    CU_ASSERT_EQUAL(device_upload_rest_skip(&cursor, 2), LL_OK);
    expect_piece(3, 200, 50, true, false, true);
    expect_piece(0, 40, 60, false, true, false);
    expect_piece(3, 0, 250, false, true, false);
    expect_nothing();
    end();
}

static void test_a_layer_that_is_there_needs_no_draft(void)
{
    begin_draft();
    CU_ASSERT_EQUAL(device_upload_rest_skip(&cursor, 0), LL_OK);
    expect_piece(2, 0, 30, false, false, true);
    expect_piece(3, 0, 250, true, false, true);
    end();
}

static void test_a_rejected_layer_goes_whole(void)
{
    begin_draft();
    expect_piece(0, 0, 100, true, false, true);
    expect_piece(2, 0, 30, false, false, true);
    expect_piece(3, 0, 250, true, false, true);
    expect_piece(0, 0, 100, false, true, false);
    CU_ASSERT_EQUAL(device_upload_rest_again(&cursor, 0, 0), LL_OK);
    expect_piece(0, 0, 100, false, false, false);
    expect_piece(3, 0, 250, false, true, false);
    expect_nothing();
    end();
}

static void test_a_rejected_draft_takes_what_is_left_with_it(void)
{
    begin_draft();
    CU_ASSERT_EQUAL(device_upload_rest_seek(&cursor, 0, 40), LL_OK);
    expect_piece(0, 0, 100, true, false, true);
    expect_piece(2, 0, 30, false, false, true);
    expect_piece(3, 0, 250, true, false, true);
    expect_piece(0, 40, 60, false, true, false);
    CU_ASSERT_EQUAL(device_upload_rest_draft_again(&cursor, 0), LL_OK);
    expect_piece(0, 0, 100, true, false, true);
    expect_piece(0, 40, 60, false, true, false);
    CU_ASSERT_EQUAL(device_upload_rest_draft_again(&cursor, 4), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_upload_rest_seek_draft(&cursor, 3, 251), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_upload_rest_skip_draft(&cursor, 4), LL_E_INVALID);
    end();
}

static void test_pieces_that_were_taken_go_back(void)
{
    begin_draft();
    struct device_piece pieces[5];
    int count = 0;
    while (device_upload_rest_next(&cursor, 1000, &pieces[count])) {
        device_upload_rest_advance(&cursor, &pieces[count++]);
    }
    CU_ASSERT_EQUAL_FATAL(count, 5);
    while (count > 0) {
        device_upload_rest_take_back(&cursor, &pieces[--count]);
    }
    CU_ASSERT_EQUAL(device_upload_rest_left(&cursor), 380);
    expect_piece(0, 0, 100, true, false, true);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_cursor_goes_through_all_layers_in_order),
    LL_TEST(test_cursor_next_without_advance_stays),
    LL_TEST(test_cursor_resumes_at_offsets_and_skips_what_is_there),
    LL_TEST(test_cursor_goes_back_for_a_rejected_layer),
    LL_TEST(test_cursor_refuses_what_does_not_exist),
    LL_TEST(test_what_others_bring_is_left_out),
    LL_TEST(test_a_list_of_unknown_layers_leaves_nothing_out),
    LL_TEST(test_cursor_goes_on_where_others_were),
    LL_TEST(test_only_a_beginning_goes_again),
    LL_TEST(test_a_draft_goes_first_then_what_is_left_of_it),
    LL_TEST(test_a_draft_goes_on_where_both_of_its_parts_stopped),
    LL_TEST(test_a_layer_that_is_there_needs_no_draft),
    LL_TEST(test_a_rejected_layer_goes_whole),
    LL_TEST(test_a_rejected_draft_takes_what_is_left_with_it),
    LL_TEST(test_pieces_that_were_taken_go_back),
    {NULL, NULL},
};
