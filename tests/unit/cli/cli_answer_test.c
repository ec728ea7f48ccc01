#include "cli/cli_answer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "darknet_backend/network/dkb_network.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "cli_answer";

static void check_json(const struct cli_answer *answer, const char *expected)
{
    struct ll_json_line line = ll_json_line_begin();
    char *text = NULL;
    cli_answer_add_top(answer, &line);
    cli_answer_add_boxes(answer, &line);
    CU_ASSERT_EQUAL_FATAL(ll_json_line_end(&line, &text), LL_OK);
    CU_ASSERT_STRING_EQUAL(text, expected);
    free(text);
}

static void check_line(const struct cli_answer *answer, int index, const char *expected)
{
    char text[256];
    cli_answer_line(answer, index, text, sizeof(text));
    CU_ASSERT_STRING_EQUAL(text, expected);
}

/* Of 2 + 3 values, those of the last output are ranked, and the infinity in front counted. */
static void test_best_values(void)
{
    static const float outputs[] = {9, INFINITY, .25F, NAN, .5F};
    static const char *names[] = {"ant", "bee", "cat"};
    const struct vision_labels labels = {.count = 3, .names = names};
    struct cli_answer_room room;
    struct cli_answer answer;
    CU_ASSERT_EQUAL_FATAL(cli_answer_room_init(&room, 5, &labels), LL_OK);
    cli_answer_look(&room, NULL, outputs, 5, 3, &answer);
    CU_ASSERT_EQUAL(cli_answer_lines(&answer), 3);
    check_line(&answer, 0, " 0.500000  cat");
    check_line(&answer, 2, "      nan  bee");
    check_json(&answer,
               "{\"top\":[[\"cat\",0.5],[\"ant\",0.25],[\"bee\",null]],\"not_finite\":2}\n");
    /* Names do not cover five values. */
    cli_answer_look(&room, NULL, outputs, 5, 5, &answer);
    check_line(&answer, 1, " 9.000000  0");
    cli_answer_room_finish(&room);
    cli_answer_room_finish(&room);
}

static void test_no_best_values(void)
{
    static const float output = 1;
    struct cli_answer_room room;
    struct cli_answer answer;
    CU_ASSERT_EQUAL_FATAL(cli_answer_room_init(&room, 0, NULL), LL_OK);
    cli_answer_look(&room, NULL, &output, 1, 1, &answer);
    CU_ASSERT_EQUAL(cli_answer_lines(&answer), 0);
    check_json(&answer, "{\"top\":[]}\n");
    cli_answer_room_finish(&room);
}

/* A network of one place: four coordinates, objectness, two classes. */
static void test_boxes(void)
{
    static const char cfg[] = "[net]\nwidth=1\nheight=1\nchannels=7\n"
                              "[region]\nclasses=2\ncoords=4\nanchors=.5,.25\n";
    float outputs[7] = {.5F, .5F, 0, 0, 1, .75F, .125F};
    struct ll_network *network = NULL;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(dkb_network_parse(cfg, strlen(cfg), &network, &err), LL_OK);
    const struct vision_boxes_config config = {
        .thresh = .5F,
        .nms = .5F,
        .placement =
            {.picture_w = 8, .picture_h = 16, .net_w = 1, .net_h = 1, .scaled_w = 1, .scaled_h = 1},
    };
    struct vision_boxes *boxes = NULL;
    struct cli_answer_room room;
    struct cli_answer answer;
    CU_ASSERT_EQUAL_FATAL(vision_boxes_create(network, &config, &boxes, &err), LL_OK);
    CU_ASSERT_EQUAL_FATAL(cli_answer_room_init(&room, 1, NULL), LL_OK);
    cli_answer_look(&room, boxes, outputs, 7, 7, &answer);
    CU_ASSERT_EQUAL(cli_answer_lines(&answer), 1);
    check_line(&answer, 0, " 75.0%  0  left 2, top 6, right 6, bottom 10");
    check_json(&answer, "{\"top\":[[\"4\",1]],\"boxes\":[{\"label\":\"0\",\"p\":0.75,\"left\":2,"
                        "\"top\":6,\"right\":6,\"bottom\":10}]}\n");
    outputs[4] = 0;
    cli_answer_look(&room, boxes, outputs, 7, 7, &answer);
    CU_ASSERT_EQUAL(cli_answer_lines(&answer), 0);
    check_json(&answer, "{\"top\":[[\"5\",0.75]],\"boxes\":[]}\n");
    cli_answer_room_finish(&room);
    vision_boxes_destroy(boxes);
    ll_network_unref(network);
}

/* Where it is that a box lies is told however long its name is, and no byte beyond the room is
 * written. */
static void test_long_names(void)
{
    static char name[5000];
    memset(name, 'n', sizeof(name) - 1);
    const struct vision_box box = {.label = name, .p = INFINITY, .right = 1048576, .bottom = 9};
    const struct cli_top top = {.label = name, .value = 1};
    const struct cli_answer with_boxes = {.has_boxes = true, .boxes = &box, .box_count = 1};
    const struct cli_answer with_top = {.top = &top, .top_count = 1};
    for (size_t bytes = 1; bytes < 1000; bytes += 37) {
        char *text = malloc(bytes);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        cli_answer_line(&with_top, 0, text, bytes);
        CU_ASSERT(strlen(text) < bytes);
        cli_answer_line(&with_boxes, 0, text, bytes);
        CU_ASSERT(strlen(text) < bytes);
        CU_ASSERT(bytes < 100 || strstr(text, "left 0, top 0, right 1048576, bottom 9"));
        free(text);
    }
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_best_values),
    LL_TEST(test_no_best_values),
    LL_TEST(test_boxes),
    LL_TEST(test_long_names),
    {NULL, NULL},
};
