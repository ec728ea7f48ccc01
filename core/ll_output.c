#include "core/ll_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Somebody has been told already that standard output does not take everything. */
static bool is_stdout_told;

/* Whether two paths, or a path and a descriptor, are one file. */
static bool is_stdout_too(const char *path)
{
    struct stat named;
    struct stat standard;
    return stat(path, &named) == 0 && fstat(STDOUT_FILENO, &standard) == 0 &&
           named.st_dev == standard.st_dev && named.st_ino == standard.st_ino &&
           named.st_rdev == standard.st_rdev;
}

/* A new file beside `path` that will take its place, with the rights of the one that is there;
 * `output->draft` is its name. NULL, without a draft, where there cannot be one. */
static FILE *open_draft(struct ll_output *output, const struct stat *old)
{
    if (asprintf(&output->draft, "%s.XXXXXX", output->path) < 0) {
        output->draft = NULL;
        errno = ENOMEM;
        return NULL;
    }
    int descriptor = mkostemp(output->draft, O_CLOEXEC);
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "wb") : NULL;
    if (file) {
        mode_t mask = umask(0);
        umask(mask);
        mode_t mode = old ? old->st_mode & 0777 : 0666 & ~mask;
        (void)fchmod(descriptor, mode);
        return file;
    }
    int saved = errno;
    if (descriptor >= 0) {
        close(descriptor);
        unlink(output->draft);
    }
    free(output->draft);
    output->draft = NULL;
    errno = saved;
    return NULL;
}

static FILE *open_whole(struct ll_output *output)
{
    struct stat info;
    bool exists = lstat(output->path, &info) == 0;
    if (exists && !S_ISREG(info.st_mode)) {
        return fopen(output->path, "wbe");
    }
    FILE *file = NULL;
    /* Replacing a file needs no right to write it, but its owner's word against that counts. */
    if (!exists || access(output->path, W_OK) == 0) {
        file = open_draft(output, exists ? &info : NULL);
    }
    /* A file may be written where its folder may not. */
    return file || !exists ? file : fopen(output->path, "wbe");
}

ll_status ll_output_open(const char *path, ll_output_mode mode, struct ll_output *out_output,
                         struct ll_error *err)
{
    struct ll_output output = {.path = path};
    if (strcmp(path, "-") == 0 || is_stdout_too(path)) {
        output.is_stdout = true;
        output.file = stdout;
    } else {
        output.file = mode == LL_OUTPUT_WHOLE ? open_whole(&output) : fopen(path, "wbe");
    }
    if (!output.file) {
        bool is_memory = errno == ENOMEM;
        return ll_fail(err, is_memory ? LL_E_NO_MEMORY : LL_E_IO, "%s: cannot be written: %s", path,
                       strerrordesc_np(errno));
    }
    *out_output = output;
    return LL_OK;
}

void ll_output_write(struct ll_output *output, const void *data, size_t bytes)
{
    if (output->error == 0 && bytes > 0 && fwrite(data, 1, bytes, output->file) != bytes) {
        output->error = errno;
    }
}

static void forget(struct ll_output *output)
{
    free(output->draft);
    *output = (struct ll_output){0};
}

/* What an error is called where its reason is lost. */
static const char *reason(int error)
{
    return error != 0 ? strerrordesc_np(error) : "an earlier write failed";
}

ll_status ll_output_finish(struct ll_output *output, struct ll_error *err)
{
    bool is_lost = ferror(output->file) != 0 || output->error != 0;
    int error = output->error;
    if ((output->is_stdout ? fflush(output->file) : fclose(output->file)) != 0) {
        error = error != 0 ? error : errno;
        is_lost = true;
    }
    if (output->draft && !is_lost && rename(output->draft, output->path) != 0) {
        error = errno;
        is_lost = true;
    }
    ll_status status = LL_OK;
    if (is_lost) {
        status = ll_fail(err, LL_E_IO, "%s: cannot be written: %s",
                         strcmp(output->path, "-") == 0 ? "standard output" : output->path,
                         reason(error));
        is_stdout_told = is_stdout_told || output->is_stdout;
        if (output->draft) {
            unlink(output->draft);
        }
    }
    forget(output);
    return status;
}

void ll_output_drop(struct ll_output *output)
{
    if (output->file && !output->is_stdout) {
        fclose(output->file);
    }
    if (output->draft) {
        unlink(output->draft);
    }
    forget(output);
}

void ll_output_keep_streams(void)
{
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
        if (fcntl(stream, F_GETFD) < 0 && errno == EBADF) {
            /* The lowest free number is this one. The direction is the wrong one. */
            int flags = stream == STDIN_FILENO ? O_WRONLY : O_RDONLY;
            if (open("/dev/null", flags | O_NOCTTY) != stream) {
                return;
            }
        }
    }
}

bool ll_output_end_stdout(const char *program)
{
    bool is_lost = ferror(stdout) != 0;
    int error = 0;
    if (fflush(stdout) != 0) {
        error = errno;
        is_lost = true;
    }
    if (is_lost && !is_stdout_told) {
        fprintf(stderr, "%s: standard output: cannot be written: %s\n", program, reason(error));
    }
    return !is_lost;
}
