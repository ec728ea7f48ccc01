#include "core/ll_log.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_sync.h"
#include "tests/support/ll_test.h"

/* What stderr got since `begin`. */
static char captured[200000];
static int saved = -1;
static FILE *file;

static void begin(void)
{
    file = tmpfile();
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    saved = dup(STDERR_FILENO);
    CU_ASSERT_FATAL(saved >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
}

static void end(void)
{
    CU_ASSERT_FATAL(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    rewind(file);
    captured[fread(captured, 1, sizeof(captured) - 1, file)] = '\0';
    fclose(file);
}

static int count_lines(void)
{
    int lines = 0;
    for (const char *at = captured; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    return lines;
}

/* Whether the line begins as `form` has it: 0 for any digit, anything else for itself. */
static bool has_form(const char *line, const char *form)
{
    size_t i = 0;
    while (form[i] && (form[i] == '0' ? line[i] >= '0' && line[i] <= '9' : line[i] == form[i])) {
        i++;
    }
    return !form[i];
}

static void test_a_line_has_time_level_module_and_sentence(void)
{
    static const char form[] = "0000-00-00T00:00:00.000Z";
    begin();
    ll_log(LL_LOG_WARN, "store", "%d files of %s", 3, "caf\u00e9");
    end();
    CU_ASSERT_FATAL(has_form(captured, form));
    CU_ASSERT_STRING_EQUAL(captured + sizeof(form) - 1, " warn  store: 3 files of caf\u00e9\n");
}

static void test_text_of_a_peer_forges_no_lines(void)
{
    begin();
    ll_log(LL_LOG_INFO, "upload", "from %s",
           "x\n2026-01-31T12:00:00.123Z error store: full\r\x1b[2K\xc2\x9b\x31my");
    end();
    CU_ASSERT_EQUAL(count_lines(), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(captured, "from x?2026-01-31T12:00:00.123Z error store: full??[2K"
                                            "??1my\n"));
}

static void test_a_long_line_is_cut_and_still_ends(void)
{
    char text[4000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    begin();
    ll_log(LL_LOG_INFO, "a", "%s", text);
    ll_log(LL_LOG_INFO, "b", "next");
    end();
    CU_ASSERT_EQUAL(count_lines(), 2);
    size_t length = strcspn(captured, "\n");
    CU_ASSERT(length > 1000 && length < 1024);
    CU_ASSERT_PTR_NOT_NULL(strstr(captured, " info  b: next\n"));
    /* Cut within a character, which then is none. */
    for (size_t i = 0; i + 2 < sizeof(text); i += 2) {
        memcpy(text + i, "\u00e9", 2);
    }
    for (int shift = 0; shift < 2; shift++) {
        begin();
        ll_log(LL_LOG_INFO, "a", "%s%s", shift ? "x" : "", text);
        end();
        const char *last = captured + strlen(captured) - 2;
        CU_ASSERT(*last == '?' || (last[-1] == '\xc3' && last[0] == '\xa9'));
    }
}

static void test_levels(void)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    ll_log_level level = LL_LOG_ERROR;
    for (int set = 0; set < 4; set++) {
        CU_ASSERT_EQUAL_FATAL(ll_log_parse_level(names[set], &level), LL_OK);
        CU_ASSERT_EQUAL((int)level, set);
        ll_log_set_level(level);
        begin();
        for (int i = 0; i < 4; i++) {
            ll_log((ll_log_level)i, "test", "%d", i);
        }
        end();
        CU_ASSERT_EQUAL(count_lines(), set + 1);
    }
    ll_log_set_level(LL_LOG_INFO);
    level = LL_LOG_WARN;
    CU_ASSERT_EQUAL(ll_log_parse_level("", &level), LL_E_INVALID);
    CU_ASSERT_EQUAL(ll_log_parse_level("Info", &level), LL_E_INVALID);
    CU_ASSERT_EQUAL(ll_log_parse_level("infos", &level), LL_E_INVALID);
    CU_ASSERT_EQUAL(level, LL_LOG_WARN);
}

enum { WRITERS = 4, LINES = 200 };

static void write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++) {
        /* An error: of others only so many a second are written. */
        ll_log(LL_LOG_ERROR, "test", "writer %s, line %03d of a sentence", (const char *)arg, i);
    }
}

static void test_lines_of_several_threads_do_not_mix(void)
{
    static const char *const names[WRITERS] = {"a", "b", "c", "d"};
    struct ll_thread threads[WRITERS] = {{.started = false}};
    begin();
    for (int i = 0; i < WRITERS; i++) {
        CU_ASSERT_EQUAL(ll_thread_start(&threads[i], "log", write_lines, (void *)names[i]), LL_OK);
    }
    for (int i = 0; i < WRITERS; i++) {
        ll_thread_join(&threads[i]);
    }
    end();
    CU_ASSERT_EQUAL(count_lines(), WRITERS * LINES);
    /* Every line of a writer is there, and in its order. */
    static const char form[] = "0000-00-00T00:00:00.000Z error test: writer ";
    long next[WRITERS] = {0};
    for (const char *line = captured; *line; line = strchr(line, '\n') + 1) {
        CU_ASSERT_FATAL(has_form(line, form));
        const char *text = line + sizeof(form) - 1;
        CU_ASSERT_FATAL(text[0] >= 'a' && text[0] < 'a' + WRITERS);
        CU_ASSERT_FATAL(has_form(text + 1, ", line 000 of a sentence\n"));
        CU_ASSERT_EQUAL(strtol(text + 8, NULL, 10), next[text[0] - 'a']++);
    }
}

struct told {
    int lines;
    ll_log_level level;
    char module[16];
    char text[2000];
};

static void tell(void *owner, ll_log_level level, const char *module, const char *text)
{
    struct told *told = owner;
    told->lines++;
    told->level = level;
    snprintf(told->module, sizeof(told->module), "%s", module);
    snprintf(told->text, sizeof(told->text), "%s", text);
}

static void test_a_sink_gets_every_line_and_stderr_none(void)
{
    struct told told = {0};
    struct ll_log_sink sink = {.write = tell, .owner = &told};
    static char words[3000];
    memset(words, 'w', sizeof(words) - 1);
    begin();
    /* Whatever the process's level is. */
    ll_log_to(&sink, LL_LOG_DEBUG, "link", "%d bytes\nof %s", 3, "x\x1b[2K");
    CU_ASSERT_EQUAL(told.level, LL_LOG_DEBUG);
    CU_ASSERT_STRING_EQUAL(told.module, "link");
    CU_ASSERT_STRING_EQUAL(told.text, "3 bytes?of x?[2K");
    ll_log_to(&sink, LL_LOG_WARN, "link", "%s", words);
    CU_ASSERT_TRUE(strlen(told.text) > 900 && strlen(told.text) < 1100);
    for (int i = 0; i < 1000; i++) {
        ll_log_to(&sink, LL_LOG_INFO, "link", "again");
    }
    CU_ASSERT_EQUAL(told.lines, 1002);
    ll_log_to(NULL, LL_LOG_WARN, "link", "nobody's");
    end();
    CU_ASSERT_EQUAL(told.lines, 1002);
    CU_ASSERT_EQUAL(count_lines(), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(captured, " warn  link: nobody's\n"));
}

const char *const ll_test_suite = "ll_log";
const struct ll_test ll_tests[] = {
    LL_TEST(test_a_line_has_time_level_module_and_sentence),
    LL_TEST(test_text_of_a_peer_forges_no_lines),
    LL_TEST(test_a_long_line_is_cut_and_still_ends),
    LL_TEST(test_levels),
    LL_TEST(test_a_sink_gets_every_line_and_stderr_none),
    LL_TEST(test_lines_of_several_threads_do_not_mix),
    {NULL, NULL},
};
