#include "core/ll_output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_output";

static void join(char path[static 4096], const char *folder, const char *name)
{
    snprintf(path, 4096, "%s/%s", folder, name);
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_FATAL(fputs(text, file) >= 0);
    CU_ASSERT_EQUAL_FATAL(fclose(file), 0);
}

static bool holds(const char *path, const char *text)
{
    char got[256] = "";
    FILE *file = fopen(path, "rb");
    if (!file) {
        return false;
    }
    size_t count = fread(got, 1, sizeof(got) - 1, file);
    got[count] = '\0';
    fclose(file);
    return strcmp(got, text) == 0;
}

static int count_entries(const char *folder)
{
    DIR *entries = opendir(folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL(entries);
    int count = 0;
    while (readdir(entries)) {
        count++;
    }
    closedir(entries);
    return count - 2;
}

static ll_status write_text(const char *path, ll_output_mode mode, const char *text,
                            struct ll_error *err)
{
    struct ll_output output;
    ll_status status = ll_output_open(path, mode, &output, err);
    if (status != LL_OK) {
        return status;
    }
    ll_output_write(&output, text, strlen(text));
    return ll_output_finish(&output, err);
}

static void test_plain_files(void)
{
    for (int mode = LL_OUTPUT_DIRECT; mode <= LL_OUTPUT_WHOLE; mode++) {
        const char *folder = ll_test_folder();
        char path[4096];
        join(path, folder, "out");
        CU_ASSERT_EQUAL(write_text(path, (ll_output_mode)mode, "first", NULL), LL_OK);
        CU_ASSERT(holds(path, "first"));
        CU_ASSERT_EQUAL(chmod(path, 0640), 0);
        CU_ASSERT_EQUAL(write_text(path, (ll_output_mode)mode, "2", NULL), LL_OK);
        CU_ASSERT(holds(path, "2"));
        struct stat info;
        CU_ASSERT_EQUAL(stat(path, &info), 0);
        CU_ASSERT_EQUAL(info.st_mode & 0777, 0640);
        CU_ASSERT_EQUAL(count_entries(folder), 1);
    }
}

/* Until the end, and where there is none, the old file is there. */
static void test_whole(void)
{
    const char *folder = ll_test_folder();
    char path[4096];
    join(path, folder, "out");
    put(path, "old");
    struct ll_output output;
    CU_ASSERT_EQUAL_FATAL(ll_output_open(path, LL_OUTPUT_WHOLE, &output, NULL), LL_OK);
    ll_output_write(&output, "new", 3);
    CU_ASSERT_EQUAL(fflush(output.file), 0);
    CU_ASSERT(holds(path, "old"));
    ll_output_drop(&output);
    CU_ASSERT(holds(path, "old"));
    CU_ASSERT_EQUAL(count_entries(folder), 1);
    ll_output_drop(&output);
}

/* What stands at `path` after writing is what stood there before. */
static void check_kept(const char *path)
{
    struct stat before;
    struct stat after;
    CU_ASSERT_EQUAL_FATAL(lstat(path, &before), 0);
    for (int mode = LL_OUTPUT_DIRECT; mode <= LL_OUTPUT_WHOLE; mode++) {
        CU_ASSERT_EQUAL(write_text(path, (ll_output_mode)mode, "x", NULL), LL_OK);
        CU_ASSERT_EQUAL(lstat(path, &after), 0);
        CU_ASSERT(before.st_ino == after.st_ino && before.st_mode == after.st_mode);
    }
}

static void test_what_is_no_plain_file(void)
{
    const char *folder = ll_test_folder();
    char target[4096];
    char path[4096];
    check_kept("/dev/null");
    join(target, folder, "target");
    join(path, folder, "link");
    put(target, "old");
    CU_ASSERT_EQUAL_FATAL(symlink("target", path), 0);
    check_kept(path);
    CU_ASSERT(holds(target, "x"));
    join(path, folder, "dangling");
    join(target, folder, "made");
    CU_ASSERT_EQUAL_FATAL(symlink("made", path), 0);
    check_kept(path);
    CU_ASSERT(holds(target, "x"));
    join(path, folder, "pipe");
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDWR | O_CLOEXEC);
    CU_ASSERT_FATAL(reader >= 0);
    check_kept(path);
    char got[3] = "";
    CU_ASSERT_EQUAL(read(reader, got, 2), 2);
    CU_ASSERT_STRING_EQUAL(got, "xx");
    close(reader);
}

