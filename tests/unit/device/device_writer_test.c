#include "device/device_writer.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_writer";

static void put(struct device_writer *writer, const char *text)
{
    CU_ASSERT_EQUAL(device_writer_put(writer, text, strlen(text)), LL_OK);
}

static void test_text_is_written_in_order(void)
{
    enum { LINES = 20000 };
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    struct device_writer *writer = NULL;
    CU_ASSERT_FATAL(file != NULL);
    CU_ASSERT_EQUAL_FATAL(device_writer_create(file, 1000, &writer), LL_OK);
    for (int i = 0; i < LINES; i++) {
        char line[16];
        snprintf(line, sizeof(line), "%07d\n", i);
        device_writer_await_room(writer);
        put(writer, line);
    }
    CU_ASSERT_EQUAL(device_writer_drain(writer, LL_CLOCK_NEVER), LL_OK);
    CU_ASSERT_TRUE(device_writer_is_idle(writer));
    CU_ASSERT_EQUAL_FATAL(bytes, (size_t)LINES * 8);
    for (int i = 0; i < LINES; i++) {
        CU_ASSERT_EQUAL(strtol(text + (size_t)i * 8, NULL, 10), i);
    }
    put(writer, "the end");
    device_writer_destroy(writer);
    fclose(file);
    CU_ASSERT_STRING_EQUAL(text + (size_t)LINES * 8, "the end");
    free(text);
}

static void test_a_failed_write_is_told(void)
{
    FILE *full = fopen("/dev/full", "w");
    struct device_writer *writer = NULL;
    CU_ASSERT_FATAL(full != NULL);
    CU_ASSERT_EQUAL_FATAL(device_writer_create(full, 1000, &writer), LL_OK);
    CU_ASSERT_EQUAL(device_writer_drain(writer, LL_CLOCK_NEVER), LL_OK);
    put(writer, "lost");
    CU_ASSERT_EQUAL(device_writer_drain(writer, LL_CLOCK_NEVER), LL_E_IO);
    put(writer, "lost, too");
    CU_ASSERT_EQUAL(device_writer_drain(writer, LL_CLOCK_NEVER), LL_E_IO);
    device_writer_destroy(writer);
    fclose(full);
}

static void await_room(void *writer)
{
    device_writer_await_room(writer);
}

/* A pipe that nobody reads. */
static void test_waiting_for_room_ends_with_a_hurry(void)
{
    enum { BYTES = 1 << 20 };
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    FILE *file = fdopen(ends[1], "w");
    struct device_writer *writer = NULL;
    char *text = calloc(1, BYTES);
    CU_ASSERT_FATAL(file && text);
    CU_ASSERT_EQUAL_FATAL(device_writer_create(file, 1000, &writer), LL_OK);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(device_writer_put(writer, text, BYTES), LL_OK);
    }
    CU_ASSERT_EQUAL(device_writer_drain(writer, 0), LL_E_DEADLINE);
    CU_ASSERT_FALSE(device_writer_is_idle(writer));
    struct ll_thread thread = {0};
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&thread, "room", await_room, writer), LL_OK);
    device_writer_hurry(writer);
    ll_thread_join(&thread);
    signal(SIGPIPE, SIG_IGN);
    close(ends[0]);
    CU_ASSERT_EQUAL(device_writer_drain(writer, LL_CLOCK_NEVER), LL_E_IO);
    device_writer_destroy(writer);
    fclose(file);
    free(text);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_text_is_written_in_order),
    LL_TEST(test_a_failed_write_is_told),
    LL_TEST(test_waiting_for_room_ends_with_a_hurry),
    {NULL, NULL},
};
