#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_log.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_log_limit";

/* What `write_lines` wrote to stderr; free() it. */
static char *capture(void (*write_lines)(void))
{
    FILE *file = tmpfile();
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    int kept = dup(STDERR_FILENO);
    CU_ASSERT_FATAL(kept >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    write_lines();
    CU_ASSERT(dup2(kept, STDERR_FILENO) >= 0);
    close(kept);
    long bytes = lseek(fileno(file), 0, SEEK_END);
    CU_ASSERT_FATAL(bytes >= 0);
    char *text = calloc(1, (size_t)bytes + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL(pread(fileno(file), text, (size_t)bytes, 0), bytes);
    fclose(file);
    return text;
}

static int count(const char *text, const char *part)
{
    int found = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part)) {
        found++;
    }
    return found;
}

enum { MANY = 5000 };

static void write_many(void)
{
    for (int i = 0; i < MANY; i++) {
        ll_log(LL_LOG_WARN, "test", "a peer's doing");
    }
    for (int i = 0; i < MANY; i++) {
        ll_log(LL_LOG_ERROR, "test", "ours");
    }
}

static void test_what_peers_cause_is_bounded(void)
{
    char *text = capture(write_many);
    int written = count(text, "a peer's doing\n");
    CU_ASSERT(written >= 200 && written < MANY);
    char note[64];
    snprintf(note, sizeof(note), " %d lines were left out\n", MANY - written);
    CU_ASSERT_EQUAL(count(text, note), 1);
    CU_ASSERT_EQUAL(count(text, "ours\n"), MANY);
    free(text);
}

static struct ll_log_limit limit;

static void write_one_kind(void)
{
    for (int i = 0; i < 3; i++) {
        ll_log_limited(&limit, LL_LOG_ERROR, "test", "the same again");
    }
    /* As if the time had passed. */
    limit.next_ns = 0;
    ll_log_limited(&limit, LL_LOG_ERROR, "test", "the same again");
}

static void test_one_kind_of_line_is_limited_by_itself(void)
{
    char *text = capture(write_one_kind);
    CU_ASSERT_EQUAL(count(text, "the same again\n"), 2);
    CU_ASSERT_EQUAL(count(text, "2 lines like the next one were left out\n"), 1);
    free(text);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_what_peers_cause_is_bounded),
    LL_TEST(test_one_kind_of_line_is_limited_by_itself),
    {NULL, NULL},
};