static void test_errors(void)
{
    struct ll_error err = {.text = ""};
    for (int mode = LL_OUTPUT_DIRECT; mode <= LL_OUTPUT_WHOLE; mode++) {
        CU_ASSERT_EQUAL(write_text("/no/such/out", (ll_output_mode)mode, "x", &err), LL_E_IO);
        CU_ASSERT_STRING_EQUAL(err.text,
                               "/no/such/out: cannot be written: No such file or directory");
        CU_ASSERT_EQUAL(write_text("/dev/full", (ll_output_mode)mode, "x", &err), LL_E_IO);
        CU_ASSERT_STRING_EQUAL(err.text, "/dev/full: cannot be written: No space left on device");
        CU_ASSERT_EQUAL(write_text(ll_test_folder(), (ll_output_mode)mode, "x", &err), LL_E_IO);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "Is a directory"));
    }
}

/* More than the buffer takes: the reason is that of the write that failed. */
static void test_reason_of_an_early_error(void)
{
    struct ll_error err = {.text = ""};
    struct ll_output output;
    CU_ASSERT_EQUAL_FATAL(ll_output_open("/dev/full", LL_OUTPUT_WHOLE, &output, NULL), LL_OK);
    static const char much[1 << 20];
    ll_output_write(&output, much, sizeof(much));
    errno = 0;
    CU_ASSERT_EQUAL(ll_output_finish(&output, &err), LL_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "No space left"));
}

/* ---- Standard streams, each in a process of its own ---- */

/* Runs `act` in a child whose stdout goes to `path` (NULL: is closed) and whose stderr to the file
 * `words`; returns its exit status. */
static int run_child(int (*act)(const char *path), const char *path, const char *words)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (!freopen(words, "wb", stderr)) {
            _exit(99);
        }
        close(STDOUT_FILENO);
        if (path && open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) != STDOUT_FILENO) {
            _exit(98);
        }
        /* CUnit has taken the buffer away. */
        static char buffer[BUFSIZ];
        setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
        int status = act(path);
        fflush(stderr);
        _exit(status);
    }
    int status = 0;
    CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static int print_and_end(const char *path)
{
    (void)path;
    ll_output_keep_streams();
    printf("result\n");
    return ll_output_end_stdout("prog") ? 0 : 1;
}

static int print_nothing(const char *path)
{
    (void)path;
    ll_output_keep_streams();
    return ll_output_end_stdout("prog") ? 0 : 1;
}

static int open_file_and_print(const char *path)
{
    (void)path;
    ll_output_keep_streams();
    /* Without its place kept, standard output would be this file. */
    int file = open("/dev/null", O_WRONLY);
    return file > STDERR_FILENO && print_and_end(NULL) == 1 ? 7 : 8;
}

/* Text and an output that names where standard output goes: nothing overwrites the other. */
static int print_both(const char *path)
{
    struct ll_error err = {.text = ""};
    printf("text\n");
    ll_status status = write_text(path, LL_OUTPUT_WHOLE, "json\n", &err);
    printf("end\n");
    return status == LL_OK && ll_output_end_stdout("prog") ? 0 : 1;
}

static int tell_once(const char *path)
{
    (void)path;
    struct ll_error err = {.text = ""};
    ll_status status = write_text("-", LL_OUTPUT_DIRECT, "json\n", &err);
    fprintf(stderr, "prog: %s\n", err.text);
    return status == LL_E_IO && !ll_output_end_stdout("prog") ? 1 : 0;
}

static void test_stdout(void)
{
    char words[4096];
    char out[4096];
    const char *folder = ll_test_folder();
    join(words, folder, "words");
    join(out, folder, "out");
    CU_ASSERT_EQUAL(run_child(print_and_end, out, words), 0);
    CU_ASSERT(holds(out, "result\n") && holds(words, ""));
    CU_ASSERT_EQUAL(run_child(print_and_end, "/dev/full", words), 1);
    CU_ASSERT(holds(words, "prog: standard output: cannot be written: No space left on device\n"));
    CU_ASSERT_EQUAL(run_child(print_and_end, NULL, words), 1);
    CU_ASSERT(holds(words, "prog: standard output: cannot be written: Bad file descriptor\n"));
    CU_ASSERT_EQUAL(run_child(print_nothing, NULL, words), 0);
    CU_ASSERT_EQUAL(run_child(open_file_and_print, NULL, words), 7);
    CU_ASSERT_EQUAL(run_child(print_both, out, words), 0);
    CU_ASSERT(holds(out, "text\njson\nend\n"));
    CU_ASSERT_EQUAL(run_child(tell_once, "/dev/full", words), 1);
    CU_ASSERT(holds(words, "prog: standard output: cannot be written: No space left on device\n"));
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_plain_files),
    LL_TEST(test_whole),
    LL_TEST(test_what_is_no_plain_file),
    LL_TEST(test_errors),
    LL_TEST(test_reason_of_an_early_error),
    LL_TEST(test_stdout),
    {NULL, NULL},
};
